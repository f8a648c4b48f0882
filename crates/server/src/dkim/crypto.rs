//! Private keys, and the two ways to sign with them (RFC 6376 §3.3, RFC 8301, RFC 8463), on aws-lc-rs.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail::dkim::Algorithm;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// Octets of an Ed25519 key.
const SEED_LENGTH: usize = 32;

/// A key that signs.
#[derive(Debug)]
pub enum SigningKey {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// Why a private key cannot be used; for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("{0}: {1}")]
    File(String, String),
    #[error("{0}: no private key in PEM, RSA or Ed25519")]
    NoKey(String),
    #[error("{0}: {1} bits are fewer than `minimum_key_bits`")]
    TooShort(String, usize),
}

impl SigningKey {
    /// Reads a key file: PEM, or the 32 octets of an Ed25519 key in base64.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(file: &Path, bits_min: usize) -> Result<SigningKey, KeyError> {
        let name = file.display().to_string();
        let octets = std::fs::read(file).map_err(|error| KeyError::File(name.clone(), error.to_string()))?;
        let key = SigningKey::parse(&octets).ok_or_else(|| KeyError::NoKey(name.clone()))?;
        match &key {
            SigningKey::Rsa(pair) if pair.public_modulus_len() * 8 < bits_min => {
                Err(KeyError::TooShort(name, pair.public_modulus_len() * 8))
            }
            _ => Ok(key),
        }
    }

    pub fn parse(octets: &[u8]) -> Option<SigningKey> {
        match PrivateKeyDer::from_pem_slice(octets) {
            Ok(PrivateKeyDer::Pkcs1(der)) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der()).ok()),
            Ok(PrivateKeyDer::Pkcs8(der)) => {
                let der = der.secret_pkcs8_der();
                let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(SigningKey::Ed25519);
                rsa(RsaKeyPair::from_pkcs8(der).ok()).or_else(ed25519)
            }
            _ => {
                let seed = STANDARD.decode(octets.trim_ascii()).ok().filter(|seed| seed.len() == SEED_LENGTH)?;
                Ed25519KeyPair::from_seed_unchecked(&seed).ok().map(SigningKey::Ed25519)
            }
        }
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            SigningKey::Rsa(_) => Algorithm::RsaSha256,
            SigningKey::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    /// The public key as a key record has it: DER for RSA, the bare octets for Ed25519.
    pub fn public(&self) -> Option<Vec<u8>> {
        use aws_lc_rs::encoding::AsDer;
        use aws_lc_rs::signature::KeyPair;
        match self {
            SigningKey::Rsa(pair) => Some(pair.public_key().as_der().ok()?.as_ref().to_vec()),
            SigningKey::Ed25519(pair) => Some(pair.public_key().as_ref().to_vec()),
        }
    }

    /// Signs what a signature covers. `None`: the library refused.
    pub fn sign(&self, signed: &[u8]) -> Option<Vec<u8>> {
        match self {
            SigningKey::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut signature).ok()?;
                Some(signature)
            }
            // RFC 8463 §3: what is signed is the hash.
            SigningKey::Ed25519(pair) => Some(pair.sign(digest(&SHA256, signed).as_ref()).as_ref().to_vec()),
        }
    }
}

fn rsa(pair: Option<RsaKeyPair>) -> Option<SigningKey> {
    pair.map(|pair| SigningKey::Rsa(Box::new(pair)))
}
