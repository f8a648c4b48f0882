//! Password hashes: reading every `{SCHEME}` that Dovecot 2.3 writes, comparing passwords with them, making new ones.
//!
//! Promises: no text of a hash makes this panic; its cost is bounded before anything is computed (`*_MAX`), so that a
//! hostile hash takes neither minutes nor gigabytes; comparisons take constant time; neither passwords nor hashes are
//! ever printed. Comparing is slow on purpose: call it where blocking is allowed. Knows nothing of who logs in.
//!
//! ```text
//! hash   = "{" scheme [ ".hex" / ".b64" / ".base64" ] "}" text
//!        / "$" …                                 ; as {CRYPT}, and what else Dovecot's passwd-file takes by itself
//! ```

mod argon;
mod crypt;
mod digests;
mod scheme;
mod scram;

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use proto::sasl::{PASSWORD_LENGTH_MAX, Secret};

use crate::digest::Algorithm;
use crypt::Crypt;
use digests::{Digested, Otp};
use scheme::Kind;
pub use scram::{ROUNDS_MIN as SCRAM_ROUNDS_MIN, ScramKeys, prepared};

/// Octets of a hash with its scheme.
pub const HASH_LENGTH_MAX: usize = 4096;
/// Memory of Argon2, in KiB.
pub const ARGON2_MEMORY_MAX: u32 = 256 * 1024;
/// Memory times passes of Argon2, in KiB: what decides over its time.
pub const ARGON2_WORK_MAX: u64 = 2 * 1024 * 1024;
/// Lanes of Argon2.
pub const ARGON2_LANES_MAX: u32 = 16;
/// Cost of bcrypt: 2 to the power of this.
pub const BCRYPT_COST_MAX: u32 = 15;
/// Rounds of SHA-crypt.
pub const SHA_CRYPT_ROUNDS_MAX: u32 = 1_000_000;
/// Rounds of PBKDF2 and SCRAM.
pub const PBKDF2_ROUNDS_MAX: u32 = 2_000_000;
/// Sequence number of OTP (RFC 2289 §5).
pub const OTP_SEQUENCE_MAX: u32 = 9_999;

/// What it is the hash of does not matter: nobody is let in by it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNvbWVzb21lc28$7Ow7DUcsb5K0EKv3HhhXZkcxHnVYHJJKGqGNQKxdX0A";

/// A hash, read and judged.
#[derive(Clone)]
pub struct Hash {
    scheme: &'static str,
    stored: Stored,
}

/// What is compared with.
#[derive(Clone)]
enum Stored {
    Plain(Secret),
    /// Only so many octets of a password count.
    Truncated(usize, Secret),
    Digested(Digested),
    Crypt(Crypt),
    Pbkdf2 {
        salt: String,
        rounds: u32,
        key: Vec<u8>,
    },
    Scram(ScramKeys),
    Otp(Otp),
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({{{}}}…)", self.scheme)
    }
}

/// Why a hash cannot be used. None of these repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashError {
    TooLong,
    /// Neither `{SCHEME}` nor `$id$`.
    NoScheme,
    /// Unknown scheme, in upper case; empty if it does not look like one.
    UnknownScheme(String),
    /// A scheme that is not verified, and why.
    Refused(&'static str, &'static str),
    /// Cut off, mistyped or never a hash of this scheme.
    Damaged(&'static str),
    /// It would take too long or too much memory.
    TooCostly(&'static str),
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HashError::TooLong => write!(f, "the hash is longer than {HASH_LENGTH_MAX} octets"),
            HashError::NoScheme => f.write_str("expected a scheme, as {ARGON2ID}, before the hash"),
            HashError::UnknownScheme(name) => write!(f, "the scheme {{{name}}} is not known"),
            HashError::Refused(scheme, reason) => write!(f, "{{{scheme}}} is not accepted: {reason}"),
            HashError::Damaged(scheme) => write!(f, "this is no {{{scheme}}} hash: it is damaged"),
            HashError::TooCostly(scheme) => {
                write!(f, "the {{{scheme}}} hash costs more time or memory than is allowed")
            }
        }
    }
}

impl std::error::Error for HashError {}

/// Why no hash was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MakeError {
    /// An empty password is no password.
    Empty,
    TooLong,
    /// The system gives no random numbers.
    NoRandomness,
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MakeError::Empty => f.write_str("the password is empty"),
            MakeError::TooLong => {
                write!(f, "the password is too long: at most {PASSWORD_LENGTH_MAX} octets (bcrypt: 72)")
            }
            MakeError::NoRandomness => f.write_str("the system gives no random numbers"),
        }
    }
}

impl std::error::Error for MakeError {}

/// Schemes in which new hashes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewHash {
    #[default]
    Argon2id,
    /// For SCRAM-SHA-256 logins, which Argon2 does not allow (RFC 7677).
    ScramSha256,
    /// For programs that know crypt(3) only.
    Sha512Crypt,
    Bcrypt,
}

impl NewHash {
    /// By the name of its scheme, without braces, or what everybody calls it; case does not matter.
    pub fn parse(name: &str) -> Option<NewHash> {
        match name.to_ascii_uppercase().as_str() {
            "ARGON2ID" => Some(NewHash::Argon2id),
            "SCRAM-SHA-256" => Some(NewHash::ScramSha256),
            "SHA512-CRYPT" => Some(NewHash::Sha512Crypt),
            "BLF-CRYPT" | "BCRYPT" => Some(NewHash::Bcrypt),
            _ => None,
        }
    }
}

/// A new hash of a password, with its scheme, as it stands in a password file.
///
/// # Errors
/// See [`MakeError`].
pub fn make(scheme: NewHash, password: &Secret) -> Result<String, MakeError> {
    match password.reveal().len() {
        0 => Err(MakeError::Empty),
        length if length > PASSWORD_LENGTH_MAX => Err(MakeError::TooLong),
        _ if scheme == NewHash::ScramSha256 => scram::make(password).map(|hash| format!("{{SCRAM-SHA-256}}{hash}")),
        _ => crypt::make(scheme, password),
    }
}

fn salt() -> Result<[u8; 16], MakeError> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| MakeError::NoRandomness)?;
    Ok(salt)
}

/// Rounds of SCRAM-SHA-256 where nothing says otherwise.
pub const SCRAM_ROUNDS: u32 = scram::NEW_ROUNDS;

/// The name of every known scheme, and why it is refused if it is.
pub fn schemes() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let reason = |kind| if let Kind::Refused(reason) = kind { Some(reason) } else { None };
    scheme::SCHEMES.iter().map(move |scheme| (scheme.name, reason(scheme.kind)))
}

impl Hash {
    /// Reads `{SCHEME}hash`, or `$id$…` as crypt(3) writes it.
    ///
    /// # Errors
    /// See [`HashError`].
    pub fn parse(text: &str) -> Result<Hash, HashError> {
        if text.len() > HASH_LENGTH_MAX {
            return Err(HashError::TooLong);
        }
        let (name, hash) = match text.strip_prefix('{') {
            Some(rest) => rest.split_once('}').ok_or(HashError::NoScheme)?,
            None if text.starts_with('$') => ("CRYPT", text),
            None => return Err(HashError::NoScheme),
        };
        let (scheme, suffix) = scheme::find(name).ok_or_else(|| HashError::UnknownScheme(printable(name)))?;
        if let Kind::Refused(reason) = scheme.kind {
            return Err(HashError::Refused(scheme.name, reason));
        }
        let octets = scheme.decode(hash, suffix).ok_or(HashError::Damaged(scheme.name))?;
        let stored = Stored::parse(scheme.kind, octets, scheme.name)?;
        Ok(Hash { scheme: scheme.name, stored })
    }

    /// A hash of nobody's password, with the cost of a new one: what is verified for a name that does not exist.
    pub fn of_nobody() -> Hash {
        Hash { scheme: "ARGON2ID", stored: Stored::Crypt(Crypt::Argon2(NOBODY.to_owned())) }
    }

    /// The scheme's name, without braces.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Whether this is the hash of the password. `login` matters to {DIGEST-MD5} only, which has name and domain in it.
    /// An empty password is never right.
    pub fn verify(&self, login: &str, password: &Secret) -> bool {
        let password = password.reveal().as_bytes();
        if password.is_empty() || password.len() > PASSWORD_LENGTH_MAX {
            return false;
        }
        match &self.stored {
            Stored::Plain(plain) => are_equal(plain.reveal().as_bytes(), password),
            Stored::Truncated(length, plain) => {
                are_equal(plain.reveal().as_bytes(), password.get(..*length).unwrap_or(password))
            }
            Stored::Digested(digested) => digested.verify(login, password),
            Stored::Crypt(crypt) => crypt.verify(password),
            Stored::Pbkdf2 { salt, rounds, key } => scram::pbkdf2_sha1(password, salt.as_bytes(), *rounds, key),
            Stored::Scram(keys) => keys.verify(password),
            Stored::Otp(otp) => otp.verify(password),
        }
    }

    /// The keys for a SCRAM login (RFC 5802 §3), if this is a {SCRAM-SHA-…}.
    pub fn scram(&self) -> Option<&ScramKeys> {
        if let Stored::Scram(keys) = &self.stored { Some(keys) } else { None }
    }

    /// Keys for SCRAM-SHA-256, from what is stored or, with this salt and these rounds, from a password that is stored as it is.
    /// Slow on purpose in the second case.
    pub fn scram_keys(&self, salt: &[u8], rounds: u32) -> Option<ScramKeys> {
        match &self.stored {
            Stored::Scram(keys) if keys.can_serve() => Some(keys.clone()),
            Stored::Plain(plain) => {
                let password = prepared(plain.reveal());
                ScramKeys::from_password(password.as_bytes(), salt.to_vec(), rounds, Algorithm::Sha256)
            }
            _ => None,
        }
    }

    /// Whether there are keys for SCRAM-SHA-256, without making them.
    pub fn serves_scram(&self) -> bool {
        match &self.stored {
            Stored::Scram(keys) => keys.can_serve(),
            Stored::Plain(plain) => !plain.reveal().is_empty(),
            _ => false,
        }
    }

    /// The password itself, if it is stored: what CRAM-MD5, SCRAM and others can be computed from.
    pub fn plain(&self) -> Option<&Secret> {
        if let Stored::Plain(plain) = &self.stored { Some(plain) } else { None }
    }
}

impl Stored {
    fn parse(kind: Kind, octets: Vec<u8>, scheme: &'static str) -> Result<Stored, HashError> {
        let damaged = HashError::Damaged(scheme);
        if let Some(digested) = Digested::parse(kind, &octets) {
            return digested.map(Stored::Digested).ok_or(damaged);
        }
        // All others are text, which `.hex` or `.b64` may have hidden.
        let text = String::from_utf8(octets).map_err(|_| damaged.clone())?;
        match kind {
            Kind::Plain => Ok(Stored::Plain(Secret::new(text))),
            Kind::PlainTruncated => truncated(&text).ok_or(damaged),
            Kind::Md5OrCrypt if text.starts_with("$1$") => Crypt::parse(&text, scheme).map(Stored::Crypt),
            Kind::Md5OrCrypt => Digested::from_hex_md5(&text).map(Stored::Digested).ok_or(damaged),
            Kind::Md5Crypt if !text.starts_with("$1$") => Err(damaged),
            Kind::Bcrypt if !text.starts_with("$2") => Err(damaged),
            Kind::Argon2 if !text.starts_with("$argon2") => Err(damaged),
            Kind::Pbkdf2 => scram::parse_pbkdf2(&text, scheme),
            Kind::Scram(algorithm) => ScramKeys::parse(&text, algorithm, scheme).map(Stored::Scram),
            Kind::Otp => Otp::parse(&text).map(Stored::Otp).ok_or(damaged),
            _ => Crypt::parse(&text, scheme).map(Stored::Crypt),
        }
    }
}

/// `8-secret12`.
fn truncated(text: &str) -> Option<Stored> {
    let (length, plain) = text.split_once('-')?;
    // Nought would let every password in.
    let length = length.parse().ok().filter(|length| (1..=PASSWORD_LENGTH_MAX).contains(length))?;
    Some(Stored::Truncated(length, Secret::new(plain)))
}

fn are_equal(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}

/// A name that looks like a scheme's, or nothing: somebody may have put a password into braces.
fn printable(name: &str) -> String {
    const NAME_LENGTH_MAX: usize = 24;
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if name.len() <= NAME_LENGTH_MAX && name.chars().all(is_name) { name.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn what_is_made_is_verified_and_is_salted() {
        for scheme in [NewHash::default(), NewHash::ScramSha256, NewHash::Sha512Crypt, NewHash::Bcrypt] {
            let (first, second) =
                (make(scheme, &secret("contraseña")).unwrap(), make(scheme, &secret("contraseña")).unwrap());
            assert_ne!(first, second);
            let hash = Hash::parse(&first).unwrap();
            assert_eq!(NewHash::parse(hash.scheme()), Some(scheme));
            assert!(hash.verify("ana", &secret("contraseña")), "{hash:?}");
            assert!(!hash.verify("ana", &secret("contrasena")), "{hash:?}");
        }
        assert_eq!(make(NewHash::default(), &secret("")), Err(MakeError::Empty));
        assert_eq!(make(NewHash::default(), &secret(&"x".repeat(1025))), Err(MakeError::TooLong));
        assert_eq!(make(NewHash::Bcrypt, &secret(&"x".repeat(73))), Err(MakeError::TooLong));
    }

    #[test]
    fn a_truncated_password_counts_as_far_as_it_says() {
        let hash = Hash::parse("{PLAIN-TRUNC}8-P@ssw0rd").unwrap();
        assert!(hash.verify("ana", &secret("P@ssw0rd")));
        assert!(hash.verify("ana", &secret("P@ssw0rdAndMore")));
        assert!(!hash.verify("ana", &secret("P@ssw0r")));
        for damaged in ["{PLAIN-TRUNC}0-", "{PLAIN-TRUNC}P@ssw0rd", "{PLAIN-TRUNC}-x", "{PLAIN-TRUNC}99999-x"] {
            assert_eq!(Hash::parse(damaged).err(), Some(HashError::Damaged("PLAIN-TRUNC")), "{damaged}");
        }
    }

    #[test]
    fn an_empty_password_is_never_right() {
        for text in ["{PLAIN}", "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "{PLAIN-MD5}d41d8cd98f00b204e9800998ecf8427e"] {
            assert!(!Hash::parse(text).unwrap().verify("ana", &secret("")), "{text}");
        }
    }

    #[test]
    fn a_hash_that_costs_too_much_is_refused_before_it_is_computed() {
        let argon2 = |parameters: &str| {
            format!("{{ARGON2ID}}$argon2id$v=19${parameters}$c29tZXNhbHQ$RdescudvJCsgt3ub+b1dWRWJTmaaJObG")
        };
        for (text, scheme) in [
            (argon2("m=4194304,t=1,p=1"), "ARGON2ID"),
            (argon2("m=262144,t=9,p=1"), "ARGON2ID"),
            (argon2("m=65536,t=4294967295,p=1"), "ARGON2ID"),
            (argon2("m=65536,t=1,p=64"), "ARGON2ID"),
            ("{BLF-CRYPT}$2y$31$fEXthT3OC74MwxtsGp2hbu2d2DgK/lxLhxVwQXvhj5swn29airDnG".to_owned(), "BLF-CRYPT"),
            ("{CRYPT}$6$rounds=999999999$saltsalt$x".to_owned(), "CRYPT"),
            ("{PBKDF2}$1$salt$4000000000$8c5b493f6c38a967389e1947aef57585eeee3792".to_owned(), "PBKDF2"),
            (
                "{SCRAM-SHA-1}2000000000,AAAA,2MV3s92jM/kxP/vakCRIIj41MP0=,HIMJyMzCi61cqxuQTQgE5Rj+sZU=".to_owned(),
                "SCRAM-SHA-1",
            ),
        ] {
            assert_eq!(Hash::parse(&text).err(), Some(HashError::TooCostly(scheme)), "{text}");
        }
    }

    #[test]
    fn the_hash_for_unknown_names_costs_what_a_new_one_costs() {
        let costs = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert!(Hash::parse(&format!("{{ARGON2ID}}{NOBODY}")).is_ok());
        assert_eq!(costs(&format!("{{ARGON2ID}}{NOBODY}")), costs(&make(NewHash::Argon2id, &secret("x")).unwrap()));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_hash() {
        let told = |text: &str| Hash::parse(text).unwrap_err();
        assert_eq!(told("geheim"), HashError::NoScheme);
        assert_eq!(told("{PLAIN"), HashError::NoScheme);
        assert_eq!(told("{ROT13}x"), HashError::UnknownScheme("ROT13".to_owned()));
        assert_eq!(told("{geheim}x"), HashError::UnknownScheme(String::new()));
        assert_eq!(told("{SHA256.rot}x"), HashError::UnknownScheme(String::new()));
        assert_eq!(told("{SSHA}geheim"), HashError::Damaged("SSHA"));
        assert_eq!(told(&format!("{{PLAIN}}{}", "x".repeat(HASH_LENGTH_MAX))), HashError::TooLong);
        assert!(matches!(told("{DES-CRYPT}LNHp3Ry/xjyS2"), HashError::Refused("DES-CRYPT", _)));
        assert!(matches!(told("{CRYPT}LNHp3Ry/xjyS2"), HashError::Refused("CRYPT", _)));
        assert!(matches!(told("$y$j9T$x$y"), HashError::Refused("CRYPT", _)));
        let debug = format!("{:?}", Hash::parse("{PLAIN}geheim").unwrap());
        assert_eq!(debug, "Hash({PLAIN}…)");
    }
}
