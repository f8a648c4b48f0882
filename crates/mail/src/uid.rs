//! The numbers of a mailbox: UIDs, sequence numbers, UIDVALIDITY and mod-sequences.

use std::fmt;
use std::num::NonZeroU32;

/// A message's unique identifier within its mailbox: 1 to 2^32-1, never given twice (RFC 3501 §2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(NonZeroU32);

impl Uid {
    /// The first UID of a mailbox.
    pub const FIRST: Uid = Uid(NonZeroU32::MIN);

    /// `None` for zero, which is no UID.
    pub fn new(number: u32) -> Option<Uid> {
        NonZeroU32::new(number).map(Uid)
    }

    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// The UID after this one; `None` once a mailbox has used them all.
    pub fn next(self) -> Option<Uid> {
        self.0.checked_add(1).map(Uid)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message's place in a session's view: 1 to the number of messages (RFC 3501 §2.3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(NonZeroU32);

impl Seq {
    /// `None` for zero, which is no sequence number.
    pub fn new(number: u32) -> Option<Seq> {
        NonZeroU32::new(number).map(Seq)
    }

    /// The sequence number of the message at a position counted from zero.
    /// `None` beyond 2^32-1 messages.
    pub fn at(index: usize) -> Option<Seq> {
        u32::try_from(index).ok()?.checked_add(1).and_then(Seq::new)
    }

    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// The position counted from zero.
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The value that, together with a UID, names a message for ever (RFC 3501 §2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UidValidity(NonZeroU32);

impl UidValidity {
    pub fn new(number: u32) -> Option<UidValidity> {
        NonZeroU32::new(number).map(UidValidity)
    }

    pub fn number(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for UidValidity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A mod-sequence: grows with every change of a mailbox (RFC 7162 §3.1). Zero means "unknown".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModSeq(pub u64);

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
