//! Listing a folder, entry by entry.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Advice, AtFlags, Dir, FileType, Mode, OFlags, fadvise, open as open_at_path, statat};
use rustix::io::Errno;

use crate::Kind;

/// Opens a folder for its entries. The Linux NFS client keeps a listing until it sees other times on the folder, and on a
/// server whose clock ticks slowly there is a second change with the same times; what is kept lies in the page cache of
/// the folder, and is dropped on advice. Elsewhere the advice does nothing.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let dir = open_at_path(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // Only advice: what refuses it, keeps nothing.
    let _ = fadvise(&dir, 0, None, Advice::DontNeed);
    Ok(dir)
}

pub(super) fn each(dir: OwnedFd, each: &mut dyn FnMut(&OsStr, Kind)) -> io::Result<()> {
    let mut entries = Dir::new(dir)?;
    while let Some(entry) = entries.read() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Not every file system says so in the listing.
            FileType::Unknown => match statat(entries.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => kind_of(FileType::from_raw_mode(stat.st_mode)),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            },
            told => kind_of(told),
        };
        each(OsStr::from_bytes(name.to_bytes()), kind);
    }
    Ok(())
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        _ => Kind::Other,
    }
}
