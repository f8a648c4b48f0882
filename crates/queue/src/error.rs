//! What may go wrong with the spool: a short closed list. The peer hears none of these texts.

use std::path::PathBuf;

use mail::QueueId;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process, or another `Spool` in this one, has the folder.
    #[error("{}: the spool is in use by another process", dir.display())]
    InUse { dir: PathBuf },
    /// No space left. Nothing of the refused change is kept; the spool goes on, and the next change may fit.
    #[error("the spool has no space left")]
    Full,
    /// A sync failed, so nobody knows what the disk holds. Reading goes on; every change is refused until the spool is
    /// opened anew, which looks what is really there.
    #[error("the spool was poisoned by a failed sync or write; it must be opened anew")]
    Poisoned,
    /// There is no such entry, or not any more.
    #[error("{id}: no such entry in the queue")]
    NotFound { id: QueueId },
    /// A write of this message failed before, so it must not be accepted.
    #[error("{id}: the content could not be written whole")]
    Incomplete { id: QueueId },
    /// The entry has fewer recipients than this.
    #[error("{id}: the entry has no recipient {index}")]
    NoSuchRecipient { id: QueueId, index: usize },
    /// What the disk gave back is not what was written. [`crate::Spool::set_aside`] takes the entry out of the way.
    #[error("{id}: damaged on disk: {what}")]
    Damaged { id: QueueId, what: &'static str },
    /// Envelope and trace header together are larger than a record may be.
    #[error("the envelope is larger than a record of the spool may be")]
    TooLarge,
    /// A newer Tepui wrote this, or it is no spool.
    #[error("{}: written in format {version}, which this version cannot read", path.display())]
    Format { path: PathBuf, version: u8 },
    /// Anything else the disk said.
    #[error(transparent)]
    Disk(disk::Error),
}

impl From<disk::Error> for Error {
    fn from(error: disk::Error) -> Error {
        match error {
            disk::Error::NoSpace { .. } => Error::Full,
            other => Error::Disk(other),
        }
    }
}
