//! Which logins succeeded lately, so that the same password need not be computed again at once.
//!
//! Promises: a password is kept only as an HMAC under a key that lives and dies with the process; there are bounds on
//! how many and for how long. Told the time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use proto::sasl::Secret;

/// How long a success is remembered.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(300);
/// How many successes are remembered.
pub const REMEMBERED_MAX: usize = 10_000;

pub(super) struct Memory {
    key: hmac::Key,
    remembered: Mutex<HashMap<String, (hmac::Tag, Instant)>>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory(…)")
    }
}

impl Memory {
    /// `None` when the system gives no random numbers.
    pub(super) fn new() -> Option<Memory> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(Memory { key, remembered: Mutex::default() })
    }

    /// Whether this name has logged in with this password not long ago.
    pub(super) fn recalls(&self, name: &str, password: &Secret, now: Instant) -> bool {
        let tag = {
            let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            remembered.get(name).filter(|(_, since)| is_fresh(*since, now)).map(|(tag, _)| *tag)
        };
        tag.is_some_and(|tag| verify_slices_are_equal(self.tag(name, password).as_ref(), tag.as_ref()).is_ok())
    }

    /// Remembers a success. One that is already remembered keeps its time, so that a password which was changed
    /// elsewhere does not live on by being used.
    pub(super) fn remember(&self, name: &str, password: &Secret, now: Instant) {
        let tag = self.tag(name, password);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.get(name).is_some_and(|(known, since)| known.as_ref() == tag.as_ref() && is_fresh(*since, now)) {
            return;
        }
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, (_, since)| is_fresh(*since, now));
        }
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(name.to_owned(), (tag, now));
    }

    fn tag(&self, name: &str, password: &Secret) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        // A name has no NUL in it (`entry_name`), so no two pairs look alike.
        [name.as_bytes(), b"\0", password.reveal().as_bytes()].iter().for_each(|part| context.update(part));
        context.sign()
    }
}

fn is_fresh(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < REMEMBERED_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_recalled_for_a_while_and_for_this_password_only() {
        let (memory, start) = (Memory::new().unwrap(), Instant::now());
        let (right, wrong) = (Secret::new("right"), Secret::new("wrong"));
        assert!(!memory.recalls("ana", &right, start));
        memory.remember("ana", &right, start);
        assert!(memory.recalls("ana", &right, start + REMEMBERED_FOR / 2));
        assert!(!memory.recalls("ana", &wrong, start));
        assert!(!memory.recalls("bob", &right, start));
        // Used again half-way, it is forgotten at the same time nevertheless.
        memory.remember("ana", &right, start + REMEMBERED_FOR / 2);
        assert!(!memory.recalls("ana", &right, start + REMEMBERED_FOR));
    }

    #[test]
    fn no_more_than_the_bound_is_remembered() {
        let (memory, start) = (Memory::new().unwrap(), Instant::now());
        let password = Secret::new("x");
        for number in 0..=REMEMBERED_MAX {
            memory.remember(&number.to_string(), &password, start);
        }
        assert!(memory.remembered.lock().unwrap().len() <= REMEMBERED_MAX);
        assert!(memory.recalls(&REMEMBERED_MAX.to_string(), &password, start));
    }
}
