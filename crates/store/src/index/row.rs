//! Rows and file heads: the fixed-size halves of the index files.
//!
//! ```text
//! head = magic (8) version (4) zero (4) generation (8) owner (8) check (8)                      ; 40 octets
//! row  = key (16) octets on disk (8) CRLF octets (8) internal date (8) place (8) check (8)      ; 56 octets
//! ```
//!
//! Numbers have their lowest octet first. `key` is the hash of the base of the message's file name, which names its content
//! for ever; `place` is where its entry lies in the other file, 40 bits, and how long it is, 24 bits: all zero when there is
//! none, of length zero when there will be none because it would be too long. `check` is a hash of what stands before it with the generation as seed, so that what belongs to another file, or
//! was written half, is no row. Pure.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// Another value makes older files worth nothing: they are thrown away and made anew.
pub(super) const VERSION: u32 = 1;
pub(super) const HEAD_LENGTH: usize = 40;
pub(super) const ROW_LENGTH: usize = 56;

/// The first octets of the file of rows, and of the file of entries.
pub(super) const ROWS_MAGIC: &[u8; 8] = b"TEPUIRWS";
pub(super) const ENTRIES_MAGIC: &[u8; 8] = b"TEPUIENT";

/// No entry begins behind this.
pub(super) const OFFSET_MAX: u64 = (1 << 40) - 1;
/// An entry that would be longer is not kept.
pub(super) const ENTRY_LENGTH_MAX: usize = 256 * 1024;

/// Names a message's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(u128);

impl Key {
    pub(crate) fn of(base: &[u8]) -> Key {
        Key(xxh3_128(base))
    }

    /// What of it is held in memory.
    pub(super) fn print(self) -> u32 {
        (self.0 >> 96) as u32
    }

    pub(super) fn to_octets(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

/// What a message's file looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Octets of the file, to tell whether it is still the same.
    pub(crate) on_disk: u64,
    /// Octets with CR LF line ends.
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) internal_date: i64,
}

/// Where an entry lies. `length` is zero when there is none because it would be too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) facts: Facts,
    pub(super) place: Option<Place>,
}

/// What both files of a mailbox begin with. The same in both, or they do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Never the same twice.
    pub(super) generation: u64,
    /// Whose mailbox it is.
    pub(super) owner: u64,
}

impl Head {
    pub(super) fn encode(self, magic: &[u8; 8]) -> Vec<u8> {
        let mut octets = magic.to_vec();
        octets.extend(VERSION.to_le_bytes());
        octets.extend([0; 4]);
        octets.extend(self.generation.to_le_bytes());
        octets.extend(self.owner.to_le_bytes());
        octets.extend(check(&octets, 0).to_le_bytes());
        octets
    }

    pub(super) fn decode(octets: &[u8], magic: &[u8; 8]) -> Option<Head> {
        let (content, sum) = octets.get(..HEAD_LENGTH)?.split_at_checked(HEAD_LENGTH - 8)?;
        let known = content.starts_with(magic) && content.get(8..12)? == VERSION.to_le_bytes();
        let sound = known && number(sum, 0)? == check(content, 0);
        sound.then_some(Head { generation: number(content, 16)?, owner: number(content, 24)? })
    }
}

impl Row {
    pub(super) fn encode(&self, generation: u64, out: &mut Vec<u8>) {
        let start = out.len();
        let place = self.place.map_or(0, |place| place.offset << 24 | place.length as u64);
        out.extend(self.key.to_octets());
        for number in [self.facts.on_disk, self.facts.size, self.facts.internal_date as u64, place] {
            out.extend(number.to_le_bytes());
        }
        let sum = check(out.get(start..).unwrap_or_default(), generation);
        out.extend(sum.to_le_bytes());
    }

    pub(super) fn decode(octets: &[u8], generation: u64) -> Option<Row> {
        let (content, sum) = octets.get(..ROW_LENGTH)?.split_at_checked(ROW_LENGTH - 8)?;
        if number(sum, 0)? != check(content, generation) {
            return None;
        }
        let key = Key(u128::from_le_bytes(content.get(..16)?.try_into().ok()?));
        let place = number(content, 40)?;
        let (offset, length) = (place >> 24, (place & 0xff_ffff) as usize);
        Some(Row {
            key,
            facts: Facts {
                on_disk: number(content, 16)?,
                size: number(content, 24)?,
                internal_date: number(content, 32)? as i64,
            },
            place: (place > 0).then_some(Place { offset, length }),
        })
    }
}

pub(super) fn check(octets: &[u8], generation: u64) -> u64 {
    xxh3_64_with_seed(octets, generation)
}

pub(super) fn number(octets: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(octets.get(at..at + 8)?.try_into().ok()?))
}
