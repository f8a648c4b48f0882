//! The twin in memory. It behaves as a POSIX disk does while the power is on, and as the most forgetful disk that
//! POSIX allows when it goes off: content lives on if it was synced, names if their folder was.
//!
//! | what                                | while on          | after [`MemoryDisk::reboot`] with [`Survival::Nothing`] |
//! |-------------------------------------|-------------------|---------------------------------------------------------|
//! | bytes written, file synced          | there             | there, under each of the file's durable names            |
//! | bytes written, file not synced      | there             | gone                                                     |
//! | name given or removed, folder synced| so                | so                                                       |
//! | name given or removed, not synced   | so                | as before                                                |
//! | rename from one folder to another   | the new name      | one of the two names, never none and never both          |
//! | locks                               | held              | free                                                     |
//!
//! A clone is a second thread of the same process; [`MemoryDisk::another_node`] is another machine on the same
//! storage, and [`MemoryDisk::nfs_client`] is one that sees it through the caches and losses of NFS. Inode numbers are never
//! given twice, which is kinder than a real disk; nothing else is.

mod beliefs;
mod bytes;
mod client;
mod every_cut;
mod file;
mod names;
mod pace;
mod random;
mod state;
mod survival;
mod tree;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use self::client::{Clock, Manners};
pub use self::every_cut::{Cut, every_cut, every_cut_from};
pub use self::pace::Pace;
pub use self::state::Fault;
pub use self::survival::Survival;

use self::client::Client;
use self::file::MemoryFile;
use self::random::Random;
use self::state::State;
use crate::poison::Poisonable;
use crate::settle::{self, Identity};
use crate::{Disk, Entry, Error, Kind, Lock, Op, Owner, ReadFile, Result, Stat, WriteFile};

/// A disk in memory, as one process of one node sees it.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    storage: Arc<Mutex<State>>,
    host: u32,
    process: u32,
    clock: Clock,
    /// Whether this host has a cache between itself and the storage.
    is_client: bool,
    pace: Option<Arc<dyn Pace>>,
}

impl Default for MemoryDisk {
    fn default() -> Self {
        MemoryDisk::new()
    }
}

impl MemoryDisk {
    /// An empty disk: one root folder, and a clock that moves by a microsecond with each counted call.
    pub fn new() -> MemoryDisk {
        MemoryDisk::on(State::new(), 1)
    }

    fn on(mut state: State, host: u32) -> MemoryDisk {
        let process = state.start_process();
        let storage = Arc::new(Mutex::new(state));
        MemoryDisk { storage, host, process, clock: Clock::default(), is_client: false, pace: None }
    }

    /// A process on another host, on the same storage, whose clock runs ahead of the storage's by `clock_ahead`.
    pub fn another_node(&self, clock_ahead: Duration) -> MemoryDisk {
        let process = self.state().start_process();
        // A host for each process: nodes made from the same disk are strangers to each other.
        let clock = Clock { ahead: clock_ahead, ..Clock::default() };
        MemoryDisk { host: process, process, clock, is_client: false, ..self.clone() }
    }

    /// A process on another host that has the storage mounted over NFS, as these manners have it.
    pub fn nfs_client(&self, manners: Manners) -> MemoryDisk {
        let node = self.another_node(Duration::ZERO);
        let clock = manners.clock;
        self.state().clients.insert(node.host, Client::new(manners));
        MemoryDisk { clock, is_client: true, ..node }
    }

    /// The same node, which from now on asks before each call whether it may go on.
    pub fn paced(&self, pace: Arc<dyn Pace>) -> MemoryDisk {
        MemoryDisk { pace: Some(pace), ..self.clone() }
    }

    /// Makes the times of files whole multiples of this, as a file server's clock has them.
    pub fn set_tick(&self, tick: Duration) {
        self.state().tick = tick;
    }

    /// Makes this NFS client lose no more replies and meet no more faults; its caches stay.
    pub fn calm(&self) {
        if let Some(client) = self.state().clients.get_mut(&self.host) {
            client.manners.lost_replies = 0;
            client.manners.faults = 0;
        }
    }

    /// Kills this process and leaves the storage on: its locks are free, what it wrote stays, and it and its clones
    /// hear [`crate::Error::PowerOff`] from now on.
    pub fn kill(&self) {
        self.state().end_process(self.process);
    }

    /// A new process on the host of this one, on the same storage.
    pub fn restart(&self) -> MemoryDisk {
        let process = self.state().start_process();
        MemoryDisk { process, ..self.clone() }
    }

    /// How many calls that change something were made since the start, by all nodes, failed ones included.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Lets the `call`-th of these calls take effect, lose its answer, and be the last: it and everything after it
    /// fails with [`crate::Error::PowerOff`]. (A call without effect needs no case of its own: that is the state after the
    /// one before. How much of it survives is for [`MemoryDisk::reboot`] to say.)
    pub fn cut_power_at(&self, call: u64) {
        self.state().cut_at = Some(call);
    }

    pub fn power_is_on(&self) -> bool {
        self.state().power
    }

    /// What the disk holds after a power cut now, as a disk of its own that is switched on: no calls counted, no
    /// locks, no faults. This one stays as it is, so that one cut can be survived in several ways.
    pub fn reboot(&self, survival: Survival) -> MemoryDisk {
        let rebooted = self.state().reboot(survival);
        MemoryDisk { clock: self.clock, ..MemoryDisk::on(rebooted, self.host) }
    }

    /// Makes the next call of this kind fail. Several faults of one kind are met one after the other. A failing write
    /// leaves its first half; after a failing sync the unsynced content is never going to be durable.
    pub fn fail_next(&self, op: Op, fault: Fault) {
        self.state().faults.push((op, fault));
    }

    /// Stops the clock, so that changes get equal times, until [`MemoryDisk::advance`] is called or somebody sleeps.
    pub fn freeze_clock(&self) {
        self.state().frozen = true;
    }

    /// Moves the clock of the storage, and with it those of all nodes; it runs again if it was frozen.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state();
        state.clock += duration;
        state.frozen = false;
    }

    /// Makes a file or folder somebody else's, as an administrator would.
    pub fn give(&self, path: &Path, owner: Owner) -> Result<()> {
        let mut state = self.state();
        let inode = state.open(Op::Stat, path)?;
        state.inodes.entry(inode).and_modify(|inode| inode.owner = owner);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked in another thread has its own message; the state is whole between calls.
        self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that changes nothing but what an NFS client remembers.
    fn look<T>(&self, op: Op, path: &Path, f: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.turn(op, path)?;
        match state.take_fault(op) {
            Some(fault) => Err(fault.error(op, path)),
            None => f(&mut state),
        }
    }

    /// The storage, when it is our turn and we live.
    fn turn(&self, op: Op, path: &Path) -> Result<MutexGuard<'_, State>> {
        if let Some(pace) = &self.pace {
            pace.turn(op, path);
        }
        let mut state = self.state();
        state.powered(self.process)?;
        state.asking = self.host;
        Ok(state)
    }

    /// A call that is counted.
    fn change<T>(&self, op: Op, path: &Path, f: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.change_or(op, path, f, |_| {})
    }

    /// A counted call with something to do even when it is made to fail.
    fn change_or<T>(
        &self,
        op: Op,
        path: &Path,
        f: impl FnOnce(&mut State) -> Result<T>,
        spoil: impl FnOnce(&mut State),
    ) -> Result<T> {
        let mut state = self.turn(op, path)?;
        state.count();
        let answer = match state.take_fault(op) {
            Some(fault) => {
                spoil(&mut state);
                Err(fault.error(op, path))
            }
            None => f(&mut state),
        };
        // The effect is there, but nobody hears the answer.
        state.cut_if_due()?;
        answer
    }

    /// A change of names whose answer may get lost: then it is sent again, and the second answer is heard.
    fn change_names(&self, op: Op, path: &Path, f: impl Fn(&mut State) -> Result<()>) -> Result<()> {
        self.change(op, path, |state| {
            f(state)?;
            match state.loses_reply() {
                true => f(state),
                false => Ok(()),
            }
        })
    }

    /// What a name is; asking for its folder first makes an NFS client forget an old "no such file".
    fn identity(&self, path: &Path) -> Option<Identity> {
        self.open(crate::door::parent_of(path)).ok()?;
        let stat = self.stat(path).ok()?;
        Some((stat.device, stat.inode))
    }

    fn handle(&self, opened: Opened, path: &Path) -> MemoryFile {
        MemoryFile::new(self.clone(), opened, path)
    }

    fn close(&self, inode: u64) {
        if self.is_client {
            let mut state = self.state();
            state.asking = self.host;
            state.closed(inode);
        }
    }
}

/// A file that was opened. Made into a handle only when the storage is free again: a handle that is dropped asks for it.
struct Opened {
    inode: u64,
    len: u64,
    pin: Arc<()>,
}

impl Opened {
    fn new(state: &mut State, inode: u64) -> Opened {
        state.opened(inode);
        Opened { inode, len: state.len(inode), pin: state.pin(inode) }
    }
}

impl Disk for MemoryDisk {
    fn create_new(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let opened = self.change(Op::Create, path, |state| {
            let inode = state.create_file(Op::Create, path)?;
            if state.loses_reply() {
                return Err(crate::Error::Exists { path: path.to_owned() });
            }
            Ok(Opened::new(state, inode))
        })?;
        Ok(Poisonable::boxed(self.handle(opened, path), path.to_owned()))
    }

    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let opened = self.change(Op::Append, path, |state| {
            let inode = state.open_or_create(Op::Append, path)?;
            Ok(Opened::new(state, inode))
        })?;
        Ok(Poisonable::boxed(self.handle(opened, path), path.to_owned()))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn ReadFile>> {
        let opened = self.look(Op::Open, path, |state| {
            let path = state.followed(Op::Open, path)?;
            let inode = state.open(Op::Open, &path)?;
            Ok(Opened::new(state, inode))
        })?;
        Ok(Box::new(self.handle(opened, path)))
    }

    fn open_plain(&self, path: &Path) -> Result<Box<dyn ReadFile>> {
        let opened = self.look(Op::Open, path, |state| {
            let inode = state.open(Op::Open, path)?;
            match state.is_symlink(inode) {
                true => Err(Error::new(Op::Open, path, io::Error::other("it is a symbolic link"))),
                false => Ok(Opened::new(state, inode)),
            }
        })?;
        Ok(Box::new(self.handle(opened, path)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let ours = if self.is_client { self.stat(from).ok().map(|stat| (stat.device, stat.inode)) } else { None };
        let answer = self.change_names(Op::Rename, from, |state| state.rename(from, to, true));
        settle::rename(ours, to, answer, |path| self.identity(path))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        match self.is_client {
            true => settle::link_and_remove(self, from, to),
            false => self.change(Op::Rename, from, |state| state.rename(from, to, false)),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let answer = self.change_names(Op::Link, from, |state| state.link(from, to));
        settle::link(from, to, answer, |path| self.identity(path))
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        self.change_names(Op::Symlink, path, |state| state.symlink(target, path))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        self.look(Op::ReadLink, path, |state| state.read_link(path))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.change_names(Op::Remove, path, |state| state.remove(path))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.change_names(Op::CreateDir, path, |state| state.create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.change_names(Op::RemoveDir, path, |state| state.remove_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.change(Op::SyncDir, path, |state| state.sync_dir(path))
    }

    /// Read in two halves if others may have a turn between them: a file that is renamed meanwhile may be missing or be
    /// there twice (POSIX, readdir()).
    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let Some(pace) = &self.pace else { return self.look(Op::List, path, |state| state.list(path, |_| true)) };
        let place = pace.chance();
        let early = |name: &std::ffi::OsStr| Random::of(place, name.as_encoded_bytes()).coin();
        let mut entries = self.look(Op::List, path, |state| state.list(path, early))?;
        entries.extend(self.look(Op::List, path, |state| state.list(path, |name| !early(name)))?);
        Ok(entries)
    }

    fn stat(&self, path: &Path) -> Result<Stat> {
        self.look(Op::Stat, path, |state| {
            let path = state.followed(Op::Stat, path)?;
            state.stat_path(&path)
        })
    }

    fn kind(&self, path: &Path) -> Result<Kind> {
        self.look(Op::Stat, path, |state| Ok(state.stat_path(path)?.kind))
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> Result<()> {
        self.change(Op::SetModified, path, |state| {
            let inode = state.open(Op::SetModified, path)?;
            state.set_modified(inode, time);
            Ok(())
        })
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn Lock>>> {
        // Made outside of the call: dropped inside, when the power is cut, the lock would wait for the storage's mutex.
        let locked = self.change(Op::Lock, path, |state| {
            let inode = state.open_or_create(Op::Lock, path)?;
            Ok(state.lock(inode, self.process).then(|| (inode, state.pin(inode))))
        })?;
        Ok(locked.map(|(inode, pin)| Box::new(MemoryLock { disk: self.clone(), inode, _pin: pin }) as Box<dyn Lock>))
    }

    fn now(&self) -> SystemTime {
        let clock = self.state().clock;
        let gained = clock.duration_since(state::start()).unwrap_or_default().as_secs() * u64::from(self.clock.gains);
        clock + self.clock.ahead + Duration::from_micros(gained) - self.clock.behind
    }

    /// Moves the clock instead of waiting.
    fn sleep(&self, duration: Duration) {
        match &self.pace {
            Some(pace) => pace.sleep(duration),
            None => self.advance(duration),
        }
    }

    /// Counted by the storage, so that a run that is repeated makes the same names.
    fn serial(&self) -> u64 {
        let mut state = self.state();
        state.serial += 1;
        state.serial
    }

    fn holder(&self) -> String {
        format!("{}:node{}", self.process, self.host)
    }

    fn holder_is_gone(&self, holder: &str) -> bool {
        let Some((process, host)) = holder.split_once(':') else { return false };
        let process = process.parse().ok().filter(|&process| process > 0);
        host == format!("node{}", self.host) && process.is_some_and(|process| !self.state().lives(process))
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: MemoryDisk,
    inode: u64,
    _pin: Arc<()>,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.state().unlock(self.inode, self.disk.process);
    }
}
