//! Signature fields and key records of any octets.

use mail::dkim::{Algorithm, Canon, KeyRecord, Signature, unsigned_field};
use mail::header;

/// Reads them, and holds what was read against what was written.
pub fn dkim(data: &[u8]) {
    if let Ok(signature) = Signature::parse(data) {
        assert!(signature.fields.iter().any(|name| name.eq_ignore_ascii_case("From")));
        assert!(signature.identity.contains('@'));
        assert!(signature.made.zip(signature.expires).is_none_or(|(made, expires)| made < expires));
    }
    let text = String::from_utf8_lossy(data);
    for algorithm in [Algorithm::RsaSha256, Algorithm::Ed25519Sha256] {
        if let Ok(record) = KeyRecord::parse(&text, algorithm) {
            assert!(!record.public.is_empty() && record.algorithm == algorithm);
        }
    }
    for field in header::fields(data) {
        for canon in [Canon::Simple, Canon::Relaxed] {
            assert!(unsigned_field(canon, field.whole).len() <= field.whole.len() + 2);
        }
    }
}
