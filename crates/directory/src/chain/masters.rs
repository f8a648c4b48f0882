//! Master users: who may log in as somebody else, with their own password (`ana*admin`).
//!
//! They are lines of a password file, with its `allow_nets`, or people of a directory whose login filter asks for a
//! group.

use proto::sasl::{Credentials, Secret};

use super::Peer;
use super::source::SourceKind;
use crate::ldap::Verdict;

/// Who they are, and how a login names them.
#[derive(Debug)]
pub struct Masters {
    /// Between the account and the master user.
    pub separator: char,
    pub sources: Vec<SourceKind>,
}

impl Masters {
    /// As whom, and who it is: `ana*admin`, or `admin` with the authorization identity `ana` (RFC 4616 §2).
    pub(super) fn split<'a>(&self, credentials: &'a Credentials) -> Option<(&'a str, &'a str)> {
        match (&credentials.authorization, credentials.login.split_once(self.separator)) {
            (Some(user), _) => Some((user, &credentials.login)),
            // Without a name on either side it is somebody's odd name.
            (None, Some((user, master))) if !user.is_empty() && !master.is_empty() => Some((user, master)),
            _ => None,
        }
    }

    pub(super) async fn judge(&self, master: &str, password: &Secret, peer: Peer<'_>) -> Verdict<()> {
        let mut last = Verdict::Refused(crate::ldap::Refusal::NoSuch);
        for source in &self.sources {
            match source.log_in(master, password, peer).await {
                Verdict::Welcome(_) => return Verdict::Welcome(()),
                Verdict::Refused(_) if matches!(last, Verdict::Unavailable(_)) => {}
                Verdict::Refused(refusal) => last = Verdict::Refused(refusal),
                Verdict::Unavailable(fault) => last = Verdict::Unavailable(fault),
            }
        }
        last
    }
}
