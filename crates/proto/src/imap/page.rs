//! Pages of a long result (RFC 9394, RFC 5267 §4.4): from where to where, counted from its first or from its last message.

use std::fmt;

use super::parse::{Parsed, Parser, syntax};

// partial-range = partial-range-first / partial-range-last
// partial-range-first = nz-number ":" nz-number
// partial-range-last = MINUS nz-number ":" MINUS nz-number
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    from_last: bool,
    /// As they were written; either may be the greater.
    one: u32,
    other: u32,
}

impl Page {
    /// From the space before it.
    pub fn parse(args: &mut Parser<'_>) -> Parsed<Page> {
        args.space()?;
        let page = args.atom().ok().and_then(Page::of);
        page.map_or_else(|| syntax("Invalid range for PARTIAL"), Ok)
    }

    fn of(text: &str) -> Option<Page> {
        let (one, other) = text.split_once(':')?;
        let from_last = one.starts_with('-');
        let number = |text: &str| {
            let digits = if from_last { text.strip_prefix('-')? } else { text };
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
            digits.parse().ok().filter(|_| plain)
        };
        Some(Page { from_last, one: number(one)?, other: number(other)? })
    }

    /// What of a result is on it.
    pub fn cut<T>(self, all: &[T]) -> &[T] {
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let (near, far) = (place(self.one.min(self.other)), place(self.one.max(self.other)));
        let len = all.len();
        let (start, end) = match self.from_last {
            false => (near - 1, far),
            true => (len.saturating_sub(far), (len + 1).saturating_sub(near)),
        };
        all.get(start..end.min(len)).unwrap_or_default()
    }
}

/// As it was asked for.
impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minus = if self.from_last { "-" } else { "" };
        write!(f, "{minus}{}:{minus}{}", self.one, self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_from_either_end() {
        let all = [1, 2, 3, 4, 5];
        for (page, expected) in [
            ("1:2", &[1, 2][..]),
            ("2:1", &[1, 2]),
            ("4:9", &[4, 5]),
            ("5:5", &[5]),
            ("6:9", &[]),
            ("-1:-2", &[4, 5]),
            ("-2:-1", &[4, 5]),
            ("-5:-9", &[1]),
            ("-6:-9", &[]),
            ("1:4294967295", &all),
            ("-1:-4294967295", &all),
        ] {
            let parsed = Page::of(page).unwrap();
            assert_eq!((parsed.cut(&all), parsed.to_string().as_str()), (expected, page));
            assert!(parsed.cut::<u8>(&[]).is_empty());
        }
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for bad in [
            "",
            "1",
            "0:1",
            "1:0",
            "1:-1",
            "-1:1",
            "1:",
            ":1",
            "*:1",
            "1:2:3",
            "+1:2",
            "01:2",
            "1:4294967296",
            "--1:-2",
        ] {
            assert_eq!(Page::of(bad), None, "{bad}");
        }
    }
}
