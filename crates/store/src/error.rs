//! What can go wrong with a mailbox. A short closed list: callers match on it and choose what the peer hears.

use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such mailbox, or it was deleted, renamed or made anew while it was open.
    #[error("no such mailbox")]
    NoSuchMailbox,
    #[error("mailbox exists already")]
    MailboxExists,
    /// Asked for something that this store does not allow; the text is fit for the client.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// The message was expunged meanwhile.
    #[error("message was expunged")]
    Gone,
    /// All 26 keyword letters of the mailbox are taken.
    #[error("mailbox has no room for another keyword")]
    KeywordsFull,
    /// The account's quota has no room for this (RFC 9208 §4.3.1).
    #[error("quota exceeded")]
    OverQuota,
    /// The disk or the user's file quota is full.
    #[error("no space left")]
    NoSpace,
    /// Another process held the mailbox's lock for longer than `Settings::lock_wait`.
    #[error("mailbox is locked by another process")]
    Busy,
    /// A file does not hold what its name or its neighbours say.
    #[error("{}: {what}", path.display())]
    Damaged { path: PathBuf, what: &'static str },
    #[error(transparent)]
    Disk(disk::Error),
}

impl From<disk::Error> for Error {
    fn from(error: disk::Error) -> Error {
        match error {
            disk::Error::NoSpace { .. } => Error::NoSpace,
            disk::Error::Locked { .. } => Error::Busy,
            other => Error::Disk(other),
        }
    }
}
