//! The one way to replace a small file: whoever reads it, at any moment and after any crash, finds the old content or
//! the new one, whole.
//!
//! | state              | files                     | who moves it on | what a crash leaves                       |
//! |--------------------|---------------------------|-----------------|-------------------------------------------|
//! | writing            | `NAME`, `NAME.tmp.WHO.N`  | `replace`       | old `NAME`, and a `.tmp.` file to delete  |
//! | renamed            | `NAME`                    | `replace`       | old or new `NAME`, never a mixture        |
//! | folder synced      | `NAME`                    | –               | new `NAME`                                |

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::door::parent_of;
use crate::{Disk, Error, Result, WriteFile};

/// How many leftovers of a crashed namesake (same host, same process id) are stepped over before giving up.
const NAME_TRIES_MAX: u32 = 10_000;

/// Writes `content` beside `path`, syncs it, renames it over `path` and syncs the folder. When it returns, the new
/// content is durable. When it fails, the old content is what readers still find, unless only the last sync failed.
pub fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<()> {
    replace_dressed(disk, path, path, content, |_| Ok(()), || Ok(()))
}

/// The same for a file that is not there yet: [`Error::Exists`] when somebody else was faster, whose content then stays.
pub fn place(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<()> {
    let (temporary, mut file) = create_beside(disk, path, "tmp")?;
    let written = file.write_all(content).and_then(|()| file.sync());
    drop(file);
    if let Err(error) = written.and_then(|()| disk.rename_new(&temporary, path)) {
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_dir(parent_of(path))
}

/// The same as `replace`, written under a name beside `beside` (in the same folder), with a last question before the new content
/// becomes visible; `dress` may change the new file before that.
pub(crate) fn replace_dressed(
    disk: &dyn Disk,
    beside: &Path,
    path: &Path,
    content: &[u8],
    dress: impl FnOnce(&mut dyn WriteFile) -> Result<()>,
    allowed: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let (temporary, mut file) = create_beside(disk, beside, "tmp")?;
    let written = file.write_all(content).and_then(|()| dress(&mut *file)).and_then(|()| file.sync());
    // Closed before the rename, so that NFS has everything on the server when the name appears.
    drop(file);
    if let Err(error) = written.and_then(|()| allowed()).and_then(|()| disk.rename(&temporary, path)) {
        // Best effort: the temporary file means nothing to anybody, and the first error is the one to tell.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_dir(parent_of(path))
}

/// Makes a new file beside `path` whose name no other node, process or thread uses: `PATH.KIND.PID.HOST.N`.
pub(crate) fn create_beside(disk: &dyn Disk, path: &Path, kind: &str) -> Result<(PathBuf, Box<dyn WriteFile>)> {
    free_beside(disk, path, kind, |beside| disk.create_new(beside))
}

fn free_beside<T>(disk: &dyn Disk, path: &Path, kind: &str, make: impl Fn(&Path) -> Result<T>) -> Result<(PathBuf, T)> {
    let mut last = Error::Exists { path: path.to_owned() };
    for _ in 0..NAME_TRIES_MAX {
        let beside = name_beside(disk, path, kind);
        match make(&beside) {
            Ok(made) => return Ok((beside, made)),
            // In a container every start may have the same process id: step over what an earlier one left.
            Err(error @ Error::Exists { .. }) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Lets a symbolic link lead elsewhere, or makes it: whoever reads it finds the old one or the new one.
pub(crate) fn relink(
    disk: &dyn Disk,
    beside: &Path,
    path: &Path,
    target: &Path,
    allowed: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let temporary = free_beside(disk, beside, "tmp", |temporary| disk.symlink(target, temporary))?.0;
    if let Err(error) = allowed().and_then(|()| disk.rename(&temporary, path)) {
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_dir(parent_of(path))
}

fn name_beside(disk: &dyn Disk, path: &Path, kind: &str) -> PathBuf {
    let count = disk.serial();
    let who = disk.holder().replace([':', '/'], ".");
    with_suffix(path, &format!(".{kind}.{who}.{count}"))
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
