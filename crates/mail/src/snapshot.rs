//! What a mailbox holds at one moment: the value that the store hands to sessions.
//!
//! Immutable and shared: all sessions on a mailbox hold the same one behind an `Arc` until it changes, so an idle
//! session costs no copy. Two snapshots of one mailbox are compared by walking their rows (both ascend by UID).

use crate::{Flags, Keywords, ModSeq, NumberSet, Uid, UidValidity};

/// One message: its UID and what can change about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub uid: Uid,
    pub flags: Flags,
    pub modseq: ModSeq,
}

/// The state of a mailbox. `rows` ascend by UID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub uid_validity: UidValidity,
    /// The UID that the next message will get, at least.
    pub uid_next: Uid,
    pub highest_modseq: ModSeq,
    pub keywords: Keywords,
    pub rows: Vec<Row>,
}

impl Snapshot {
    /// The position of a message, counted from zero.
    pub fn position(&self, uid: Uid) -> Option<usize> {
        self.rows.binary_search_by_key(&uid, |row| row.uid).ok()
    }

    pub fn row(&self, uid: Uid) -> Option<&Row> {
        self.position(uid).map(|index| &self.rows[index])
    }

    /// The rows whose UID is in a set; `*` means the highest UID (RFC 3501 §6.4.8).
    pub fn rows_in<'a>(&'a self, uids: &'a NumberSet) -> impl Iterator<Item = &'a Row> {
        let star = self.rows.last().map_or(0, |row| row.uid.number());
        self.rows.iter().filter(move |row| uids.contains(row.uid.number(), star))
    }

    /// How many messages lack `\Seen`.
    pub fn unseen(&self) -> usize {
        self.rows.iter().filter(|row| !row.flags.contains(Flags::SEEN)).count()
    }
}
