//! The modifiers of Dovecot 2.3 between the `%` and the variable: `[-offset.][0]width` and letters, as in `%2.1MLu`.
//!
//! Letters apply from left to right, then the substring is taken. Everything counts octets, as Dovecot does: `%1u` of
//! `ñandú` is half a character.

use super::Shape;
use crate::digest::{Algorithm, hex};

/// One letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modifier {
    Lower,
    Upper,
    /// A backslash before `"`, `'` and `\`.
    Escape,
    /// A decimal number in hexadecimal; anything else is 0.
    Hex,
    Reverse,
    /// 32 bits of the MD5, modulo the width, at least offset digits.
    NewHash,
    /// The same with the hash of the ELF object format.
    OldHash,
    Md5,
    /// `a.b` as `a,dc=b`.
    Domain,
    /// Without white space at the end.
    Trim,
}

const MODIFIERS: [(char, Modifier); 10] = [
    ('L', Modifier::Lower),
    ('U', Modifier::Upper),
    ('E', Modifier::Escape),
    ('X', Modifier::Hex),
    ('R', Modifier::Reverse),
    ('N', Modifier::NewHash),
    ('H', Modifier::OldHash),
    ('M', Modifier::Md5),
    ('D', Modifier::Domain),
    ('T', Modifier::Trim),
];

impl Modifier {
    pub(super) fn parse(letter: char) -> Option<Modifier> {
        MODIFIERS.iter().find(|(known, _)| *known == letter).map(|(_, modifier)| *modifier)
    }
}

impl Shape {
    /// Applies the letters and takes the substring.
    pub(super) fn apply(&self, value: Vec<u8>) -> Vec<u8> {
        // A hash uses up the width as its modulus and the offset as its number of digits.
        let (mut value, mut offset, mut width) = (value, self.offset, self.width);
        for modifier in &self.modifiers {
            value = match modifier {
                Modifier::NewHash | Modifier::OldHash => {
                    let number = if *modifier == Modifier::NewHash { new_hash(&value) } else { old_hash(&value) };
                    // Dovecot takes a negative modulus for a huge one.
                    let modulus = (width != 0).then(|| width.cast_unsigned());
                    width = 0;
                    let number = modulus.map_or(number, |modulus| number % modulus) & u64::from(u32::MAX);
                    let digits = usize::try_from(std::mem::take(&mut offset)).unwrap_or(0);
                    format!("{number:0digits$x}").into_bytes()
                }
                other => other.apply(value),
            };
        }
        substring(&value, offset, width, self.zero_padded)
    }
}

impl Modifier {
    /// The letters that look at nothing but the value.
    fn apply(self, mut value: Vec<u8>) -> Vec<u8> {
        match self {
            Modifier::Lower => value.make_ascii_lowercase(),
            Modifier::Upper => value.make_ascii_uppercase(),
            Modifier::Reverse => value.reverse(),
            Modifier::Trim => value.truncate(value.trim_ascii_end().len()),
            Modifier::Md5 => value = hex(&Algorithm::Md5.digest(&[&value])).into_bytes(),
            Modifier::Hex => value = format!("{:x}", decimal(&value).unwrap_or(0)).into_bytes(),
            Modifier::Escape => {
                let escape = |octet: u8| [b'\\', octet].into_iter().skip(usize::from(!b"\"'\\".contains(&octet)));
                value = value.into_iter().flat_map(escape).collect();
            }
            Modifier::Domain => {
                value = value.split(|octet| *octet == b'.').collect::<Vec<_>>().join(&b",dc="[..]);
            }
            Modifier::NewHash | Modifier::OldHash => {}
        }
        value
    }
}

/// A whole decimal number and nothing else.
pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// The first 64 bits of the MD5. What is printed of it are the low 32 bits.
fn new_hash(value: &[u8]) -> u64 {
    Algorithm::Md5.digest(&[value]).iter().take(8).fold(0, |number, octet| number << 8 | u64::from(*octet))
}

/// The 28-bit hash of the ELF object format's symbol tables.
fn old_hash(value: &[u8]) -> u64 {
    let hash = value.iter().fold(0_u32, |hash, octet| {
        let hash = (hash << 4).wrapping_add(u32::from(*octet));
        let high = hash & 0xf000_0000;
        (hash ^ high >> 24) & !high
    });
    u64::from(hash)
}

/// From `offset` (negative: from the end) at most `width` octets (0: all; negative: all but so many at the end), or all
/// of them, filled up with zeros on the left.
fn substring(value: &[u8], offset: i64, width: i64, zero_padded: bool) -> Vec<u8> {
    let length = value.len();
    let magnitude = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    // An offset before the start is the start.
    let skip = if offset < 0 { length.saturating_sub(magnitude) } else { magnitude };
    let rest = value.get(skip.min(length)..).unwrap_or_default();
    let magnitude = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
    if width > 0 && zero_padded {
        return [vec![b'0'; magnitude.saturating_sub(rest.len())], rest.to_vec()].concat();
    }
    let take = match width {
        0 => rest.len(),
        1.. => magnitude,
        // More octets to leave out than there are: Dovecot leaves out none.
        _ => rest.len().checked_sub(magnitude).unwrap_or(rest.len()),
    };
    rest.iter().copied().take(take).collect()
}
