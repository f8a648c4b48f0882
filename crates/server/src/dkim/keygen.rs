//! Makes keys, and the text of their DNS records, as opendkim-genkey does.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::crypto::SigningKey;

/// Characters of one string of a TXT record (RFC 1035 §3.3 allows 255 octets).
const STRING_LENGTH: usize = 250;
/// Characters of a line of PEM (RFC 7468 §2).
const PEM_LINE_LENGTH: usize = 64;

/// What kind of key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKey {
    Rsa2048,
    Rsa3072,
    Rsa4096,
    Ed25519,
}

/// A key that was made.
#[derive(Debug)]
pub struct Made {
    /// The private key, PEM.
    pub private: String,
    /// The text of its record: `v=DKIM1; …`.
    pub record: String,
}

impl NewKey {
    /// Makes one. `None`: the system gives no random numbers.
    pub fn make(self) -> Option<Made> {
        let size = match self {
            NewKey::Rsa2048 => Some(KeySize::Rsa2048),
            NewKey::Rsa3072 => Some(KeySize::Rsa3072),
            NewKey::Rsa4096 => Some(KeySize::Rsa4096),
            NewKey::Ed25519 => None,
        };
        let der = match size {
            Some(size) => KeyPair::generate(size).ok()?.as_der().ok()?.as_ref().to_vec(),
            None => {
                let pair = Ed25519KeyPair::generate().ok()?;
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().ok()?;
                der.as_ref().to_vec()
            }
        };
        let private = pem(&der);
        let record = record(&SigningKey::parse(private.as_bytes())?)?;
        Some(Made { private, record })
    }
}

/// The record that lets others verify what a key signs.
pub fn record(key: &SigningKey) -> Option<String> {
    Some(format!("v=DKIM1; h=sha256; k={}; p={}", key.algorithm().key_type(), STANDARD.encode(key.public()?)))
}

/// A record as a line of a zone file.
pub fn zone_line(selector: &str, domain: &str, record: &str) -> String {
    // Records are ASCII.
    let strings: Vec<String> =
        record.as_bytes().chunks(STRING_LENGTH).map(|part| format!("\"{}\"", String::from_utf8_lossy(part))).collect();
    format!(
        "{selector}._domainkey\tIN\tTXT\t( {} )  ; ----- DKIM key {selector} for {domain}\n",
        strings.join("\n\t  ")
    )
}

fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines = encoded.as_bytes().chunks(PEM_LINE_LENGTH).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n", lines.collect::<String>())
}
