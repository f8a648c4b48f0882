//! The disk that asks the kernel. Knows POSIX and, in `nfs`, the manners of NFS; needs Linux for the host name and for
//! renames that never replace.

mod file;
mod list;
mod nfs;

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use self::file::{RealReadFile, RealWriteFile};
use self::nfs::{again, identity, identity_of};
use crate::poison::Poisonable;
use crate::settle;
use crate::{Disk, Entry, Error, Kind, Lock, Op, Owner, ReadFile, Result, Stat, WriteFile};

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// How often a lock file may be replaced between our opening and our locking it before we give up.
const LOCK_TRIES_MAX: u32 = 10;

/// The file systems of this machine, local or shared.
#[derive(Debug, Clone)]
pub struct RealDisk {
    host: String,
}

impl RealDisk {
    /// Fails when the host's name, which dot locks carry, cannot be read.
    pub fn new() -> Result<RealDisk> {
        let path = Path::new("/proc/sys/kernel/hostname");
        let name = fs::read_to_string(path).map_err(|error| Error::new(Op::Read, path, error))?;
        Ok(RealDisk { host: name.trim().to_owned() })
    }
}

impl Disk for RealDisk {
    fn create_new(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let file =
            again(Op::Create, path, || OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path))?;
        Ok(Poisonable::boxed(RealWriteFile::new(file, path, 0), path.to_owned()))
    }

    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let (file, len) = again(Op::Append, path, || {
            let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).custom_flags(plain()).open(path)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(not_plain());
            }
            Ok((file, metadata.len()))
        })?;
        Ok(Poisonable::boxed(RealWriteFile::new(file, path, len), path.to_owned()))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn ReadFile>> {
        let file = again(Op::Open, path, || File::open(path))?;
        Ok(Box::new(RealReadFile::new(file, path)))
    }

    fn open_plain(&self, path: &Path) -> Result<Box<dyn ReadFile>> {
        Ok(self.open_and_stat(path)?.0)
    }

    fn open_and_stat(&self, path: &Path) -> Result<(Box<dyn ReadFile>, Stat)> {
        let (file, stat) = again(Op::Open, path, || {
            let file = OpenOptions::new().read(true).custom_flags(plain()).open(path)?;
            let metadata = file.metadata()?;
            let kind = metadata.file_type();
            if kind.is_file() || kind.is_dir() { Ok((file, stat_of(&metadata)?)) } else { Err(not_plain()) }
        })?;
        Ok((Box::new(RealReadFile::new(file, path)), stat))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let ours = again(Op::Rename, from, || fs::symlink_metadata(from))?;
        let answer = again(Op::Rename, from, || fs::rename(from, to));
        settle::rename(Some(identity_of(&ours)), to, answer, identity)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        let renamed = again(Op::Rename, from, || {
            match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
                // NFS, CephFS and others have no such rename.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
                other => Ok(other.map(|()| true)?),
            }
        });
        match renamed {
            Ok(true) => Ok(()),
            Ok(false) => settle::link_and_remove(self, from, to),
            Err(Error::Exists { .. }) => Err(Error::Exists { path: to.to_owned() }),
            Err(error) => Err(error),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        settle::link(from, to, again(Op::Link, from, || fs::hard_link(from, to)), identity)
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        again(Op::Symlink, path, || std::os::unix::fs::symlink(target, path))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        again(Op::ReadLink, path, || fs::read_link(path))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        again(Op::Remove, path, || fs::remove_file(path))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        again(Op::CreateDir, path, || DirBuilder::new().mode(DIR_MODE).create(path))
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        again(Op::RemoveDir, path, || fs::remove_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        let dir = again(Op::SyncDir, path, || File::open(path))?;
        // Not tried again: after a failed sync the next one may claim a success that is none.
        match rustix::fs::fsync(&dir) {
            // A file system that has no such call has nothing to keep in memory for it: names there are durable at once, or
            // never, and nobody can ask for more.
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            other => other.map_err(|error| Error::new(Op::SyncDir, path, error.into())),
        }
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        self.each_entry(path, &mut |name, kind| entries.push(Entry { name: name.to_owned(), kind }))?;
        Ok(entries)
    }

    fn each_entry(&self, path: &Path, each: &mut dyn FnMut(&OsStr, Kind)) -> Result<()> {
        let dir = again(Op::List, path, || list::open(path))?;
        // Not tried again: some entries would be told twice.
        list::each(dir, each).map_err(|error| Error::new(Op::List, path, error))
    }

    fn stat(&self, path: &Path) -> Result<Stat> {
        again(Op::Stat, path, || stat_of(&fs::metadata(path)?))
    }

    fn kind(&self, path: &Path) -> Result<Kind> {
        again(Op::Stat, path, || Ok(kind_of(fs::symlink_metadata(path)?.file_type())))
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> Result<()> {
        let last_modification = timespec_of(time).map_err(|error| Error::new(Op::SetModified, path, error))?;
        let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let times = Timestamps { last_access, last_modification };
        again(Op::SetModified, path, || Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::empty())?))
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn Lock>>> {
        for _ in 0..LOCK_TRIES_MAX {
            let taken = again(Op::Lock, path, || lock_once(path))?;
            match taken {
                Taken::Ours(file) => return Ok(Some(Box::new(RealLock { _file: file }))),
                Taken::Theirs => return Ok(None),
                Taken::Replaced => {}
            }
        }
        Err(Error::new(Op::Lock, path, io::Error::other("the file is replaced again and again")))
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn holder(&self) -> String {
        format!("{}:{}", std::process::id(), self.host)
    }

    fn holder_is_gone(&self, holder: &str) -> bool {
        let Some((pid, host)) = holder.trim_end().split_once(':') else { return false };
        let pid = pid.parse().ok().filter(|&pid| pid > 0).and_then(Pid::from_raw);
        // EPERM tells of a living process of another user.
        host == self.host && pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
    }
}

/// Closing the file gives the lock back.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl Lock for RealLock {}

enum Taken {
    Ours(File),
    Theirs,
    Replaced,
}

fn lock_once(path: &Path) -> io::Result<Taken> {
    // Open for writing, because NFS turns flock into a byte-range lock and an exclusive one needs that.
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Taken::Theirs),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Who locks a file that lost its name meanwhile excludes nobody who comes later.
    Ok(if still_named(&file, path)? { Taken::Ours(file) } else { Taken::Replaced })
}

fn still_named(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(named) => Ok(identity_of(&named) == identity_of(&file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// How to open what somebody else may have put in the place of a file. (For a file itself the second flag means nothing.)
fn plain() -> i32 {
    // The kernel's own bits, of which none is the sign.
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

fn not_plain() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, a socket or a device")
}

fn kind_of(kind: fs::FileType) -> Kind {
    match kind {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Dir,
        _ => Kind::Other,
    }
}

fn stat_of(metadata: &Metadata) -> io::Result<Stat> {
    Ok(Stat {
        len: metadata.len(),
        modified: metadata.modified()?,
        changed: time_of(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        device: metadata.dev(),
        kind: kind_of(metadata.file_type()),
        links: metadata.nlink(),
        owner: Owner { user: metadata.uid(), group: metadata.gid() },
    })
}

/// A file server may claim any time at all: what no clock can hold becomes 1970.
fn time_of(seconds: i64, nanoseconds: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    let part = Duration::from_nanos(nanoseconds.clamp(0, 999_999_999).unsigned_abs());
    time.and_then(|time| time.checked_add(part)).unwrap_or(UNIX_EPOCH)
}

fn timespec_of(time: SystemTime) -> io::Result<Timespec> {
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let tv_sec = i64::try_from(since.as_secs()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(Timespec { tv_sec, tv_nsec: since.subsec_nanos().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rename_by_link_and_removal_never_replaces() {
        let room = tempfile::tempdir().unwrap();
        let (from, to, taken) = (room.path().join("from"), room.path().join("to"), room.path().join("taken"));
        fs::write(&from, "ours").unwrap();
        fs::write(&taken, "theirs").unwrap();
        let disk = RealDisk::new().unwrap();
        assert!(matches!(settle::link_and_remove(&disk, &from, &taken), Err(Error::Exists { path }) if path == taken));
        settle::link_and_remove(&disk, &from, &to).unwrap();
        assert_eq!((fs::read(&to).unwrap(), fs::read(&taken).unwrap()), (b"ours".to_vec(), b"theirs".to_vec()));
        assert!(!from.exists());
    }

    #[test]
    fn file_replaced_before_it_was_locked_is_told_from_the_one_that_bears_its_name() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("lease");
        let opened = File::create(&path).unwrap();
        assert!(still_named(&opened, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!still_named(&opened, &path).unwrap());
        let _theirs = File::create(&path).unwrap();
        assert!(!still_named(&opened, &path).unwrap());
    }

    #[test]
    fn times_that_no_clock_holds_are_not_a_panic() {
        assert_eq!(time_of(-1, 500_000_000), UNIX_EPOCH - Duration::from_millis(500));
        for seconds in [i64::MIN, i64::MAX] {
            for nanoseconds in [i64::MIN, i64::MAX] {
                time_of(seconds, nanoseconds);
            }
        }
    }

    #[test]
    fn files_and_folders_are_for_their_owner_alone() {
        let room = tempfile::tempdir().unwrap();
        let disk = RealDisk::new().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let [new, log, lock, dir] = ["new", "log", "lock", "dir"].map(|name| room.path().join(name));
        disk.create_new(&new).unwrap();
        disk.append(&log).unwrap();
        disk.try_lock(&lock).unwrap();
        disk.create_dir(&dir).unwrap();
        assert_eq!([&new, &log, &lock, &dir].map(|path| mode(path)), [FILE_MODE, FILE_MODE, FILE_MODE, DIR_MODE]);
    }
}
