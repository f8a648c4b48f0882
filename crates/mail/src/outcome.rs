//! What became of one recipient in one attempt to deliver. A value, not an error.

use crate::Reply;

/// The end of a delivery attempt for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop, or the mailbox, has it.
    Delivered(Reply),
    /// Not now: try again later.
    Deferred(Reply),
    /// Never: tell the sender.
    Bounced(Reply),
}

impl Outcome {
    /// Judges the next hop's reply by its first digit (RFC 5321 §4.2.1). Anything that is neither 2yz nor 5yz is tried again.
    pub fn from_reply(reply: Reply) -> Outcome {
        match reply.code / 100 {
            2 => Outcome::Delivered(reply),
            5 => Outcome::Bounced(reply),
            _ => Outcome::Deferred(reply),
        }
    }

    pub fn reply(&self) -> &Reply {
        match self {
            Outcome::Delivered(reply) | Outcome::Deferred(reply) | Outcome::Bounced(reply) => reply,
        }
    }
}
