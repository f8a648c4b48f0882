//! `[dkim]`: from its texts to settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mail::dkim::Canon;

use super::Mistake;
use super::settings::{PROTOCOLS, Protocol};
use super::written::Written;
use crate::dkim::TableFile;

/// How messages are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSettings {
    /// What comes in by these.
    pub protocols: Vec<Protocol>,
    pub key_table: PathBuf,
    pub signing_table: TableFile,
    pub internal_hosts: Option<PathBuf>,
    pub external_ignore: Option<PathBuf>,
    pub header_canon: Canon,
    pub body_canon: Canon,
    pub fields: Vec<String>,
    pub oversign: Vec<String>,
    /// All keys that the table has for an author sign, not only the first one.
    pub every_signature: bool,
    pub minimum_key_bits: usize,
    /// Nought: signatures do not expire.
    pub expire: Duration,
    /// What cannot be signed now waits.
    pub defer_unsigned: bool,
}

/// Reads the table, if it is there. What is wrong with its texts is added to the mistakes.
pub fn settle(written: &Written, folder: &Path, mistakes: &mut Vec<Mistake>) -> Option<SigningSettings> {
    let table = written.table("dkim")?;
    table.span.as_ref()?;
    let mut names = |key: &str| {
        let texts = table.texts(key);
        for (text, place) in texts {
            if !is_field_name(text) {
                mistakes.push(Mistake::at(place.clone(), format!("`{text}` is not the name of a field")));
            }
        }
        texts.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>()
    };
    let (fields, oversign) = (names("fields"), names("oversign"));
    if !fields.iter().chain(&oversign).any(|name| name.eq_ignore_ascii_case("From")) {
        let place = table.place("fields").unwrap_or_default();
        mistakes
            .push(Mistake::at(place, "`From` must be signed").help("RFC 6376 §5.4: a signature without it is none"));
    }
    let canonicalization = table.text("canonicalization").unwrap_or_default();
    let (header_canon, body_canon) = canonicalization.split_once('/').unwrap_or((canonicalization, "simple"));
    let named = |word: &str| PROTOCOLS.iter().find(|(known, _)| *known == word).map(|(_, protocol)| *protocol);
    let hosts = |key| table.text(key).map(|text| TableFile::parse(text, folder).path);
    Some(SigningSettings {
        protocols: table.texts("sign").iter().filter_map(|(word, _)| named(word)).collect(),
        key_table: TableFile::parse(table.text("key_table")?, folder).path,
        signing_table: TableFile::parse(table.text("signing_table")?, folder),
        internal_hosts: hosts("internal_hosts"),
        external_ignore: hosts("external_ignore"),
        header_canon: Canon::parse(header_canon)?,
        body_canon: Canon::parse(body_canon)?,
        fields,
        oversign,
        every_signature: table.text("signatures") == Some("all"),
        minimum_key_bits: table.number("minimum_key_bits"),
        expire: table.duration("expire"),
        defer_unsigned: table.text("on_failure") != Some("send"),
    })
}

// RFC 5322 §3.6.8: ftext.
fn is_field_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':' && octet != b';')
}
