//! An open mailbox.

use std::sync::Arc;

use mail::date::DateTime;
use mail::{Flags, Keyword, MailboxName, Snapshot, Uid, UidValidity, search};

use crate::{Message, Result};

#[derive(Debug)]
pub struct Mailbox {}

/// Why one looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Messages stay in `new/`: STATUS, EXAMINE.
    Look,
    /// Messages move from `new/` to `cur/`: SELECT.
    Serve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Add,
    Remove,
    Replace,
}

/// What STORE does (RFC 3501 §6.4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    pub how: How,
    /// System flags only; keywords by name below.
    pub flags: Flags,
    pub keywords: Vec<Keyword>,
}

/// Which messages became which (RFC 4315 §3): `source[n]` is `target[n]` in the other mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub uid_validity: UidValidity,
    pub source: Vec<Uid>,
    pub target: Vec<Uid>,
}

/// What is known of a message without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Octets with CR LF line ends.
    pub size: u64,
    pub internal_date: DateTime,
}

/// While it lives, the function given to `Mailbox::watch` is called.
#[derive(Debug)]
pub struct Watch {}

impl Mailbox {
    pub fn name(&self) -> &MailboxName {
        unimplemented!()
    }

    /// The state last seen. Asks no disk.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        unimplemented!()
    }

    /// Looks at the disk and gives UIDs to new messages.
    pub fn sync(&self, _access: Access) -> Result<Arc<Snapshot>> {
        unimplemented!()
    }

    /// The messages nobody was told of as `\Recent` yet. Each goes to one session only (RFC 3501 §2.3.2).
    pub fn claim_recent(&self) -> Vec<Uid> {
        unimplemented!()
    }

    pub fn store_flags(&self, _uids: &[Uid], _change: &FlagChange) -> Result<Arc<Snapshot>> {
        unimplemented!()
    }

    /// Removes exactly these messages.
    pub fn expunge(&self, _uids: &[Uid]) -> Result<Arc<Snapshot>> {
        unimplemented!()
    }

    /// Copies with flags and internal date; all or nothing (RFC 3501 §6.4.7). Messages already gone are left out.
    pub fn copy(&self, _uids: &[Uid], _to: &Mailbox) -> Result<Copied> {
        unimplemented!()
    }

    /// Moves (RFC 6851). A crash may leave a message in both mailboxes, never in none.
    pub fn move_to(&self, _uids: &[Uid], _to: &Mailbox) -> Result<Copied> {
        unimplemented!()
    }

    pub fn message(&self, _uid: Uid) -> Result<Message> {
        unimplemented!()
    }

    pub fn facts(&self, _uid: Uid) -> Result<Facts> {
        unimplemented!()
    }

    /// The messages that fit, ascending.
    pub fn search(&self, _key: &search::Key) -> Result<Vec<Uid>> {
        unimplemented!()
    }

    /// `wake` is called after any change made in this process, never while a lock is held.
    pub fn watch(&self, _wake: Box<dyn Fn() + Send + Sync>) -> Watch {
        unimplemented!()
    }
}
