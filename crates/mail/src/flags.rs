//! Message flags: the five system flags and up to 26 keywords, in one `u32`.
//!
//! Twenty-six is how many keyword letters a Maildir file name has (`a` to `z`), so a mailbox cannot keep more.
//! Which keyword has which number is the mailbox's own table (`Keywords`); `Flags` alone does not know names.

use std::fmt;

/// How many different keywords one mailbox can have: the letters `a` to `z` of a Maildir file name.
pub const KEYWORDS_MAX: usize = 26;

/// The longest keyword accepted, in bytes.
pub const KEYWORD_LENGTH_MAX: usize = 128;

/// A set of system flags and numbered keywords.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    pub const NONE: Flags = Flags(0);
    pub const SEEN: Flags = Flags(1);
    pub const ANSWERED: Flags = Flags(1 << 1);
    pub const FLAGGED: Flags = Flags(1 << 2);
    pub const DELETED: Flags = Flags(1 << 3);
    pub const DRAFT: Flags = Flags(1 << 4);
    /// All system flags.
    pub const SYSTEM: Flags = Flags(0b1_1111);

    const KEYWORD_SHIFT: usize = 5;

    /// The keyword with this number in the mailbox's table; `None` from `KEYWORDS_MAX` on.
    pub fn keyword(number: usize) -> Option<Flags> {
        (number < KEYWORDS_MAX).then(|| Flags(1 << (number + Self::KEYWORD_SHIFT)))
    }

    /// As one number, for files: the system flags as declared above from bit 0 on, keyword 0 is bit 5.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// What `bits` gave; `None` for a bit that is no flag.
    pub fn from_bits(bits: u32) -> Option<Flags> {
        (bits >> (Self::KEYWORD_SHIFT + KEYWORDS_MAX) == 0).then_some(Flags(bits))
    }

    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn intersects(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    #[must_use]
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// The numbers of the keywords set, ascending.
    pub fn keyword_numbers(self) -> impl Iterator<Item = usize> {
        let mut left = self.0 >> Self::KEYWORD_SHIFT;
        std::iter::from_fn(move || {
            let number = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (number < u32::BITS).then_some(number as usize)
        })
    }

    /// The system flags set, with their IMAP names, in the order IMAP servers list them.
    pub fn system_names(self) -> impl Iterator<Item = &'static str> {
        SYSTEM_NAMES.iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| *name)
    }

    /// The system flag with this IMAP name (with its backslash, case ignored).
    pub fn system(name: &str) -> Option<Flags> {
        SYSTEM_NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(flag, _)| *flag)
    }
}

const SYSTEM_NAMES: [(Flags, &str); 5] = [
    (Flags::ANSWERED, "\\Answered"),
    (Flags::FLAGGED, "\\Flagged"),
    (Flags::DELETED, "\\Deleted"),
    (Flags::SEEN, "\\Seen"),
    (Flags::DRAFT, "\\Draft"),
];

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = self.system_names().map(str::to_owned);
        f.debug_set().entries(system.chain(self.keyword_numbers().map(|n| format!("keyword {n}")))).finish()
    }
}

/// A keyword's name: an IMAP atom without a leading backslash (RFC 3501 §9 `flag-keyword`). Compared without case, kept as written.
#[derive(Debug, Clone)]
pub struct Keyword(String);

impl Keyword {
    /// `None` when it is empty, longer than `KEYWORD_LENGTH_MAX` or not an atom.
    pub fn parse(name: &str) -> Option<Keyword> {
        let atom = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
        let fits = !name.is_empty() && name.len() <= KEYWORD_LENGTH_MAX;
        (fits && name.bytes().all(atom)).then(|| Keyword(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Keyword) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mailbox's table of keywords. A number once given stays: it is a letter in file names. Holes are possible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keywords(Vec<Option<Keyword>>);

impl Keywords {
    /// The number of a known keyword.
    pub fn number(&self, keyword: &Keyword) -> Option<usize> {
        self.0.iter().position(|known| known.as_ref() == Some(keyword))
    }

    /// The keyword with this number.
    pub fn name(&self, number: usize) -> Option<&Keyword> {
        self.0.get(number)?.as_ref()
    }

    /// The number of this keyword, giving it the lowest free one if it is new. `None` when all 26 are taken.
    pub fn number_or_add(&mut self, keyword: &Keyword) -> Option<usize> {
        if let Some(number) = self.number(keyword) {
            return Some(number);
        }
        let free = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        self.set(free, keyword.clone()).then_some(free)
    }

    /// Puts a keyword at a number, as read from the mailbox's file. False when the number is too high.
    pub fn set(&mut self, number: usize, keyword: Keyword) -> bool {
        if number >= KEYWORDS_MAX {
            return false;
        }
        if self.0.len() <= number {
            self.0.resize(number + 1, None);
        }
        self.0[number] = Some(keyword);
        true
    }

    /// Whether a new keyword would find a number.
    pub fn has_room(&self) -> bool {
        self.0.len() < KEYWORDS_MAX || self.0.iter().any(Option::is_none)
    }

    /// Number and name of each keyword, by number.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Keyword)> {
        self.0.iter().enumerate().filter_map(|(number, keyword)| Some((number, keyword.as_ref()?)))
    }

    /// The names of the flags in a set, in IMAP's spelling: system flags first.
    pub fn names_of(&self, flags: Flags) -> impl Iterator<Item = &str> {
        let keywords = flags.keyword_numbers().filter_map(|number| self.name(number)).map(Keyword::as_str);
        let system = flags.system_names().map(|name| -> &str { name });
        system.chain(keywords)
    }
}

/// Which way flags change (RFC 3501 §6.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Replace,
    Add,
    Remove,
}

/// A change of flags, as STORE makes it: system flags, and keywords by name, because new ones find their number in the
/// mailbox's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    pub how: How,
    /// System flags only.
    pub flags: Flags,
    pub keywords: Vec<Keyword>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyword_numbers_stay_and_holes_are_filled() {
        let mut table = Keywords::default();
        assert!(table.set(2, Keyword::parse("$Forwarded").unwrap()));
        assert_eq!(table.number_or_add(&Keyword::parse("work").unwrap()), Some(0));
        assert_eq!(table.number(&Keyword::parse("$FORWARDED").unwrap()), Some(2));
    }

    #[test]
    fn the_27th_keyword_finds_no_room() {
        let mut table = Keywords::default();
        for number in 0..KEYWORDS_MAX {
            assert_eq!(table.number_or_add(&Keyword::parse(&format!("k{number}")).unwrap()), Some(number));
        }
        assert!(!table.has_room());
        assert_eq!(table.number_or_add(&Keyword::parse("one-more").unwrap()), None);
    }

    #[test]
    fn a_keyword_is_an_atom() {
        assert!(Keyword::parse("$MDNSent").is_some());
        for bad in ["", "\\Seen", "a b", "a)", "{", "ñ"] {
            assert!(Keyword::parse(bad).is_none(), "{bad}");
        }
    }
}
