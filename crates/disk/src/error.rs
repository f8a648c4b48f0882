//! What may go wrong on a disk: a short closed list, each with the path it happened to.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub type Result<T> = std::result::Result<T, Error>;

/// The world's fault, never the peer's. Callers match on it; the text is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file or folder. For a rename or a link: no such source, or no folder to put it in.
    #[error("{}: not found", path.display())]
    NotFound { path: PathBuf },
    /// The name is taken, and the call promised not to replace it.
    #[error("{}: exists already", path.display())]
    Exists { path: PathBuf },
    /// No room left on the file system, or (`quota`) in the share of it that the user we run as may use.
    #[error("{}: {}", path.display(), if *quota { "disk quota of our user exceeded" } else { "no space left" })]
    NoSpace { path: PathBuf, quota: bool },
    /// NFS: another node removed or replaced the file under our open handle. Opening it anew tells what is true.
    #[error("{}: removed or replaced by another node", path.display())]
    Stale { path: PathBuf },
    /// Another holder kept the dot lock for as long as we were ready to wait.
    #[error("{}: locked by another", path.display())]
    Locked { path: PathBuf },
    /// Our dot lock was overridden while we held it, so what it protected must not be written.
    #[error("{}: lock was lost to another", path.display())]
    LockLost { path: PathBuf },
    /// Anything else the kernel said.
    #[error("{}: cannot {op}: {source}", path.display())]
    Io { op: Op, path: PathBuf, source: io::Error },
    /// The power is off. Only [`crate::MemoryDisk`] says so.
    #[error("the power is off")]
    PowerOff,
}

impl Error {
    /// Sorts what the kernel said into the list above.
    pub(crate) fn new(op: Op, path: &Path, source: io::Error) -> Error {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound { path },
            io::ErrorKind::AlreadyExists => Error::Exists { path },
            io::ErrorKind::StorageFull => Error::NoSpace { path, quota: false },
            io::ErrorKind::QuotaExceeded => Error::NoSpace { path, quota: true },
            io::ErrorKind::StaleNetworkFileHandle => Error::Stale { path },
            _ => Error::Io { op, path, source },
        }
    }
}

/// The calls of the door, for messages and for faults on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Create,
    Append,
    Open,
    Read,
    Write,
    Sync,
    Truncate,
    Rename,
    Link,
    Symlink,
    ReadLink,
    Remove,
    CreateDir,
    RemoveDir,
    SyncDir,
    List,
    Stat,
    SetModified,
    Lock,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Create => "create",
            Op::Append => "open for appending",
            Op::Open => "open",
            Op::Read => "read",
            Op::Write => "write",
            Op::Sync => "sync",
            Op::Truncate => "truncate",
            Op::Rename => "rename",
            Op::Link => "link",
            Op::Symlink => "make the link",
            Op::ReadLink => "read the link",
            Op::Remove => "remove",
            Op::CreateDir => "create folder",
            Op::RemoveDir => "remove folder",
            Op::SyncDir => "sync folder",
            Op::List => "list",
            Op::Stat => "stat",
            Op::SetModified => "set time of",
            Op::Lock => "lock",
        })
    }
}
