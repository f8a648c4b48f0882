//! A mailbox's folder on disk: its files by name, its lock, and cheap looks that tell whether anything changed.
//!
//! A look opens and stats (NFS then asks the server; a bare stat may be answered from an old cache) and compares with the
//! look before. A folder whose times did not change may still have changed within one tick of the file server's clock, so
//! a scan is trusted for good only when it began `SETTLE_AFTER` later than its times were first seen. No two clocks are
//! ever compared. Knows nothing of UIDs or flags.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use disk::{Disk, Dotlock, DotlockSettings, Kind, Stat};

use crate::{Error, Result, Settings};

pub(crate) const NEW: &str = "new";
pub(crate) const CUR: &str = "cur";
pub(crate) const TMP: &str = "tmp";
pub(crate) const UIDLIST: &str = "dovecot-uidlist";
pub(crate) const KEYWORDS: &str = "dovecot-keywords";
/// Empty; Maildir++ has it in every mailbox but INBOX.
pub(crate) const MARKER: &str = "maildirfolder";

/// Longer than a tick of any file server's clock (whole seconds on some), as our own clock counts.
const SETTLE_AFTER: Duration = Duration::from_millis(1500);

/// The pause between two tries for a lock that somebody else holds.
const LOCK_POLL: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    pub(crate) settings: Arc<Settings>,
}

impl Folder {
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether it has what makes a folder a mailbox to us. What is missing is added by `complete`.
    pub(crate) fn exists(&self) -> Result<bool> {
        match self.disk.stat(&self.path) {
            Ok(stat) => Ok(stat.kind == Kind::Dir),
            Err(disk::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the folder and what is missing in it, durably.
    pub(crate) fn complete(&self, marker: bool) -> Result<()> {
        for name in [TMP, NEW, CUR] {
            if matches!(self.disk.stat(&self.join(name)), Err(disk::Error::NotFound { .. })) {
                self.disk.create_dir_all(&self.join(name))?;
            }
        }
        if marker {
            match self.disk.create_new(&self.join(MARKER)) {
                Ok(_) => self.disk.sync_dir(&self.path)?,
                Err(disk::Error::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes the lock under which UIDs are given and flags change: `dovecot-uidlist.lock`.
    pub(crate) fn lock(&self) -> Result<Dotlock<'_>> {
        match lock(&*self.disk, &self.join(UIDLIST), &self.settings) {
            Err(Error::Disk(disk::Error::NotFound { .. })) => Err(Error::NoSuchMailbox),
            other => other,
        }
    }

    /// The content of a small file; `None` when it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        read(&*self.disk, &self.join(name))
    }

    /// What a file or folder looks like now; `None` when it is not there.
    pub(crate) fn look(&self, name: &str) -> Result<Option<Stamp>> {
        match self.disk.open(&self.join(name)).and_then(|file| file.stat()) {
            Ok(stat) => Ok(Some(Stamp::of(&stat))),
            Err(disk::Error::NotFound { .. } | disk::Error::Stale { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The message files of `new` or `cur`. Names that begin with a dot are no messages, nor is anything
    /// but a file: a symbolic link or a device could lead out of the account.
    pub(crate) fn scan(&self, name: &str, mut each: impl FnMut(&OsStr)) -> Result<()> {
        let entries = match self.disk.list(&self.join(name)) {
            Err(disk::Error::NotFound { .. }) => return Err(Error::NoSuchMailbox),
            other => other?,
        };
        let message =
            |entry: &&disk::Entry| entry.kind == Kind::File && !entry.name.as_encoded_bytes().starts_with(b".");
        entries.iter().filter(message).for_each(|entry| each(&entry.name));
        Ok(())
    }
}

/// Takes the dot lock of a file as Dovecot does.
pub(crate) fn lock<'d>(disk: &'d dyn Disk, path: &Path, settings: &Settings) -> Result<Dotlock<'d>> {
    let times = DotlockSettings { wait: settings.lock_wait, stale: settings.lock_stale, poll: LOCK_POLL };
    Ok(Dotlock::acquire(disk, path, &times)?)
}

/// The content of a small file; `None` when it is not there.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>> {
    match disk.read(path) {
        Ok(content) => Ok(Some(content)),
        Err(disk::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Everything about a file that changes when it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    device: u64,
    len: u64,
    modified: SystemTime,
    changed: SystemTime,
}

impl Stamp {
    fn of(stat: &Stat) -> Stamp {
        let Stat { inode, device, len, modified, changed, .. } = *stat;
        Stamp { inode, device, len, modified, changed }
    }
}

/// What is known about the age of a scan of one folder.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scanned {
    stamp: Option<Stamp>,
    first_seen: Option<SystemTime>,
    settled: bool,
}

impl Scanned {
    /// Whether the folder must be scanned again to be known, given how it looks now.
    pub(crate) fn is_due(&self, stamp: Option<Stamp>, now: SystemTime) -> bool {
        stamp.is_none() || stamp != self.stamp || (!self.settled && self.rested(now))
    }

    /// A scan was made; `stamp` was taken before it began, at `now`.
    pub(crate) fn scanned(&mut self, stamp: Option<Stamp>, now: SystemTime) {
        if stamp == self.stamp {
            self.settled = self.rested(now);
        } else {
            self.changed_by_us(stamp, now);
        }
    }

    /// We changed the folder ourselves and know what we did. What another may have done in the same tick is found by the
    /// scan that is due later.
    pub(crate) fn changed_by_us(&mut self, stamp: Option<Stamp>, now: SystemTime) {
        if stamp != self.stamp {
            *self = Scanned { stamp, first_seen: Some(now), settled: false };
        }
    }

    /// A clock that was set back counts as rested: one scan too many does no harm.
    fn rested(&self, now: SystemTime) -> bool {
        let since = self.first_seen.map(|first_seen| now.duration_since(first_seen));
        since.is_none_or(|since| since.map_or(true, |since| since >= SETTLE_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn stamp(len: u64) -> Option<Stamp> {
        Some(Stamp { inode: 1, device: 1, len, modified: UNIX_EPOCH, changed: UNIX_EPOCH })
    }

    #[test]
    fn a_young_scan_is_made_once_more_and_then_trusted() {
        let start = UNIX_EPOCH + Duration::from_secs(1000);
        let mut scanned = Scanned::default();
        assert!(scanned.is_due(stamp(1), start));
        scanned.scanned(stamp(1), start);
        assert!(!scanned.is_due(stamp(1), start));
        let later = start + SETTLE_AFTER;
        assert!(scanned.is_due(stamp(1), later));
        scanned.scanned(stamp(1), later);
        assert!(!scanned.is_due(stamp(1), later + SETTLE_AFTER));
        assert!(scanned.is_due(stamp(2), later));
    }

    #[test]
    fn a_clock_set_back_costs_a_scan() {
        let mut scanned = Scanned::default();
        scanned.scanned(stamp(1), UNIX_EPOCH + Duration::from_secs(1000));
        assert!(scanned.is_due(stamp(1), UNIX_EPOCH));
    }
}
