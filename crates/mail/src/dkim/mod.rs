//! DomainKeys Identified Mail (RFC 6376, 8301, 8463) as far as it is text: what is signed, and what signatures and keys look like. The
//! cryptography is in `server::dkim`. Content is given with CRLF line ends.

mod body;
mod fields;
mod key;
mod signature;
mod tags;

pub use body::Body;
pub use fields::{DEFAULT_FIELDS, Selection, canonical_field, signed_names, unsigned_field};
pub use key::{BadKey, KeyRecord};
pub use signature::{BadSignature, Signature, Unsigned};

/// A way to bring what is signed into one form (RFC 6376 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canon {
    Simple,
    Relaxed,
}

impl Canon {
    pub fn parse(text: &str) -> Option<Canon> {
        match text.to_ascii_lowercase().as_str() {
            "simple" => Some(Canon::Simple),
            "relaxed" => Some(Canon::Relaxed),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Canon::Simple => "simple",
            Canon::Relaxed => "relaxed",
        }
    }
}

/// How signatures are made. SHA-1 is none of them (RFC 8301 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    RsaSha256,
    Ed25519Sha256,
}

impl Algorithm {
    pub fn word(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 => "rsa-sha256",
            Algorithm::Ed25519Sha256 => "ed25519-sha256",
        }
    }

    /// The type of its keys, as key records name it.
    pub fn key_type(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 => "rsa",
            Algorithm::Ed25519Sha256 => "ed25519",
        }
    }
}
