//! What IMAP's SEARCH asks for (RFC 3501 §6.4.4), as a tree that the store evaluates.
//!
//! `proto` parses into it and turns sequence numbers into UIDs, because only the session knows its own numbering.

use crate::{Flags, Keyword, ModSeq, NumberSet, ObjectId, Uid};

/// How deep AND, OR and NOT may be nested.
pub const SEARCH_DEPTH_MAX: usize = 50;

/// One condition on a message. Strings are UTF-8 and compared without case, as substrings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    All,
    And(Vec<Key>),
    Or(Box<Key>, Box<Key>),
    Not(Box<Key>),
    /// All of these system flags are set.
    Flags(Flags),
    Keyword(Keyword),
    /// `RECENT`, `NEW` and `OLD` become this: the session knows which messages are recent in it.
    Uids(Vec<Uid>),
    /// A `UID` set; `*` is the highest UID of the mailbox.
    UidSet(NumberSet),
    /// The mod-sequence is at least this (RFC 7162 §3.1.5).
    ModSeq(ModSeq),
    /// RFC822.SIZE larger than this many octets.
    Larger(u64),
    Smaller(u64),
    /// INTERNALDATE earlier than this day, zone ignored.
    Before(Day),
    On(Day),
    Since(Day),
    /// INTERNALDATE at least so many seconds ago (RFC 5032).
    Older(u32),
    /// INTERNALDATE at most so many seconds ago.
    Younger(u32),
    /// The `Date:` header earlier than this day, time and zone ignored.
    SentBefore(Day),
    SentOn(Day),
    SentSince(Day),
    /// RFC 8474 §5.3
    EmailId(ObjectId),
    ThreadId(ObjectId),
    /// It was put into this mailbox earlier than this day, time zone ignored (RFC 8514).
    SavedBefore(Day),
    SavedOn(Day),
    SavedSince(Day),
    /// A header field holds this text; an empty text asks only whether the field is there.
    Header {
        name: String,
        text: String,
    },
    /// The body holds this text.
    Body(String),
    /// The headers or the body hold this text.
    Text(String),
}

/// A day of the calendar, as days since 1 January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i32);
