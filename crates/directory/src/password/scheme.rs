//! The table of password schemes: every `{SCHEME}` that `doveadm pw -l` of Dovecot 2.3 lists, and how each is written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::digest::{Algorithm, unhex};

/// How the octets of a hash are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Text,
    Hex,
    Base64,
}

/// How a password becomes a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// `8-secret12`: only so many octets count.
    PlainTruncated,
    /// A digest of the password.
    Digest(Algorithm),
    /// A digest of password and salt, then the salt.
    Salted(Algorithm),
    /// The two halves of an HMAC-MD5, begun (RFC 2195).
    CramMd5,
    /// The digest of `user:realm:password` (RFC 2831).
    DigestMd5,
    /// `$1$…`, or else the hexadecimal digest.
    Md5OrCrypt,
    /// Whatever crypt(3) knows, by its `$id$`.
    Crypt,
    Md5Crypt,
    Bcrypt,
    Argon2,
    Pbkdf2,
    Scram(Algorithm),
    Otp,
    /// Not verified; the reason.
    Refused(&'static str),
}

/// One scheme.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scheme {
    pub(super) name: &'static str,
    encoding: Encoding,
    /// Octets of the hash, where that is one number.
    octets: Option<usize>,
    pub(super) kind: Kind,
}

const fn scheme(name: &'static str, encoding: Encoding, octets: Option<usize>, kind: Kind) -> Scheme {
    Scheme { name, encoding, octets, kind }
}

pub(super) const DES_CRYPT: &str = "DES-CRYPT looks at eight characters and a key of 56 bits, and no well-kept library \
     speaks it: set a new password";

pub(super) const SCHEMES: [Scheme; 31] = [
    scheme("PLAIN", Encoding::Text, None, Kind::Plain),
    scheme("CLEAR", Encoding::Text, None, Kind::Plain),
    scheme("CLEARTEXT", Encoding::Text, None, Kind::Plain),
    scheme("PLAIN-TRUNC", Encoding::Text, None, Kind::PlainTruncated),
    scheme("PLAIN-MD4", Encoding::Hex, Some(16), Kind::Digest(Algorithm::Md4)),
    scheme("PLAIN-MD5", Encoding::Hex, Some(16), Kind::Digest(Algorithm::Md5)),
    scheme("LDAP-MD5", Encoding::Base64, Some(16), Kind::Digest(Algorithm::Md5)),
    scheme("SHA", Encoding::Base64, Some(20), Kind::Digest(Algorithm::Sha1)),
    scheme("SHA1", Encoding::Base64, Some(20), Kind::Digest(Algorithm::Sha1)),
    scheme("SHA256", Encoding::Base64, Some(32), Kind::Digest(Algorithm::Sha256)),
    scheme("SHA512", Encoding::Base64, Some(64), Kind::Digest(Algorithm::Sha512)),
    scheme("SMD5", Encoding::Base64, None, Kind::Salted(Algorithm::Md5)),
    scheme("SSHA", Encoding::Base64, None, Kind::Salted(Algorithm::Sha1)),
    scheme("SSHA256", Encoding::Base64, None, Kind::Salted(Algorithm::Sha256)),
    scheme("SSHA512", Encoding::Base64, None, Kind::Salted(Algorithm::Sha512)),
    scheme("CRAM-MD5", Encoding::Hex, Some(32), Kind::CramMd5),
    scheme("HMAC-MD5", Encoding::Hex, Some(32), Kind::CramMd5),
    scheme("DIGEST-MD5", Encoding::Hex, Some(16), Kind::DigestMd5),
    scheme("MD5", Encoding::Text, None, Kind::Md5OrCrypt),
    scheme("MD5-CRYPT", Encoding::Text, None, Kind::Md5Crypt),
    scheme("CRYPT", Encoding::Text, None, Kind::Crypt),
    scheme("SHA256-CRYPT", Encoding::Text, None, Kind::Crypt),
    scheme("SHA512-CRYPT", Encoding::Text, None, Kind::Crypt),
    scheme("BLF-CRYPT", Encoding::Text, None, Kind::Bcrypt),
    scheme("ARGON2I", Encoding::Text, None, Kind::Argon2),
    scheme("ARGON2ID", Encoding::Text, None, Kind::Argon2),
    scheme("PBKDF2", Encoding::Text, None, Kind::Pbkdf2),
    scheme("SCRAM-SHA-1", Encoding::Text, None, Kind::Scram(Algorithm::Sha1)),
    scheme("SCRAM-SHA-256", Encoding::Text, None, Kind::Scram(Algorithm::Sha256)),
    scheme("OTP", Encoding::Text, None, Kind::Otp),
    scheme("DES-CRYPT", Encoding::Text, None, Kind::Refused(DES_CRYPT)),
];

/// Finds a scheme, with or without `.b64`, `.base64` or `.hex` behind its name; case does not matter.
pub(super) fn find(name: &str) -> Option<(&'static Scheme, Option<Encoding>)> {
    let (name, suffix) = name.split_once('.').map_or((name, None), |(name, suffix)| (name, Some(suffix)));
    let encoding = match suffix.map(str::to_ascii_lowercase).as_deref() {
        None => None,
        Some("b64" | "base64") => Some(Encoding::Base64),
        Some("hex") => Some(Encoding::Hex),
        Some(_) => return None,
    };
    let found = SCHEMES.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name))?;
    Some((found, encoding))
}

impl Scheme {
    /// The octets of a hash; `None` when it is not written as it should be, or has a wrong length.
    pub(super) fn decode(&self, hash: &str, suffix: Option<Encoding>) -> Option<Vec<u8>> {
        // As in Dovecot: twice as long as it should be is hexadecimal, whatever is usual.
        let doubled = suffix.is_none() && self.octets.is_some_and(|octets| hash.len() == octets * 2);
        let encoding = if doubled { Encoding::Hex } else { suffix.unwrap_or(self.encoding) };
        let octets = match encoding {
            Encoding::Text => hash.as_bytes().to_vec(),
            Encoding::Hex => unhex(hash)?,
            Encoding::Base64 => STANDARD.decode(hash).ok()?,
        };
        self.octets.is_none_or(|wanted| octets.len() == wanted).then_some(octets)
    }
}
