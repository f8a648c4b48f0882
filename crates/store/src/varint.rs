//! Numbers of seven bits an octet, lowest first, as LEB128 has them. Pure.

pub(crate) fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The difference with its sign in the lowest bit, so that small ones are short either way. It wraps around: every number
/// comes back.
pub(crate) fn signed(number: u64, from: u64) -> u64 {
    let difference = number.wrapping_sub(from) as i64;
    (difference << 1 ^ difference >> 63) as u64
}

/// What is left to read.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl<'a> Octets<'a> {
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// What `signed` wrote.
    pub(crate) fn from(&mut self, from: u64) -> Option<u64> {
        let coded = self.number()?;
        Some(from.wrapping_add(coded >> 1 ^ 0_u64.wrapping_sub(coded & 1)))
    }

    pub(crate) fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back() {
        let all = [0, 1, 127, 128, 300, u64::MAX / 2, u64::MAX - 1, u64::MAX];
        for (a, b) in all.iter().flat_map(|a| all.map(|b| (*a, b))) {
            let mut out = Vec::new();
            number(&mut out, a);
            number(&mut out, signed(a, b));
            let mut octets = Octets(&out);
            assert_eq!((octets.number(), octets.from(b), octets.number()), (Some(a), Some(a), None));
        }
        assert_eq!(signed(7, 8), 1);
        assert_eq!(Octets(&[0x80; 20]).number(), None);
    }
}
