//! Cleaning up after crashes: second names of one message, and files in `tmp/` that nobody is going to finish.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Mailbox;
use super::view::{Found, Place, Work};
use crate::draft::unique_name;
use crate::folder::{Folder, KEYWORDS, TMP, UIDLIST};
use crate::{Result, file_name, journal};

impl Mailbox {
    /// A name in both folders, or twice in `cur/`: if both are the same file, one name is enough; if not, the second is a
    /// message of its own and gets a name of its own. Needs the lock.
    pub(super) fn part_twins(&self, work: &mut Work) -> Result<()> {
        let folder = &self.folder;
        for twin in std::mem::take(&mut work.twins) {
            let listed = work.names.uid_of(&twin.base).and_then(|uid| work.found(uid));
            let first = listed.or_else(|| work.strangers.iter().find(|first| first.base == twin.base).cloned());
            let Some(first) = first else { continue };
            let twin_path = twin.path(&folder.path);
            // Either may have been renamed since the scan: then they were never two.
            let (Some(a), Some(b)) = (stat(folder, &first.path(&folder.path))?, stat(folder, &twin_path)?) else {
                continue;
            };
            if a.same_file(&b) {
                remove(folder, &twin_path)?;
            } else {
                self.give_own_name(&twin, &twin_path)?;
            }
        }
        work.distrust();
        Ok(())
    }

    fn give_own_name(&self, twin: &Found, path: &Path) -> Result<()> {
        let sizes = file_name::sizes(&twin.base);
        let unique = unique_name(&*self.folder.disk, &self.folder.settings.hostname, "");
        let base = match (sizes.on_disk, sizes.crlf) {
            (Some(on_disk), Some(crlf)) => file_name::with_sizes(&unique, on_disk, crlf),
            _ => unique.into_bytes().into(),
        };
        let own = Found { base, ..twin.clone() };
        self.folder.disk.rename_new(path, &own.path(&self.folder.path))?;
        Ok(self.folder.disk.sync_dir(&self.folder.join(Place::folder(own.place)))?)
    }

    /// Removes what crashes left in `tmp/` and beside the uidlist, once in the life of this value. It is only tidiness,
    /// so a failure is nobody's concern.
    pub(super) fn sweep_once(&self, work: &mut Work) {
        if !std::mem::replace(&mut work.swept, true) {
            let _ = sweep(&self.folder);
        }
    }
}

fn sweep(folder: &Folder) -> Result<()> {
    let mut candidates = files_of(folder, &folder.join(TMP), |_| true)?;
    candidates.extend(files_of(folder, &folder.control, is_leftover)?);
    if candidates.is_empty() {
        return Ok(());
    }
    let now = storage_clock(folder)?;
    for path in candidates {
        let Some(stat) = stat(folder, &path)? else { continue };
        let age = now.duration_since(stat.changed.max(stat.modified)).unwrap_or(Duration::ZERO);
        if age > folder.settings.tmp_keep {
            remove(folder, &path)?;
        }
    }
    Ok(())
}

/// What `disk::replace` and dot locks put beside a file while they work.
fn is_leftover(name: &str) -> bool {
    let mut rest = [UIDLIST, KEYWORDS, journal::FILE].into_iter().filter_map(|file| name.strip_prefix(file));
    rest.any(|rest| [".tmp.", ".clock.", ".stale."].iter().any(|kind| rest.starts_with(kind)))
}

fn files_of(folder: &Folder, path: &Path, fits: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let entries = folder.disk.list(path)?;
    let files = entries.iter().filter(|entry| entry.kind == disk::Kind::File);
    Ok(files.filter(|entry| entry.name.to_str().is_none_or(&fits)).map(|entry| path.join(&entry.name)).collect())
}

/// The clock that file times are from: a file made now tells it.
fn storage_clock(folder: &Folder) -> Result<SystemTime> {
    let path = folder.join(TMP).join(unique_name(&*folder.disk, &folder.settings.hostname, ""));
    let stat = folder.disk.create_new(&path)?.stat();
    remove(folder, &path)?;
    Ok(stat?.changed)
}

fn stat(folder: &Folder, path: &Path) -> Result<Option<disk::Stat>> {
    match folder.disk.open(path).and_then(|file| file.stat()) {
        Ok(stat) => Ok(Some(stat)),
        Err(disk::Error::NotFound { .. } | disk::Error::Stale { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn remove(folder: &Folder, path: &Path) -> Result<()> {
    match folder.disk.remove(path) {
        Ok(()) | Err(disk::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
