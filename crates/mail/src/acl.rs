//! Who is spoken of in an ACL, and the rights of RFC 4314 §2.1, by their letters and by the names that Dovecot's files have for them.

use std::fmt;

/// Of whom a row of an ACL speaks. Sorted as Dovecot judges them: what comes later replaces what came before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identifier {
    Anyone,
    Authenticated,
    Group(String),
    /// Whose account the mailbox is in.
    Owner,
    User(String),
    /// A group that counts for more than what is said of a user.
    GroupOverride(String),
}

/// A set of rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rights(u16);

/// One right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Lookup,
    Read,
    Write,
    WriteSeen,
    WriteDeleted,
    Insert,
    Post,
    Expunge,
    Create,
    Delete,
    Admin,
}

use Right::{Admin, Create, Delete, Expunge, Insert, Lookup, Post, Read, Write, WriteDeleted, WriteSeen};

/// In the order of Dovecot's answers to GETACL for an owner.
const TABLE: [(Right, char, &str); 11] = [
    (Lookup, 'l', "lookup"),
    (Read, 'r', "read"),
    (Write, 'w', "write"),
    (WriteSeen, 's', "write-seen"),
    (WriteDeleted, 't', "write-deleted"),
    (Insert, 'i', "insert"),
    (Post, 'p', "post"),
    (Expunge, 'e', "expunge"),
    (Create, 'k', "create"),
    (Delete, 'x', "delete"),
    (Admin, 'a', "admin"),
];

impl Rights {
    pub const NONE: Rights = Rights(0);
    pub const ALL: Rights = Rights((1 << TABLE.len()) - 1);

    pub fn of(rights: &[Right]) -> Rights {
        rights.iter().fold(Rights::NONE, |all, right| all | Rights(right.bit()))
    }

    /// The right of a letter; `None` for a letter that is none, `c` and `d` too (RFC 4314 §2.1.1 makes them of others).
    pub fn of_letter(letter: char) -> Option<Rights> {
        TABLE.iter().find(|(_, known, _)| *known == letter).map(|(right, ..)| Rights(right.bit()))
    }

    /// The right of a name, as Dovecot's files have it.
    pub fn of_name(name: &str) -> Option<Rights> {
        TABLE.iter().find(|(.., known)| *known == name).map(|(right, ..)| Rights(right.bit()))
    }

    pub fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn without(self, others: Rights) -> Rights {
        Rights(self.0 & !others.0)
    }

    /// The rights of an IMAP command's letters, `c` and `d` of RFC 2086 too, as Dovecot takes them. The letter that is none, else.
    pub fn parse(letters: &str) -> Result<Rights, char> {
        letters.chars().try_fold(Rights::NONE, |all, letter| {
            // RFC 4314 §2.1.1
            let rights = match letter {
                'c' => Some(Rights::of(&[Create, Delete])),
                'd' => Some(Rights::of(&[Expunge, WriteDeleted])),
                letter => Rights::of_letter(letter),
            };
            rights.map(|rights| all | rights).ok_or(letter)
        })
    }

    /// The letters for IMAP: RFC 4314 §2.1.1 adds `c` and `d` for clients that know only those.
    pub fn with_old_letters(self) -> String {
        let any = |rights: [Right; 2], letter| rights.iter().any(|right| self.has(*right)).then_some(letter);
        let old = [any([Create, Delete], 'c'), any([Expunge, WriteDeleted], 'd')];
        self.to_string().chars().chain(old.into_iter().flatten()).collect()
    }

    /// The letters in the order of the names, as Dovecot writes its files: `akxeilprwts`.
    pub fn file_letters(self) -> String {
        let mut rows: Vec<_> = TABLE.iter().filter(|(right, ..)| self.has(*right)).collect();
        rows.sort_by_key(|(.., name)| *name);
        rows.iter().map(|(_, letter, _)| letter).collect()
    }
}

impl std::ops::BitOr for Rights {
    type Output = Rights;

    fn bitor(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }
}

/// The letters: `lrwstipekxa`.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TABLE.iter().filter(|(right, ..)| self.has(*right)).try_for_each(|(_, letter, _)| write!(f, "{letter}"))
    }
}

impl Right {
    fn bit(self) -> u16 {
        1 << self as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Dovecot 2.3.19 wrote and answered for these letters.
    #[test]
    fn old_letters_are_taken_and_told_as_dovecot_does_it() {
        for (letters, file, told) in [
            ("lrwstie", "eilrwts", "lrwstied"),
            ("lrcd", "kxelrt", "lrtekxcd"),
            ("lrc", "kxlr", "lrkxc"),
            ("", "", ""),
            ("lrwstipekxacd", "akxeilprwts", "lrwstipekxacd"),
        ] {
            let rights = Rights::parse(letters).unwrap();
            assert_eq!((rights.file_letters().as_str(), rights.with_old_letters().as_str()), (file, told));
        }
        assert_eq!((Rights::parse("lrq"), Rights::parse("LR"), Rights::parse("l r")), (Err('q'), Err('L'), Err(' ')));
    }
}
