//! The fast schemes: digests with and without salt, CRAM-MD5, DIGEST-MD5 and OTP. All of them are quickly guessed once
//! stolen; they are read because old password files and directories hold them, and are never made.

use md5::block_api::compress;

use super::{OTP_SEQUENCE_MAX, are_equal};
use crate::digest::{Algorithm, unhex};
use crate::password::scheme::Kind;

/// A stored digest.
#[derive(Clone)]
pub(super) enum Digested {
    Salted { algorithm: Algorithm, digest: Vec<u8>, salt: Vec<u8> },
    CramMd5(Vec<u8>),
    DigestMd5(Vec<u8>),
}

impl Digested {
    /// `None` for other kinds, `Some(None)` for what is damaged.
    pub(super) fn parse(kind: Kind, octets: &[u8]) -> Option<Option<Digested>> {
        let (algorithm, is_salted) = match kind {
            // The table has seen to their lengths.
            Kind::CramMd5 => return Some(Some(Digested::CramMd5(octets.to_vec()))),
            Kind::DigestMd5 => return Some(Some(Digested::DigestMd5(octets.to_vec()))),
            Kind::Digest(algorithm) => (algorithm, false),
            Kind::Salted(algorithm) => (algorithm, true),
            _ => return None,
        };
        let split = octets.split_at_checked(algorithm.length()).filter(|(_, salt)| is_salted || salt.is_empty());
        Some(split.map(|(digest, salt)| Digested::Salted { algorithm, digest: digest.to_vec(), salt: salt.to_vec() }))
    }

    /// {MD5} without a salt is hexadecimal.
    pub(super) fn from_hex_md5(text: &str) -> Option<Digested> {
        Digested::parse(Kind::Digest(Algorithm::Md5), &unhex(text)?)?
    }

    pub(super) fn verify(&self, login: &str, password: &[u8]) -> bool {
        match self {
            Digested::Salted { algorithm, digest, salt } => are_equal(&algorithm.digest(&[password, salt]), digest),
            Digested::CramMd5(halves) => are_equal(&cram_md5(password), halves),
            Digested::DigestMd5(digest) => {
                // RFC 2831 §2.1.2.1. The domain is the realm; there may be none.
                let (user, realm) = login.split_once('@').unwrap_or((login, ""));
                let parts = [user.as_bytes(), b":", realm.as_bytes(), b":", password];
                are_equal(&Algorithm::Md5.digest(&parts), digest)
            }
        }
    }
}

/// HMAC-MD5 (RFC 2104 §2) as far as it goes without a message: the state after the outer key, then after the inner one.
fn cram_md5(password: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let hashed = (password.len() > BLOCK).then(|| Algorithm::Md5.digest(&[password]));
    let key = hashed.as_deref().unwrap_or(password);
    let half = |pad: u8| {
        let mut block = [pad; BLOCK];
        block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
        // RFC 1321 §3.3.
        let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        compress(&mut state, &[block]);
        state.map(u32::to_le_bytes).concat()
    };
    [half(0x5c), half(0x36)].concat()
}

/// A one-time password's last step (RFC 2289), compared with a passphrase: `sha1 1024 seed hash`.
#[derive(Clone)]
pub(super) struct Otp {
    algorithm: Algorithm,
    sequence: u32,
    seed: String,
    last: Vec<u8>,
}

impl Otp {
    pub(super) fn parse(text: &str) -> Option<Otp> {
        let [algorithm, sequence, seed, last] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let algorithm = Algorithm::parse(algorithm)
            .filter(|known| matches!(known, Algorithm::Md4 | Algorithm::Md5 | Algorithm::Sha1))?;
        let sequence = sequence.parse().ok().filter(|sequence| (1..=OTP_SEQUENCE_MAX).contains(sequence))?;
        let last = unhex(last).filter(|last| last.len() == 8)?;
        // RFC 2289 §6.0: a seed is 1 to 16 letters and digits, and its case does not matter.
        let is_seed = (1..=16).contains(&seed.len()) && seed.bytes().all(|octet| octet.is_ascii_alphanumeric());
        is_seed.then(|| Otp { algorithm, sequence, seed: seed.to_ascii_lowercase(), last })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let first = self.fold(&[self.seed.as_bytes(), password]);
        let last = (0..self.sequence).fold(first, |step, _| self.fold(&[&step]));
        are_equal(&last, &self.last)
    }

    /// RFC 2289 §6.0 and appendix A: a digest folded into 64 bits. SHA-1 is folded by words, each then turned round.
    fn fold(&self, parts: &[&[u8]]) -> Vec<u8> {
        let digest = self.algorithm.digest(parts);
        let mut folded = vec![0_u8; 8];
        for (index, octet) in digest.iter().enumerate() {
            let turned = if self.algorithm == Algorithm::Sha1 { index ^ 3 } else { index };
            if let Some(place) = folded.get_mut(turned % 8) {
                *place ^= octet;
            }
        }
        folded
    }
}
