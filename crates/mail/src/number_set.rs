//! Sets of sequence numbers or UIDs: `1:3,5,7:*` (RFC 3501 §9 `sequence-set`).

use std::fmt;

/// The most ranges one set may have; a longer one is a mistake or an attack.
pub const RANGES_MAX: usize = 10_000;

/// A number or `*`, which stands for the highest number in use and is bound only when the set is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Number(u32),
    Star,
}

impl Bound {
    fn at(self, star: u32) -> u32 {
        match self {
            Bound::Number(number) => number,
            Bound::Star => star,
        }
    }
}

/// A set of numbers. Ranges are kept as given; `4:2` means `2:4`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberSet(Vec<(Bound, Bound)>);

impl NumberSet {
    /// Parses `sequence-set`. `None` when it is malformed, holds a zero or has more than `RANGES_MAX` ranges.
    pub fn parse(text: &str) -> Option<NumberSet> {
        let ranges: Option<Vec<_>> = text.split(',').take(RANGES_MAX + 1).map(range).collect();
        ranges.filter(|ranges| ranges.len() <= RANGES_MAX).map(NumberSet)
    }

    /// A set of exactly these numbers. Ascending input gives the shortest ranges.
    pub fn from_numbers(numbers: impl IntoIterator<Item = u32>) -> NumberSet {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        NumberSet::from_ranges(ranges)
    }

    /// A set of these ranges, low end first.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> NumberSet {
        NumberSet(ranges.into_iter().map(|(low, high)| (Bound::Number(low), Bound::Number(high))).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a number is in the set, when `*` means `star`. A range with `*` always holds `star` itself, even in `9:*`
    /// where 9 is higher (RFC 3501 §6.4.8).
    pub fn contains(&self, number: u32, star: u32) -> bool {
        self.ranges(star).any(|(low, high)| (low..=high).contains(&number))
    }

    /// The ranges with `*` bound, low end first, in the order given.
    pub fn ranges(&self, star: u32) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().map(move |(a, b)| {
            let (a, b) = (a.at(star), b.at(star));
            (a.min(b), a.max(b))
        })
    }

    /// Whether `*` stands in it.
    pub fn names_star(&self) -> bool {
        self.0.iter().any(|(a, b)| *a == Bound::Star || *b == Bound::Star)
    }

    /// The highest number named outright; `None` for an empty set or one of `*` alone.
    pub fn highest_named(&self) -> Option<u32> {
        let named = |bound: &Bound| if let Bound::Number(number) = bound { Some(*number) } else { None };
        self.0.iter().flat_map(|(a, b)| [named(a), named(b)]).flatten().max()
    }
}

fn range(text: &str) -> Option<(Bound, Bound)> {
    match text.split_once(':') {
        Some((low, high)) => Some((bound(low)?, bound(high)?)),
        None => bound(text).map(|single| (single, single)),
    }
}

// RFC 3501 §9: seq-number = nz-number / "*"
fn bound(text: &str) -> Option<Bound> {
    if text == "*" {
        return Some(Bound::Star);
    }
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
    (number != 0 && !text.starts_with('0')).then_some(Bound::Number(number))
}

impl fmt::Display for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |bound: Bound| if let Bound::Number(number) = bound { number.to_string() } else { "*".to_owned() };
        for (index, &(low, high)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match low == high {
                true => write!(f, "{comma}{}", show(low))?,
                false => write!(f, "{comma}{}:{}", show(low), show(high))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_is_the_highest_number_and_ranges_may_run_backwards() {
        let set = NumberSet::parse("4:2,9:*").unwrap();
        assert!(set.contains(3, 7));
        // RFC 3501 §6.4.8: "9:*" with a highest UID of 7 still means 7.
        assert!(set.contains(7, 7));
        assert!(!set.contains(1, 7));
    }

    #[test]
    fn malformed_sets_are_refused() {
        for bad in ["", "0", "1,", ",1", "1:", "a", "1:2:3", "-1", "+1", "01", "4294967296", "1 2"] {
            assert_eq!(NumberSet::parse(bad), None, "{bad}");
        }
        assert_eq!(NumberSet::parse(&vec!["1"; RANGES_MAX + 1].join(",")), None);
    }

    #[test]
    fn it_prints_as_it_is_parsed() {
        for text in ["1", "1:3,5", "*", "2:*,1"] {
            assert_eq!(NumberSet::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(NumberSet::from_numbers([1, 2, 3, 7, 9, 10]).to_string(), "1:3,7,9:10");
    }
}
