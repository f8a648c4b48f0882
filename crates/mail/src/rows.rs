//! The messages of a mailbox, ascending by UID, in chunks that states of the mailbox share.
//!
//! A change copies the chunks it touches and no more, so that a mailbox of a million messages costs its 16 octets a message
//! once, however many states of it are held, and two states are compared by looking only at what they do not share.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::snapshot::Row;
use crate::{NumberSet, Uid, large};

/// After so many rows were edited, and a part of all, it is looked how many rows that nobody has any more are kept in memory
/// by others beside them. No more than as many again are left.
const EDITED_MIN: usize = 8 * CHUNK_MAX;
const EDITED_PART: usize = 16;

/// A larger chunk makes a change dearer, a smaller one the list of chunks longer.
const CHUNK_MAX: usize = 1024;

/// Rows ascending by UID, each UID once. A clone shares all chunks.
#[derive(Clone, Default)]
pub struct Rows {
    /// None is empty.
    chunks: Vec<Chunk>,
    /// The position of each chunk's first row.
    starts: Vec<usize>,
    /// The UID of each chunk's last row.
    lasts: Vec<Uid>,
    len: usize,
    /// Rows put into slabs since the last look at what is wasted.
    edited: usize,
}

/// Some rows of a slab. All rows of a large mailbox are one piece of memory at first, which goes back to the system when the
/// mailbox is closed; each edit adds one slab with the chunks that it touched.
#[derive(Debug, Clone)]
struct Chunk {
    slab: Arc<Vec<Row>>,
    start: u32,
    len: u32,
}

impl Deref for Chunk {
    type Target = [Row];

    fn deref(&self) -> &[Row] {
        let start = self.start as usize;
        self.slab.get(start..start + self.len as usize).unwrap_or_default()
    }
}

impl Chunk {
    fn is(&self, other: &Chunk) -> bool {
        Arc::ptr_eq(&self.slab, &other.slab) && self.start == other.start
    }
}

/// A message that is not the same in two states, each time with its position there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub before: Option<(usize, Row)>,
    pub after: Option<(usize, Row)>,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row at a position counted from zero.
    pub fn at(&self, position: usize) -> Option<&Row> {
        let chunk = self.starts.partition_point(|start| *start <= position).checked_sub(1)?;
        self.chunks.get(chunk)?.get(position - self.starts.get(chunk)?)
    }

    pub fn first(&self) -> Option<&Row> {
        self.chunks.first().and_then(|chunk| chunk.first())
    }

    pub fn last(&self) -> Option<&Row> {
        self.chunks.last().and_then(|chunk| chunk.last())
    }

    /// How many rows have a lower UID: the position of this one, or where it would be.
    pub fn lower_bound(&self, uid: Uid) -> usize {
        let (chunk, index) = self.place(uid);
        self.starts.get(chunk).map_or(self.len, |start| start + index)
    }

    /// The position of a message, counted from zero.
    pub fn position(&self, uid: Uid) -> Option<usize> {
        let (chunk, index) = self.place(uid);
        self.chunks.get(chunk)?.get(index).filter(|row| row.uid == uid)?;
        Some(self.starts.get(chunk)? + index)
    }

    pub fn row(&self, uid: Uid) -> Option<&Row> {
        let (chunk, index) = self.place(uid);
        self.chunks.get(chunk)?.get(index).filter(|row| row.uid == uid)
    }

    /// The first chunk that does not end below a UID, and how many of its rows are below.
    fn place(&self, uid: Uid) -> (usize, usize) {
        let chunk = self.lasts.partition_point(|last| *last < uid);
        let Some(rows) = self.chunks.get(chunk) else { return (chunk, 0) };
        // Most mailboxes have long runs of UIDs without a gap, where the first one tells the place.
        let first = rows.first().map_or(0, |row| row.uid.number());
        let guess = uid.number().saturating_sub(first) as usize;
        if rows.get(guess).is_some_and(|row| row.uid == uid) {
            return (chunk, guess);
        }
        (chunk, rows.partition_point(|row| row.uid < uid))
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter { chunks: self.chunks.iter(), current: [].iter() }
    }

    /// The rows from one position up to another.
    pub fn range(&self, from: usize, to: usize) -> impl Iterator<Item = &Row> {
        let chunk = self.starts.partition_point(|start| *start <= from).saturating_sub(1);
        let skipped = from - self.starts.get(chunk).copied().unwrap_or(0).min(from);
        let rows = self.chunks.iter().skip(chunk).flat_map(|chunk| chunk.iter());
        rows.skip(skipped).take(to.min(self.len).saturating_sub(from))
    }

    /// The rows whose UID is in a set; `*` means the highest UID (RFC 3501 §6.4.8).
    pub fn in_set<'a>(&'a self, uids: &'a NumberSet) -> impl Iterator<Item = &'a Row> {
        let star = self.last().map_or(0, |row| row.uid.number());
        self.iter().filter(move |row| uids.contains(row.uid.number(), star))
    }

    /// Puts rows in or in the place of those of the same UID, and takes out where there is `None`. `edits` ascend by UID,
    /// each UID once. What they do not touch stays shared.
    pub fn edit(&mut self, mut edits: &[(Uid, Option<Row>)]) {
        if edits.is_empty() {
            return;
        }
        let mut slab = Vec::new();
        // Which chunks stay, and where the new rows in the place of another end.
        let mut parts: Vec<Result<&Chunk, usize>> = Vec::with_capacity(self.chunks.len() + 1);
        for (index, chunk) in self.chunks.iter().enumerate() {
            let is_last = index + 1 == self.chunks.len();
            let mine = match chunk.last().filter(|_| !is_last) {
                Some(last) => edits.partition_point(|(uid, _)| *uid <= last.uid),
                None => edits.len(),
            };
            let (mine, rest) = edits.split_at(mine);
            edits = rest;
            parts.push(match mine.is_empty() {
                true => Ok(chunk),
                false => {
                    merge(chunk, mine, &mut slab);
                    Err(slab.len())
                }
            });
        }
        merge(&[], edits, &mut slab);
        parts.push(Err(slab.len()));
        large::shrink(&mut slab);
        let added = slab.len();
        let (slab, mut start) = (Arc::new(slab), 0);
        let mut chunks = Vec::with_capacity(parts.len() + slab.len() / CHUNK_MAX);
        for part in parts {
            match part {
                Ok(chunk) => chunks.push(chunk.clone()),
                Err(end) => {
                    cut(&slab, start, end, &mut chunks);
                    start = end;
                }
            }
        }
        self.set(chunks);
        // Many expunges here and there leave crumbs; putting them together costs less often than it saves.
        if self.chunks.len() > 8 + 2 * self.len / CHUNK_MAX || self.wastes(added) {
            *self = self.iter().copied().collect();
        }
    }

    /// Whether too much is wasted, after so many rows more were put into a slab.
    fn wastes(&mut self, added: usize) -> bool {
        self.edited += added;
        let bearable = EDITED_MIN + self.len / EDITED_PART;
        if self.edited <= bearable {
            return false;
        }
        self.edited = 0;
        self.wasted() > bearable
    }

    /// How many rows of the slabs are of no chunk here.
    fn wasted(&self) -> usize {
        let mut slabs: Vec<&Arc<Vec<Row>>> = self.chunks.iter().map(|chunk| &chunk.slab).collect();
        slabs.sort_unstable_by_key(|slab| Arc::as_ptr(slab));
        slabs.dedup_by_key(|slab| Arc::as_ptr(slab));
        slabs.iter().map(|slab| slab.len()).sum::<usize>().saturating_sub(self.len)
    }

    /// What is not the same in `newer`, ascending by UID.
    pub fn compare<'a>(&'a self, newer: &'a Rows) -> Differences<'a> {
        Differences { before: Cursor::new(self), after: Cursor::new(newer) }
    }

    fn set(&mut self, chunks: Vec<Chunk>) {
        self.len = 0;
        let start = |chunk: &Chunk| {
            let start = self.len;
            self.len += chunk.len();
            start
        };
        self.starts = chunks.iter().map(start).collect();
        // No chunk is empty.
        self.lasts = chunks.iter().filter_map(|chunk| chunk.last()).map(|row| row.uid).collect();
        self.chunks = chunks;
    }
}

/// Makes chunks of the rows from one place in a slab up to another.
fn cut(slab: &Arc<Vec<Row>>, from: usize, to: usize, chunks: &mut Vec<Chunk>) {
    for start in (from..to).step_by(CHUNK_MAX) {
        let len = CHUNK_MAX.min(to - start);
        // There are no more rows than UIDs, which have 32 bits.
        chunks.push(Chunk { slab: Arc::clone(slab), start: start as u32, len: len as u32 });
    }
}

fn merge(rows: &[Row], edits: &[(Uid, Option<Row>)], merged: &mut Vec<Row>) {
    large::make_lasting_room(merged, rows.len() + edits.len());
    let mut rest = rows;
    for (uid, row) in edits {
        let (before, from) = rest.split_at(rest.partition_point(|row| row.uid < *uid));
        merged.extend_from_slice(before);
        merged.extend(row);
        rest = if from.first().is_some_and(|row| row.uid == *uid) { &from[1..] } else { from };
    }
    merged.extend_from_slice(rest);
}

/// From rows that ascend by UID.
impl FromIterator<Row> for Rows {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Rows {
        let mut slab: Vec<Row> = Vec::new();
        for row in rows {
            debug_assert!(slab.last().is_none_or(|last| last.uid < row.uid), "rows ascend by UID");
            large::make_lasting_room(&mut slab, 1);
            slab.push(row);
        }
        large::shrink(&mut slab);
        let mut chunks = Vec::with_capacity(slab.len().div_ceil(CHUNK_MAX));
        let len = slab.len();
        cut(&Arc::new(slab), 0, len, &mut chunks);
        let mut made = Rows::default();
        made.set(chunks);
        made
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Rows) -> bool {
        self.len == other.len && self.compare(other).next().is_none()
    }
}

impl Eq for Rows {}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a Row;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// See [`Rows::iter`].
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    chunks: std::slice::Iter<'a, Chunk>,
    current: std::slice::Iter<'a, Row>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Row;

    fn next(&mut self) -> Option<&'a Row> {
        loop {
            if let Some(row) = self.current.next() {
                return Some(row);
            }
            self.current = self.chunks.next()?.iter();
        }
    }
}

/// See [`Rows::compare`].
#[derive(Debug)]
pub struct Differences<'a> {
    before: Cursor<'a>,
    after: Cursor<'a>,
}

impl Iterator for Differences<'_> {
    type Item = Difference;

    fn next(&mut self) -> Option<Difference> {
        loop {
            while self.before.skips_with(&self.after) {
                self.before.next_chunk();
                self.after.next_chunk();
            }
            let (before, after) = (self.before.row(), self.after.row());
            let difference = match (before, after) {
                (None, None) => return None,
                (Some((_, a)), Some((_, b))) if a.uid < b.uid => Difference { before, after: None },
                (Some((_, a)), Some((_, b))) if a.uid > b.uid => Difference { before: None, after },
                _ => Difference { before, after },
            };
            if difference.before.is_some() {
                self.before.step();
            }
            if difference.after.is_some() {
                self.after.step();
            }
            if difference.before.map(|(_, row)| row) != difference.after.map(|(_, row)| row) {
                return Some(difference);
            }
        }
    }
}

#[derive(Debug)]
struct Cursor<'a> {
    rows: &'a Rows,
    chunk: usize,
    offset: usize,
}

impl<'a> Cursor<'a> {
    fn new(rows: &'a Rows) -> Cursor<'a> {
        Cursor { rows, chunk: 0, offset: 0 }
    }

    /// Whether both stand before the same chunk.
    fn skips_with(&self, other: &Cursor<'_>) -> bool {
        let at_start = self.offset == 0 && other.offset == 0;
        let chunks = self.rows.chunks.get(self.chunk).zip(other.rows.chunks.get(other.chunk));
        at_start && chunks.is_some_and(|(a, b)| a.is(b))
    }

    fn row(&self) -> Option<(usize, Row)> {
        let row = self.rows.chunks.get(self.chunk)?.get(self.offset)?;
        Some((self.rows.starts.get(self.chunk)? + self.offset, *row))
    }

    fn step(&mut self) {
        self.offset += 1;
        if self.rows.chunks.get(self.chunk).is_some_and(|chunk| self.offset == chunk.len()) {
            self.next_chunk();
        }
    }

    fn next_chunk(&mut self) {
        self.chunk += 1;
        self.offset = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Flags, ModSeq};

    fn row(uid: u32, modseq: u64) -> Row {
        Row { uid: Uid::new(uid).unwrap(), flags: Flags::NONE, modseq: ModSeq(modseq) }
    }

    fn shared(a: &Rows, b: &Rows) -> usize {
        a.chunks.iter().filter(|one| b.chunks.iter().any(|two| one.is(two))).count()
    }

    #[test]
    fn edits_and_comparisons_agree_with_a_plain_map() {
        let mut seed = 7_u64;
        let mut below = move |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        let (mut map, mut rows) = (BTreeMap::new(), Rows::default());
        for round in 1..60 {
            let mut edits = BTreeMap::new();
            for _ in 0..below(300) {
                let uid = below(8000) as u32 + 1;
                edits.insert(uid, (below(3) > 0).then(|| row(uid, round)));
            }
            let (old_map, old_rows): (BTreeMap<u32, Row>, Rows) = (map.clone(), rows.clone());
            for (uid, edit) in &edits {
                match edit {
                    Some(row) => drop(map.insert(*uid, *row)),
                    None => drop(map.remove(uid)),
                }
            }
            let edits: Vec<_> = edits.into_iter().map(|(uid, edit)| (Uid::new(uid).unwrap(), edit)).collect();
            rows.edit(&edits);
            assert!(rows.iter().copied().eq(map.values().copied()));
            for (position, row) in map.values().enumerate() {
                assert_eq!((rows.at(position), rows.position(row.uid)), (Some(row), Some(position)));
            }
            let all = old_map.keys().chain(map.keys()).collect::<std::collections::BTreeSet<_>>();
            let expected = all.into_iter().filter(|uid| old_map.get(uid) != map.get(uid)).map(|uid| {
                let at = |map: &BTreeMap<u32, Row>| map.get(uid).map(|row| (map.range(..uid).count(), *row));
                Difference { before: at(&old_map), after: at(&map) }
            });
            assert!(old_rows.compare(&rows).eq(expected));
            assert_eq!(rows, map.values().copied().collect());
        }
    }

    #[test]
    fn what_is_no_row_any_more_is_not_kept_for_long() {
        let mut rows: Rows = (1..=100_000).map(|uid| row(uid, 1)).collect();
        let mut most = 0;
        for uid in (1..=100_000).step_by(500) {
            rows.edit(&[(Uid::new(uid).unwrap(), Some(row(uid, 2)))]);
            let bearable = EDITED_MIN + rows.len() / EDITED_PART;
            assert!(rows.wasted() <= 2 * bearable + CHUNK_MAX);
            most = most.max(rows.wasted());
        }
        assert!(most > EDITED_MIN, "nothing was ever wasted");
        assert_eq!(rows.iter().filter(|row| row.modseq == ModSeq(2)).count(), 200);
    }

    #[test]
    fn a_change_copies_one_chunk_of_a_large_mailbox() {
        let rows: Rows = (1..=100_000).map(|uid| row(uid, 1)).collect();
        let mut changed = rows.clone();
        changed.edit(&[(Uid::new(50_000).unwrap(), Some(row(50_000, 2))), (Uid::new(100_001).unwrap(), None)]);
        // The second edit looks into the last chunk.
        assert_eq!(shared(&rows, &changed), rows.chunks.len() - 2);
        assert_eq!(rows.compare(&changed).count(), 1);
        assert!(rows.range(1020, 1030).map(|row| row.uid.number()).eq(1021..=1030));
        assert_eq!(rows.range(99_999, 200_000).count(), 1);
        assert_eq!(rows.range(100_000, 99).count(), 0);
    }
}
