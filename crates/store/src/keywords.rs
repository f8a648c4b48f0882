//! The format of `dovecot-keywords`: which letter of file names means which keyword. A line a keyword: `NUMBER NAME`, where
//! number 0 is the letter `a`. Lines that make no sense keep their number taken and are written back.
//! Pure; the file is `folder`'s.

use mail::flags::KEYWORDS_MAX;
use mail::{Flags, Keyword, Keywords};

/// So much of the file is read: 26 names, and room for lines that Dovecot once wrote and for damage.
pub(crate) const LENGTH_MAX: usize = 64 << 10;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeywordTable {
    names: Keywords,
    /// Names that are no IMAP keywords.
    foreign: Vec<(usize, String)>,
}

impl KeywordTable {
    pub(crate) fn parse(content: &[u8]) -> KeywordTable {
        let mut table = KeywordTable::default();
        for line in String::from_utf8_lossy(content).lines() {
            let Some((number, name)) = line.split_once(' ') else { continue };
            let Some(number) = number.parse().ok().filter(|&number| number < KEYWORDS_MAX) else { continue };
            if table.is_taken(number) || name.contains('\0') {
                continue;
            }
            match Keyword::parse(name) {
                Some(keyword) if table.names.number(&keyword).is_none() => _ = table.names.set(number, keyword),
                _ => table.foreign.push((number, name.to_owned())),
            }
        }
        table
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let known = self.names.iter().map(|(number, keyword)| (number, keyword.as_str()));
        let mut lines: Vec<_> =
            known.chain(self.foreign.iter().map(|(number, name)| (*number, name.as_str()))).collect();
        lines.sort_unstable();
        lines.iter().map(|(number, name)| format!("{number} {name}\n")).collect::<String>().into_bytes()
    }

    pub(crate) fn names(&self) -> &Keywords {
        &self.names
    }

    /// Without the letters that stand for nothing: the file may have been lost.
    pub(crate) fn known(&self, flags: Flags) -> Flags {
        let unknown = flags.keyword_numbers().filter(|&number| self.names.name(number).is_none());
        unknown.filter_map(Flags::keyword).fold(flags, Flags::without)
    }

    /// These keywords as flags; those that have no number are left out.
    pub(crate) fn flags_of(&self, keywords: &[Keyword]) -> Flags {
        let numbers = keywords.iter().filter_map(|keyword| self.names.number(keyword));
        numbers.filter_map(Flags::keyword).fold(Flags::NONE, Flags::with)
    }

    /// The same, giving each new keyword a number that no file name in `used` has: such a letter lost its name, and a
    /// new name would mark messages that nobody marked. `None` when no number is left.
    pub(crate) fn flags_of_or_add(&mut self, keywords: &[Keyword], used: Flags) -> Option<Flags> {
        let mut flags = Flags::NONE;
        for keyword in keywords {
            let number = match self.names.number(keyword) {
                Some(number) => number,
                None => self.add(keyword, used)?,
            };
            flags = flags.with(Flags::keyword(number)?);
        }
        Some(flags)
    }

    /// Names a letter that has no name; false when it has one.
    pub(crate) fn name(&mut self, number: usize, keyword: Keyword) -> bool {
        !self.is_taken(number) && self.names.set(number, keyword)
    }

    fn add(&mut self, keyword: &Keyword, used: Flags) -> Option<usize> {
        let in_names = |number: usize| used.keyword_numbers().any(|used| used == number);
        let number = (0..KEYWORDS_MAX).find(|&number| !self.is_taken(number) && !in_names(number))?;
        self.names.set(number, keyword.clone()).then_some(number)
    }

    fn is_taken(&self, number: usize) -> bool {
        self.names.name(number).is_some() || self.foreign.iter().any(|(taken, _)| *taken == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_lines_keep_their_number_and_are_written_back() {
        let mut table = KeywordTable::parse(b"0 importante\n1 not an atom\n99 x\njunk\n0 second\n");
        assert_eq!(table.encode(), b"0 importante\n1 not an atom\n");
        let work = Keyword::parse("work").unwrap();
        assert_eq!(table.flags_of_or_add(&[work], Flags::NONE), Flags::keyword(2));
    }

    #[test]
    fn a_letter_without_a_name_is_not_given_a_new_meaning() {
        let mut table = KeywordTable::default();
        let used = Flags::keyword(0).unwrap();
        assert_eq!(table.known(used), Flags::NONE);
        assert_eq!(table.flags_of_or_add(&[Keyword::parse("x").unwrap()], used), Flags::keyword(1));
    }

    #[test]
    fn the_27th_keyword_finds_no_letter() {
        let mut table = KeywordTable::default();
        for number in 0..KEYWORDS_MAX {
            let keyword = Keyword::parse(&format!("k{number}")).unwrap();
            assert!(table.flags_of_or_add(&[keyword], Flags::NONE).is_some());
        }
        assert_eq!(table.flags_of_or_add(&[Keyword::parse("more").unwrap()], Flags::NONE), None);
    }
}
