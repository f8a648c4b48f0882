//! Counts by name, within a bound.
//!
//! When a table is full, an eighth of it goes: first what is over, then what weighs least. A count weighs by its lock,
//! its failures and its age, so whoever wants to be forgotten would have to fail more often under fifty thousand other
//! names than under their own.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Instant;

use super::rules::{LOCK_GROWTH_MAX, Rules};
use super::{GUESSES_MAX, Guess, is_past};
use std::time::Duration;

/// Something that is worth more or less to be kept.
pub trait Weighed {
    type Weight: Ord + Copy;
    fn weight(&self) -> Self::Weight;
}

#[derive(Debug)]
pub struct Table<K, V> {
    entries: HashMap<K, V>,
    entries_max: usize,
}

impl<K: Hash + Eq + Clone, V: Weighed> Table<K, V> {
    pub fn new(entries_max: usize) -> Table<K, V> {
        Table { entries: HashMap::new(), entries_max: entries_max.max(1) }
    }

    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.get(key)
    }

    /// The entry of a key, made if there is none; others make room for it, those that are over first.
    pub fn entry(&mut self, key: K, is_over: impl Fn(&V) -> bool, new: impl FnOnce() -> V) -> &mut V {
        if self.entries.len() >= self.entries_max && !self.entries.contains_key(&key) {
            self.entries.retain(|_, value| !is_over(value));
            self.make_room();
        }
        self.entries.entry(key).or_insert_with(new)
    }

    fn make_room(&mut self) {
        let leaving = (self.entries_max / 8).max(1);
        // All of it once for an eighth of it: a few steps for each entry that comes.
        if self.entries.len() <= self.entries_max - leaving {
            return;
        }
        let mut weights: Vec<(V::Weight, K)> =
            self.entries.iter().map(|(key, value)| (value.weight(), key.clone())).collect();
        weights.select_nth_unstable_by_key(leaving - 1, |(weight, _)| *weight);
        for (_, key) in weights.iter().take(leaving) {
            self.entries.remove(key);
        }
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key)
    }

    pub fn change(&mut self, key: &K, change: impl FnOnce(&mut V)) {
        if let Some(value) = self.entries.get_mut(key) {
            change(value);
        }
    }

    pub fn remove_where(&mut self, is_meant: impl Fn(&K) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|key, _| !is_meant(key));
        before - self.entries.len()
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.keys()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Failures in a row: none of them longer than `window` after the one before.
#[derive(Debug)]
pub struct Count {
    failures: u32,
    /// The first of the row.
    since: Instant,
    /// The last of the row, or the end of the lock.
    last: Instant,
    locked_until: Option<Instant>,
    /// Locks in this row.
    locks: u32,
    /// Passwords that were wrong, the latest last.
    guesses: VecDeque<Guess>,
}

impl Weighed for Count {
    type Weight = (Option<Instant>, u32, Instant);

    fn weight(&self) -> Self::Weight {
        (self.locked_until, self.failures, self.last)
    }
}

impl Count {
    pub fn new(now: Instant) -> Count {
        Count { failures: 0, since: now, last: now, locked_until: None, locks: 0, guesses: VecDeque::new() }
    }

    pub fn is_alive(&self, window: Duration, now: Instant) -> bool {
        !is_past(self.last, window, now)
    }

    /// After `window` nothing is left of the row, after a lock only that there was one.
    pub fn begin_anew_when_over(&mut self, window: Duration, now: Instant) {
        if !self.is_alive(window, now) {
            *self = Count::new(now);
        }
        if self.locked_until.is_some_and(|until| until <= now) {
            *self = Count { locks: self.locks, ..Count::new(now) };
        }
    }

    /// Whether this password was not tried before; it is remembered.
    pub fn is_new(&mut self, guess: Guess) -> bool {
        if self.guesses.contains(&guess) {
            return false;
        }
        if self.guesses.len() >= GUESSES_MAX {
            self.guesses.pop_front();
        }
        self.guesses.push_back(guess);
        true
    }

    /// Counts one more, and says how many there are.
    pub fn add(&mut self, now: Instant) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.last = self.last.max(now);
        self.failures
    }

    /// Locks when there are `failures_max` and it is not locked yet, and says until when.
    pub fn lock_if(&mut self, failures_max: u32, rules: &Rules, now: Instant) -> Option<Instant> {
        if failures_max == 0 || self.failures < failures_max || self.locked_until.is_some() {
            return None;
        }
        let growth = 2_u32.saturating_pow(self.locks).min(LOCK_GROWTH_MAX);
        let until = now + rules.lock_time * growth;
        self.locks = self.locks.saturating_add(1);
        // The row goes on after the lock, so that the next one is longer.
        self.last = until;
        self.locked_until = Some(until);
        Some(until)
    }

    /// Takes back what somebody's own row had in this one. What was counted before this row began is in it no longer,
    /// and a lock stays.
    pub fn forgive(&mut self, own: &Count) {
        if own.since >= self.since && self.locked_until.is_none() {
            self.failures = self.failures.saturating_sub(own.failures);
        }
    }

    /// `None` when the row is over.
    pub fn failures(&self, window: Duration, now: Instant) -> Option<u32> {
        let lock_is_over = self.locked_until.is_some_and(|until| until <= now);
        (self.is_alive(window, now) && !lock_is_over).then_some(self.failures)
    }

    pub fn locked_until(&self, now: Instant) -> Option<Instant> {
        self.locked_until.filter(|until| *until > now)
    }
}
