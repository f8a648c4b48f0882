//! What is in a record: numbers as `varint` has them, UIDs as runs.
//!
//! ```text
//! change    modseq - highest before · keywords · runs of rows (gap, length - 1, flags) · runs of vanished (gap, length - 1)
//! base      UIDVALIDITY · highest · floor · keywords · runs of rows (gap, length - 1, flags, modseq from the run before)
//!           · runs of vanished in order of mod-sequence (first UID from the run before, length - 1, modseq - run before)
//! keywords  0 for "as before", or how many + 1, then number, length, name of each
//! runs      how many, then each; gap is how many UIDs are left out since the run before; "from" is a signed difference
//! ```

use std::sync::Arc;

use mail::{Flags, Keyword, Keywords, ModSeq, Row, Rows, Uid, UidValidity};

use super::vanished::Range;
use super::{Change, History, MODSEQ_MAX, Vanishings};
use crate::varint::{Octets, number, signed};
use mail::large;

/// More messages in one record are taken for damage.
const ROWS_MAX: usize = 1 << 25;

pub(super) fn encode_change(change: &Change, highest: ModSeq) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + 4 * change.rows.len());
    number(&mut out, change.modseq.0 - highest.0);
    keywords(&mut out, change.keywords.as_ref());
    let rows = || runs(change.rows.iter().copied());
    number(&mut out, rows().count() as u64);
    let mut next = 1;
    for (first, len, flags) in rows() {
        span(&mut out, &mut next, first, len);
        number(&mut out, flags.bits().into());
    }
    let vanished = || runs(change.vanished.iter().map(|uid| (*uid, ())));
    number(&mut out, vanished().count() as u64);
    let mut next = 1;
    for (first, len, ()) in vanished() {
        span(&mut out, &mut next, first, len);
    }
    out
}

pub(super) fn encode_base(history: &History) -> Vec<u8> {
    let mut out = Vec::new();
    number(&mut out, history.validity.number().into());
    number(&mut out, history.highest.0);
    number(&mut out, history.vanished.floor.0);
    keywords(&mut out, Some(&history.keywords));
    let rows = || runs(history.rows.iter().map(|row| (row.uid, (row.flags, row.modseq))));
    number(&mut out, rows().count() as u64);
    let (mut next, mut before) = (1, 0);
    for (first, len, (flags, modseq)) in rows() {
        span(&mut out, &mut next, first, len);
        number(&mut out, flags.bits().into());
        number(&mut out, signed(modseq.0, before));
        before = modseq.0;
    }
    number(&mut out, history.vanished.ranges.len() as u64);
    let (mut first, mut modseq) = (0, 0);
    for range in &history.vanished.ranges {
        number(&mut out, signed(range.first.number().into(), first));
        number(&mut out, (range.last.number() - range.first.number()).into());
        number(&mut out, range.modseq.0 - modseq);
        (first, modseq) = (range.first.number().into(), range.modseq.0);
    }
    out
}

/// `None` for what no writer writes.
pub(super) fn decode_change(payload: &[u8], highest: ModSeq) -> Option<Change> {
    let mut payload = Payload(Octets(payload));
    let modseq = payload.modseq(highest.0)?;
    let keywords = payload.keywords()?;
    let (mut rows, mut vanished) = (Vec::new(), Vec::new());
    let mut next = 1;
    for _ in 0..payload.number()? {
        let uids = payload.span(&mut next, rows.len())?;
        let flags = payload.flags()?;
        uids.for_each(|uid| large::push(&mut rows, (uid, flags)));
    }
    let mut next = 1;
    for _ in 0..payload.number()? {
        vanished.extend(payload.span(&mut next, vanished.len())?);
    }
    let fits = payload.0.0.is_empty() && modseq > highest;
    fits.then_some(Change { modseq, rows, vanished, keywords })
}

/// The same.
pub(super) fn decode_base(payload: &[u8]) -> Option<History> {
    let mut payload = Payload(Octets(payload));
    let validity = UidValidity::new(u32::try_from(payload.number()?).ok()?)?;
    let (highest, floor) = (payload.modseq(0)?, payload.modseq(0)?);
    let keywords = payload.keywords()??;
    let mut rows = Vec::new();
    let (mut next, mut before) = (1, 0);
    for _ in 0..payload.number()? {
        let uids = payload.span(&mut next, rows.len())?;
        let flags = payload.flags()?;
        let modseq = payload.0.from(before).filter(|modseq| *modseq <= highest.0)?;
        before = modseq;
        uids.for_each(|uid| large::push(&mut rows, Row { uid, flags, modseq: ModSeq(modseq) }));
    }
    let mut vanished = Vanishings::unknown_before(floor);
    let (mut first, mut modseq) = (0, 0);
    for _ in 0..payload.number()? {
        first = payload.0.from(first)?;
        let start = u32::try_from(first).ok()?;
        let last = start.checked_add(u32::try_from(payload.number()?).ok()?)?;
        modseq = payload.modseq(modseq)?.0;
        vanished.ranges.push(Range { first: Uid::new(start)?, last: Uid::new(last)?, modseq: ModSeq(modseq) });
    }
    let rows: Rows = rows.into_iter().collect();
    payload.0.0.is_empty().then(|| History { validity, highest, rows, vanished: Arc::new(vanished), keywords })
}

/// Neighbours with equal values: first UID, how many, value.
fn runs<T: PartialEq>(items: impl Iterator<Item = (Uid, T)>) -> impl Iterator<Item = (u32, u32, T)> {
    let mut items = items.peekable();
    std::iter::from_fn(move || {
        let (first, value) = items.next()?;
        let (first, mut len) = (first.number(), 1);
        // The highest UID has none behind it.
        while items.next_if(|(uid, same)| first.checked_add(len) == Some(uid.number()) && *same == value).is_some() {
            len += 1;
        }
        Some((first, len, value))
    })
}

fn span(out: &mut Vec<u8>, next: &mut u32, first: u32, len: u32) {
    number(out, u64::from(first - *next));
    number(out, u64::from(len - 1));
    // At the highest UID there is nothing behind to count from.
    *next = first.saturating_add(len);
}

fn keywords(out: &mut Vec<u8>, keywords: Option<&Keywords>) {
    let Some(keywords) = keywords else { return out.push(0) };
    number(out, keywords.iter().count() as u64 + 1);
    for (letter, keyword) in keywords.iter() {
        number(out, letter as u64);
        number(out, keyword.as_str().len() as u64);
        out.extend_from_slice(keyword.as_str().as_bytes());
    }
}

/// The rest of a record.
struct Payload<'a>(Octets<'a>);

impl Payload<'_> {
    fn number(&mut self) -> Option<u64> {
        self.0.number()
    }

    fn modseq(&mut self, from: u64) -> Option<ModSeq> {
        from.checked_add(self.number()?).filter(|modseq| *modseq <= MODSEQ_MAX).map(ModSeq)
    }

    fn flags(&mut self) -> Option<Flags> {
        Flags::from_bits(u32::try_from(self.number()?).ok()?)
    }

    /// The UIDs of a run; `known` is how many came before it.
    fn span(&mut self, next: &mut u32, known: usize) -> Option<impl Iterator<Item = Uid> + use<>> {
        let first = next.checked_add(u32::try_from(self.number()?).ok()?)?;
        let last = first.checked_add(u32::try_from(self.number()?).ok()?)?;
        *next = last.saturating_add(1);
        let fits = (last - first) as usize + known < ROWS_MAX;
        fits.then(|| (first..=last).filter_map(Uid::new))
    }

    /// The inner `None` for "as before".
    fn keywords(&mut self) -> Option<Option<Keywords>> {
        let Some(count) = self.number()?.checked_sub(1) else { return Some(None) };
        let mut keywords = Keywords::default();
        for _ in 0..count {
            let letter = usize::try_from(self.number()?).ok()?;
            let len = self.number()?;
            let name = self.0.take(len)?;
            keywords.set(letter, Keyword::parse(std::str::from_utf8(name).ok()?)?).then_some(())?;
        }
        Some(Some(keywords))
    }
}
