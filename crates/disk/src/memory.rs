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
//! storage. Inode numbers are never given twice, which is kinder than a real disk; nothing else is.

mod bytes;
mod every_cut;
mod file;
mod names;
mod random;
mod state;
mod survival;
mod tree;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use self::every_cut::{Cut, every_cut, every_cut_from};
pub use self::state::Fault;
pub use self::survival::Survival;

use self::file::MemoryFile;
use self::state::State;
use crate::poison::Poisonable;
use crate::{Disk, Entry, Lock, Op, ReadFile, Result, Stat, WriteFile};

/// A disk in memory, as one process of one node sees it.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    storage: Arc<Mutex<State>>,
    host: u32,
    process: u32,
    /// How far this node's clock runs ahead of the storage's.
    clock_ahead: Duration,
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
        MemoryDisk { storage: Arc::new(Mutex::new(state)), host, process, clock_ahead: Duration::ZERO }
    }

    /// A process on another host, on the same storage, whose clock runs ahead of the storage's by `clock_ahead`.
    pub fn another_node(&self, clock_ahead: Duration) -> MemoryDisk {
        let process = self.state().start_process();
        // A host for each process: nodes made from the same disk are strangers to each other.
        MemoryDisk { storage: Arc::clone(&self.storage), host: process, process, clock_ahead }
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
        MemoryDisk { clock_ahead: self.clock_ahead, ..MemoryDisk::on(rebooted, self.host) }
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

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked in another thread has its own message; the state is whole between calls.
        self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that changes nothing.
    fn look<T>(&self, op: Op, path: &Path, f: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        state.powered(self.process)?;
        match state.take_fault(op) {
            Some(fault) => Err(fault.error(op, path)),
            None => f(&state),
        }
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
        let mut state = self.state();
        state.powered(self.process)?;
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

    fn handle(&self, state: &State, inode: u64, path: &Path) -> MemoryFile {
        MemoryFile::new(self.clone(), state.pin(inode), inode, path, state.len(inode))
    }
}

impl Disk for MemoryDisk {
    fn create_new(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        self.change(Op::Create, path, |state| {
            let inode = state.create_file(Op::Create, path)?;
            Ok(Poisonable::boxed(self.handle(state, inode, path), path.to_owned()))
        })
    }

    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        self.change(Op::Append, path, |state| {
            let inode = state.open_or_create(Op::Append, path)?;
            Ok(Poisonable::boxed(self.handle(state, inode, path), path.to_owned()))
        })
    }

    fn open(&self, path: &Path) -> Result<Box<dyn ReadFile>> {
        self.look(Op::Open, path, |state| {
            let inode = state.find(Op::Open, path)?;
            Ok(Box::new(self.handle(state, inode, path)) as Box<dyn ReadFile>)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.change(Op::Rename, from, |state| state.rename(from, to, true))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        self.change(Op::Rename, from, |state| state.rename(from, to, false))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.change(Op::Link, from, |state| state.link(from, to))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.change(Op::Remove, path, |state| state.remove(path))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.change(Op::CreateDir, path, |state| state.create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.change(Op::RemoveDir, path, |state| state.remove_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.change(Op::SyncDir, path, |state| state.sync_dir(path))
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        self.look(Op::List, path, |state| state.list(path))
    }

    fn stat(&self, path: &Path) -> Result<Stat> {
        self.look(Op::Stat, path, |state| state.stat(state.find(Op::Stat, path)?, path))
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> Result<()> {
        self.change(Op::SetModified, path, |state| {
            let inode = state.find(Op::SetModified, path)?;
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
        self.state().clock + self.clock_ahead
    }

    /// Moves the clock instead of waiting.
    fn sleep(&self, duration: Duration) {
        self.advance(duration);
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
