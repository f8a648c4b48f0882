//! Signs a message: for whom, with which keys, and the field. Blocking, and without a clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail::dkim::{Selection, Unsigned, canonical_field, signed_names, unsigned_field};
use mail::header;

use super::crypto::{KeyError, SigningKey};
use super::reading::{Reading, Wanted};
use super::tables::{BadLine, HostList, KeyRow, SigningTable, TableFile, key_table};
use crate::config::SigningSettings;

/// The tables and keys as they were at one moment.
#[derive(Debug)]
pub struct Tables {
    signing: SigningTable,
    keys: BTreeMap<String, (KeyRow, Result<Arc<SigningKey>, KeyError>)>,
    pub internal: HostList,
    pub external_ignore: HostList,
}

/// A table that cannot be used; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    #[error("{0}: {1}")]
    Line(String, BadLine),
    #[error("{0}: no key has the name `{1}`")]
    NoKey(String, String),
}

/// Why a message was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsignable {
    /// It is nobody's of ours: nothing to worry about.
    #[error("the table has no key for its From")]
    NotOurs,
    #[error("it has no From of one author")]
    NoFrom,
    #[error("its header is too long")]
    TooLong,
    #[error("{0}")]
    Key(#[from] KeyError),
    #[error("the key {0} does not sign")]
    Crypto(String),
}

impl Tables {
    /// Reads them all. A key that cannot be read is an error of its own messages only.
    ///
    /// # Errors
    /// What is wrong with a table.
    pub fn load(settings: &SigningSettings) -> Result<Tables, TableError> {
        let text = |path: &Path| std::fs::read_to_string(path).map_err(|error| TableError::File(shown(path), error));
        let in_file = |path: &Path| {
            let name = shown(path);
            move |error| TableError::Line(name, error)
        };
        let path = &settings.key_table;
        let rows = key_table(&text(path)?, path.parent().unwrap_or(Path::new("."))).map_err(in_file(path))?;
        let keys = rows.into_iter().map(|row| {
            let key = SigningKey::load(&row.file, settings.minimum_key_bits).map(Arc::new);
            (row.name.clone(), (row, key))
        });
        let keys: BTreeMap<_, _> = keys.collect();
        let TableFile { path, patterns } = &settings.signing_table;
        let signing = SigningTable::parse(&text(path)?, *patterns).map_err(in_file(path))?;
        if let Some((_, name)) = signing.rows().iter().find(|(_, name)| name != "%" && !keys.contains_key(name)) {
            return Err(TableError::NoKey(shown(path), name.clone()));
        }
        let hosts = |file: &Option<PathBuf>| match file {
            Some(path) => HostList::parse(&text(path)?).map_err(in_file(path)),
            None => Ok(HostList::default()),
        };
        let (internal, external_ignore) = (hosts(&settings.internal_hosts)?, hosts(&settings.external_ignore)?);
        Ok(Tables { signing, keys, internal, external_ignore })
    }

    /// All files that were read, so that somebody can look whether they changed.
    pub fn files(&self, settings: &SigningSettings) -> Vec<PathBuf> {
        let tables = [
            Some(&settings.key_table),
            Some(&settings.signing_table.path),
            settings.internal_hosts.as_ref(),
            settings.external_ignore.as_ref(),
        ];
        tables.into_iter().flatten().cloned().chain(self.keys.values().map(|(row, _)| row.file.clone())).collect()
    }

    /// Each key of the table, and what is wrong with it.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyRow, Result<&SigningKey, &KeyError>)> {
        self.keys.values().map(|(row, key)| (row, key.as_deref()))
    }

    /// Whether the table has a key for the author of a header.
    pub fn has_key_for(&self, block: &[u8]) -> bool {
        author(block).is_some_and(|(local_part, domain)| !self.signing.keys_of(&local_part, &domain).is_empty())
    }

    /// What signs for the author of a header.
    fn signers(&self, settings: &SigningSettings, block: &[u8]) -> Result<Vec<Signer>, Unsignable> {
        let (local_part, domain) = author(block).ok_or(Unsignable::NoFrom)?;
        let mut names = self.signing.keys_of(&local_part, &domain);
        names.dedup();
        names.truncate(if settings.every_signature { SIGNATURES_MAX } else { 1 });
        if names.is_empty() {
            return Err(Unsignable::NotOurs);
        }
        let signer = |name: &str| {
            let name = if name == "%" { domain.as_str() } else { name };
            let (row, key) = self.keys.get(name).ok_or(Unsignable::NotOurs)?;
            let domain = if row.domain == "%" { domain.clone() } else { row.domain.clone() };
            Ok(Signer { domain, selector: row.selector.clone(), key: Arc::clone(key.as_ref().map_err(Clone::clone)?) })
        };
        names.into_iter().map(signer).collect()
    }
}

/// The most signatures of ours on one message.
const SIGNATURES_MAX: usize = 4;

struct Signer {
    domain: String,
    selector: String,
    key: Arc<SigningKey>,
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The first author: local-part and domain of `From`.
fn author(block: &[u8]) -> Option<(String, String)> {
    let from = header::find(block, "From")?;
    let author = header::addresses(from.value).into_iter().find(|address| address.host.is_some())?;
    let text = |octets: Option<Vec<u8>>| octets.and_then(|octets| String::from_utf8(octets).ok());
    text(author.mailbox).zip(text(author.host)).filter(|(_, domain)| mail::Domain::parse(domain).is_ok())
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("{0}")]
    Unsignable(#[from] Unsignable),
    /// The message cannot be read back.
    #[error("{0}")]
    Content(#[from] queue::Error),
}

impl SignError {
    /// Whether a message may go on without a signature, whatever the settings: none is due to it, or none ever can be made.
    pub fn is_of_the_message(&self) -> bool {
        matches!(self, SignError::Unsignable(Unsignable::NotOurs | Unsignable::NoFrom | Unsignable::TooLong))
    }
}

/// Signs a message, which `copy` gives in pieces. `now`: seconds since 1970. Gives the fields to be put on top of it.
///
/// # Errors
/// Why not.
pub fn sign(
    tables: &Tables,
    settings: &SigningSettings,
    now: u64,
    copy: impl FnOnce(&mut dyn FnMut(&[u8])) -> queue::Result<()>,
) -> Result<String, SignError> {
    let wanted = Wanted { canon: settings.body_canon, length: None };
    let mut reading = Reading::new(|_: &[u8]| vec![wanted]);
    copy(&mut |octets| reading.feed(octets))?;
    let (block, hashed) = reading.end().ok_or(Unsignable::TooLong)?;
    let body_hash = hashed.first().map(|hashed| STANDARD.encode(&hashed.hash)).unwrap_or_default();
    let mut fields = String::new();
    for signer in tables.signers(settings, &block)? {
        let unsigned = Unsigned {
            algorithm: signer.key.algorithm(),
            header_canon: settings.header_canon,
            body_canon: settings.body_canon,
            domain: &signer.domain,
            selector: &signer.selector,
            fields: signed_names(&block, &settings.fields, &settings.oversign),
            made: now,
            expires: (!settings.expire.is_zero()).then(|| now.saturating_add(settings.expire.as_secs())),
            body_hash: body_hash.clone(),
        };
        let signed = signed_octets(&block, settings.header_canon, &unsigned.fields, unsigned.field().as_bytes());
        let signature = signer.key.sign(&signed).ok_or_else(|| Unsignable::Crypto(signer.selector.clone()))?;
        fields.push_str(&unsigned.signed(&STANDARD.encode(signature)));
    }
    Ok(fields)
}

/// What a signature covers (RFC 6376 §3.7): the fields that it names, and itself without its value.
pub fn signed_octets(block: &[u8], canon: mail::dkim::Canon, names: &[String], field: &[u8]) -> Vec<u8> {
    let mut selection = Selection::of(block);
    let mut signed = Vec::new();
    for whole in names.iter().filter_map(|name| selection.next(name)) {
        canonical_field(canon, whole, &mut signed);
    }
    signed.extend(unsigned_field(canon, field));
    signed
}
