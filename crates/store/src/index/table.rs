//! Which rows may be those of a message: what is held in memory of an open mailbox's index, 8 octets a message.
//!
//! Of each key 32 bits are held, sorted, with the row's number beside them. Hashes are spread evenly, so the place of one is
//! guessed and the search ends after a few steps. Two messages may look the same here; the rows themselves tell. Pure.

use super::row::Key;

/// Rows that came last are kept apart until they are this share of all, so that one more does not move a million.
const YOUNG_SHARE: usize = 8;
const YOUNG_MIN: usize = 256;

/// Each value has the key's print in its upper half and the row's number in the lower.
#[derive(Debug, Default)]
pub(super) struct Table {
    sorted: Vec<u64>,
    young: Vec<u64>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.sorted.len() + self.young.len()
    }

    /// One of many. `settle` must follow.
    pub(super) fn load(&mut self, key: Key, row: u32) {
        self.young.push(u64::from(key.print()) << 32 | u64::from(row));
    }

    pub(super) fn add(&mut self, key: Key, row: u32) {
        self.load(key, row);
        if self.young.len() >= YOUNG_MIN.max(self.sorted.len() / YOUNG_SHARE) {
            self.settle();
        }
    }

    /// Sorts all in, as must be done before looking. Two sorted halves are merged (the stable sort sees them).
    pub(super) fn settle(&mut self) {
        if !self.young.is_empty() {
            self.sorted.append(&mut self.young);
            self.sorted.sort();
        }
    }

    /// The rows that may be of this key, ascending.
    pub(super) fn rows(&self, key: Key) -> impl Iterator<Item = u32> {
        debug_assert!(self.young.is_empty(), "settled before");
        let print = u64::from(key.print());
        let start = self.first_at_least(print << 32);
        let found = self.sorted.get(start..).unwrap_or_default();
        found.iter().take_while(move |value| *value >> 32 == print).map(|value| *value as u32)
    }

    /// The position of the first value not below. Guesses where it lies, then looks nearby in growing steps.
    fn first_at_least(&self, value: u64) -> usize {
        let length = self.sorted.len();
        let below = |at: usize| self.sorted.get(at).is_some_and(|known| *known < value);
        let guess = ((u128::from(value) * length as u128) >> 64) as usize;
        let (mut low, mut high, mut step) = (guess, guess, 16);
        while low > 0 && !below(low - 1) {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 16;
        while high < length && below(high) {
            high = (high + step).min(length);
            step *= 2;
        }
        low + self.sorted.get(low..high).unwrap_or_default().partition_point(|known| *known < value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_however_many_there_are() {
        for count in [0_u32, 1, 2, 17, 300, 5000] {
            let mut table = Table::default();
            for row in 0..count {
                table.add(Key::of(&row.to_le_bytes()), row);
            }
            // A message that was learned twice.
            table.add(Key::of(&7_u32.to_le_bytes()), 9999);
            table.settle();
            for row in 0..count {
                assert!(table.rows(Key::of(&row.to_le_bytes())).any(|found| found == row), "{row} of {count}");
            }
            assert_eq!(table.rows(Key::of(&7_u32.to_le_bytes())).last(), Some(9999));
            assert_eq!(table.rows(Key::of(b"nobody")).count(), 0);
            assert_eq!(table.len(), count as usize + 1);
        }
    }
}
