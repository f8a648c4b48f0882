//! What a client that was away hears first (QRESYNC, RFC 7162 §3.2.5, §3.2.6): which UIDs have vanished, and what changed.
//! For SELECT and for UID FETCH.

use mail::{ModSeq, NumberSet, Uid, UidValidity};

use crate::Outbox;
use crate::imap::parse::{Parsed, Parser, syntax};
use crate::imap::view::{View, merged};

/// What the client knows, as the parameter QRESYNC has it.
#[derive(Debug)]
pub struct Known {
    pub validity: UidValidity,
    pub since: ModSeq,
    pub uids: Option<NumberSet>,
    matches: Option<Matches>,
}

/// Sequence numbers and the UIDs that the client has for them (§3.2.5.2).
#[derive(Debug)]
struct Matches {
    numbers: NumberSet,
    uids: NumberSet,
}

// "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"
pub fn known(args: &mut Parser<'_>) -> Parsed<Known> {
    args.expect(b'(')?;
    let validity = args.nz_number()?;
    args.space()?;
    let since = args.mod_sequence()?;
    let mut known = Known { validity: validity_of(validity)?, since, uids: None, matches: None };
    let mut more = args.take_if(b' ');
    if more && args.peek() != Some(b'(') {
        known.uids = Some(numbers_only(args)?);
        more = args.take_if(b' ');
    }
    if more {
        known.matches = Some(matches(args)?);
    }
    args.expect(b')')?;
    Ok(known)
}

fn validity_of(number: u32) -> Parsed<UidValidity> {
    UidValidity::new(number).map_or_else(|| syntax("Invalid UIDVALIDITY"), Ok)
}

// seq-match-data = "(" known-sequence-set SP known-uid-set ")"
fn matches(args: &mut Parser<'_>) -> Parsed<Matches> {
    args.expect(b'(')?;
    let numbers = numbers_only(args)?;
    args.space()?;
    let uids = numbers_only(args)?;
    args.expect(b')')?;
    // "Both MUST be provided in ascending order", and be pairs.
    let count = |set: &NumberSet| set.ranges(0).map(|(low, high)| u64::from(high - low) + 1).sum::<u64>();
    let ascends = |set: &NumberSet| set.ranges(0).is_sorted_by(|before, after| before.1 < after.0);
    if !ascends(&numbers) || !ascends(&uids) || count(&numbers) != count(&uids) {
        return syntax("Invalid sequence match data");
    }
    Ok(Matches { numbers, uids })
}

/// A set in which "*" is not allowed.
fn numbers_only(args: &mut Parser<'_>) -> Parsed<NumberSet> {
    let set = args.sequence_set()?;
    if set.names_star() { syntax("Invalid messageset") } else { Ok(set) }
}

impl Known {
    /// The highest UID up to which the client and the mailbox have the same messages: it knows of all that vanished below.
    pub fn agreed(&self, view: &View) -> Option<Uid> {
        let matches = self.matches.as_ref()?;
        let rows = &view.shown().rows;
        let each = |set: &NumberSet| set.ranges(0).collect::<Vec<_>>().into_iter().flat_map(|(low, high)| low..=high);
        // They ascend: behind the mailbox's end nothing can agree, so no more pairs are looked at than there are messages.
        let pairs = each(&matches.numbers).zip(each(&matches.uids));
        let in_use = pairs.map_while(|(number, uid)| rows.at(number as usize - 1).map(|row| (row.uid, uid)));
        in_use.filter(|(uid, known)| uid.number() == *known).last().map(|(uid, _)| uid)
    }
}

/// What the client asks about the past.
#[derive(Debug, Default)]
pub struct Question<'a> {
    /// `None`: every UID up to the last that was given.
    pub uids: Option<&'a NumberSet>,
    /// It knows of all up to this one.
    pub agreed: Option<Uid>,
}

// expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids
/// Tells which of the UIDs asked about are gone. `vanished` is what the house knows, `None` if it does not remember that far: then
/// all that are not there. A message that the client still counts is none of them, whatever the house has heard meanwhile.
pub fn write_vanished(view: &View, question: &Question<'_>, vanished: Option<Vec<(Uid, Uid)>>, out: &mut Outbox) {
    let shown = view.shown();
    let highest = shown.uid_next.number() - 1;
    let floor = question.agreed.map_or(0, Uid::number);
    let asked = question.uids.map_or_else(|| vec![(1, highest)], |uids| merged(uids.ranges(highest)));
    let gone = vanished.map_or_else(
        || vec![(1, highest)],
        |ranges| ranges.into_iter().map(|(first, last)| (first.number(), last.number())).collect(),
    );
    let mut ranges = Vec::new();
    for (low, high) in common(&asked, &gone) {
        add_absent(view, low.max(floor.saturating_add(1)), high.min(highest), &mut ranges);
    }
    if !ranges.is_empty() {
        let uids = NumberSet::from_ranges(merged(ranges.into_iter()));
        out.push(format!("* VANISHED (EARLIER) {uids}\r\n").as_bytes());
    }
}

/// What is in both. Both ascend and do not overlap.
fn common(one: &[(u32, u32)], other: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let (mut i, mut j) = (0, 0);
    let mut common = Vec::new();
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        let (low, high) = (a.0.max(b.0), a.1.min(b.1));
        if low <= high {
            common.push((low, high));
        }
        if a.1 < b.1 { i += 1 } else { j += 1 }
    }
    common
}

/// The numbers from `low` to `high` that are no UIDs of messages which the client counts.
fn add_absent(view: &View, low: u32, high: u32, ranges: &mut Vec<(u32, u32)>) {
    let rows = &view.shown().rows;
    let Some(first) = Uid::new(low) else { return };
    let mut next = low;
    for row in rows.range(rows.lower_bound(first), rows.len()).take_while(|row| row.uid.number() <= high) {
        let uid = row.uid.number();
        if next < uid {
            ranges.push((next, uid - 1));
        }
        next = uid.saturating_add(1);
    }
    if next <= high {
        ranges.push((next, high));
    }
}
