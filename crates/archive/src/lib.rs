//! Copies of accounts: backups that keep everything (`backup`), and mailboxes taken out to and in from other programs'
//! formats (`exchange`). Blocking; knows no network, no users, no command line.
//!
//! Reads and writes mailboxes through `store`, and its own files through `disk`.

pub mod backup;
mod blobs;
mod digest;
pub mod exchange;
mod manifest;
pub mod mbox;

pub use manifest::{MailboxRecord, Snapshot};

pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Store(#[from] store::Error),
    #[error("{0}")]
    Disk(#[from] disk::Error),
    /// What is to be read cannot be; others can.
    #[error("{0}")]
    Unreadable(disk::Error),
    #[error("{0}")]
    Busy(&'static str),
    /// A file of a backup is not what was written.
    #[error("{}: {what}", path.display())]
    Damaged { path: std::path::PathBuf, what: &'static str },
    #[error("there is no backup {0}")]
    NoSuchSnapshot(String),
    #[error("mailbox {0} is not in this backup")]
    NoSuchMailbox(String),
    #[error("{0}")]
    Read(#[from] std::io::Error),
    #[error("{0}")]
    Format(&'static str),
}

impl Error {
    /// In words for the operator, when it is of one file and the others can be gone on with.
    pub(crate) fn told(self) -> Result<String> {
        use disk::Error::Io;
        match &self {
            Error::Unreadable(_) | Error::Damaged { .. } => Ok(self.to_string()),
            Error::Store(store::Error::Disk(Io { .. }) | store::Error::Damaged { .. } | store::Error::Busy) => {
                Ok(self.to_string())
            }
            _ => Err(self),
        }
    }
}
