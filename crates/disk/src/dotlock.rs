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
//! place yet, and gives every file that is appended to under this lock another inode, so that what the other still appends
//! goes nowhere. Who appends opens first, then looks, and looks once more before it tells anybody.
//!
//! Nobody gets in before the fence is up: our lock file takes the place of the stale one in one rename, and where the fence
//! cannot be put up it stays, until it is stale itself. An owner may also be stopped between the last look and the removal
//! of its lock file, which then is another's; if that took it so long, it puts up the fence that the other did without.
//!
//! The fence also makes durable what a dead owner has renamed into place or appended and not synced: each file is written
//! anew and the folder is synced.
//!
//! | file beside `PATH`        | while                          | what a crash leaves of it                          |
//! |---------------------------|--------------------------------|----------------------------------------------------|
//! | `PATH.lock`               | held                           | a stale lock; the next who wants it overrides it   |
//! | `PATH.tmp.PID.HOST.N`     | new content is written         | nothing anybody reads; may be deleted when old     |
//! | `PATH.clock.PID.HOST.N`   | the storage is asked its time  | the same                                           |
//! | `PATH.stale.PID.HOST.N`   | a lock is overridden: our lock file, before it takes the stale one's place | the same |

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::door::{parent_of, read_whole};
use crate::replace::{create_beside, relink, replace_dressed, with_suffix};
use crate::{Disk, Error, ReadFile, Result, Stat, WriteFile};

/// A longer lock file does not name a holder.
const HOLDER_MAX: usize = 512;

/// How often a file is opened anew that another node replaces under our hands.
const STALE_TRIES_MAX: u32 = 4;

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

/// A file and all that is in it.
type Whole = (Box<dyn ReadFile>, Vec<u8>);

/// A dot lock that is held. Released by [`Dotlock::release`], or when dropped.
#[derive(Debug)]
pub struct Dotlock<'d> {
    disk: &'d dyn Disk,
    path: PathBuf,
    lock: PathBuf,
    /// Other files that are appended to under it.
    appended: Vec<PathBuf>,
    stale: Duration,
    /// Whether it stays when we end.
    is_left: AtomicBool,
    /// What it protects may not be durable.
    is_unsettled: AtomicBool,
    /// Kept open so that nobody else's lock file can get our inode number while we compare it. `None` once released.
    file: Option<Box<dyn WriteFile>>,
}

impl<'d> Dotlock<'d> {
    /// Takes `PATH.lock`, waiting for and overriding others as `settings` say. `path` itself need not exist.
    pub fn acquire(disk: &'d dyn Disk, path: &Path, settings: &DotlockSettings) -> Result<Dotlock<'d>> {
        Dotlock::acquire_for(disk, path, Vec::new(), settings)
    }

    /// The same, for a lock under which other files of the same folder are appended to as well. Everybody who takes the lock
    /// must name them: the fence goes around them too.
    pub fn acquire_for(
        disk: &'d dyn Disk,
        path: &Path,
        appended: Vec<PathBuf>,
        settings: &DotlockSettings,
    ) -> Result<Dotlock<'d>> {
        let lock = with_suffix(path, ".lock");
        let unheld = || Dotlock {
            disk,
            path: path.to_owned(),
            lock: lock.clone(),
            appended: appended.clone(),
            stale: settings.stale,
            is_left: AtomicBool::new(false),
            is_unsettled: AtomicBool::new(false),
            file: None,
        };
        let deadline = disk.now() + settings.wait;
        let mut rival: Option<Rival> = None;
        let mut suspicious = false;
        loop {
            let mut held = unheld();
            match held.create() {
                Ok(()) if !suspicious => return Ok(held),
                Ok(()) => match held.fenced()? {
                    Some(held) => return Ok(held),
                    None => continue,
                },
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
            if rival.is_stale(&found, settings.stale)?
                && held.take_over(|| rival.still_is(&found.0))?
                && let Some(held) = held.fenced()?
            {
                return Ok(held);
            }
            if disk.now() >= deadline {
                return Err(Error::Locked { path: lock });
            }
            disk.sleep(settings.poll);
        }
    }

    /// Makes the lock file where there is none.
    fn create(&mut self) -> Result<()> {
        self.file = Some(self.disk.create_new(&self.lock)?);
        // On failure we are dropped, which takes the lock file away again.
        self.sign()
    }

    /// Puts our lock file in the place of another's in one step, so that there is no moment at which a third could come in.
    /// Whether it did: `still` is asked last. (What becomes another's lock between that question and the rename, an owner
    /// finds lost; the fence is there for what it writes until then.)
    fn take_over(&mut self, still: impl FnOnce() -> Result<bool>) -> Result<bool> {
        let (ours, file) = create_beside(self.disk, &self.path, "stale")?;
        self.file = Some(file);
        let placed = self.sign().and_then(|()| still()).and_then(|still| {
            if still {
                self.disk.rename(&ours, &self.lock)?;
            }
            Ok(still)
        });
        if !matches!(placed, Ok(true)) {
            self.file = None;
            // Best effort: it means nothing to anybody.
            let _ = self.disk.remove(&ours);
        }
        placed
    }

    fn sign(&mut self) -> Result<()> {
        let holder = self.disk.holder();
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(holder.as_bytes()))
    }

    /// The lock with its fence up; `None` when another has taken it over meanwhile.
    fn fenced(mut self) -> Result<Option<Dotlock<'d>>> {
        match self.put_up_fence() {
            Ok(()) => Ok(Some(self)),
            Err(Error::LockLost { .. }) => Ok(None),
            Err(error) => Err(error),
        }
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
        self.replace_beside(&self.path, content)
    }

    /// The same, and the new file has the mode and owner of the old one.
    pub fn replace_alike(&self, content: &[u8]) -> Result<()> {
        self.rewrite(&self.path, content)
    }

    /// Replaces another file that the lock protects too.
    pub fn replace_beside(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.replace_dressed(path, content, |_| Ok(()))
    }

    /// Lets a symbolic link, which the lock protects too, lead to `target`.
    pub fn relink_beside(&self, path: &Path, target: &Path) -> Result<()> {
        relink(self.disk, &self.path, path, target, || self.verify())
    }

    fn replace_dressed(
        &self,
        path: &Path,
        content: &[u8],
        dress: impl FnOnce(&mut dyn WriteFile) -> Result<()>,
    ) -> Result<()> {
        let mut is_placed = false;
        let allowed = || {
            self.verify()?;
            is_placed = true;
            Ok(())
        };
        // Written under the locked file's name, where a fence finds it.
        let replaced = replace_dressed(self.disk, &self.path, path, content, dress, allowed);
        if replaced.is_err() && is_placed {
            // It may be there and not durable: nobody may build on it before it is written anew.
            self.settle_at_end();
        }
        replaced
    }

    /// Keeps out a holder that was overridden and does not know it yet. Where that fails the lock file stays: nobody may come
    /// in without a fence, and who finds it stale puts up one.
    fn put_up_fence(&mut self) -> Result<()> {
        let fence = self.fence();
        if fence.is_err() {
            self.file = None;
        }
        fence
    }

    fn fence(&self) -> Result<()> {
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
        self.give_another_inode(&self.path)?;
        self.appended.iter().try_for_each(|path| self.give_another_inode(path))?;
        // What it renamed may be all that there is to be made durable.
        self.disk.sync_dir(dir)?;
        self.verify()
    }

    fn give_another_inode(&self, path: &Path) -> Result<()> {
        let Some((old, content)) = self.open_whole(path)? else { return Ok(()) };
        self.rewrite(path, &content)?;
        // What was appended between our reading and our renaming, others may have read: it must not be lost. (Over NFS the
        // old file is gone by now, and with it the chance to look; so is the other's chance to append to it.)
        match read_whole(&*old, path) {
            Ok(all) if all.len() > content.len() => self.rewrite(path, &all),
            _ => Ok(()),
        }
    }

    /// A file and its content; `None` where there is none.
    fn open_whole(&self, path: &Path) -> Result<Option<Whole>> {
        let mut tries = 0;
        loop {
            let read =
                self.disk.open_plain(path).and_then(|file| read_whole(&*file, path).map(|content| (file, content)));
            tries += 1;
            match read {
                Ok(whole) => return Ok(Some(whole)),
                Err(Error::NotFound { .. }) => return Ok(None),
                // Replaced by the one whom we are about to keep out.
                Err(Error::Stale { .. }) if tries < STALE_TRIES_MAX => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Replaces a file by one with the same mode and owner.
    fn rewrite(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.replace_dressed(path, content, |file| file.take_after(path))
    }

    /// Gives the lock back and tells what went wrong with it, which a drop cannot.
    pub fn release(mut self) -> Result<()> {
        self.let_go()
    }

    /// For a holder that may not have left in order what the lock protects: when we end, all of it is written anew as by a
    /// fence. Where that fails too, the lock file stays behind.
    pub fn settle_at_end(&self) {
        self.is_unsettled.store(true, Ordering::Release);
    }

    /// Lets the lock file stay behind when we end: whoever finds it stale puts up a fence, by which everything is written anew.
    pub fn leave_behind(&self) {
        self.is_left.store(true, Ordering::Release);
    }

    fn let_go(&mut self) -> Result<()> {
        if self.file.is_none() || self.is_left.load(Ordering::Acquire) {
            self.file = None;
            return Ok(());
        }
        let before = self.disk.now();
        if self.is_unsettled.load(Ordering::Acquire) && self.fence().is_err() {
            self.file = None;
            return Ok(());
        }
        let verified = self.verify();
        // The handle is closed by now: NFS keeps a `.nfs` file in the folder for what is removed while open.
        self.file = None;
        verified?;
        let removed = match self.disk.remove(&self.lock) {
            // It was ours a moment ago: the answer to our removal got lost.
            Err(Error::NotFound { .. }) => Ok(()),
            other => other,
        };
        let stopped = self.disk.now().duration_since(before).unwrap_or_default() >= self.stale / 2;
        if stopped { removed.and(self.make_good()) } else { removed }
    }

    /// We were stopped for so long that what we removed may have been another's lock, and a third may have come in beside it:
    /// now both are kept out.
    fn make_good(&mut self) -> Result<()> {
        if self.take_over(|| Ok(true))? {
            self.put_up_fence()?;
            return self.let_go();
        }
        Ok(())
    }
}

impl Drop for Dotlock<'_> {
    fn drop(&mut self) {
        // Nobody to tell. A lock file that stays behind is overridden as stale.
        let _ = self.let_go();
    }
}

/// A dot lock that stays held while nobody works under it, as for a session: it borrows nothing. Dropped, the lock file stays until
/// it is stale; give it back with [`LockAtRest::resume`].
#[derive(Debug)]
pub struct LockAtRest {
    path: PathBuf,
    lock: PathBuf,
    appended: Vec<PathBuf>,
    stale: Duration,
    file: Option<Box<dyn WriteFile>>,
}

impl Dotlock<'_> {
    /// Lays the lock aside, held.
    pub fn rest(mut self) -> LockAtRest {
        LockAtRest {
            path: std::mem::take(&mut self.path),
            lock: std::mem::take(&mut self.lock),
            appended: std::mem::take(&mut self.appended),
            stale: self.stale,
            file: self.file.take(),
        }
    }
}

impl LockAtRest {
    /// The lock again, on the disk that it was taken on. Whether it is still ours, [`Dotlock::verify`] and
    /// [`Dotlock::touch`] say.
    pub fn resume(self, disk: &dyn Disk) -> Dotlock<'_> {
        Dotlock {
            disk,
            path: self.path,
            lock: self.lock,
            appended: self.appended,
            stale: self.stale,
            is_left: AtomicBool::new(false),
            is_unsettled: AtomicBool::new(false),
            file: self.file,
        }
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

    fn is_stale(&self, (seen, holder): &(Stat, Vec<u8>), stale: Duration) -> Result<bool> {
        let gone = std::str::from_utf8(holder).is_ok_and(|holder| self.disk.holder_is_gone(holder));
        Ok(gone || self.age(seen)? >= stale)
    }

    /// Whether the lock is the one that was judged, and nobody has touched it since.
    fn still_is(&self, judged: &Stat) -> Result<bool> {
        Ok(self.look()?.is_some_and(|(now, _)| unchanged(&now, judged)))
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
}

/// The inode number alone does not tell: it is given again as soon as a lock file is removed.
fn unchanged(now: &Stat, judged: &Stat) -> bool {
    now.same_file(judged) && now.modified == judged.modified && now.len == judged.len && now.changed == judged.changed
}
