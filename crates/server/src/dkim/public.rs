//! Public keys, and what they say of signatures.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::PublicKey;
use aws_lc_rs::signature::{ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use mail::dkim::{Algorithm, KeyRecord};

/// Octets of an Ed25519 key.
const ED25519_LENGTH: usize = 32;

/// What a public key says of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// With a key of so many bits.
    Good(usize),
    Bad,
    /// The record's key is none.
    NoKey,
    /// RFC 8301 §3.2: signatures by so few bits must not count.
    TooShort(usize),
}

/// How long the modulus of an `RSAPublicKey` is (RFC 8017 §A.1.1: the first INTEGER of a SEQUENCE).
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let sequence = der_value(der, 0x30)?;
    let modulus = der_value(sequence, 0x02)?;
    let first = modulus.iter().position(|&octet| octet != 0)?;
    let zeros = modulus[first].leading_zeros() as usize;
    Some((modulus.len() - first) * 8 - zeros)
}

/// What the first DER value has in it, if it is of this tag.
fn der_value(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (head, rest) = der.split_first_chunk::<2>()?;
    if head[0] != tag {
        return None;
    }
    let (length, rest) = match head[1] {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length =
                octets.iter().try_fold(0_usize, |sum, &octet| Some(sum.checked_mul(256)? + usize::from(octet)))?;
            (length, rest)
        }
    };
    rest.get(..length)
}

/// Verifies the signature of what is signed.
pub fn verify(record: &KeyRecord, signed: &[u8], signature: &[u8], bits_min: usize) -> Judgement {
    match record.algorithm {
        Algorithm::RsaSha256 => {
            let Ok(key) = PublicKey::from_der(&record.public) else { return Judgement::NoKey };
            let Some(bits) = modulus_bits(key.as_ref()) else { return Judgement::NoKey };
            if bits < bits_min {
                return Judgement::TooShort(bits);
            }
            let key = UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &record.public);
            if key.verify(signed, signature).is_ok() { Judgement::Good(bits) } else { Judgement::Bad }
        }
        Algorithm::Ed25519Sha256 if record.public.len() != ED25519_LENGTH => Judgement::NoKey,
        Algorithm::Ed25519Sha256 => {
            let key = UnparsedPublicKey::new(&ED25519, &record.public);
            let good = key.verify(digest(&SHA256, signed).as_ref(), signature).is_ok();
            if good { Judgement::Good(ED25519_LENGTH * 8) } else { Judgement::Bad }
        }
    }
}
