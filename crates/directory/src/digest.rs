//! The message digests that templates and password schemes name, behind one name each. Knows nothing of either.
//!
//! SHA comes from aws-lc-rs; MD4 and MD5 it has not, and mail still needs them.

use aws_lc_rs::digest;
use md4::Md4;

/// A digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md4,
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// By the name that templates and hashes use.
    pub(crate) fn parse(name: &str) -> Option<Algorithm> {
        match name {
            "md4" => Some(Algorithm::Md4),
            "md5" => Some(Algorithm::Md5),
            "sha1" => Some(Algorithm::Sha1),
            "sha256" => Some(Algorithm::Sha256),
            "sha384" => Some(Algorithm::Sha384),
            "sha512" => Some(Algorithm::Sha512),
            _ => None,
        }
    }

    /// Octets of a digest.
    pub(crate) fn length(self) -> usize {
        match self {
            Algorithm::Md4 | Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 => 64,
        }
    }

    /// The digest of the parts, one after the other.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        let sha = match self {
            Algorithm::Md4 => return rustcrypto::<Md4>(parts),
            Algorithm::Md5 => return rustcrypto::<md5::Md5>(parts),
            Algorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => &digest::SHA256,
            Algorithm::Sha384 => &digest::SHA384,
            Algorithm::Sha512 => &digest::SHA512,
        };
        let mut context = digest::Context::new(sha);
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().to_vec()
    }

    /// The digest of a salt and a value, then again of the salt and the digest, `rounds` times in all.
    pub(crate) fn rounds(self, rounds: u32, salt: &[u8], value: &[u8]) -> Vec<u8> {
        let first = self.digest(&[salt, value]);
        (1..rounds).fold(first, |last, _| self.digest(&[salt, &last]))
    }
}

fn rustcrypto<D: md4::Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize().to_vec()
}

/// Octets in lower-case hexadecimal.
pub(crate) fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

/// Octets from hexadecimal in either case. `None` when it is none.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(nibble(high)? << 4 | nibble(low)?) } else { None }).collect()
}
