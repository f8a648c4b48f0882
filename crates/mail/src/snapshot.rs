//! What a mailbox holds at one moment: the value that the store hands to sessions.
//!
//! Immutable and shared: all sessions on a mailbox hold the same one behind an `Arc` until it changes, so an idle
//! session costs no copy. Two snapshots of one mailbox share what did not change (`rows`).

use crate::rows::Rows;
use crate::{Flags, Keywords, ModSeq, NumberSet, Uid, UidValidity};

/// One message: its UID and what can change about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub uid: Uid,
    pub flags: Flags,
    pub modseq: ModSeq,
}

/// The state of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub uid_validity: UidValidity,
    /// The UID that the next message will get, at least.
    pub uid_next: Uid,
    pub highest_modseq: ModSeq,
    pub keywords: Keywords,
    pub rows: Rows,
}

impl Snapshot {
    /// The position of a message, counted from zero.
    pub fn position(&self, uid: Uid) -> Option<usize> {
        self.rows.position(uid)
    }

    pub fn row(&self, uid: Uid) -> Option<&Row> {
        self.rows.row(uid)
    }

    /// The rows whose UID is in a set; `*` means the highest UID (RFC 3501 §6.4.8).
    pub fn rows_in<'a>(&'a self, uids: &'a NumberSet) -> impl Iterator<Item = &'a Row> {
        self.rows.in_set(uids)
    }

    /// How many messages lack `\Seen`.
    pub fn unseen(&self) -> usize {
        self.rows.iter().filter(|row| !row.flags.contains(Flags::SEEN)).count()
    }
}
