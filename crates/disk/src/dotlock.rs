//! Dovecot's dot lock: `PATH.lock` exists while somebody may change `PATH`. It works over any NFS and between Dovecot
//! and us, which no kernel lock does.
//!
//! The lock file is made with O_EXCL and holds `PID:HOSTNAME` without a line end, as Dovecot 2.3 writes it beside its
//! uidlist. For its keywords file Dovecot leaves the lock empty and later fills it with the new content of the file;
//! both are honoured here, since only the existence of the name excludes.
//!
//! A lock is overridden when its holder is a process of this host that is gone, or when neither the lock nor what it
//! protects has changed for `stale`. Ages are taken on the clock of the storage (a probe file tells it), so a node
//! whose own clock is wrong overrides nothing. Whoever was overridden learns it before it writes
//! ([`Error::LockLost`]).
//!
//! Between that look and the write a process may still be stopped for as long as it takes to be overridden. So whoever
//! overrides puts up a fence before it does anything else: it removes the new content that the other has not renamed into
//! place yet, and gives the locked file another inode, so that what the other still appends goes nowhere. Who appends opens
//! first, then looks, and looks once more before it tells anybody.
//!
//! | file beside `PATH`        | while                          | what a crash leaves of it                          |
//! |---------------------------|--------------------------------|----------------------------------------------------|
//! | `PATH.lock`               | held                           | a stale lock; the next who wants it overrides it   |
//! | `PATH.tmp.PID.HOST.N`     | new content is written         | nothing anybody reads; may be deleted when old     |
//! | `PATH.clock.PID.HOST.N`   | the storage is asked its time  | the same                                           |
//! | `PATH.stale.PID.HOST.N`   | a lock is overridden           | the same                                           |

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::door::{parent_of, read_whole};
use crate::replace::{create_beside, replace_by, replace_dressed, with_suffix};
use crate::{Disk, Error, Result, Stat, WriteFile};

/// A longer lock file does not name a holder.
const HOLDER_MAX: usize = 512;

#[derive(Debug, Clone)]
pub struct DotlockSettings {
    /// How long to wait for another holder before [`Error::Locked`].
    pub wait: Duration,
    /// How long a lock must have been left alone to be overridden. Must be the same on every node.
    pub stale: Duration,
    /// How long to sleep between two looks.
    pub poll: Duration,
}

impl Default for DotlockSettings {
    /// Dovecot's times for its uidlist: stale after two minutes, waited for a little longer than that.
    fn default() -> Self {
        DotlockSettings {
            wait: Duration::from_secs(122),
            stale: Duration::from_secs(120),
            poll: Duration::from_millis(20),
        }
    }
}

/// A dot lock that is held. Released by [`Dotlock::release`], or when dropped.
#[derive(Debug)]
pub struct Dotlock<'d> {
    disk: &'d dyn Disk,
    path: PathBuf,
    lock: PathBuf,
    /// Kept open so that nobody else's lock file can get our inode number while we compare it. `None` once released.
    file: Option<Box<dyn WriteFile>>,
}

impl<'d> Dotlock<'d> {
    /// Takes `PATH.lock`, waiting for and overriding others as `settings` say. `path` itself need not exist.
    pub fn acquire(disk: &'d dyn Disk, path: &Path, settings: &DotlockSettings) -> Result<Dotlock<'d>> {
        let lock = with_suffix(path, ".lock");
        let deadline = disk.now() + settings.wait;
        let mut rival: Option<Rival> = None;
        let mut suspicious = false;
        loop {
            match disk.create_new(&lock) {
                Ok(file) => {
                    let held = Dotlock::sign(disk, path, lock, file)?;
                    if suspicious {
                        held.put_up_fence()?;
                    }
                    return Ok(held);
                }
                Err(Error::Exists { .. }) => {}
                Err(error) => return Err(error),
            }
            let rival = match &rival {
                Some(rival) => rival,
                None => rival.insert(Rival::meet(disk, path, &lock)?),
            };
            let Some(found) = rival.look()? else { continue };
            // Another who waits may override it, and we may still be the next.
            suspicious |= rival.age(&found.0)? >= settings.stale / 2;
            if rival.override_if_stale(&found, settings.stale)? {
                continue;
            }
            if disk.now() >= deadline {
                return Err(Error::Locked { path: lock });
            }
            disk.sleep(settings.poll);
        }
    }

    fn sign(disk: &'d dyn Disk, path: &Path, lock: PathBuf, file: Box<dyn WriteFile>) -> Result<Dotlock<'d>> {
        let mut held = Dotlock { disk, path: path.to_owned(), lock, file: Some(file) };
        // On failure `held` is dropped, which takes the lock file away again.
        if let Some(file) = &mut held.file {
            file.write_all(disk.holder().as_bytes())?;
        }
        Ok(held)
    }

    /// Whether the lock is still ours, or [`Error::LockLost`]. Ask before any write that the lock protects.
    pub fn verify(&self) -> Result<()> {
        let lost = || Error::LockLost { path: self.lock.clone() };
        let ours = match self.file.as_ref().ok_or_else(lost)?.stat() {
            Err(Error::Stale { .. }) => return Err(lost()),
            other => other?,
        };
        // Opened, not statted: on NFS a cached answer could show our own lock where another's lies.
        match self.disk.open_plain(&self.lock).and_then(|file| file.stat()) {
            Ok(stat) if stat.same_file(&ours) => Ok(()),
            Ok(_) | Err(Error::NotFound { .. } | Error::Stale { .. }) => Err(lost()),
            Err(error) => Err(error),
        }
    }

    /// When the lock was taken or touched last, by the clock of the storage.
    pub fn taken_at(&self) -> Result<SystemTime> {
        let lost = || Error::LockLost { path: self.lock.clone() };
        Ok(self.file.as_ref().ok_or_else(lost)?.stat()?.changed)
    }

    /// Shows others that we are alive, so that long work is not overridden. Call it well within `stale`.
    pub fn touch(&mut self) -> Result<()> {
        self.verify()?;
        match &mut self.file {
            Some(file) => file.set_modified(self.disk.now()),
            None => Ok(()),
        }
    }

    /// Replaces the locked file as [`crate::replace`] does, unless the lock was lost. The lock stays held: released
    /// by the rename itself (as Dovecot does with its keywords), the next holder would build on content that a power
    /// cut can still take away.
    pub fn replace_with(&self, content: &[u8]) -> Result<()> {
        replace_by(self.disk, &self.path, &self.path, content, || self.verify())
    }

    /// The same, and the new file has the mode and owner of the old one.
    pub fn replace_alike(&self, content: &[u8]) -> Result<()> {
        let alike = |file: &mut dyn WriteFile| file.take_after(&self.path);
        replace_dressed(self.disk, &self.path, &self.path, content, alike, || self.verify())
    }

    /// Replaces another file that the lock protects too.
    pub fn replace_beside(&self, path: &Path, content: &[u8]) -> Result<()> {
        // Written under the locked file's name, where a fence finds it.
        replace_by(self.disk, &self.path, path, content, || self.verify())
    }

    /// Keeps out a holder that was overridden and does not know it yet.
    fn put_up_fence(&self) -> Result<()> {
        let dir = parent_of(&self.path);
        let unfinished = with_suffix(Path::new(self.path.file_name().unwrap_or_default()), ".tmp");
        for entry in self.disk.list(dir)? {
            if entry.name.as_encoded_bytes().starts_with(unfinished.as_os_str().as_encoded_bytes()) {
                match self.disk.remove(&dir.join(&entry.name)) {
                    Ok(()) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.give_another_inode()
    }

    fn give_another_inode(&self) -> Result<()> {
        let old = match self.disk.open_plain(&self.path) {
            Err(Error::NotFound { .. }) => return Ok(()),
            other => other?,
        };
        let content = read_whole(&*old, &self.path)?;
        self.replace_alike(&content)?;
        // What was appended between our reading and our renaming, others may have read: it must not be lost. (Over NFS the
        // old file is gone by now, and with it the chance to look; so is the other's chance to append to it.)
        match read_whole(&*old, &self.path) {
            Ok(all) if all.len() > content.len() => self.replace_alike(&all),
            _ => Ok(()),
        }
    }

    /// Gives the lock back and tells what went wrong with it, which a drop cannot.
    pub fn release(mut self) -> Result<()> {
        self.let_go()
    }

    fn let_go(&mut self) -> Result<()> {
        let verified = self.verify();
        if self.file.take().is_none() {
            return Ok(());
        }
        // The handle is closed by now: NFS keeps a `.nfs` file in the folder for what is removed while open.
        verified?;
        match self.disk.remove(&self.lock) {
            // It was ours a moment ago: the answer to our removal got lost.
            Err(Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }
}

impl Drop for Dotlock<'_> {
    fn drop(&mut self) {
        // Nobody to tell. A lock file that stays behind is overridden as stale.
        let _ = self.let_go();
    }
}

/// Somebody else's lock, in our way.
struct Rival<'a> {
    disk: &'a dyn Disk,
    path: &'a Path,
    lock: &'a Path,
    /// The clock of the storage and our own, at the same moment.
    storage_clock: SystemTime,
    own_clock: SystemTime,
}

impl<'a> Rival<'a> {
    fn meet(disk: &'a dyn Disk, path: &'a Path, lock: &'a Path) -> Result<Rival<'a>> {
        let (probe, file) = create_beside(disk, path, "clock")?;
        let own_clock = disk.now();
        let stat = file.stat();
        drop(file);
        disk.remove(&probe)?;
        Ok(Rival { disk, path, lock, storage_clock: stat?.changed, own_clock })
    }

    /// Whether the name is free again, by us or by itself.
    fn override_if_stale(&self, (seen, holder): &(Stat, Vec<u8>), stale: Duration) -> Result<bool> {
        let gone = std::str::from_utf8(holder).is_ok_and(|holder| self.disk.holder_is_gone(holder));
        if gone || self.age(seen)? >= stale {
            return self.take_away(seen);
        }
        Ok(false)
    }

    /// The lock file as it is now and what it says; `None` when it is gone.
    fn look(&self) -> Result<Option<(Stat, Vec<u8>)>> {
        let looked = self.disk.open_plain(self.lock).and_then(|file| {
            let mut holder = vec![0; HOLDER_MAX];
            let len = file.read_at(0, &mut holder)?;
            holder.truncate(len);
            Ok((file.stat()?, holder))
        });
        match looked {
            Ok(seen) => Ok(Some(seen)),
            Err(Error::NotFound { .. } | Error::Stale { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How long neither the lock nor the locked file has changed, on the clock of the storage.
    fn age(&self, seen: &Stat) -> Result<Duration> {
        let changed = match self.disk.open_plain(self.path).and_then(|file| file.stat()) {
            Ok(stat) => stat.changed.max(seen.changed),
            Err(Error::NotFound { .. } | Error::Stale { .. }) => seen.changed,
            Err(error) => return Err(error),
        };
        let waited = self.disk.now().duration_since(self.own_clock).unwrap_or_default();
        Ok((self.storage_clock + waited).duration_since(changed).unwrap_or_default())
    }

    /// Removes a stale lock without removing the fresh one of a third node that overrode it first: the file is moved
    /// aside, looked at there, and put back when it is not the one we judged.
    fn take_away(&self, judged: &Stat) -> Result<bool> {
        if self.look()?.is_none_or(|(now, _)| !unchanged(&now, judged)) {
            return Ok(false);
        }
        let (aside, placeholder) = create_beside(self.disk, self.path, "stale")?;
        drop(placeholder);
        match self.disk.rename(self.lock, &aside) {
            Ok(()) => {}
            Err(Error::NotFound { .. }) => {
                self.disk.remove(&aside)?;
                return Ok(true);
            }
            Err(error) => {
                let _ = self.disk.remove(&aside);
                return Err(error);
            }
        }
        let moved = self.disk.open_plain(&aside).and_then(|file| file.stat());
        if !moved.as_ref().is_ok_and(|moved| same_lock(moved, judged)) {
            // When a third node has taken the name meanwhile, the owner of what we hold aside finds its lock lost.
            let _ = self.disk.link(&aside, self.lock);
        }
        self.disk.remove(&aside)?;
        Ok(true)
    }
}

fn unchanged(now: &Stat, judged: &Stat) -> bool {
    same_lock(now, judged) && now.changed == judged.changed
}

/// The inode number alone does not tell: it is given again as soon as a lock file is removed.
fn same_lock(a: &Stat, b: &Stat) -> bool {
    a.same_file(b) && a.modified == b.modified && a.len == b.len
}
