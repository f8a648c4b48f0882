//! Key records, as they stand in the DNS (RFC 6376 §3.6.1).

use super::Algorithm;
use super::tags::{Tags, words};
use crate::mime::decode_base64;

/// A key that may verify signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    pub algorithm: Algorithm,
    /// DER for RSA, 32 octets for Ed25519.
    pub public: Vec<u8>,
    /// `t=y`: the domain tests DKIM.
    pub testing: bool,
    /// `t=s`: only for identities of the very domain.
    pub strict: bool,
}

/// Why a record verifies nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("no key record")]
    Syntax,
    #[error("the key was revoked")]
    Revoked,
    #[error("the key is not for this kind of signature")]
    Kind,
    #[error("the key is not for mail")]
    Service,
}

impl KeyRecord {
    /// Reads a record that is to verify a signature made by `algorithm`.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn parse(text: &str, algorithm: Algorithm) -> Result<KeyRecord, BadKey> {
        let tags = Tags::parse(text).ok_or(BadKey::Syntax)?;
        // `v=` is the first one, where it is there.
        if tags.value("v").is_some_and(|version| version != "DKIM1" || tags.first() != Some("v")) {
            return Err(BadKey::Syntax);
        }
        let has =
            |name: &str, wanted: &str| tags.value(name).is_none_or(|value| words(value).any(|word| word == wanted));
        let key_type = tags.value("k").unwrap_or("rsa");
        if key_type != algorithm.key_type() || !has("h", "sha256") {
            return Err(BadKey::Kind);
        }
        if !has("s", "email") && !has("s", "*") {
            return Err(BadKey::Service);
        }
        let public = decode_base64(tags.value("p").ok_or(BadKey::Syntax)?.as_bytes());
        if public.is_empty() {
            return Err(BadKey::Revoked);
        }
        let flag = |wanted: &str| tags.value("t").is_some_and(|flags| words(flags).any(|flag| flag == wanted));
        Ok(KeyRecord { algorithm, public, testing: flag("y"), strict: flag("s") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_say_what_they_are_for() {
        let rsa = |text| KeyRecord::parse(text, Algorithm::RsaSha256);
        let plain = KeyRecord { algorithm: Algorithm::RsaSha256, public: b"abc".into(), testing: false, strict: false };
        assert_eq!(rsa("p=YWJj"), Ok(plain.clone()));
        assert_eq!(
            rsa("v=DKIM1; k=rsa; h=sha1:sha256; s=email; t=y:s; n=x; p=YW\r\n Jj;"),
            Ok(KeyRecord { testing: true, strict: true, ..plain })
        );
        assert_eq!(rsa("v=DKIM1; p="), Err(BadKey::Revoked));
        assert_eq!(rsa("v=DKIM1; k=ed25519; p=YWJj"), Err(BadKey::Kind));
        assert_eq!(rsa("h=sha1; p=YWJj"), Err(BadKey::Kind));
        assert_eq!(rsa("s=tlsrpt; p=YWJj"), Err(BadKey::Service));
        for bad in
            ["", "p", "v=DKIM2; p=YWJj", "p=YWJj; v=DKIM1", "p=YWJj; p=YWJj", "v=DKIM1", "=a; p=YWJj", "v=spf1 -all"]
        {
            assert_eq!(rsa(bad), Err(BadKey::Syntax), "{bad}");
        }
    }
}
