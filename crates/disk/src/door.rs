//! The door itself: what a disk, an open file and a held lock can do, whichever twin stands behind them.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::{Error, Op, Result};

/// A file above this many octets is not "small" and is not read whole by [`Disk::read`].
pub const WHOLE_FILE_MAX: usize = 256 << 20;

/// A file system seen from one node. Every path-taking call retries a stale NFS handle before it says
/// [`Error::Stale`]; a call that changes a folder is durable only after [`Disk::sync_dir`] of that folder.
pub trait Disk: Send + Sync + Debug {
    /// Makes a file that must not exist yet, mode 0600. [`Error::Exists`] when it does; over an NFS without exclusive
    /// creation also when our own call made it and its answer was lost.
    fn create_new(&self, path: &Path) -> Result<Box<dyn WriteFile>>;

    /// Opens a file so that every write goes to its end; makes it with mode 0600 when it is not there. A symbolic link at the
    /// end of the path is not followed, and what is no file is refused.
    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>>;

    /// Opens a file (or a folder, for its [`ReadFile::stat`] alone) for reading. On NFS this asks the server
    /// (close-to-open), so what is read and statted through the handle is no older than the call.
    fn open(&self, path: &Path) -> Result<Box<dyn ReadFile>>;

    /// The same for what others than the administrator may have put there: a symbolic link at the end of the path is not
    /// followed, whatever it leads to, nobody waits for the other end of a pipe, and what is neither a file nor a folder is
    /// refused.
    fn open_plain(&self, path: &Path) -> Result<Box<dyn ReadFile>> {
        self.open(path)
    }

    /// The same, and what the file looked like then.
    fn open_and_stat(&self, path: &Path) -> Result<(Box<dyn ReadFile>, Stat)> {
        let file = self.open_plain(path)?;
        let stat = file.stat()?;
        Ok((file, stat))
    }

    /// The whole content of a small file; more than [`WHOLE_FILE_MAX`] octets is an error.
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        read_whole(&*self.open(path)?, path)
    }

    /// The same of [`Disk::open_plain`].
    fn read_plain(&self, path: &Path) -> Result<Vec<u8>> {
        read_whole(&*self.open_plain(path)?, path)
    }

    /// Gives a file or folder a new name, replacing a file of that name at once and whole. As POSIX has it, nothing
    /// happens when both names are already the same file. An answer that NFS lost is recognised and counts as done.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Renames, but never replaces: [`Error::Exists`] when `to` is there. Where the file system cannot do that in one
    /// step it is a link and a removal, so a crash between them leaves both names.
    fn rename_new(&self, from: &Path, to: &Path) -> Result<()>;

    /// Gives a file a second name. [`Error::Exists`] when `to` is another file; when it is already this very file the
    /// call succeeds, because a link whose answer NFS lost looks just the same.
    fn link(&self, from: &Path, to: &Path) -> Result<()>;

    /// Makes a symbolic link that leads to `target`, as it is written. [`Error::Exists`] when the name is taken; over NFS also
    /// when our own call made it and its answer was lost.
    fn symlink(&self, target: &Path, path: &Path) -> Result<()>;

    /// Where a symbolic link leads, as it is written in it. What is no link is an error. On NFS the answer may be some seconds
    /// old; where it decides, [`Disk::look_anew`] first.
    fn read_link(&self, path: &Path) -> Result<PathBuf>;

    /// Looks at a folder anew: what [`Disk::kind`] and [`Disk::read_link`] tell of the names in it afterwards is, on NFS too, no
    /// older than this call.
    fn look_anew(&self, dir: &Path) -> Result<()> {
        self.open(dir)?.stat().map(|_| ())
    }

    /// [`Error::NotFound`] when it is not there; over NFS also when our own call removed it and its answer was lost.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes one folder, mode 0700. [`Error::Exists`] when the name is taken; over NFS also when our own call made it and
    /// its answer was lost.
    fn create_dir(&self, path: &Path) -> Result<()>;

    /// Makes a folder and what is missing above it, and makes each new level durable in its parent.
    fn create_dir_all(&self, path: &Path) -> Result<()> {
        create_dir_all(self, path)
    }

    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> Result<()>;

    /// Makes every name given, changed or removed in this folder so far durable.
    fn sync_dir(&self, path: &Path) -> Result<()>;

    /// The entries of a folder in no order, without `.` and `..`, and without a stat for each. On NFS this asks the server.
    /// A file that is renamed meanwhile may be missing or be told under both names (POSIX, readdir()).
    fn list(&self, path: &Path) -> Result<Vec<Entry>>;

    /// The same without holding them all: for folders with a million entries. [`Error::Stale`] after some were told means
    /// that the rest will not be.
    fn each_entry(&self, path: &Path, each: &mut dyn FnMut(&OsStr, Kind)) -> Result<()> {
        self.list(path)?.iter().for_each(|entry| each(&entry.name, entry.kind));
        Ok(())
    }

    /// What a path is, following symbolic links. On NFS the answer may be some seconds old;
    /// where it decides, ask `open(path)?.stat()`.
    fn stat(&self, path: &Path) -> Result<Stat>;

    /// What the name itself is: a symbolic link is [`Kind::Other`], wherever it leads. As old as [`Disk::stat`].
    fn kind(&self, path: &Path) -> Result<Kind> {
        Ok(self.stat(path)?.kind)
    }

    /// Sets the modification time, to the nanosecond.
    fn set_modified(&self, path: &Path, time: SystemTime) -> Result<()>;

    /// Takes an exclusive lock on a whole file, which is made when it is not there, and holds it until the answer is
    /// dropped or the process dies. `None` when another holds it, in this process or any other on the same storage.
    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn Lock>>>;

    /// This node's clock. Never compare it with a [`Stat`]: the times in there are from the clock of the storage.
    fn now(&self) -> SystemTime;

    fn sleep(&self, duration: Duration);

    /// A number that this process was not given before: for names that nobody else makes.
    fn serial(&self) -> u64 {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        SERIAL.fetch_add(1, Ordering::Relaxed)
    }

    /// Who asks: `PID:HOSTNAME`, as Dovecot writes it into a dot lock.
    fn holder(&self) -> String;

    /// Whether such a holder is surely gone: it was a process of this host, and there is no such process.
    fn holder_is_gone(&self, holder: &str) -> bool;
}

/// A file being written. Every write goes to its end. Once a sync has failed every later call fails too: the kernel
/// may have dropped what it could not write, and a second sync would lie.
pub trait WriteFile: Send + Sync + Debug {
    /// Writes all of it or fails; what was written before a failure is counted in [`WriteFile::len`].
    fn write_all(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes the content durable. The name is durable only after [`Disk::sync_dir`].
    fn sync(&mut self) -> Result<()>;

    /// Octets in the file: those there at opening and those written since, as this handle knows it.
    fn len(&self) -> u64;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cuts the file to `len` octets, where the next write will go.
    fn truncate(&mut self, len: u64) -> Result<()>;

    fn stat(&self) -> Result<Stat>;

    /// Gives the file the mode and, where this process may, the owner and group of another one; nothing when that one
    /// is not there, or on a disk that knows no modes.
    fn take_after(&mut self, _other: &Path) -> Result<()> {
        Ok(())
    }

    /// Sets the modification time, to the nanosecond; a later write sets it again.
    fn set_modified(&mut self, time: SystemTime) -> Result<()>;
}

/// A file open for reading, by many threads at once.
#[allow(clippy::len_without_is_empty)] // `len` asks the kernel and may fail
pub trait ReadFile: Send + Sync + Debug {
    /// Fills `buf` from `offset`; gives the octets read, 0 at the end of the file. May give fewer than fit.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize>;

    fn len(&self) -> Result<u64>;

    fn stat(&self) -> Result<Stat>;
}

/// A lock that is held until it is dropped.
pub trait Lock: Send + Sync + Debug {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Dir,
    /// Symbolic links (in [`Disk::list`] only), sockets, pipes, devices.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: OsString,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Octets.
    pub len: u64,
    /// When the content last changed, or what somebody set it to: do not trust it alone.
    pub modified: SystemTime,
    /// When anything about the file last changed, by the clock of the storage; nobody can set it.
    pub changed: SystemTime,
    /// Unique on `device` while the file exists or is held open; given again afterwards.
    pub inode: u64,
    pub device: u64,
    pub kind: Kind,
    /// How many names it has.
    pub links: u64,
    pub owner: Owner,
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    pub user: u32,
    pub group: u32,
}

impl Stat {
    /// Whether both were taken of the same file, under whatever name.
    pub fn same_file(&self, other: &Stat) -> bool {
        self.inode == other.inode && self.device == other.device
    }
}

pub(crate) fn read_whole(file: &dyn ReadFile, path: &Path) -> Result<Vec<u8>> {
    const STEP: usize = 64 << 10;
    let expected = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(WHOLE_FILE_MAX);
    let mut content = Vec::with_capacity(expected + 1);
    loop {
        // One octet more than expected, so that the usual file needs one read for its content and one for its end.
        let filled = content.len();
        content.resize(filled.saturating_add(STEP).max(expected + 1), 0);
        let got = file.read_at(filled as u64, &mut content[filled..])?;
        content.truncate(filled + got);
        if got == 0 {
            return Ok(content);
        }
        if content.len() > WHOLE_FILE_MAX {
            return Err(Error::new(Op::Read, path, io::ErrorKind::FileTooLarge.into()));
        }
    }
}

fn create_dir_all<D: Disk + ?Sized>(disk: &D, path: &Path) -> Result<()> {
    if disk.stat(path).is_ok_and(|stat| stat.kind == Kind::Dir) {
        return Ok(());
    }
    let parent = parent_of(path);
    if parent != path {
        create_dir_all(disk, parent)?;
    }
    match disk.create_dir(path) {
        // Another node made it a moment ago and may die before it has synced the parent, so we sync it as well.
        Err(Error::Exists { .. }) if disk.stat(path)?.kind == Kind::Dir => {}
        other => other?,
    }
    disk.sync_dir(parent)
}

/// The folder a path lies in; the working folder for a bare name.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}
