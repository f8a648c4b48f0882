//! What lists of messages show: size, date, some header fields, the structure. Asked for in batches, and remembered by the
//! store, so that a list of a large mailbox opens no files.

use crate::date::DateTime;
use crate::mime::Packed;
use crate::{ObjectId, Uid, preview};

/// What is wanted of each message, beside its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    pub fields: Fields,
    pub structure: bool,
    pub date: bool,
    /// Its identifier (RFC 8474), which needs no file.
    pub email_id: bool,
    /// Its thread's.
    pub thread_id: bool,
    /// When it was put into this mailbox (RFC 8514).
    pub saved: bool,
    pub preview: preview::Wanted,
}

impl Want {
    pub const SIZE: Want = Want {
        fields: Fields::None,
        structure: false,
        date: false,
        email_id: false,
        thread_id: false,
        saved: false,
        preview: preview::Wanted::No,
    };
    /// Size and date.
    pub const FACTS: Want = Want { date: true, ..Want::SIZE };
}

/// Which fields of a header are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fields {
    None,
    /// Those of these names, case ignored.
    Named(Vec<Vec<u8>>),
    All,
}

/// What one message looks like in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    pub uid: Uid,
    /// Octets with CR LF line ends.
    pub size: u64,
    /// Any, unless it was wanted.
    pub internal_date: DateTime,
    /// A header block that holds the fields wanted, in their order, as far as they stand in the first
    /// [`crate::mime::HEADER_KEPT_MAX`] octets of the header. It may hold others too.
    pub header: Vec<u8>,
    /// Of messages within the message, it has the header fields wanted and those of the envelope.
    pub structure: Option<Packed>,
    pub email_id: Option<ObjectId>,
    /// `None` also for a message that has no Message-ID and names none.
    pub thread_id: Option<ObjectId>,
    pub saved: Option<DateTime>,
    /// `None` where none was wanted, or it would have cost more than was wanted.
    pub preview: Option<String>,
}

/// Digests of the first messages that were asked for: as many as fit into a bounded memory, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// In the order in which they were asked for. Messages that are gone are left out.
    pub digests: Vec<Digest>,
    /// How many of the messages asked for were looked at. The others must be asked for again.
    pub looked_at: usize,
}

/// The fields of ENVELOPE (RFC 3501 §7.4.2).
pub const ENVELOPE_FIELDS: [&str; 10] =
    ["date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id"];

impl Fields {
    /// Both what is wanted here and what is wanted there.
    pub fn and(self, other: Fields) -> Fields {
        match (self, other) {
            (Fields::All, _) | (_, Fields::All) => Fields::All,
            (Fields::None, fields) | (fields, Fields::None) => fields,
            (Fields::Named(mut names), Fields::Named(more)) => {
                names.extend(more);
                names.sort_unstable();
                names.dedup();
                Fields::Named(names)
            }
        }
    }

    pub fn envelope() -> Fields {
        Fields::Named(ENVELOPE_FIELDS.iter().map(|name| name.as_bytes().to_vec()).collect())
    }

    pub fn is_wanted(&self, name: &[u8]) -> bool {
        match self {
            Fields::None => false,
            Fields::Named(names) => names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)),
            Fields::All => true,
        }
    }
}
