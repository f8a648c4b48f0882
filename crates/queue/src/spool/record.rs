//! Records and segments of the log: how octets are framed, and how the frames are found again in a damaged file.
//! Knows nothing of what is in a record (`payload`).
//!
//! All numbers are little-endian. A segment, `log/NUMBER.log`, is a head and then records without gaps.
//!
//! The head is 40 octets, written twice, so that no single damaged octet loses the segment:
//!
//! | octets | what                                                              |
//! |--------|-------------------------------------------------------------------|
//! | 7      | `TEPUIQ` and a zero                                               |
//! | 1      | version of the whole format: 1                                    |
//! | 8      | number of the segment                                             |
//! | 8      | salt                                                              |
//! | 8      | zeros                                                             |
//! | 8      | XXH3-64 of the 32 octets before                                   |
//!
//! A record is one change that happened wholly or not at all:
//!
//! | octets | what                                                              |
//! |--------|-------------------------------------------------------------------|
//! | 4      | `89 54 70 52`                                                     |
//! | 4      | octets in the payload                                             |
//! | 8      | id of the entry it is about first                                 |
//! | 1      | kind of that change                                               |
//! | 3      | zeros                                                             |
//! | 4      | low half of the XXH3-64 of the 20 octets before, seeded with salt |
//! | 8      | XXH3-64 of the payload, seeded with salt                          |
//! | n      | payload                                                           |
//! | 8+1+3  | the id, the kind and the zeros once more                          |
//! | 4      | low half of the XXH3-64 of the 12 octets before, seeded with salt |
//!
//! The repetition at the end tells what a record was about when its front is damaged: a removal must not be undone by
//! a flipped bit. The salt keeps a message whose content looks like a record from being taken for one when the search
//! for the next whole record goes through it: its sender cannot know the salt.

use mail::QueueId;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The version this code writes, and the only one it reads.
pub(super) const FORMAT_VERSION: u8 = 1;
/// Octets of the head of a segment, both copies.
pub(super) const SEGMENT_HEAD: usize = 2 * HEAD_COPY;
/// A payload is never larger than this, octets.
pub(super) const PAYLOAD_MAX: usize = 32 << 20;

const HEAD_COPY: usize = 40;
const HEAD_MAGIC: &[u8; 7] = b"TEPUIQ\0";
const RECORD_MAGIC: [u8; 4] = [0x89, b'T', b'p', b'R'];
pub(super) const FRONT: usize = 32;
const FRONT_CHECKED: usize = 20;
const BACK: usize = 16;
const BACK_CHECKED: usize = 12;

/// What a change does to the entry it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Accepted = 1,
    Status = 2,
    Removed = 3,
}

impl Kind {
    pub(super) fn parse(octet: u8) -> Option<Kind> {
        [Kind::Accepted, Kind::Status, Kind::Removed].into_iter().find(|kind| *kind as u8 == octet)
    }
}

/// What the head of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) version: u8,
    pub(super) number: u64,
    pub(super) salt: u64,
}

impl Head {
    pub(super) fn encode(number: u64, salt: u64) -> Vec<u8> {
        let mut copy = Vec::with_capacity(SEGMENT_HEAD);
        copy.extend_from_slice(HEAD_MAGIC);
        copy.push(FORMAT_VERSION);
        copy.extend_from_slice(&number.to_le_bytes());
        copy.extend_from_slice(&salt.to_le_bytes());
        copy.extend_from_slice(&[0; 8]);
        copy.extend_from_slice(&xxh3_64(&copy).to_le_bytes());
        copy.repeat(2)
    }

    /// `None` when both copies are damaged.
    pub(super) fn parse(segment: &[u8]) -> Option<Head> {
        segment.chunks_exact(HEAD_COPY).take(2).find_map(Head::parse_copy)
    }

    fn parse_copy(copy: &[u8]) -> Option<Head> {
        let (said, check) = copy.split_at_checked(HEAD_COPY - 8)?;
        let sound = said.starts_with(HEAD_MAGIC) && check == xxh3_64(said).to_le_bytes();
        let head = || Some(Head { version: *said.get(7)?, number: u64_at(said, 8)?, salt: u64_at(said, 16)? });
        sound.then(head)?
    }
}

/// Makes a record of `octets`, whose first [`FRONT`] octets are room for the front and whose rest is the payload.
pub(super) fn seal(mut octets: Vec<u8>, salt: u64, kind: Kind, id: QueueId) -> Vec<u8> {
    let payload = octets.get(FRONT..).unwrap_or_default();
    let (length, payload_check) = (payload.len() as u32, xxh3_64_with_seed(payload, salt));
    let mut about = [0; BACK_CHECKED];
    about[..8].copy_from_slice(&id.0.to_le_bytes());
    about[8] = kind as u8;
    let mut front = Vec::with_capacity(FRONT);
    front.extend_from_slice(&RECORD_MAGIC);
    front.extend_from_slice(&length.to_le_bytes());
    front.extend_from_slice(&about);
    front.extend_from_slice(&half_check(&front, salt));
    front.extend_from_slice(&payload_check.to_le_bytes());
    octets[..FRONT].copy_from_slice(&front);
    octets.extend_from_slice(&about);
    octets.extend_from_slice(&half_check(&about, salt));
    octets
}

/// The payload of the record that is exactly `octets`; `None` when any octet of it is not as it was written.
pub(super) fn open(octets: &[u8], salt: u64) -> Option<&[u8]> {
    let front = Front::parse(octets, salt)?;
    let whole = octets.len() == front.record_len && About::parse_back(octets, salt) == Some(front.about);
    let payload = octets.get(FRONT..octets.len().checked_sub(BACK)?)?;
    (whole && xxh3_64_with_seed(payload, salt) == front.payload_check).then_some(payload)
}

fn half_check(octets: &[u8], salt: u64) -> [u8; 4] {
    (xxh3_64_with_seed(octets, salt) as u32).to_le_bytes()
}

fn u64_at(octets: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(octets.get(offset..offset.checked_add(8)?)?.try_into().ok()?))
}

/// Which entry a record is about, and what it does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct About {
    pub(super) kind: Kind,
    pub(super) id: QueueId,
}

impl About {
    fn parse(octets: &[u8]) -> Option<About> {
        Some(About { id: QueueId(u64_at(octets, 0)?), kind: Kind::parse(*octets.get(8)?)? })
    }

    /// Reads the repetition that ends where `octets` end.
    fn parse_back(octets: &[u8], salt: u64) -> Option<About> {
        let back = octets.get(octets.len().checked_sub(BACK)?..)?;
        let (said, check) = back.split_at_checked(BACK_CHECKED)?;
        (check == half_check(said, salt)).then(|| About::parse(said))?
    }
}

struct Front {
    about: About,
    /// Octets of the whole record.
    record_len: usize,
    payload_check: u64,
}

impl Front {
    fn parse(octets: &[u8], salt: u64) -> Option<Front> {
        let said = octets.get(..FRONT_CHECKED)?;
        let sound = said.starts_with(&RECORD_MAGIC)
            && octets.get(FRONT_CHECKED..FRONT_CHECKED + 4)? == half_check(said, salt).as_slice();
        let length = u32::from_le_bytes(said.get(4..8)?.try_into().ok()?) as usize;
        if !sound || length > PAYLOAD_MAX {
            return None;
        }
        let payload_check = u64_at(octets, FRONT_CHECKED + 4)?;
        Some(Front { about: About::parse(said.get(8..)?)?, record_len: FRONT + length + BACK, payload_check })
    }
}

/// What stands at one place of a segment.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Record {
        offset: usize,
        len: usize,
        payload: &'a [u8],
        about: About,
    },
    /// Octets that are no record, with what can still be told of the record they were. `cut`: surely the end of a write
    /// that a crash cut short, and so never acknowledged.
    Damage {
        offset: usize,
        len: usize,
        about: Option<About>,
        cut: bool,
    },
}

/// Goes through the records of a segment, stepping over what is damaged.
pub(super) struct Scan<'a> {
    segment: &'a [u8],
    salt: u64,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(segment: &'a [u8], salt: u64) -> Scan<'a> {
        Scan { segment, salt, at: SEGMENT_HEAD.min(segment.len()) }
    }

    fn record_at(&self, offset: usize) -> Option<(usize, &'a [u8], About)> {
        let rest = self.segment.get(offset..)?;
        let front = Front::parse(rest, self.salt)?;
        Some((front.record_len, open(rest.get(..front.record_len)?, self.salt)?, front.about))
    }

    /// A front that can be trusted says how far its record goes; without one, the search is for the next whole record.
    fn damage_at(&self, offset: usize) -> Piece<'a> {
        let rest = self.segment.get(offset..).unwrap_or_default();
        let zeros_from = |at: usize| rest.get(at..).is_none_or(|rest| rest.iter().all(|octet| *octet == 0));
        if let Some(front) = Front::parse(rest, self.salt) {
            // The check at the end of a record is not zero, so zeros there were never written.
            let cut = zeros_from(front.record_len - BACK);
            let len = if cut { rest.len() } else { front.record_len.min(rest.len()) };
            return Piece::Damage { offset, len, about: Some(front.about), cut };
        }
        let starts = |at: &usize| rest.get(*at..).is_some_and(|rest| rest.starts_with(&RECORD_MAGIC));
        let next = (1..rest.len()).filter(starts).find(|at| self.record_at(offset + at).is_some());
        let len = next.unwrap_or(rest.len());
        let about = About::parse_back(rest.get(..len).unwrap_or_default(), self.salt);
        Piece::Damage { offset, len, about, cut: zeros_from(FRONT) }
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let offset = self.at;
        if offset >= self.segment.len() {
            return None;
        }
        if let Some((len, payload, about)) = self.record_at(offset) {
            self.at += len;
            return Some(Piece::Record { offset, len, payload, about });
        }
        let damage = self.damage_at(offset);
        if let Piece::Damage { len, .. } = damage {
            self.at += len;
        }
        Some(damage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 42;

    fn record(id: u64, kind: Kind, payload: &[u8]) -> Vec<u8> {
        seal([&[0; FRONT], payload].concat(), SALT, kind, QueueId(id))
    }

    #[test]
    fn a_flipped_octet_costs_one_record_and_still_tells_which() {
        let records =
            [record(1, Kind::Accepted, b"one"), record(2, Kind::Removed, b""), record(3, Kind::Status, b"three")];
        let sound = [Head::encode(7, SALT), records.concat()].concat();
        let start = SEGMENT_HEAD + records[0].len();
        for place in start..start + records[1].len() {
            let mut segment = sound.clone();
            segment[place] ^= 0x10;
            let (mut whole, mut damaged) = (Vec::new(), Vec::new());
            for piece in Scan::new(&segment, SALT) {
                match piece {
                    Piece::Record { about, .. } => whole.push(about.id.0),
                    Piece::Damage { about, .. } => damaged.push(about),
                }
            }
            assert_eq!(whole, [1, 3], "octet {place}");
            assert_eq!(damaged, [Some(About { kind: Kind::Removed, id: QueueId(2) })], "octet {place}");
        }
    }

    #[test]
    fn either_copy_of_the_head_is_enough() {
        for place in 0..SEGMENT_HEAD {
            let mut head = Head::encode(7, SALT);
            head[place] ^= 1;
            assert_eq!(Head::parse(&head), Some(Head { version: FORMAT_VERSION, number: 7, salt: SALT }));
        }
    }

    #[test]
    fn a_message_that_looks_like_a_record_is_not_taken_for_one() {
        let forged = seal([&[0; FRONT][..], b"forged"].concat(), SALT + 1, Kind::Accepted, QueueId(9));
        let mut carrier = record(1, Kind::Accepted, &forged);
        carrier[5] ^= 1;
        let segment = [Head::encode(7, SALT), carrier, record(2, Kind::Removed, b"")].concat();
        let whole = Scan::new(&segment, SALT).filter(|piece| matches!(piece, Piece::Record { .. })).count();
        assert_eq!(whole, 1);
    }
}
