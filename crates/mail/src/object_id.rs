//! Object identifiers (RFC 8474): what a mailbox or a message is known by as long as it lives, wherever it is moved.

use std::fmt;

/// Of what kind, so that no two kinds share an identifier: RFC 8474 §7 wants a letter in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    Mailbox,
    Message,
    Thread,
}

impl ObjectKind {
    fn letter(self) -> char {
        match self {
            ObjectKind::Mailbox => 'F',
            ObjectKind::Message => 'M',
            ObjectKind::Thread => 'T',
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(u128);

impl ObjectId {
    const DIGITS: usize = 32;

    pub const fn new(number: u128) -> ObjectId {
        ObjectId(number)
    }

    /// A GUID as Dovecot writes those it makes up: 32 hex digits.
    pub fn of_hex(guid: &[u8]) -> Option<ObjectId> {
        let digits = guid.len() == ObjectId::DIGITS && guid.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(guid).ok().filter(|_| digits)?;
        u128::from_str_radix(text, 16).ok().map(ObjectId)
    }

    // objectid = 1*255(ALPHA / DIGIT / "_" / "-")
    /// As `show` writes it; `None` for one that nothing of this kind has.
    pub fn parse(kind: ObjectKind, text: &str) -> Option<ObjectId> {
        let id = ObjectId::of_hex(text.strip_prefix(kind.letter())?.as_bytes())?;
        // Case counts: another spelling is another identifier.
        (id.show(kind) == text).then_some(id)
    }

    pub fn show(self, kind: ObjectKind) -> String {
        format!("{}{self}", kind.letter())
    }
}

/// 32 hex digits.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_read_as_it_is_written_and_in_no_other_way() {
        let id = ObjectId::of_hex(b"29833B32b0e2006bc50c000083ecc375").unwrap();
        let shown = id.show(ObjectKind::Message);
        assert_eq!(shown, "M29833b32b0e2006bc50c000083ecc375");
        assert_eq!(ObjectId::parse(ObjectKind::Message, &shown), Some(id));
        for other in ["", "M", "M29833B32b0e2006bc50c000083ecc375", "F29833b32b0e2006bc50c000083ecc375", "M1"] {
            assert_eq!(ObjectId::parse(ObjectKind::Message, other), None, "{other}");
        }
        assert_eq!(ObjectId::of_hex(b"+9833b32b0e2006bc50c000083ecc375"), None);
    }
}
