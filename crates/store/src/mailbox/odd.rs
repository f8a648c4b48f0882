//! Messages whose file is not what the journal lets expect: a file in `cur/` with the letters of the flags that it tells. `None`
//! for no file. Of a mailbox that has no journal yet that is every message, so it must not be dear. Pure.

use std::collections::BTreeMap;

use mail::Uid;

use super::view::Tail;
use mail::large;

/// By UID: what a scan said, and what became of single messages since.
#[derive(Debug, Default)]
pub(super) struct Odd {
    /// Ascending.
    scanned: Vec<(Uid, Option<Tail>)>,
    /// `None` where nothing is odd any more.
    since: BTreeMap<Uid, Option<Option<Tail>>>,
}

impl Odd {
    /// Adds a message with a higher UID than all.
    pub(super) fn push(&mut self, uid: Uid, tail: Option<Tail>) {
        large::push(&mut self.scanned, (uid, tail));
    }

    pub(super) fn get(&self, uid: Uid) -> Option<&Option<Tail>> {
        match self.since.get(&uid) {
            Some(changed) => changed.as_ref(),
            None => {
                let at = self.scanned.binary_search_by_key(&uid, |(uid, _)| *uid).ok()?;
                self.scanned.get(at).map(|(_, tail)| tail)
            }
        }
    }

    pub(super) fn set(&mut self, uid: Uid, tail: Option<Tail>) {
        self.since.insert(uid, Some(tail));
    }

    pub(super) fn forget(&mut self, uid: Uid) {
        self.since.insert(uid, None);
    }

    /// Ascending by UID.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Uid, &Option<Tail>)> {
        let (mut scanned, mut since) = (self.scanned.iter().peekable(), self.since.iter().peekable());
        let merged = move || {
            let changed = since.peek().map(|(uid, _)| **uid);
            let next = scanned.next_if(|(uid, _)| changed.is_none_or(|changed| *uid < changed));
            if let Some((uid, tail)) = next {
                return Some((*uid, Some(tail)));
            }
            let (uid, tail) = since.next()?;
            scanned.next_if(|(other, _)| other == uid);
            Some((*uid, tail.as_ref()))
        };
        std::iter::from_fn(merged).filter_map(|(uid, tail)| Some((uid, tail?)))
    }

    /// Forgets those of which `keep` says false, and gives back their room.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(Uid, &Option<Tail>) -> bool) {
        let kept = large::collect(
            self.iter().filter(|(uid, tail)| keep(*uid, tail)).map(|(uid, tail)| (uid, Option::clone(tail))),
        );
        *self = Odd { scanned: kept, since: BTreeMap::new() };
        self.scanned.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::Place;
    use super::*;

    #[test]
    fn it_is_a_map_of_what_was_said_last() {
        let mut seed = 3_u64;
        let mut below = move |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        let (mut odd, mut map) = (Odd::default(), BTreeMap::new());
        let tail = |letters: u64| match letters {
            0 => None,
            _ => Some(Tail::new(Place::Cur, [":2,", ":2,S", ":2,FS"][letters as usize % 3].as_bytes())),
        };
        for number in (1..200).step_by(2) {
            let uid = Uid::new(number).unwrap();
            odd.push(uid, tail(1));
            map.insert(uid, tail(1));
        }
        for round in 0..2000 {
            let uid = Uid::new(below(250) as u32 + 1).unwrap();
            match below(4) {
                0 => {
                    odd.forget(uid);
                    map.remove(&uid);
                }
                letters => {
                    odd.set(uid, tail(letters - 1));
                    map.insert(uid, tail(letters - 1));
                }
            }
            assert_eq!(odd.get(uid), map.get(&uid));
            if round % 100 == 99 {
                assert!(odd.iter().eq(map.iter().map(|(uid, tail)| (*uid, tail))));
                odd.retain(|uid, tail| uid.number() % 7 > 0 && tail.is_some());
                map.retain(|uid, tail| uid.number() % 7 > 0 && tail.is_some());
                assert!(odd.iter().eq(map.iter().map(|(uid, tail)| (*uid, tail))));
            }
        }
    }
}
