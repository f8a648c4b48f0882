//! Passwords that a server said yes to lately, kept as hashes under a key that lives and dies with the process.
//!
//! The password file has such a memory too (`passwd_file`), which saves computing; this one saves asking, and can
//! answer for a directory that is down. So it knows two ages: fresh, when nobody is asked, and stale, when nobody can
//! be.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use proto::sasl::Secret;
use tokio::time::Instant;

use crate::account::Account;

/// How long a success is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordMemory {
    /// Nobody is asked again before that. Zero: the directory is asked each time.
    pub fresh_max: Duration,
    /// As long as the directory is down. Zero: nobody is let in then. A password changed or an account closed meanwhile
    /// is not known.
    pub stale_max: Duration,
    pub entries_max: usize,
}

impl Default for PasswordMemory {
    fn default() -> PasswordMemory {
        PasswordMemory { fresh_max: Duration::ZERO, stale_max: Duration::ZERO, entries_max: 100_000 }
    }
}

pub(super) struct Remembered {
    settings: PasswordMemory,
    key: hmac::Key,
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    tag: hmac::Tag,
    account: Account,
    since: Instant,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remembered(…)")
    }
}

impl Remembered {
    /// `None` when the system gives no random numbers.
    pub fn new(settings: PasswordMemory) -> Option<Remembered> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(Remembered { settings, key, known: Mutex::default() })
    }

    /// The account, if this login had this password a moment ago.
    pub fn fresh(&self, login: &str, password: &Secret) -> Option<Account> {
        self.recall(login, password, self.settings.fresh_max)
    }

    /// The account, if this login had this password when the directory was last asked.
    pub fn stale(&self, login: &str, password: &Secret) -> Option<Account> {
        self.recall(login, password, self.settings.stale_max)
    }

    fn recall(&self, login: &str, password: &Secret, age_max: Duration) -> Option<Account> {
        if age_max.is_zero() {
            return None;
        }
        let tag = self.tag(login, password);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(login).filter(|known| known.since.elapsed() < age_max)?;
        verify_slices_are_equal(tag.as_ref(), known.tag.as_ref()).ok().map(|()| known.account.clone())
    }

    pub fn remember(&self, login: &str, password: &Secret, account: &Account) {
        let age_max = self.settings.fresh_max.max(self.settings.stale_max);
        if age_max.is_zero() {
            return;
        }
        let tag = self.tag(login, password);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.settings.entries_max && !known.contains_key(login) {
            known.retain(|_, known| known.since.elapsed() < age_max);
        }
        if known.len() < self.settings.entries_max || known.contains_key(login) {
            known.insert(login.to_owned(), Known { tag, account: account.clone(), since: Instant::now() });
        }
    }

    /// After the directory refused what is remembered: it must not come back when the directory goes down.
    pub fn forget(&self, login: &str, password: &Secret) {
        let tag = self.tag(login, password);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(login).is_some_and(|known| verify_slices_are_equal(tag.as_ref(), known.tag.as_ref()).is_ok()) {
            known.remove(login);
        }
    }

    fn tag(&self, login: &str, password: &Secret) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        // A login has no NUL in it (`proto::sasl`), so no two pairs look alike.
        [login.as_bytes(), b"\0", password.reveal().as_bytes()].iter().for_each(|part| context.update(part));
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tokio::time::advance;

    fn ana() -> Account {
        let fields = BTreeMap::new();
        Account { name: "ana".into(), home: "/m/ana".into(), quota: None, uid: None, gid: None, fields }
    }

    fn minutes(fresh: u64, stale: u64, entries_max: usize) -> Remembered {
        let minute = Duration::from_secs(60);
        let (fresh_max, stale_max) = (minute * u32::try_from(fresh).unwrap(), minute * u32::try_from(stale).unwrap());
        Remembered::new(PasswordMemory { fresh_max, stale_max, entries_max }).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_is_fresh_for_a_while_and_stale_for_longer() {
        let (remembered, right, wrong) = (minutes(5, 60, 10), Secret::new("right"), Secret::new("wrong"));
        remembered.remember("ana", &right, &ana());
        assert_eq!(remembered.fresh("ana", &right), Some(ana()));
        assert_eq!(remembered.fresh("ana", &wrong), None);
        assert_eq!(remembered.stale("bob", &right), None);
        advance(Duration::from_secs(300)).await;
        assert_eq!((remembered.fresh("ana", &right), remembered.stale("ana", &right)), (None, Some(ana())));
        advance(Duration::from_secs(3300)).await;
        assert_eq!(remembered.stale("ana", &right), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_directory_refused_is_forgotten_and_another_wrong_password_changes_nothing() {
        let (remembered, right) = (minutes(0, 60, 10), Secret::new("right"));
        remembered.remember("ana", &right, &ana());
        remembered.forget("ana", &Secret::new("wrong"));
        assert_eq!(remembered.stale("ana", &right), Some(ana()));
        remembered.forget("ana", &right);
        assert_eq!(remembered.stale("ana", &right), None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_bound_is_kept() {
        let (remembered, right) = (minutes(5, 5, 2), Secret::new("right"));
        for login in ["ana", "bob", "carol"] {
            remembered.remember(login, &right, &ana());
        }
        assert_eq!(remembered.known.lock().unwrap().len(), 2);
        advance(Duration::from_secs(300)).await;
        remembered.remember("carol", &right, &ana());
        assert_eq!(remembered.fresh("carol", &right), Some(ana()));
    }
}
