//! The files of one or both folders, as they are listed: in no order, and maybe a million of them.
//!
//! Names are packed one behind the other, some 30 octets each, and found by a sorted list of their hashes, so that a scan takes
//! 40 octets a message while it lasts, in two blocks that go back to the system.

use std::cmp::Ordering;
use std::ffi::OsStr;

use mail::Flags;
use xxhash_rust::xxh3::xxh3_64;

use super::view::{Found, Place, Tail};
use crate::file_name::{self, Base};
use crate::names::Templates;
use crate::varint::{Octets, number};
use mail::large;

/// Files by base. A second name of a base is a twin. Filled by `add`, then sorted, then asked.
#[derive(Debug, Default)]
pub(super) struct Scan {
    templates: Templates,
    /// Of each file the length of its packed base, that base, and its tail.
    octets: Vec<u8>,
    slots: Vec<Slot>,
    /// Where the slots begin whose hashes have the same first bits, and how many bits: a search of all of them would miss the
    /// processor's caches at each step.
    starts: Vec<usize>,
    first_bits: u32,
    taken: usize,
    pub(super) twins: Vec<Found>,
    /// What is looked for, packed.
    sought: Vec<u8>,
}

/// Where a file stands: the beginning of the hash of its packed base, the offset, and whether it was taken out.
#[derive(Debug, Clone, Copy)]
struct Slot(u64);

const HASH_SHIFT: u32 = 40;
const HASH_BITS: u32 = u64::BITS - HASH_SHIFT;
const TAKEN: u64 = 1;

/// About so many slots are searched for one name.
const SEARCHED: usize = 16;

impl Slot {
    /// 2^39 octets are more names than a folder can have.
    fn new(packed: &[u8], offset: usize) -> Slot {
        Slot(xxh3_64(packed) >> HASH_SHIFT << HASH_SHIFT | (offset as u64) << 1)
    }

    fn hash(self) -> u64 {
        self.0 >> HASH_SHIFT
    }

    fn offset(self) -> usize {
        ((self.0 & ((1 << HASH_SHIFT) - 1)) >> 1) as usize
    }

    fn is_taken(self) -> bool {
        self.0 & TAKEN != 0
    }
}

/// A file as it stands in `octets`.
struct Entry<'a> {
    packed: &'a [u8],
    tail: Octets<'a>,
}

impl Scan {
    /// One more file.
    pub(super) fn add(&mut self, place: Place, name: &OsStr) {
        let (base, suffix) = file_name::split(name);
        self.add_parts(base, &Tail::new(place, suffix));
    }

    pub(super) fn add_parts(&mut self, base: &[u8], tail: &Tail) {
        self.sought.clear();
        self.templates.pack(base, &mut self.sought);
        large::push(&mut self.slots, Slot::new(&self.sought, self.octets.len()));
        // Numbers take ten octets at most.
        let exact = tail.exact.as_deref();
        large::make_room(&mut self.octets, self.sought.len() + exact.map_or(0, <[u8]>::len) + 4 * 10);
        number(&mut self.octets, self.sought.len() as u64);
        self.octets.extend_from_slice(&self.sought);
        number(&mut self.octets, u64::from(tail.place == Place::Cur) | u64::from(exact.is_some()) << 1);
        number(&mut self.octets, tail.flags.bits().into());
        if let Some(exact) = exact {
            number(&mut self.octets, exact.len() as u64);
            self.octets.extend_from_slice(exact);
        }
    }

    /// After all were added. Of two names of one base that in `cur/` with the most letters is the younger one and stays: flags
    /// are added more often than removed. Of equal ones it is the first.
    pub(super) fn sort(&mut self) {
        let octets = &self.octets;
        self.slots.retain(|slot| !slot.is_taken());
        self.slots.sort_unstable_by(|one, next| {
            let order = || packed(octets, *one).cmp(packed(octets, *next)).then(one.offset().cmp(&next.offset()));
            one.hash().cmp(&next.hash()).then_with(order)
        });
        let mut twins = Vec::new();
        self.slots.dedup_by(|next, kept| {
            let same = kept.hash() == next.hash() && packed(octets, *kept) == packed(octets, *next);
            if same {
                let rank = |slot| tail(octets, slot).map(|tail| (tail.place, tail.suffix().len()));
                if rank(*kept) < rank(*next) {
                    std::mem::swap(kept, next);
                }
                twins.push(*next);
            }
            same
        });
        let twins = twins.into_iter().filter_map(|slot| self.found(slot));
        self.twins.extend(twins.collect::<Vec<_>>());
        self.taken = 0;
        self.find_starts();
    }

    fn find_starts(&mut self) {
        self.first_bits = (self.slots.len() / SEARCHED).checked_ilog2().map_or(0, |bits| bits.min(HASH_BITS));
        let shift = HASH_BITS - self.first_bits;
        self.starts.clear();
        for (at, slot) in self.slots.iter().enumerate() {
            while self.starts.len() as u64 <= slot.hash() >> shift {
                large::push(&mut self.starts, at);
            }
        }
    }

    /// The slots among which this hash is, and where they begin.
    fn near(&self, hash: u64) -> (usize, &[Slot]) {
        // It has no more bits than `HASH_BITS`.
        let group = (hash >> (HASH_BITS - self.first_bits)) as usize;
        let start = |group: usize| self.starts.get(group).copied().unwrap_or(self.slots.len());
        (start(group), self.slots.get(start(group)..start(group + 1)).unwrap_or_default())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.len() == self.taken
    }

    pub(super) fn contains(&mut self, base: &[u8]) -> bool {
        self.find(base).is_some()
    }

    pub(super) fn remove(&mut self, base: &[u8]) -> Option<Tail> {
        let at = self.find(base)?;
        let slot = self.slots.get_mut(at)?;
        slot.0 |= TAKEN;
        self.taken += 1;
        tail(&self.octets, *slot)
    }

    /// What was not taken out.
    pub(super) fn left(&self) -> Vec<Found> {
        self.slots.iter().filter(|slot| !slot.is_taken()).filter_map(|slot| self.found(*slot)).collect()
    }

    fn find(&mut self, base: &[u8]) -> Option<usize> {
        self.sought.clear();
        self.templates.pack(base, &mut self.sought);
        let hash = Slot::new(&self.sought, 0).hash();
        let order = |slot: &Slot| match slot.hash().cmp(&hash) {
            Ordering::Equal => packed(&self.octets, *slot).cmp(&self.sought),
            other => other,
        };
        let (start, near) = self.near(hash);
        let at = start + near.binary_search_by(order).ok()?;
        self.slots.get(at).is_some_and(|slot| !slot.is_taken()).then_some(at)
    }

    fn found(&self, slot: Slot) -> Option<Found> {
        let base: Base = self.templates.unpack(packed(&self.octets, slot))?;
        Some(tail(&self.octets, slot)?.of_base(base))
    }
}

fn packed(octets: &[u8], slot: Slot) -> &[u8] {
    // What we wrote ourselves can be read.
    entry(octets, slot).map_or(&[], |entry| entry.packed)
}

fn tail(octets: &[u8], slot: Slot) -> Option<Tail> {
    let mut rest = entry(octets, slot)?.tail;
    let marks = rest.number()?;
    let place = if marks & 1 == 1 { Place::Cur } else { Place::New };
    let flags = Flags::from_bits(u32::try_from(rest.number()?).ok()?)?;
    let exact = match marks & 2 {
        0 => None,
        _ => {
            let len = rest.number()?;
            Some(rest.take(len)?.into())
        }
    };
    Some(Tail { place, flags, exact })
}

fn entry(octets: &[u8], slot: Slot) -> Option<Entry<'_>> {
    let mut rest = Octets(octets.get(slot.offset()..)?);
    let len = rest.number()?;
    Some(Entry { packed: rest.take(len)?, tail: rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(names: &[(Place, &str)]) -> Scan {
        let mut scan = Scan::default();
        names.iter().for_each(|(place, name)| scan.add(*place, OsStr::new(name)));
        scan.sort();
        scan
    }

    fn base(number: u64) -> String {
        format!("{}.M{number}P7Q{number}.host,S={number},W={}", 1_700_000_000 + number, number + 3)
    }

    #[test]
    fn each_name_is_found_once_with_its_tail() {
        let mut all = Scan::default();
        let suffix = |number: u64| [":2,", ":2,S", ":2,ZS", "", ":2,FRSa"][(number % 5) as usize];
        for number in (0..5000).rev() {
            all.add(Place::Cur, OsStr::new(&format!("{}{}", base(number), suffix(number))));
            all.add(Place::New, OsStr::new(&format!("odd-{number}")));
        }
        all.sort();
        assert!(all.twins.is_empty() && !all.contains(b"nobody") && !all.contains(base(5000).as_bytes()));
        for number in 0..5000 {
            let tail = Tail::new(Place::Cur, suffix(number).as_bytes());
            assert!(all.contains(base(number).as_bytes()));
            assert_eq!(all.remove(base(number).as_bytes()), Some(tail));
            assert_eq!(all.remove(base(number).as_bytes()), None);
        }
        let mut left: Vec<String> =
            all.left().iter().map(|found| String::from_utf8(found.base.to_vec()).unwrap()).collect();
        left.sort();
        let mut expected: Vec<String> = (0..5000).map(|number| format!("odd-{number}")).collect();
        expected.sort();
        assert_eq!(left, expected);
        (0..5000).for_each(|number| drop(all.remove(format!("odd-{number}").as_bytes())));
        assert!(all.is_empty());
    }

    #[test]
    fn the_younger_of_two_names_stays() {
        let told = |scan: &mut Scan| {
            let twins: Vec<_> = scan.twins.iter().map(|found| (found.place, found.suffix.to_vec())).collect();
            (scan.remove(b"a").map(|tail| (tail.place, tail.suffix().to_vec())), twins)
        };
        for names in [[(Place::New, "a"), (Place::Cur, "a:2,")], [(Place::Cur, "a:2,"), (Place::New, "a")]] {
            let (kept, twins) = told(&mut scan(&names));
            assert_eq!((kept, twins.len()), (Some((Place::Cur, b":2,".to_vec())), 1));
        }
        let (kept, twins) =
            told(&mut scan(&[(Place::Cur, "a:2,S"), (Place::Cur, "a:2,FS"), (Place::Cur, "a:2,"), (Place::New, "b")]));
        assert_eq!(kept, Some((Place::Cur, b":2,FS".to_vec())));
        assert_eq!(twins.len(), 2);
    }

    #[test]
    fn what_a_second_scan_missed_is_added_and_found() {
        let mut all = scan(&[(Place::Cur, "a:2,S"), (Place::New, "b")]);
        assert!(all.remove(b"b").is_some());
        all.add_parts(b"c", &Tail::new(Place::Cur, b":2,T"));
        all.sort();
        assert!(!all.contains(b"b") && all.contains(b"a") && all.contains(b"c"));
    }
}
