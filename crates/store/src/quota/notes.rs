//! `tepui-quota` in the account's home: what nodes must know of each other besides the number. Ours alone; Dovecot
//! passes over it. Written under the number's lock, durably, and seldom.
//!
//! ```text
//! 1
//! generation 3
//! counted 1763725577123
//! narrow 1763725580000
//! open mx1.example.test 00001879f2c0 1763725577123
//! ```
//!
//! * `generation`: grows whenever a count found something else than the number said. A change that was noted in memory
//!   before is in the new number or not; nobody knows, so whoever has such a change counts again.
//! * `counted`: when the messages were last counted.
//! * `narrow`: since when the account is near its limit, so that nobody may add without the lock.
//! * `open`: this node, in this life of its process, may have changes in memory. A node that finds its own name with
//!   another life had a crash, and the number must be counted anew.
//!
//! Times are the storage's, in milliseconds since 1970. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

pub(crate) const NOTES: &str = "tepui-quota";

const VERSION: &str = "1";
/// A mark that old is made anew with the next change.
const RENEW_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A mark that old is of a node that will not come back; what it left undone is counted.
const OPEN_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// The same for a process that only passed by; their names have a slash.
const PASSING_MAX: Duration = Duration::from_secs(3600);
/// How long an account that is not near its limit any more stays declared narrow.
const NARROW_KEEP: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) generation: u64,
    pub(super) counted: u64,
    narrow: Option<u64>,
    open: BTreeMap<String, (String, u64)>,
}

/// Who writes: the node's name, and the life of its process.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) node: String,
    pub(super) life: String,
}

impl Notes {
    /// `None` when it makes no sense.
    pub(super) fn parse(content: &[u8]) -> Option<Notes> {
        let mut lines = std::str::from_utf8(content).ok()?.strip_suffix('\n')?.split('\n');
        lines.next().filter(|version| *version == VERSION)?;
        let mut notes = Notes::default();
        for line in lines {
            match *line.split(' ').collect::<Vec<_>>().as_slice() {
                ["generation", number] => notes.generation = number.parse().ok()?,
                ["counted", time] => notes.counted = time.parse().ok()?,
                ["narrow", time] => notes.narrow = Some(time.parse().ok()?),
                ["open", node, life, time] => {
                    notes.open.insert(node.to_owned(), (life.to_owned(), time.parse().ok()?));
                }
                _ => return None,
            }
        }
        Some(notes)
    }

    pub(super) fn of_generation(generation: u64) -> Notes {
        Notes { generation, ..Notes::default() }
    }

    pub(super) fn encode(&self) -> String {
        let mut text = format!("{VERSION}\ngeneration {}\ncounted {}\n", self.generation, self.counted);
        // Writing to a string cannot fail.
        let _ = self.narrow.iter().try_for_each(|since| writeln!(text, "narrow {since}"));
        let mut open = self.open.iter();
        let _ = open.try_for_each(|(node, (life, time))| writeln!(text, "open {node} {life} {time}"));
        text
    }

    /// Whether this life of this node is marked.
    pub(super) fn has(&self, who: &Who) -> bool {
        self.open.get(&who.node).is_some_and(|(life, _)| *life == who.life)
    }

    /// Whether anybody else is marked.
    pub(super) fn has_others(&self, who: &Who) -> bool {
        self.open.keys().any(|node| *node != who.node)
    }

    /// Whether somebody who was marked died with changes in memory.
    pub(super) fn is_in_doubt(&self, who: &Who, now: u64) -> bool {
        let dead = |(node, (life, time)): (&String, &(String, u64))| match *node == who.node {
            true => *life != who.life,
            false => is_old(node, *time, now),
        };
        self.open.iter().any(dead)
    }

    /// Marks this life of this node, if that is due.
    pub(super) fn mark(&mut self, who: &Who, now: u64) {
        let due = |(life, time): &(String, u64)| *life != who.life || since(*time, now) >= RENEW_AFTER;
        if self.open.get(&who.node).is_none_or(due) {
            self.open.insert(who.node.clone(), (who.life.clone(), now));
        }
    }

    pub(super) fn unmark(&mut self, who: &Who) {
        self.open.remove(&who.node);
    }

    /// The same with the marks that earlier notes had beside these.
    pub(super) fn with_marks_of(&self, earlier: Option<&Notes>) -> Notes {
        let mut notes = self.clone();
        for (node, mark) in earlier.iter().flat_map(|earlier| &earlier.open) {
            notes.open.entry(node.clone()).or_insert_with(|| mark.clone());
        }
        notes
    }

    /// A count was made: nobody who is gone left anything in doubt.
    pub(super) fn count_was_made(&mut self, who: &Who, now: u64) {
        self.counted = now;
        self.open.retain(|node, (life, time)| match *node == who.node {
            true => *life == who.life,
            false => !is_old(node, *time, now),
        });
    }

    /// Whether somebody may not add without the lock.
    pub(super) fn is_narrow(&self) -> bool {
        self.narrow.is_some()
    }

    /// Declares the account narrow, or ends that when it has been wide for a while.
    pub(super) fn set_narrow(&mut self, narrow: bool, now: u64) {
        match (narrow, self.narrow) {
            (true, None) => self.narrow = Some(now),
            (false, Some(time)) if since(time, now) >= NARROW_KEEP => self.narrow = None,
            _ => {}
        }
    }

    /// Whether it has been narrow for so long that every node knows it.
    pub(super) fn is_settled(&self, now: u64) -> bool {
        self.narrow.is_some_and(|time| since(time, now) >= super::SETTLE_AFTER)
    }
}

fn is_old(node: &str, marked: u64, now: u64) -> bool {
    since(marked, now) >= if node.contains('/') { PASSING_MAX } else { OPEN_MAX }
}

pub(super) fn since(then: u64, now: u64) -> Duration {
    Duration::from_millis(now.saturating_sub(then))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(node: &str, life: &str) -> Who {
        Who { node: node.to_owned(), life: life.to_owned() }
    }

    #[test]
    fn notes_come_back_as_they_were_written() {
        let mut notes = Notes { generation: 3, counted: 5, ..Notes::default() };
        notes.mark(&who("a", "1"), 7);
        notes.mark(&who("b", "2"), 8);
        notes.set_narrow(true, 9);
        assert_eq!(Notes::parse(notes.encode().as_bytes()), Some(notes));
    }

    #[test]
    fn torn_notes_are_none() {
        for bad in [&b""[..], b"1", b"2\n", b"1\ngeneration x\n", b"1\nopen a b\n", b"1\n\0\0\0\n", b"1\ngeneration 3"]
        {
            assert_eq!(Notes::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_node_in_its_next_life_is_in_doubt_and_a_living_neighbour_is_not() {
        let mut notes = Notes::default();
        notes.mark(&who("a", "1"), 0);
        assert!(!notes.is_in_doubt(&who("a", "1"), 1));
        assert!(!notes.is_in_doubt(&who("b", "1"), 1));
        assert!(notes.is_in_doubt(&who("a", "2"), 1));
        let week = u64::try_from(OPEN_MAX.as_millis()).unwrap();
        assert!(notes.is_in_doubt(&who("b", "1"), week));
        notes.count_was_made(&who("b", "1"), week);
        assert!(!notes.is_in_doubt(&who("b", "1"), week) && !notes.has(&who("a", "1")));
        notes.mark(&who("a", "2"), week);
        notes.count_was_made(&who("a", "3"), week);
        assert!(!notes.is_in_doubt(&who("a", "3"), week));
    }

    #[test]
    fn an_account_stays_narrow_for_a_while() {
        let mut notes = Notes::default();
        notes.set_narrow(true, 1000);
        assert!(notes.is_narrow() && !notes.is_settled(2000) && notes.is_settled(5000));
        notes.set_narrow(false, 5000);
        assert!(notes.is_narrow());
        notes.set_narrow(false, 61_000);
        assert!(!notes.is_narrow());
    }
}
