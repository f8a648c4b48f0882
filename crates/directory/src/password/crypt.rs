//! The `$id$` hashes of crypt(3) and Argon2: bounding their cost, and handing them to the libraries that compute them.
//!
//! MD5-crypt (`$1$`) is ours, because no well-kept library has it.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use proto::sasl::Secret;
use sha_crypt::ShaCrypt;

use super::argon;
use super::scheme::DES_CRYPT;
use super::{
    ARGON2_LANES_MAX, ARGON2_MEMORY_MAX, ARGON2_WORK_MAX, BCRYPT_COST_MAX, HashError, MakeError, NewHash,
    SHA_CRYPT_ROUNDS_MAX, are_equal, salt,
};
use crate::digest::Algorithm;

/// Cost of a new bcrypt hash.
const NEW_BCRYPT_COST: u32 = 12;
/// What bcrypt sees of a password.
const BCRYPT_PASSWORD_MAX: usize = 72;

const YESCRYPT: &str =
    "yescrypt, gost-yescrypt, scrypt and the other $id$ of newer crypt(3) are not spoken here: set a new password";

/// A hash whose cost is bounded.
#[derive(Clone)]
pub(super) enum Crypt {
    Md5 { salt: String, hash: String },
    Sha(String),
    Bcrypt(String),
    Argon2(String),
}

impl Crypt {
    pub(super) fn parse(text: &str, scheme: &'static str) -> Result<Crypt, HashError> {
        let fields: Vec<&str> = text.split('$').collect();
        match fields.as_slice() {
            ["", "1", salt, hash] if hash.len() == 22 && !salt.is_empty() => {
                // Only the first eight characters of a salt count.
                let salt = salt.chars().take(8).collect();
                Ok(Crypt::Md5 { salt, hash: (*hash).to_owned() })
            }
            ["", "5" | "6", rest @ ..] => sha(text, rest, scheme),
            ["", "2a" | "2b" | "2y", cost, hash] if text.len() == 60 && hash.len() == 53 && text.is_ascii() => {
                match cost.parse::<u32>() {
                    Ok(4..=BCRYPT_COST_MAX) if cost.len() == 2 => Ok(Crypt::Bcrypt(text.to_owned())),
                    Ok(16..=31) => Err(HashError::TooCostly(scheme)),
                    _ => Err(HashError::Damaged(scheme)),
                }
            }
            ["", "argon2i" | "argon2id" | "argon2d", ..] => argon2(text, scheme),
            ["", "1" | "2a" | "2b" | "2y", ..] => Err(HashError::Damaged(scheme)),
            ["", _, _, ..] => Err(HashError::Refused(scheme, YESCRYPT)),
            _ => Err(HashError::Refused(scheme, DES_CRYPT)),
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Crypt::Md5 { salt, hash } => are_equal(md5_crypt(password, salt.as_bytes()).as_bytes(), hash.as_bytes()),
            Crypt::Sha(hash) => ShaCrypt::default().verify_password(password, hash.as_str()).is_ok(),
            Crypt::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Crypt::Argon2(hash) => argon::verify(hash, password),
        }
    }
}

/// `$5$salt$hash`, `$6$rounds=10000$salt$hash`. The hash has 43 characters (SHA-256) or 86 (SHA-512).
fn sha(text: &str, fields: &[&str], scheme: &'static str) -> Result<Crypt, HashError> {
    let (rounds, fields) = match fields {
        [first, rest @ ..] if first.starts_with("rounds=") => (first.trim_start_matches("rounds=").parse(), rest),
        fields => (Ok(0), fields),
    };
    match (rounds, fields) {
        (Err(_), _) => Err(HashError::Damaged(scheme)),
        (Ok(rounds), _) if rounds > SHA_CRYPT_ROUNDS_MAX => Err(HashError::TooCostly(scheme)),
        (Ok(_), [_, hash]) if hash.len() == if text.starts_with("$5") { 43 } else { 86 } => {
            Ok(Crypt::Sha(text.to_owned()))
        }
        _ => Err(HashError::Damaged(scheme)),
    }
}

fn argon2(text: &str, scheme: &'static str) -> Result<Crypt, HashError> {
    let hash = PasswordHash::new(text).map_err(|_| HashError::Damaged(scheme))?;
    let number = |name: &str| hash.params.get_decimal(name).ok_or(HashError::Damaged(scheme));
    let (memory, passes, lanes) = (number("m")?, number("t")?, number("p")?);
    let work = u64::from(memory).saturating_mul(u64::from(passes));
    if memory > ARGON2_MEMORY_MAX || work > ARGON2_WORK_MAX || lanes > ARGON2_LANES_MAX {
        return Err(HashError::TooCostly(scheme));
    }
    if hash.salt.is_none() || hash.hash.is_none() || Params::try_from(&hash).is_err() {
        return Err(HashError::Damaged(scheme));
    }
    Ok(Crypt::Argon2(text.to_owned()))
}

/// The text of a new hash, with its scheme.
pub(super) fn make(scheme: NewHash, password: &Secret) -> Result<String, MakeError> {
    let octets = password.reveal().as_bytes();
    match scheme {
        NewHash::Bcrypt if octets.len() > BCRYPT_PASSWORD_MAX => Err(MakeError::TooLong),
        NewHash::Bcrypt => bcrypt::hash_with_salt(octets, NEW_BCRYPT_COST, salt()?)
            .map(|parts| format!("{{BLF-CRYPT}}{}", parts.format_for_version(bcrypt::Version::TwoY)))
            .map_err(|_| MakeError::TooLong),
        NewHash::Sha512Crypt => {
            let salt = crypt_base64(&salt()?);
            let salt = salt.get(..16).unwrap_or(&salt);
            let hash = ShaCrypt::SHA512.hash_password_with_salt(octets, salt.as_bytes());
            hash.map(|hash| format!("{{SHA512-CRYPT}}{}", hash.as_str())).map_err(|_| MakeError::TooLong)
        }
        NewHash::Argon2id | NewHash::ScramSha256 => Argon2::default()
            .hash_password_with_salt(octets, &salt()?)
            .map(|hash| format!("{{ARGON2ID}}{hash}"))
            .map_err(|_| MakeError::TooLong),
    }
}

const CRYPT_ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn crypt_base64(octets: &[u8]) -> String {
    octets.chunks(3).flat_map(|group| digits(group, 4)).collect()
}

/// A number of up to three octets, the first the lowest, as so many digits, the lowest first.
fn digits(group: &[u8], count: u32) -> Vec<char> {
    let number = group.iter().rev().fold(0_u32, |number, octet| number << 8 | u32::from(*octet));
    let digit = |index: u32| {
        let low = usize::try_from(number >> (6 * index) & 63).unwrap_or(0);
        char::from(CRYPT_ALPHABET.get(low).copied().unwrap_or(b'.'))
    };
    (0..count).map(digit).collect()
}

/// The last field of an MD5-crypt hash, as FreeBSD's crypt(3) has made it since 1994: a digest of password, salt and a
/// second digest, then a thousand rounds over it that mix in password and salt by the round's number.
fn md5_crypt(password: &[u8], salt: &[u8]) -> String {
    let md5 = |parts: &[&[u8]]| Algorithm::Md5.digest(parts);
    let second = md5(&[password, salt, password]);
    let mut first = [password, b"$1$", salt].concat();
    first.extend(second.iter().cycle().take(password.len()));
    let mut length = password.len();
    while length > 0 {
        // A bit that is set stands for NUL, one that is not for the password's first octet.
        first.push(if length & 1 == 1 { 0 } else { password.first().copied().unwrap_or(0) });
        length >>= 1;
    }
    let mut digest = md5(&[&first]);
    for round in 0..1000 {
        let is_odd = round % 2 == 1;
        let salt = if round % 3 == 0 { &b""[..] } else { salt };
        let again = if round % 7 == 0 { &b""[..] } else { password };
        digest = match is_odd {
            true => md5(&[password, salt, again, &digest]),
            false => md5(&[&digest, salt, again, password]),
        };
    }
    md5_crypt_text(&digest)
}

/// The digest's octets in crypt's own order, three a group, and the twelfth alone.
fn md5_crypt_text(digest: &[u8]) -> String {
    const ORDER: [[usize; 3]; 5] = [[12, 6, 0], [13, 7, 1], [14, 8, 2], [15, 9, 3], [5, 10, 4]];
    let octet = |index: usize| digest.get(index).copied().unwrap_or(0);
    let groups = ORDER.iter().flat_map(|group| digits(&group.map(octet), 4));
    groups.chain(digits(&[octet(11)], 2)).collect()
}
