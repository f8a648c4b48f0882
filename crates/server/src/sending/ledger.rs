//! What one account has sent lately, and what it still may. Pure: it is told the time.
//!
//! As text, a line each; what makes no sense is left out:
//!
//! ```text
//! locked SECONDS                   since when the account may send nothing
//! sent SECONDS MESSAGES RECIPIENTS within the ten minutes that began then
//! known HASH FIRST LAST            somebody who was written to, by a hash, and when
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::config::SendingLimit;

/// Seconds that are counted together.
const BUCKET: u64 = 600;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// Who was not written to for so long is somebody new.
const KNOWN_KEPT: u64 = 90 * DAY;
/// Recipients that are remembered of one account. When more than so many are new within a day, that is too many.
const KNOWN_MAX: usize = 4000;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Sent,
    /// What was too much; and whether the account is locked for it, just now.
    TooMuch(&'static str, bool),
    /// Since an earlier one.
    Locked,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    locked: Option<u64>,
    /// By the beginning of the bucket.
    sent: BTreeMap<u64, Sent>,
    known: BTreeMap<u64, Known>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sent {
    messages: usize,
    recipients: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    first: u64,
    last: u64,
}

impl Ledger {
    /// Judges one more message to these recipients, each by a hash, and books it when it may be sent.
    pub fn charge(&mut self, now: u64, recipients: &[u64], limit: &SendingLimit) -> Verdict {
        if self.locked.is_some() {
            return Verdict::Locked;
        }
        self.forget(now);
        let each: BTreeSet<u64> = recipients.iter().copied().collect();
        match self.too_much(now, recipients.len(), &each, limit) {
            Some(what) => {
                self.locked = limit.lock.then_some(now);
                Verdict::TooMuch(what, limit.lock)
            }
            None => {
                self.book(now, recipients.len(), &each, limit);
                Verdict::Sent
            }
        }
    }

    fn too_much(&self, now: u64, count: usize, each: &BTreeSet<u64>, limit: &SendingLimit) -> Option<&'static str> {
        let (hour, day) = (self.sum(now, HOUR), self.sum(now, DAY));
        let unknown = each.iter().filter(|hash| !self.known.contains_key(hash)).count();
        let new = unknown + self.known.values().filter(|known| known.first + DAY > now).count();
        let new_max = if limit.new_recipients_day == 0 { 0 } else { limit.new_recipients_day.min(KNOWN_MAX) };
        let counts = [
            ("messages an hour", hour.messages + 1, limit.messages_hour),
            ("messages a day", day.messages + 1, limit.messages_day),
            ("recipients an hour", hour.recipients + count, limit.recipients_hour),
            ("recipients a day", day.recipients + count, limit.recipients_day),
            ("new recipients a day", new, new_max),
        ];
        counts.into_iter().find(|(_, count, max)| *max > 0 && count > max).map(|(what, _, _)| what)
    }

    fn sum(&self, now: u64, within: u64) -> Sent {
        let recent = self.sent.iter().filter(|(began, _)| *began + BUCKET + within > now).map(|(_, sent)| sent);
        recent.fold(Sent::default(), |sum, sent| Sent {
            messages: sum.messages.saturating_add(sent.messages),
            recipients: sum.recipients.saturating_add(sent.recipients),
        })
    }

    fn book(&mut self, now: u64, count: usize, each: &BTreeSet<u64>, limit: &SendingLimit) {
        let bucket = self.sent.entry(now - now % BUCKET).or_default();
        bucket.messages += 1;
        bucket.recipients += count;
        if limit.new_recipients_day == 0 {
            return;
        }
        for hash in each {
            self.known.entry(*hash).or_insert(Known { first: now, last: now }).last = now;
        }
        while self.known.len() > KNOWN_MAX {
            // Those of today are few enough, as was judged.
            let oldest = self.known.iter().min_by_key(|(_, known)| known.last).map(|(hash, _)| *hash);
            oldest.map(|hash| self.known.remove(&hash));
        }
    }

    fn forget(&mut self, now: u64) {
        self.sent.retain(|began, _| *began + BUCKET + DAY > now);
        self.known.retain(|_, known| known.last + KNOWN_KEPT > now);
    }

    pub fn parse(text: &str) -> Ledger {
        let mut ledger = Ledger::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number =
                |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).filter(|n| *n < u64::MAX / 4);
            let count = |at: usize| number(at).and_then(|number| usize::try_from(number).ok());
            match words.first() {
                // A lock holds even if its time cannot be read.
                Some(&"locked") => ledger.locked = Some(number(1).unwrap_or_default()),
                Some(&"sent") => {
                    if let (Some(began), Some(messages), Some(recipients)) = (number(1), count(2), count(3)) {
                        ledger.sent.insert(began, Sent { messages, recipients });
                    }
                }
                Some(&"known") if ledger.known.len() < KNOWN_MAX => {
                    let hash = words.get(1).and_then(|word| u64::from_str_radix(word, 16).ok());
                    if let (Some(hash), Some(first), Some(last)) = (hash, number(2), number(3)) {
                        ledger.known.insert(hash, Known { first, last });
                    }
                }
                _ => {}
            }
        }
        ledger
    }

    pub fn write(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if let Some(since) = self.locked {
            let _ = writeln!(text, "locked {since}");
        }
        for (began, Sent { messages, recipients }) in &self.sent {
            let _ = writeln!(text, "sent {began} {messages} {recipients}");
        }
        for (hash, Known { first, last }) in &self.known {
            let _ = writeln!(text, "known {hash:016x} {first} {last}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moment at which tests begin.
    const T: u64 = 1_800_000_000;

    #[test]
    fn an_hour_and_a_day_are_counted_apart() {
        let limit = SendingLimit { messages_hour: 2, recipients_day: 10, ..SendingLimit::default() };
        let mut ledger = Ledger::default();
        assert_eq!(ledger.charge(T, &[1, 2, 3], &limit), Verdict::Sent);
        assert_eq!(ledger.charge(T + 1, &[1, 2, 3], &limit), Verdict::Sent);
        assert_eq!(ledger.charge(T + 2, &[1], &limit), Verdict::TooMuch("messages an hour", false));
        // What was refused does not count.
        let later = T + HOUR + BUCKET;
        assert_eq!(ledger.charge(later, &[1, 2, 3, 4], &limit), Verdict::Sent);
        assert_eq!(ledger.charge(later, &[1], &limit), Verdict::TooMuch("recipients a day", false));
        assert_eq!(ledger.charge(T + 2 * DAY, &[1; 10], &limit), Verdict::Sent);
        assert_eq!(ledger.sent.len(), 1);
    }

    #[test]
    fn only_those_who_were_not_written_to_before_are_new() {
        let limit = SendingLimit { new_recipients_day: 3, ..SendingLimit::default() };
        let mut ledger = Ledger::default();
        assert_eq!(ledger.charge(T, &[1, 2, 3, 3], &limit), Verdict::Sent);
        assert_eq!(ledger.charge(T, &[1, 2, 3], &limit), Verdict::Sent);
        assert_eq!(ledger.charge(T, &[4], &limit), Verdict::TooMuch("new recipients a day", false));
        assert_eq!(ledger.charge(T + DAY, &[1, 2, 3, 4, 5, 6], &limit), Verdict::Sent);
        assert_eq!(
            ledger.charge(T + DAY + KNOWN_KEPT, &[1, 2, 3, 4], &limit),
            Verdict::TooMuch("new recipients a day", false)
        );
    }

    #[test]
    fn a_lock_holds_until_it_is_taken_away_and_memory_has_a_bound() {
        let limit = SendingLimit { messages_day: 1, lock: true, ..SendingLimit::default() };
        let mut ledger = Ledger::default();
        assert_eq!(ledger.charge(T, &[1], &limit), Verdict::Sent);
        assert_eq!(ledger.charge(T, &[1], &limit), Verdict::TooMuch("messages a day", true));
        let mut again = Ledger::parse(&ledger.write());
        assert_eq!(again, ledger);
        assert_eq!(again.charge(T + 9 * DAY, &[1], &limit), Verdict::Locked);
        assert_eq!(
            Ledger::parse("locked x\nnonsense\nsent 1\nknown zz 1 2\n").charge(T, &[1], &limit),
            Verdict::Locked
        );

        let limit = SendingLimit { new_recipients_day: 1_000_000, ..SendingLimit::default() };
        let mut ledger = Ledger::default();
        let many: Vec<u64> = (0..KNOWN_MAX as u64).collect();
        assert_eq!(ledger.charge(T, &many, &limit), Verdict::Sent);
        assert_eq!(ledger.charge(T, &[u64::MAX], &limit), Verdict::TooMuch("new recipients a day", false));
        assert_eq!(ledger.charge(T + DAY, &[u64::MAX], &limit), Verdict::Sent);
        assert_eq!(ledger.known.len(), KNOWN_MAX);
    }
}
