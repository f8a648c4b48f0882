//! Which datagrams were not heard before. Pure: it is told the time.
//!
//! What is too old is refused by its time, what is younger by its number: of each sender the last [`WINDOW`] numbers are
//! remembered, longer than a datagram is young. Nobody without the secret gets here, so senders are few.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far the sender's clock may be from ours, on either side.
pub const AGE_MAX: Duration = Duration::from_secs(300);
/// Senders that are remembered: a node is a new one after each start. Beyond them the one that was silent longest is forgotten.
const SENDERS_MAX: usize = 256;
/// How much later than its successors a datagram may come.
const WINDOW: u64 = 64;

/// What makes each datagram another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub sender: u64,
    /// From 1.
    pub count: u64,
    /// Microseconds since 1970.
    pub sent: u64,
}

/// Why a datagram does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// It was sent long ago, or the clocks differ.
    OutOfTime,
    /// It was heard before, or may have been.
    Replayed,
}

#[derive(Debug)]
struct Heard {
    highest: u64,
    /// Bit n: the one that is n below the highest.
    seen: u64,
    last: SystemTime,
}

/// What was heard of whom.
#[derive(Debug, Default)]
pub struct Senders(HashMap<u64, Heard>);

impl Senders {
    /// Takes note of a datagram whose seal is right.
    pub fn admit(&mut self, stamp: Stamp, now: SystemTime) -> Result<(), Stale> {
        let sent = UNIX_EPOCH.checked_add(Duration::from_micros(stamp.sent)).ok_or(Stale::OutOfTime)?;
        let apart = now.duration_since(sent).unwrap_or_else(|error| error.duration());
        if apart > AGE_MAX {
            return Err(Stale::OutOfTime);
        }
        if !self.0.contains_key(&stamp.sender) {
            self.make_room();
        }
        let heard = self.0.entry(stamp.sender).or_insert(Heard { highest: 0, seen: 1, last: now });
        heard.take(stamp.count)?;
        heard.last = now;
        Ok(())
    }

    fn make_room(&mut self) {
        if self.0.len() < SENDERS_MAX {
            return;
        }
        let silent = self.0.iter().min_by_key(|(_, heard)| heard.last).map(|(sender, _)| *sender);
        silent.map(|sender| self.0.remove(&sender));
    }
}

impl Heard {
    fn take(&mut self, count: u64) -> Result<(), Stale> {
        if count > self.highest {
            self.seen =
                u32::try_from(count - self.highest).ok().and_then(|by| self.seen.checked_shl(by)).unwrap_or(0) | 1;
            self.highest = count;
            return Ok(());
        }
        let below = self.highest - count;
        if below >= WINDOW || self.seen >> below & 1 == 1 {
            return Err(Stale::Replayed);
        }
        self.seen |= 1 << below;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000_000;

    fn at(micros: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(micros)
    }

    fn stamp(sender: u64, count: u64) -> Stamp {
        Stamp { sender, count, sent: NOW }
    }

    #[test]
    fn each_datagram_counts_once_in_whatever_order() {
        let mut senders = Senders::default();
        for count in [1, 3, 2, 70, 69, 7, 200, 137] {
            assert_eq!(senders.admit(stamp(1, count), at(NOW)), Ok(()), "{count}");
            assert_eq!(senders.admit(stamp(1, count), at(NOW)), Err(Stale::Replayed), "{count}");
        }
        for late in [0, 1, 136, 200 - WINDOW] {
            assert_eq!(senders.admit(stamp(1, late), at(NOW)), Err(Stale::Replayed), "{late}");
        }
        assert_eq!(senders.admit(stamp(1, u64::MAX), at(NOW)), Ok(()));
        assert_eq!(senders.admit(stamp(1, u64::MAX), at(NOW)), Err(Stale::Replayed));
        // The numbers of one say nothing of another.
        assert_eq!(senders.admit(stamp(2, 1), at(NOW)), Ok(()));
        assert_eq!(senders.admit(stamp(2, 0), at(NOW)), Err(Stale::Replayed));
    }

    #[test]
    fn every_order_of_numbers_is_judged_as_a_set_would() {
        let mut state = 12345_u64;
        let (mut senders, mut taken, mut highest) = (Senders::default(), std::collections::HashSet::new(), 0_u64);
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let count = (highest + 8).saturating_sub((state >> 33) % 80).max(1);
            let new = count + WINDOW > highest && taken.insert(count);
            assert_eq!(senders.admit(stamp(1, count), at(NOW)).is_ok(), new, "{count} after {highest}");
            highest = highest.max(count);
        }
    }

    #[test]
    fn what_is_too_old_or_not_yet_is_refused() {
        let mut senders = Senders::default();
        let age = AGE_MAX.as_micros() as u64;
        assert_eq!(senders.admit(stamp(1, 1), at(NOW + age + 1)), Err(Stale::OutOfTime));
        assert_eq!(senders.admit(stamp(1, 1), at(NOW - age - 1)), Err(Stale::OutOfTime));
        for sent in [0, u64::MAX] {
            assert_eq!(senders.admit(Stamp { sender: 1, count: 1, sent }, at(NOW)), Err(Stale::OutOfTime));
        }
        assert!(senders.0.is_empty());
        assert_eq!(senders.admit(stamp(1, 1), at(NOW + age)), Ok(()));
        assert_eq!(senders.admit(stamp(1, 2), at(NOW - age)), Ok(()));
    }

    #[test]
    fn senders_are_bounded_and_the_silent_one_goes() {
        let mut senders = Senders::default();
        for sender in 0..SENDERS_MAX as u64 {
            senders.admit(stamp(sender, 1), at(NOW + sender)).unwrap();
        }
        senders.admit(stamp(0, 2), at(NOW + 1000)).unwrap();
        senders.admit(stamp(9999, 1), at(NOW + 1001)).unwrap();
        assert_eq!(senders.0.len(), SENDERS_MAX);
        assert!(senders.0.contains_key(&0) && !senders.0.contains_key(&1));
    }
}
