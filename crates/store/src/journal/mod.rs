//! `tepui-changes`: the mod-sequences of a mailbox, and which UIDs have vanished (RFC 7162). The same for every node, and kept
//! over restarts. Dovecot passes over the file.
//!
//! It begins with a *base*, the whole state in short form; behind it stand the *changes* made since, one record an
//! operation, appended under the mailbox lock. Once the changes are longer than the base, the file is replaced by a new
//! base. What the files in `cur/` and `new/` say is the truth; where the journal says otherwise it is the journal that
//! learns, by another record.
//!
//! Promises: whatever is lost of the file, no later mod-sequence is lower than one that was told, because they are the
//! microseconds of the storage's clock; a record is believed only behind all that came before it when it was written.
//! Pure; the file is `mailbox::record`'s.

mod codec;
mod file;
mod vanished;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mail::{Flags, Keywords, ModSeq, Row, Rows, Uid, UidValidity};

pub(crate) use self::file::{Position, append, base, read_tail, read_whole};
pub use self::vanished::Vanished;
pub(crate) use self::vanished::Vanishings;
use mail::large;

pub(crate) const FILE: &str = "tepui-changes";

/// Mod-sequences fit into 63 bits (RFC 7162 §3.1), and into the integers that JSON keeps exactly.
pub(crate) const MODSEQ_MAX: u64 = (1 << 53) - 1;

/// A storage clock beyond this (the year 2112) is out of order and not followed.
const CLOCK_MAX: u64 = 1 << 52;

/// The state of a mailbox as the journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) validity: UidValidity,
    pub(crate) highest: ModSeq,
    /// Flags without those letters that have no name.
    pub(crate) rows: Rows,
    pub(crate) vanished: Arc<Vanishings>,
    /// What the letters meant when they were last recorded.
    pub(crate) keywords: Keywords,
}

/// What one operation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) modseq: ModSeq,
    /// New messages, and messages whose flags or keywords changed. Ascending by UID.
    pub(crate) rows: Vec<(Uid, Flags)>,
    /// Ascending.
    pub(crate) vanished: Vec<Uid>,
    /// Only if the names of letters changed.
    pub(crate) keywords: Option<Keywords>,
}

impl Change {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.vanished.is_empty()
    }
}

impl History {
    /// Of a mailbox whose past is not known.
    pub(crate) fn begin(validity: UidValidity, clock: SystemTime) -> History {
        let highest = ModSeq(micros(clock).max(1));
        let vanished = Arc::new(Vanishings::unknown_before(highest));
        History { validity, highest, rows: Rows::default(), vanished, keywords: Keywords::default() }
    }

    /// Of all messages that are there or are known to have vanished.
    pub(crate) fn highest_uid(&self) -> Option<Uid> {
        let vanished = self.vanished.ranges.iter().map(|range| range.last).max();
        self.rows.last().map(|row| row.uid).max(vanished)
    }

    /// The mod-sequence of the next change, given the clock of the storage and the highest one that we ourselves have told. It
    /// is higher than all that were told even if the last records were lost: those were told earlier.
    pub(crate) fn next(&self, clock: SystemTime, told: ModSeq) -> ModSeq {
        ModSeq((self.highest.max(told).0 + 1).max(micros(clock)).min(MODSEQ_MAX))
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        if let Some(keywords) = &change.keywords {
            self.keywords = keywords.clone();
        }
        self.highest = change.modseq;
        let row = |&(uid, flags): &(Uid, Flags)| Row { uid, flags, modseq: change.modseq };
        if self.rows.is_empty() && self.vanished.ranges.is_empty() {
            // A whole mailbox that nobody knew.
            self.rows = change.rows.iter().map(row).collect();
            return;
        }
        let mut edits: Vec<(Uid, Option<Row>)> =
            large::collect(change.rows.iter().map(row).map(|row| (row.uid, Some(row))));
        let gone: Vec<Uid> = change.vanished.iter().copied().filter(|uid| self.rows.row(*uid).is_some()).collect();
        let back: Vec<Uid> = edits.iter().map(|(uid, _)| *uid).filter(|uid| self.rows.row(*uid).is_none()).collect();
        edits.extend(gone.iter().map(|uid| (*uid, None)));
        edits.sort_by_key(|(uid, _)| *uid);
        edits.dedup_by_key(|(uid, _)| *uid);
        self.rows.edit(&edits);
        if self.vanished.concerns(&back) || !gone.is_empty() {
            let vanished = Arc::make_mut(&mut self.vanished);
            vanished.take_back(&back);
            vanished.add(&gone, change.modseq);
        }
    }
}

fn micros(clock: SystemTime) -> u64 {
    let since = clock.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    u64::try_from(since).ok().filter(|micros| *micros <= CLOCK_MAX).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use mail::Keyword;

    use super::*;

    pub(crate) fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    pub(crate) fn at(micros: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(micros)
    }

    pub(crate) fn change(history: &History, rows: &[(u32, Flags)], vanished: &[u32]) -> Change {
        Change {
            modseq: history.next(UNIX_EPOCH, ModSeq::default()),
            rows: rows.iter().map(|(number, flags)| (uid(*number), *flags)).collect(),
            vanished: vanished.iter().map(|number| uid(*number)).collect(),
            keywords: None,
        }
    }

    /// UIDs 1, 3, 4, 5 of 1 to 6; changes at 101 to 103; keyword 0 has a name.
    pub(crate) fn sample() -> (History, Vec<Change>) {
        let mut history = History::begin(UidValidity::new(7).unwrap(), at(100));
        let mut changes = Vec::new();
        let mut keywords = Keywords::default();
        keywords.set(0, Keyword::parse("work").unwrap());
        for (rows, vanished) in [
            (vec![(1, Flags::NONE), (2, Flags::SEEN), (3, Flags::SEEN), (4, Flags::SEEN), (6, Flags::NONE)], vec![]),
            (vec![(3, Flags::keyword(0).unwrap())], vec![2, 6]),
            (vec![(5, Flags::DRAFT)], vec![]),
        ] {
            let mut change = change(&history, &rows, &vanished);
            change.keywords = (change.modseq.0 == 102).then(|| keywords.clone());
            history.apply(&change);
            changes.push(change);
        }
        (history, changes)
    }

    #[test]
    fn each_message_has_the_mod_sequence_of_its_last_change() {
        let (history, _) = sample();
        let rows: Vec<(u32, u64)> = history.rows.iter().map(|row| (row.uid.number(), row.modseq.0)).collect();
        assert_eq!(rows, [(1, 101), (3, 102), (4, 101), (5, 103)]);
        assert_eq!(history.highest, ModSeq(103));
        assert_eq!(history.vanished.since(ModSeq(101)), Vanished::Known(vec![(uid(2), uid(2)), (uid(6), uid(6))]));
        assert_eq!(history.vanished.since(ModSeq(102)), Vanished::Known(vec![]));
        assert_eq!(history.vanished.since(ModSeq(99)), Vanished::Unknown);
    }

    #[test]
    fn mod_sequences_follow_the_clock_and_never_turn_back() {
        let (history, _) = sample();
        let next = |micros, told| history.next(at(micros), ModSeq(told)).0;
        assert_eq!(next(5000, 0), 5000);
        assert_eq!(next(50, 0), 104);
        assert_eq!(next(u64::MAX / 2, 0), 104);
        assert_eq!(next(50, 200), 201);
    }

    #[test]
    fn a_message_that_comes_back_has_not_vanished() {
        let (mut history, _) = sample();
        history.apply(&change(&history, &[(2, Flags::NONE)], &[]));
        assert_eq!(history.vanished.since(ModSeq(101)), Vanished::Known(vec![(uid(6), uid(6))]));
    }
}
