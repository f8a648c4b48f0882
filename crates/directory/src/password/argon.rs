//! Argon2, in memory that is kept for the next password.
//!
//! Each hash fills megabytes. When every one asks the allocator for them, its arenas grow to the most that was ever in use
//! at once and keep it: a thousand logins left 200 MiB behind. So the memory is kept here, and there is no more of it than
//! there were passwords checked at one moment, and no more than `KEPT_MAX`.

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::are_equal;

/// How many pieces of memory are kept for later.
const KEPT_MAX: usize = 8;
/// A piece larger than this many blocks of 1 KiB is given back.
const KEPT_BLOCKS_MAX: usize = 64 * 1024;

static KEPT: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// Whether this is the password of a hash that `crypt::argon2` has found good.
pub(super) fn verify(hash: &str, password: &[u8]) -> bool {
    PasswordHash::new(hash).ok().and_then(|hash| compare(&hash, password)).unwrap_or(false)
}

fn compare(hash: &PasswordHash, password: &[u8]) -> Option<bool> {
    let algorithm = Algorithm::new(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let params = Params::try_from(hash).ok()?;
    let expected = hash.hash.as_ref()?;
    let mut computed = vec![0; expected.len()];
    let mut blocks = KEPT.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    blocks.resize(params.block_count(), Block::new());
    let argon2 = Argon2::new(algorithm, version, params);
    let done = argon2.hash_password_into_with_memory(password, hash.salt.as_ref()?, &mut computed, &mut blocks);
    keep(blocks);
    done.ok()?;
    Some(are_equal(&computed, expected.as_ref()))
}

fn keep(blocks: Vec<Block>) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < KEPT_MAX && blocks.capacity() <= KEPT_BLOCKS_MAX {
        kept.push(blocks);
    }
}
