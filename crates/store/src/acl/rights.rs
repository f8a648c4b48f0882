//! The rights of RFC 4314 §2.1, by their letters and by the names that Dovecot's files have for them. Pure.

use std::fmt;

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

    pub(crate) fn of_name(name: &str) -> Option<Rights> {
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

    /// The letters in the order of the names, as Dovecot writes its files: `akxeilprwts`.
    pub(crate) fn file_letters(self) -> String {
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
