//! The keys for a SCRAM exchange: of the first source that has the name, or made up by the first that could have it.

use std::sync::Arc;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::sasl::scram::{Keys, Who};

use super::source::{SourceKind, UsersFile};
use super::{Directory, Inner};
use crate::passwd_file::{Coverage, ScramSecret};

/// Octets of our part of the nonce.
const NONCE_LENGTH: usize = 18;

impl Directory {
    /// Whether SCRAM is for everybody whom this directory knows, for some or for nobody.
    pub fn scram_coverage(&self) -> Coverage {
        let coverages = || self.0.sources.iter().filter_map(|source| source.kind.scram_coverage());
        let most = coverages().max().unwrap_or(Coverage::None);
        if coverages().all(|coverage| coverage == most) { most } else { most.min(Coverage::Some) }
    }

    /// What a SCRAM exchange needs. A name that nobody has gets keys too; whether they were used rightly is judged by
    /// `log_in`, as every login is.
    ///
    /// # Errors
    /// No source has keys, or the system gives no random numbers.
    pub async fn scram_keys(&self, who: &Who) -> Result<Keys, String> {
        let users = self.0.scram_users(who).ok_or("no source of users has keys for SCRAM")?;
        let mut nonce = [0; NONCE_LENGTH];
        rand::fill(&mut nonce).map_err(|_| super::NoRandomNumbers.to_string())?;
        let secret =
            UsersFile::scram_secret(&users.0, users.1, &self.0.made_up).await.ok_or("the question was broken off")?;
        let key = |octets: Vec<u8>| octets.try_into().map_err(|_| "keys of another size".to_owned());
        let ScramSecret { salt, rounds, stored_key, server_key } = secret;
        let (stored_key, server_key) = (key(stored_key)?, key(server_key)?);
        Ok(Keys { server_nonce: STANDARD.encode(nonce), salt, rounds, stored_key, server_key })
    }
}

impl Inner {
    /// The file that answers for a name, and the name in it.
    fn scram_users<'a>(&self, who: &'a Who) -> Option<(Arc<UsersFile>, &'a str)> {
        let masters = self.masters.as_ref();
        let split = masters.and_then(|masters| masters.split(who.authorization.as_deref(), &who.login));
        let (kinds, name): (Vec<&SourceKind>, &str) = match (masters, split) {
            (Some(masters), Some((_, master))) => (masters.sources.iter().collect(), master),
            _ => (self.asked_about(&who.login).map(|source| &source.kind).collect(), &who.login),
        };
        let files = || kinds.iter().filter_map(|kind| kind.users_file());
        let known = files().find(|users| users.file.scram_entry(name).is_some());
        known.or_else(|| files().next()).map(|users| (Arc::clone(users), name))
    }
}
