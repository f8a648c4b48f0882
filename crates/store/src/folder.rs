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

use disk::{Disk, Dotlock, DotlockSettings, Kind, ReadFile, Stat, WHOLE_FILE_MAX};

use crate::keywords::{self, KeywordTable};
use crate::layout::Layout;
use crate::plain_list::{self, PlainList};
use crate::quota::Ledger;
use crate::{Error, Result, Settings, journal, uidlist};

pub(crate) const NEW: &str = "new";
pub(crate) const CUR: &str = "cur";
pub(crate) const TMP: &str = "tmp";
pub(crate) const UIDLIST: &str = "dovecot-uidlist";
pub(crate) const KEYWORDS: &str = "dovecot-keywords";
/// Empty; Maildir++ has it in every mailbox but INBOX.
pub(crate) const MARKER: &str = "maildirfolder";

/// Longer than a tick of any file server's clock (whole seconds on some), as our own clock counts.
const SETTLE_AFTER: Duration = Duration::from_millis(1500);

/// How often a file may be replaced while we look at it.
const LOOKS_MAX: u32 = 4;

/// The pause between two tries for a lock that somebody else holds.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// What lies in the CONTROL place, which is the mailbox itself unless the settings say otherwise.
const CONTROL_FILES: [&str; 3] = [UIDLIST, KEYWORDS, journal::FILE];

#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    /// The folder of `new`, `cur` and `tmp`.
    pub(crate) path: PathBuf,
    /// The folder of the list of UIDs, the keywords and the journal of changes; often the same.
    pub(crate) control: PathBuf,
    /// The place that the folders of all mailboxes lie in. What is above it may be a symbolic link, what is below may not.
    pub(crate) root: PathBuf,
    pub(crate) layout: Layout,
    pub(crate) settings: Arc<Settings>,
    pub(crate) quota: Arc<Ledger>,
}

impl Folder {
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        let place = if CONTROL_FILES.contains(&name) { &self.control } else { &self.path };
        place.join(name)
    }

    /// Whether it has what makes a folder a mailbox to us. What is missing is added by `complete`. A symbolic link on the
    /// way there could lead out of the account and is not followed: [`Error::Damaged`].
    pub(crate) fn exists(&self) -> Result<bool> {
        for level in self.levels() {
            if !self.is_folder(level)? && !self.is_folder_after_all(level)? {
                return Ok(false);
            }
        }
        let [_, _, cur] = self.parts()?;
        // In the fs layout a folder without `cur` is only there for the mailboxes below it.
        Ok(cur || self.layout == Layout::MaildirPlusPlus)
    }

    /// Whether all that belongs to a mailbox is there.
    pub(crate) fn is_whole(&self) -> Result<bool> {
        for level in self.levels() {
            if !self.is_folder(level)? {
                return Ok(false);
            }
        }
        Ok(self.parts()? == [true; 3] && (self.control == self.path || self.is_folder(&self.control)?))
    }

    /// Whether `new`, `tmp` and `cur` are there.
    fn parts(&self) -> Result<[bool; 3]> {
        let [new, tmp, cur] = [NEW, TMP, CUR].map(|part| self.is_folder(&self.path.join(part)));
        Ok([new?, tmp?, cur?])
    }

    /// The folder and those above it, from the top, as far as they are in the place of mailboxes.
    fn levels(&self) -> Vec<&Path> {
        let mut levels: Vec<&Path> =
            self.path.ancestors().take_while(|level| *level != self.root && level.starts_with(&self.root)).collect();
        if levels.is_empty() {
            levels.push(&self.path);
        }
        levels.reverse();
        levels
    }

    fn is_folder(&self, path: &Path) -> Result<bool> {
        // Where all mailboxes lie, and INBOX, are the administrator's to choose.
        let below = path != self.root && path.starts_with(&self.root);
        let kind = if below { self.disk.kind(path) } else { self.disk.stat(path).map(|stat| stat.kind) };
        match kind {
            Ok(Kind::Dir) => Ok(true),
            Ok(_) => Err(Error::Damaged { path: path.to_owned(), what: "is not a folder; links are not followed" }),
            Err(disk::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Over NFS a mailbox that another node has made may be believed not to be there; opening the folder above it makes the
    /// client ask.
    fn is_folder_after_all(&self, path: &Path) -> Result<bool> {
        match self.disk.open(path.parent().unwrap_or(&self.root)) {
            Ok(_) => self.is_folder(path),
            Err(disk::Error::NotFound { .. } | disk::Error::Stale { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the folder with all that belongs into it, durably. For CREATE and auto mailboxes alone: whoever only uses a
    /// mailbox would bring back one that was deleted a moment ago.
    pub(crate) fn make(&self, marker: bool) -> Result<()> {
        self.disk.create_dir_all(&self.path)?;
        self.complete(marker)
    }

    /// Makes what is missing in a folder that is there, durably. [`Error::NoSuchMailbox`] when it is not.
    pub(crate) fn complete(&self, marker: bool) -> Result<()> {
        self.complete_by(NEW)?;
        if self.control != self.path {
            self.disk.create_dir_all(&self.control)?;
        }
        self.complete_by(CUR)?;
        // Last: whatever comes in comes through it, so that the others are durable by then, whoever made them and died.
        self.complete_by(TMP)?;
        if marker && self.layout == Layout::MaildirPlusPlus {
            match self.disk.create_new(&self.join(MARKER)) {
                Ok(_) => self.disk.sync_dir(&self.path)?,
                Err(disk::Error::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn complete_by(&self, part: &str) -> Result<()> {
        let path = self.path.join(part);
        if self.is_folder(&path)? {
            return Ok(());
        }
        match self.disk.create_dir(&path) {
            Ok(()) | Err(disk::Error::Exists { .. }) => {}
            Err(disk::Error::NotFound { .. }) => return Err(Error::NoSuchMailbox),
            Err(error) => return Err(error.into()),
        }
        self.disk.sync_dir(&self.path)?;
        // Who made the folder and died before it was whole may not have made it durable either.
        Ok(self.disk.sync_dir(self.path.parent().unwrap_or(&self.root))?)
    }

    /// Takes the lock under which UIDs are given and flags change: `dovecot-uidlist.lock`.
    pub(crate) fn lock(&self) -> Result<Dotlock<'_>> {
        let appended = || vec![self.join(journal::FILE)];
        let take = || {
            let times = lock_times(&self.settings, self.settings.lock_wait);
            Ok(Dotlock::acquire_for(&*self.disk, &self.join(UIDLIST), appended(), &times)?)
        };
        match take() {
            // The place of the lists was never made, or somebody removed it: like a lost list.
            Err(Error::Disk(disk::Error::NotFound { .. })) if self.control != self.path && self.exists()? => {
                self.disk.create_dir_all(&self.control)?;
                take()
            }
            Err(Error::Disk(disk::Error::NotFound { .. })) => Err(Error::NoSuchMailbox),
            other => other,
        }
    }

    /// The content of a small file; `None` when it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        read(&*self.disk, &self.join(name))
    }

    /// The keywords, as far as they can be read.
    pub(crate) fn read_keywords(&self) -> Result<KeywordTable> {
        let read = read_up_to(&*self.disk, &self.join(KEYWORDS), keywords::LENGTH_MAX)?;
        Ok(KeywordTable::parse(&read.unwrap_or_default().0))
    }

    /// The list of UIDs, if there is one that nothing is wrong with.
    pub(crate) fn read_plain_list(&self) -> Result<Option<PlainList>> {
        let file = if_there(self.disk.open_plain(&self.join(UIDLIST)))?;
        file.map_or(Ok(None), |file| plain_list::read(&*file))
    }

    /// The list of UIDs. Of a file whose beginning is none only that beginning, however long it is.
    pub(crate) fn read_uidlist(&self) -> Result<Option<Vec<u8>>> {
        let path = self.join(UIDLIST);
        let Some(file) = if_there(self.disk.open_plain(&path))? else { return Ok(None) };
        let (mut content, end) = read_from(&*file, 0, uidlist::FIRST_LINE_MAX)?;
        if end || !uidlist::begins_well(&content) {
            return Ok(Some(content));
        }
        let rest = WHOLE_FILE_MAX - content.len();
        let (more, end) = read_from(&*file, content.len() as u64, rest)?;
        if !end {
            return Err(Error::Damaged { path, what: "list of UIDs is longer than any can be" });
        }
        content.extend(more);
        Ok(Some(content))
    }

    /// What a file or folder looks like now; `None` when it is not there.
    pub(crate) fn look(&self, name: &str) -> Result<Option<Stamp>> {
        Ok(self.look_into(name)?.map(|(_, stamp)| stamp))
    }

    /// The same, with the file open for reading. A stale handle tells only that another node was at work: what is taken for
    /// missing is written anew, so that we must know.
    pub(crate) fn look_into(&self, name: &str) -> Result<Option<(Box<dyn ReadFile>, Stamp)>> {
        let path = self.join(name);
        let look = || -> disk::Result<_> {
            let (file, stat) = self.disk.open_and_stat(&path)?;
            Ok((file, Stamp::of(&stat)))
        };
        let mut looked = look();
        for _ in 1..LOOKS_MAX {
            if !matches!(looked, Err(disk::Error::Stale { .. })) {
                break;
            }
            looked = look();
        }
        match looked {
            Ok(seen) => Ok(Some(seen)),
            Err(disk::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the mailbox that its path led to is still there. Over NFS a path may lead for a while into a mailbox that
    /// another node has deleted, and what is put there is gone; opening each level makes the client look it up again.
    pub(crate) fn is_still_there(&self) -> Result<bool> {
        if self.path == self.root {
            return Ok(true);
        }
        let before = self.look(NEW)?;
        for level in std::iter::once(self.root.as_path()).chain(self.levels()) {
            match self.disk.open(level) {
                Ok(_) => {}
                Err(disk::Error::NotFound { .. } | disk::Error::Stale { .. }) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        let same = |before: Stamp, after: Stamp| (before.inode, before.device) == (after.inode, after.device);
        Ok(before.zip(self.look(NEW)?).is_some_and(|(before, after)| same(before, after)))
    }

    /// The message files of `new` or `cur`. Names that begin with a dot are no messages, nor is anything
    /// but a file: a symbolic link or a device could lead out of the account.
    pub(crate) fn scan(&self, name: &str, mut each: impl FnMut(&OsStr)) -> Result<()> {
        let scanned = self.disk.each_entry(&self.join(name), &mut |name, kind| {
            if is_message(name, kind) {
                each(name);
            }
        });
        match scanned {
            Err(disk::Error::NotFound { .. }) => Err(Error::NoSuchMailbox),
            other => Ok(other?),
        }
    }
}

/// Whether an entry of `new` or `cur` is a message: a `.nfs…` name, for one, is what an NFS client makes of a file that was
/// removed while open.
pub(crate) fn is_message(name: &OsStr, kind: Kind) -> bool {
    kind == Kind::File && !name.as_encoded_bytes().starts_with(b".")
}

/// Takes the dot lock of a file as Dovecot does.
pub(crate) fn lock<'d>(disk: &'d dyn Disk, path: &Path, settings: &Settings) -> Result<Dotlock<'d>> {
    lock_within(disk, path, settings, settings.lock_wait)
}

/// The same, waiting no longer than told.
pub(crate) fn lock_within<'d>(
    disk: &'d dyn Disk,
    path: &Path,
    settings: &Settings,
    wait: Duration,
) -> Result<Dotlock<'d>> {
    Ok(Dotlock::acquire(disk, path, &lock_times(settings, wait))?)
}

fn lock_times(settings: &Settings, wait: Duration) -> DotlockSettings {
    DotlockSettings { wait, stale: settings.lock_stale, poll: LOCK_POLL }
}

/// The content of a file of at most [`disk::WHOLE_FILE_MAX`] octets; `None` when it is not there.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>> {
    if_there(disk.read_plain(path))
}

/// The whole lines at the beginning of a file, no more octets than this, however long it is, and whether that is all of it;
/// `None` when it is not there.
pub(crate) fn read_up_to(disk: &dyn Disk, path: &Path, max: usize) -> Result<Option<(Vec<u8>, bool)>> {
    let Some(file) = if_there(disk.open_plain(path))? else { return Ok(None) };
    let (mut content, end) = read_from(&*file, 0, max)?;
    if !end {
        tracing::warn!(file = %path.display(), max, "file is longer than any of its kind; at most its beginning counts");
        content.truncate(memchr::memrchr(b'\n', &content).map_or(0, |at| at + 1));
    }
    Ok(Some((content, end)))
}

/// Octets from a place on, at most so many, and whether that was the end of the file.
pub(crate) fn read_from(file: &dyn ReadFile, offset: u64, max: usize) -> Result<(Vec<u8>, bool)> {
    const STEP: usize = 64 << 10;
    let expected = usize::try_from(file.len()?.saturating_sub(offset)).unwrap_or(usize::MAX).min(max);
    let mut content = Vec::with_capacity(expected + 1);
    loop {
        let filled = content.len();
        // One octet more tells whether there are more.
        content.resize((filled + STEP).max(expected + 1).min(max + 1), 0);
        let space = content.get_mut(filled..).unwrap_or_default();
        let got = file.read_at(offset + filled as u64, space)?;
        content.truncate(filled + got);
        if got == 0 || content.len() > max {
            content.truncate(max);
            return Ok((content, got == 0));
        }
    }
}

pub(crate) fn if_there<T>(answer: disk::Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(there) => Ok(Some(there)),
        Err(disk::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes a message anew where it cannot be linked, durably and with its date.
pub(crate) fn copy_content(disk: &dyn Disk, from: &Path, to: &Path) -> disk::Result<()> {
    let source = disk.open_plain(from)?;
    let mut target = disk.create_new(to)?;
    let mut buf = vec![0; 64 << 10];
    let mut offset = 0;
    loop {
        let got = source.read_at(offset, &mut buf)?;
        let Some(piece) = buf.get(..got).filter(|piece| !piece.is_empty()) else { break };
        target.write_all(piece)?;
        offset += got as u64;
    }
    target.set_modified(source.stat()?.modified)?;
    target.sync()
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
    pub(crate) fn of(stat: &Stat) -> Stamp {
        let Stat { inode, device, len, modified, changed, .. } = *stat;
        Stamp { inode, device, len, modified, changed }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Everything in it, to be kept.
    pub(crate) fn parts(&self) -> ([u64; 3], [SystemTime; 2]) {
        ([self.inode, self.device, self.len], [self.modified, self.changed])
    }

    pub(crate) fn from_parts([inode, device, len]: [u64; 3], [modified, changed]: [SystemTime; 2]) -> Stamp {
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
    /// Look, when it was first seen, whether a scan of it counts for good.
    pub(crate) fn parts(&self) -> (Option<Stamp>, Option<SystemTime>, bool) {
        (self.stamp, self.first_seen, self.settled)
    }

    /// From what another process of this node kept.
    pub(crate) fn of(stamp: Option<Stamp>, first_seen: SystemTime, settled: bool) -> Scanned {
        Scanned { stamp, first_seen: Some(first_seen), settled }
    }

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

    /// Whether the scan is trusted for good.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled
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
