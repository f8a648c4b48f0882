//! Passwords that were right lately, kept as hashes under a key that lives and dies with the process.
//!
//! It saves computing a hash that is slow on purpose, saves asking a server, and can answer for a directory that is
//! down. So it knows two ages: fresh, when nobody is asked, and stale, when nobody can be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use proto::sasl::{Evidence, Secret};

use super::Peer;
use tokio::time::Instant;

use crate::keyed::Keyed;

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

/// What a right password leads to, by login.
#[derive(Debug)]
pub(super) struct Remembered<V> {
    settings: PasswordMemory,
    key: Keyed,
    known: Mutex<HashMap<String, Known<V>>>,
}

#[derive(Debug)]
struct Known<V> {
    tag: hmac::Tag,
    value: V,
    /// The only address from which it is good, where the source looked at the address.
    from: Option<IpAddr>,
    since: Instant,
}

/// A login as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried<'a> {
    pub login: &'a str,
    pub password: &'a Secret,
    pub from: IpAddr,
}

impl<'a> Tried<'a> {
    /// `None` where no password is tried.
    pub fn of(login: &'a str, evidence: &'a Evidence, peer: Peer<'_>) -> Option<Tried<'a>> {
        match evidence {
            Evidence::Password(password) => Some(Tried { login, password, from: peer.address }),
            _ => None,
        }
    }
}

impl<V: Clone> Remembered<V> {
    /// `None` when the system gives no random numbers.
    pub fn new(settings: PasswordMemory) -> Option<Remembered<V>> {
        Some(Remembered { settings, key: Keyed::new()?, known: Mutex::default() })
    }

    /// What it led to, if this login had this password a moment ago.
    pub fn fresh(&self, tried: Tried<'_>) -> Option<V> {
        self.recall(tried, self.settings.fresh_max)
    }

    /// What it led to, if this login had this password when the directory was last asked.
    pub fn stale(&self, tried: Tried<'_>) -> Option<V> {
        self.recall(tried, self.settings.stale_max)
    }

    fn recall(&self, tried: Tried<'_>, age_max: Duration) -> Option<V> {
        if age_max.is_zero() {
            return None;
        }
        let tag = self.key.tag(tried.login, tried.password);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(tried.login).filter(|known| known.since.elapsed() < age_max)?;
        let is_from_there = known.from.is_none_or(|from| from == tried.from);
        let is_right = verify_slices_are_equal(tag.as_ref(), known.tag.as_ref()).is_ok();
        (is_from_there && is_right).then(|| known.value.clone())
    }

    /// Remembers a success; `only_from_there` when it was judged by the address too.
    pub fn remember(&self, tried: Tried<'_>, value: &V, only_from_there: bool) {
        let age_max = self.settings.fresh_max.max(self.settings.stale_max);
        if age_max.is_zero() {
            return;
        }
        let tag = self.key.tag(tried.login, tried.password);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.settings.entries_max && !known.contains_key(tried.login) {
            known.retain(|_, known| known.since.elapsed() < age_max);
        }
        if known.len() < self.settings.entries_max || known.contains_key(tried.login) {
            let from = only_from_there.then_some(tried.from);
            known.insert(tried.login.to_owned(), Known { tag, value: value.clone(), from, since: Instant::now() });
        }
    }

    /// After the directory refused what is remembered: it must not come back when the directory goes down.
    pub fn forget(&self, tried: Tried<'_>) {
        let tag = self.key.tag(tried.login, tried.password);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_right = |known: &Known<V>| verify_slices_are_equal(tag.as_ref(), known.tag.as_ref()).is_ok();
        if known.get(tried.login).is_some_and(is_right) {
            known.remove(tried.login);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const HERE: &str = "192.0.2.1";

    fn minutes(fresh: u32, stale: u32, entries_max: usize) -> Remembered<&'static str> {
        let minute = Duration::from_secs(60);
        let (fresh_max, stale_max) = (minute * fresh, minute * stale);
        Remembered::new(PasswordMemory { fresh_max, stale_max, entries_max }).unwrap()
    }

    fn tried<'a>(login: &'a str, password: &'a Secret, from: &str) -> Tried<'a> {
        Tried { login, password, from: from.parse().unwrap() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_is_fresh_for_a_while_and_stale_for_longer() {
        let (remembered, right, wrong) = (minutes(5, 60, 10), Secret::new("right"), Secret::new("wrong"));
        let ana = tried("ana", &right, HERE);
        remembered.remember(ana, &"ana", false);
        assert_eq!(remembered.fresh(ana), Some("ana"));
        assert_eq!(remembered.fresh(tried("ana", &right, "198.51.100.7")), Some("ana"));
        assert_eq!(remembered.fresh(tried("ana", &wrong, HERE)), None);
        assert_eq!(remembered.stale(tried("bob", &right, HERE)), None);
        advance(Duration::from_secs(300)).await;
        assert_eq!((remembered.fresh(ana), remembered.stale(ana)), (None, Some("ana")));
        advance(Duration::from_secs(3300)).await;
        assert_eq!(remembered.stale(ana), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_log_in_from_some_places_only_is_remembered_for_the_place() {
        let (remembered, right) = (minutes(5, 60, 10), Secret::new("right"));
        remembered.remember(tried("ana", &right, HERE), &"ana", true);
        assert_eq!(remembered.fresh(tried("ana", &right, HERE)), Some("ana"));
        let elsewhere = tried("ana", &right, "198.51.100.7");
        assert_eq!((remembered.fresh(elsewhere), remembered.stale(elsewhere)), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_directory_refused_is_forgotten_and_another_wrong_password_changes_nothing() {
        let (remembered, right, wrong) = (minutes(0, 60, 10), Secret::new("right"), Secret::new("wrong"));
        let ana = tried("ana", &right, HERE);
        remembered.remember(ana, &"ana", false);
        remembered.forget(tried("ana", &wrong, HERE));
        assert_eq!(remembered.stale(ana), Some("ana"));
        remembered.forget(ana);
        assert_eq!(remembered.stale(ana), None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_bound_is_kept() {
        let (remembered, right) = (minutes(5, 5, 2), Secret::new("right"));
        for login in ["ana", "bob", "carol"] {
            remembered.remember(tried(login, &right, HERE), &"x", false);
        }
        assert_eq!(remembered.known.lock().unwrap().len(), 2);
        advance(Duration::from_secs(300)).await;
        remembered.remember(tried("carol", &right, HERE), &"carol", false);
        assert_eq!(remembered.fresh(tried("carol", &right, HERE)), Some("carol"));
    }
}
