//! The file as a chain of records.
//!
//! ```text
//! tepui changes 1\n
//! length of the content (4 octets) · checksum (8 octets) · content        the base
//! length · checksum · content                                             a change, and so on
//! ```
//!
//! Numbers are little-endian. The checksum is xxh3 with the checksum of the record before as its seed, so a record fits only
//! behind the very records that it was written behind. Where that does not hold the file ends for us: a torn tail, or
//! one that is just being written; who writes next cuts it off.

use mail::ModSeq;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::codec::{decode_base, decode_change, encode_base, encode_change};
use super::{Change, History};

const MAGIC: &[u8] = b"tepui changes 1\n";
const HEAD: usize = 4 + 8;

/// Changes shorter than this are not worth a new base.
const TAIL_MIN: u64 = 64 << 10;

/// How far a file was read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: u64,
    seal: u64,
    base_end: u64,
}

impl Position {
    /// What tells this end of a file from any other.
    pub(crate) fn end(&self) -> (u64, u64) {
        (self.offset, self.seal)
    }

    /// Whether the changes outgrew the base, so that a new one is due.
    pub(crate) fn is_long(&self) -> bool {
        self.offset - self.base_end > self.base_end.max(TAIL_MIN)
    }
}

/// The whole file that says this.
pub(crate) fn base(history: &History) -> (Vec<u8>, Position) {
    let mut content = MAGIC.to_vec();
    let seal = seal(&mut content, &encode_base(history), 0);
    let offset = content.len() as u64;
    (content, Position { offset, seal, base_end: offset })
}

/// What to append for a change; `highest` is the mod-sequence before it.
pub(crate) fn append(position: &Position, change: &Change, highest: ModSeq) -> (Vec<u8>, Position) {
    let mut record = Vec::new();
    let seal = seal(&mut record, &encode_change(change, highest), position.seal);
    let offset = position.offset + record.len() as u64;
    (record, Position { offset, seal, ..*position })
}

/// `None` when not even the base is whole.
pub(crate) fn read_whole(content: &[u8]) -> Option<(History, Position)> {
    let (payload, seal, rest) = unseal(content.strip_prefix(MAGIC)?, 0)?;
    let mut history = decode_base(payload)?;
    let base_end = (content.len() - rest.len()) as u64;
    let mut position = Position { offset: base_end, seal, base_end };
    read_tail(&mut history, &mut position, rest);
    Some((history, position))
}

/// Applies the changes that stand behind a position. False when there are none.
pub(crate) fn read_tail(history: &mut History, position: &mut Position, mut tail: &[u8]) -> bool {
    let before = position.offset;
    while let Some((payload, seal, rest)) = unseal(tail, position.seal) {
        let Some(change) = decode_change(payload, history.highest) else { break };
        history.apply(&change);
        position.offset += (tail.len() - rest.len()) as u64;
        position.seal = seal;
        tail = rest;
    }
    position.offset > before
}

fn seal(out: &mut Vec<u8>, payload: &[u8], before: u64) -> u64 {
    let seal = xxh3_64_with_seed(payload, before);
    // A longer record than this cannot be: a mailbox has at most 2^32 messages, and no file is read beyond 256 MB.
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&seal.to_le_bytes());
    out.extend_from_slice(payload);
    seal
}

fn unseal(content: &[u8], before: u64) -> Option<(&[u8], u64, &[u8])> {
    let (head, rest) = content.split_at_checked(HEAD)?;
    let (len, told) = head.split_at_checked(4)?;
    let len = u32::from_le_bytes(len.try_into().ok()?);
    let (payload, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let seal = xxh3_64_with_seed(payload, before);
    (seal.to_le_bytes() == told).then_some((payload, seal, rest))
}

#[cfg(test)]
mod tests {
    use mail::{Flags, UidValidity};

    use super::super::tests::{at, change, sample};
    use super::*;

    /// The file of the sample, and where each of its records ends.
    fn file() -> (Vec<u8>, Vec<usize>) {
        let mut history = History::begin(UidValidity::new(7).unwrap(), at(100));
        let (mut content, mut position) = base(&history);
        let mut ends = vec![content.len()];
        for change in sample().1 {
            let (record, next) = append(&position, &change, history.highest);
            history.apply(&change);
            content.extend(record);
            position = next;
            ends.push(content.len());
        }
        (content, ends)
    }

    #[test]
    fn what_is_written_is_read() {
        let (content, ends) = file();
        let (history, position) = read_whole(&content).unwrap();
        assert_eq!((history.clone(), position.offset), (sample().0, content.len() as u64));
        let (again, _) = read_whole(&base(&history).0).unwrap();
        assert_eq!(again, history);
        let (mut history, mut position) = read_whole(&content[..ends[1]]).unwrap();
        assert!(read_tail(&mut history, &mut position, &content[ends[1]..]));
        assert!(!read_tail(&mut history, &mut position, &[]));
        assert_eq!(history, sample().0);
    }

    #[test]
    fn a_torn_tail_ends_with_its_last_whole_record() {
        let (content, ends) = file();
        for cut in 0..content.len() {
            let whole = ends.iter().rfind(|end| **end <= cut);
            let read = read_whole(&content[..cut]);
            assert_eq!(read.as_ref().map(|(_, position)| position.offset as usize), whole.copied());
            let mut zeros = content[..cut].to_vec();
            zeros.resize(content.len(), 0);
            // The last octets of a record may be zeros themselves.
            let whole = ends.iter().rfind(|end| zeros[..**end] == content[..**end]);
            let read = read_whole(&zeros).map(|(_, position)| position.offset as usize);
            assert_eq!(read, whole.copied(), "zeros where content did not reach the disk");
        }
    }

    #[test]
    fn a_flipped_bit_is_never_believed() {
        let (content, ends) = file();
        for index in 0..content.len() {
            let mut flipped = content.clone();
            flipped[index] ^= 0x10;
            let whole = ends.iter().rfind(|end| **end <= index);
            assert_eq!(read_whole(&flipped).map(|(_, position)| position.offset as usize), whole.copied());
        }
    }

    #[test]
    fn a_record_fits_only_behind_those_it_was_written_behind() {
        let (content, ends) = file();
        let mut moved = content[..ends[0]].to_vec();
        moved.extend(&content[ends[1]..]);
        assert_eq!(read_whole(&moved).unwrap().1.offset as usize, ends[0]);
    }

    #[test]
    fn a_large_mailbox_that_nobody_touched_is_a_small_file() {
        let mut history = History::begin(UidValidity::new(7).unwrap(), at(100));
        let rows: Vec<(u32, Flags)> =
            (1..=1_000_000).map(|number| (number, if number < 999_000 { Flags::SEEN } else { Flags::NONE })).collect();
        history.apply(&change(&history, &rows, &[]));
        let content = base(&history).0;
        assert!(content.len() < 100, "{}", content.len());
        assert_eq!(read_whole(&content).unwrap().0, history);
    }

    #[test]
    fn the_highest_uid_can_be_told() {
        let mut history = History::begin(UidValidity::new(7).unwrap(), at(100));
        history.apply(&change(&history, &[(u32::MAX - 1, Flags::SEEN), (u32::MAX, Flags::SEEN)], &[]));
        history.apply(&change(&history, &[], &[u32::MAX]));
        assert_eq!(read_whole(&base(&history).0).unwrap().0, history);
    }
}
