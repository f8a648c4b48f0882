//! PBKDF2 and what SCRAM keeps of a password (RFC 5802 §3, RFC 7677).
//!
//! A client of SCRAM prepares its password (SASLprep, RFC 4013), so keys are made of the prepared one. Dovecot makes them of
//! the password as it is: where somebody sends a password itself, either form is right.

use std::borrow::Cow;
use std::num::NonZeroU32;

use aws_lc_rs::{hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::sasl::Secret;

use super::{HashError, MakeError, PBKDF2_ROUNDS_MAX, Stored, are_equal, salt};
use crate::digest::{Algorithm, unhex};

/// Rounds of a new SCRAM-SHA-256: RFC 7677 §4 wants at least 4096, and every SCRAM login makes the client compute them.
pub(super) const NEW_ROUNDS: u32 = 10_000;
/// With fewer nobody is asked to prove anything by SCRAM: RFC 7677 §4 wants at least so many, and clients insist.
pub const ROUNDS_MIN: u32 = 4096;

/// `{PBKDF2}$1$salt$rounds$hex`: SHA-1, 20 octets.
pub(super) fn parse_pbkdf2(text: &str, scheme: &'static str) -> Result<Stored, HashError> {
    let fields: Vec<&str> = text.split('$').collect();
    let ["", "1", salt, rounds_text, key] = fields.as_slice() else { return Err(HashError::Damaged(scheme)) };
    let rounds = rounds(rounds_text, scheme)?;
    let key = unhex(key).filter(|key| key.len() == 20).ok_or(HashError::Damaged(scheme))?;
    Ok(Stored::Pbkdf2 { salt: (*salt).to_owned(), rounds, key })
}

pub(super) fn pbkdf2_sha1(password: &[u8], salt: &[u8], rounds: u32, key: &[u8]) -> bool {
    derive(Algorithm::Sha1, password, salt, rounds).is_some_and(|derived| are_equal(&derived, key))
}

fn rounds(text: &str, scheme: &'static str) -> Result<u32, HashError> {
    match text.parse() {
        Err(_) | Ok(0) => Err(HashError::Damaged(scheme)),
        Ok(rounds) if rounds > PBKDF2_ROUNDS_MAX => Err(HashError::TooCostly(scheme)),
        Ok(rounds) => Ok(rounds),
    }
}

fn derive(algorithm: Algorithm, password: &[u8], salt: &[u8], rounds: u32) -> Option<Vec<u8>> {
    let pbkdf2_algorithm = match algorithm {
        Algorithm::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        _ => pbkdf2::PBKDF2_HMAC_SHA256,
    };
    let mut derived = vec![0; algorithm.length()];
    pbkdf2::derive(pbkdf2_algorithm, NonZeroU32::new(rounds)?, salt, password, &mut derived);
    Some(derived)
}

/// What a server keeps for SCRAM: enough to check a client's proof, not enough to be the client.
#[derive(Clone)]
pub struct ScramKeys {
    algorithm: Algorithm,
    rounds: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl std::fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScramKeys({:?}, {} rounds, …)", self.algorithm, self.rounds)
    }
}

impl ScramKeys {
    /// `rounds,salt,stored key,server key`, the last three in base64.
    pub(super) fn parse(text: &str, algorithm: Algorithm, scheme: &'static str) -> Result<ScramKeys, HashError> {
        let fields: Vec<&str> = text.split(',').collect();
        let [rounds_text, salt, stored, server] = fields.as_slice() else { return Err(HashError::Damaged(scheme)) };
        let rounds = rounds(rounds_text, scheme)?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| HashError::Damaged(scheme));
        let (salt, stored_key, server_key) = (decode(salt)?, decode(stored)?, decode(server)?);
        if stored_key.len() != algorithm.length() || server_key.len() != algorithm.length() {
            return Err(HashError::Damaged(scheme));
        }
        Ok(ScramKeys { algorithm, rounds, salt, stored_key, server_key })
    }

    /// Keys made from a password.
    pub(super) fn from_password(
        password: &[u8],
        salt: Vec<u8>,
        rounds: u32,
        algorithm: Algorithm,
    ) -> Option<ScramKeys> {
        // RFC 5802 §3: SaltedPassword, ClientKey, StoredKey, ServerKey.
        let salted = derive(algorithm, password, &salt, rounds)?;
        let hmac_algorithm = match algorithm {
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            _ => hmac::HMAC_SHA256,
        };
        let key = hmac::Key::new(hmac_algorithm, &salted);
        let stored_key = algorithm.digest(&[hmac::sign(&key, b"Client Key").as_ref()]);
        let server_key = hmac::sign(&key, b"Server Key").as_ref().to_vec();
        Some(ScramKeys { algorithm, rounds, salt, stored_key, server_key })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let is_of = |password: &[u8]| {
            ScramKeys::from_password(password, self.salt.clone(), self.rounds, self.algorithm)
                .is_some_and(|keys| are_equal(&keys.stored_key, &self.stored_key))
        };
        let prepared = std::str::from_utf8(password).map(prepared).unwrap_or_default();
        is_of(password) || prepared.as_bytes() != password && !prepared.is_empty() && is_of(prepared.as_bytes())
    }

    /// Whether these are for SCRAM-SHA-256 (RFC 7677), and not for SCRAM-SHA-1 (RFC 5802).
    pub fn is_sha256(&self) -> bool {
        self.algorithm == Algorithm::Sha256
    }

    /// Whether a client can log in with SCRAM-SHA-256 by them.
    pub fn can_serve(&self) -> bool {
        self.is_sha256() && self.rounds >= ROUNDS_MIN
    }

    pub fn rounds(&self) -> u32 {
        self.rounds
    }

    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub fn stored_key(&self) -> &[u8] {
        &self.stored_key
    }

    pub fn server_key(&self) -> &[u8] {
        &self.server_key
    }
}

/// A name or password as SCRAM clients prepare it; as it is when it cannot be prepared (RFC 5802 §2.2).
pub fn prepared(text: &str) -> Cow<'_, str> {
    stringprep::saslprep(text).unwrap_or(Cow::Borrowed(text))
}

/// The text of a new SCRAM-SHA-256 hash.
pub(super) fn make(password: &Secret) -> Result<String, MakeError> {
    let password = prepared(password.reveal());
    let keys = ScramKeys::from_password(password.as_bytes(), salt()?.to_vec(), NEW_ROUNDS, Algorithm::Sha256);
    let keys = keys.ok_or(MakeError::NoRandomness)?;
    let encode = |octets: &[u8]| STANDARD.encode(octets);
    let (salt, stored, server) = (encode(&keys.salt), encode(&keys.stored_key), encode(&keys.server_key));
    Ok(format!("{NEW_ROUNDS},{salt},{stored},{server}"))
}
