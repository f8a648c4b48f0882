//! Which UIDs have vanished, and when: what QRESYNC tells a client that was away (RFC 7162 §3.2.5).

use mail::{ModSeq, Uid};

/// So many ranges are remembered. Beyond, the oldest are forgotten, and who was away longer hears of every absent UID.
const VANISHED_MAX: usize = 16_384;

/// An answer to "what has vanished since".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vanished {
    /// Ranges, first and last UID, ascending.
    Known(Vec<(Uid, Uid)>),
    /// It is too long ago: every UID that is not there must be taken for vanished, which RFC 7162 §3.2.5.2 allows.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vanishings {
    /// What vanished up to this mod-sequence is not known.
    pub(crate) floor: ModSeq,
    /// Ascending by mod-sequence, those of one mod-sequence by UID.
    pub(crate) ranges: Vec<Range>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: Uid,
    pub(crate) last: Uid,
    pub(crate) modseq: ModSeq,
}

impl Vanishings {
    pub(crate) fn unknown_before(floor: ModSeq) -> Vanishings {
        Vanishings { floor, ranges: Vec::new() }
    }

    pub(crate) fn since(&self, modseq: ModSeq) -> Vanished {
        if modseq < self.floor {
            return Vanished::Unknown;
        }
        let later = self.ranges.partition_point(|range| range.modseq <= modseq);
        let mut known: Vec<(Uid, Uid)> =
            self.ranges.iter().skip(later).map(|range| (range.first, range.last)).collect();
        known.sort_unstable();
        known.dedup_by(|next, range| {
            let touches = range.1.next() == Some(next.0);
            if touches {
                range.1 = next.1;
            }
            touches
        });
        Vanished::Known(known)
    }

    pub(crate) fn contains(&self, uid: Uid) -> bool {
        self.ranges.iter().any(|range| range.first <= uid && uid <= range.last)
    }

    /// Whether any of these UIDs, ascending, may be among them.
    pub(super) fn concerns(&self, uids: &[Uid]) -> bool {
        uids.first().is_some_and(|lowest| self.ranges.iter().any(|range| range.last >= *lowest))
    }

    /// `uids` ascend.
    pub(super) fn add(&mut self, uids: &[Uid], modseq: ModSeq) {
        for &uid in uids {
            match self.ranges.last_mut() {
                Some(range) if range.modseq == modseq && range.last.next() == Some(uid) => range.last = uid,
                _ => self.ranges.push(Range { first: uid, last: uid, modseq }),
            }
        }
        self.forget_oldest();
    }

    /// Files that were missing and came back: they have not vanished.
    pub(super) fn take_back(&mut self, uids: &[Uid]) {
        for &uid in uids.iter().filter(|uid| self.ranges.iter().any(|range| range.last >= **uid)).collect::<Vec<_>>() {
            let Some(index) = self.ranges.iter().position(|range| range.first <= uid && uid <= range.last) else {
                continue;
            };
            let Range { first, last, modseq } = self.ranges.remove(index);
            let before = Uid::new(uid.number() - 1).filter(|before| *before >= first);
            let after = uid.next().filter(|after| *after <= last);
            let parts = [before.map(|before| (first, before)), after.map(|after| (after, last))];
            let rest = parts.into_iter().flatten().map(|(first, last)| Range { first, last, modseq });
            self.ranges.splice(index..index, rest);
        }
    }

    /// A quarter at once, so that it happens rarely.
    fn forget_oldest(&mut self) {
        if self.ranges.len() <= VANISHED_MAX {
            return;
        }
        let surplus = self.ranges.len() - VANISHED_MAX * 3 / 4;
        if let Some(range) = self.ranges.get(surplus) {
            // Whole mod-sequences only: the floor is one.
            self.floor = range.modseq;
            let kept = self.ranges.partition_point(|range| range.modseq <= self.floor);
            self.ranges.drain(..kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::uid;
    use super::*;

    #[test]
    fn what_is_forgotten_is_said_to_be_unknown() {
        let mut vanished = Vanishings::unknown_before(ModSeq(1));
        for number in 1..=VANISHED_MAX as u32 + 1 {
            vanished.add(&[uid(2 * number)], ModSeq(u64::from(number) + 1));
        }
        assert!(vanished.ranges.len() <= VANISHED_MAX);
        assert_eq!(vanished.since(ModSeq(2)), Vanished::Unknown);
        let Vanished::Known(known) = vanished.since(vanished.floor) else { panic!("unknown") };
        assert_eq!(known.len(), vanished.ranges.len());
        assert!(vanished.ranges[0].modseq > vanished.floor);
    }

    #[test]
    fn ranges_are_cut_where_a_message_came_back_and_told_joined() {
        let mut vanished = Vanishings::unknown_before(ModSeq(1));
        vanished.add(&[uid(3), uid(4), uid(5)], ModSeq(2));
        vanished.add(&[uid(1), uid(2)], ModSeq(3));
        assert_eq!(vanished.since(ModSeq(1)), Vanished::Known(vec![(uid(1), uid(5))]));
        vanished.take_back(&[uid(4), uid(9)]);
        assert_eq!(vanished.since(ModSeq(1)), Vanished::Known(vec![(uid(1), uid(3)), (uid(5), uid(5))]));
    }
}
