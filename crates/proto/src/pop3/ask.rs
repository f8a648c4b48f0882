//! What a POP3 session asks the house, and what the house answers.

use mail::Uid;

use super::unique_id::UniqueIds;
use crate::sasl::{self, Credentials};

/// The most octets that one `Read` asks for.
pub const READ_LENGTH_MAX: u32 = 64 * 1024;

/// A question. In brackets: the answers that fit; `Refused` always does. Any other is taken for `Refusal::Temporary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// What a mechanism needs before we know who they are. (`Sasl`)
    Sasl(sasl::Ask),
    /// Is it them? (`Done`)
    LogIn(Credentials),
    /// The messages of their INBOX, as they are now. (`Maildrop`)
    Open,
    /// Octets of a message as CR LF text, from `offset` on, at most `length`. Fewer are fine; none means the end. (`Bytes`)
    Read { uid: Uid, offset: u64, length: u32 },
    /// The client said QUIT: remove these, and mark those that it has fetched as seen (RFC 1939 §6). Only messages of the
    /// maildrop that was answered to `Open`. (`Done`)
    Quit { delete: Vec<Uid>, seen: Vec<Uid> },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Sasl(sasl::Answer),
    Maildrop { drops: Vec<Drop>, unique_ids: UniqueIds },
    Bytes(Vec<u8>),
    Refused(Refusal),
}

/// One message of the maildrop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drop {
    pub uid: Uid,
    /// Octets, with CR LF line ends.
    pub size: u64,
    /// A session before this one fetched it, or another program showed it.
    pub seen: bool,
}

/// Why the house will not. Told to the client with the code of RFC 2449 §8.1 or RFC 3206.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Wrong name or password.
    Authentication,
    /// Something on our side is broken and will be mended.
    Temporary,
    /// Something on our side needs an operator.
    Permanent,
    /// Another session holds the maildrop.
    InUse,
    /// Another session has removed the message.
    Gone,
}
