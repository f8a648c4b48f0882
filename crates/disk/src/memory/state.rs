//! The storage behind a memory disk: inodes and their content, clock, processes, locks, faults and the power switch.
//! Everything here happens while the storage's mutex is held. Names are next door, in `tree`; what an NFS client believes
//! of all that, in `client`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::bytes::Bytes;
use super::client::Client;
use super::names::Names;
use crate::{Error, Kind, Op, Owner, Result, Stat};

pub(super) const ROOT: u64 = 1;

/// 2025-01-01 00:00:00 UTC, where the clock of a new disk starts.
const START: Duration = Duration::from_secs(1_735_689_600);

/// How far a counted call moves the clock.
const TICK: Duration = Duration::from_micros(1);

/// Removed files are kept until there are this many inodes more than at the last sweep.
const SWEEP_AFTER: usize = 1024;

/// What a call can be made to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    NoSpace,
    /// EDQUOT: the user we run as has used up his share.
    OverQuota,
    Stale,
    /// EIO: the device does not answer.
    Broken,
}

impl Fault {
    pub(super) fn error(self, op: Op, path: &Path) -> Error {
        let kind = match self {
            Fault::NoSpace => io::ErrorKind::StorageFull,
            Fault::OverQuota => io::ErrorKind::QuotaExceeded,
            Fault::Stale => io::ErrorKind::StaleNetworkFileHandle,
            Fault::Broken => io::ErrorKind::Other,
        };
        Error::new(op, path, io::Error::new(kind, "a fault that was asked for"))
    }
}

#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    sweep_at: usize,
    pub(super) clock: SystemTime,
    pub(super) frozen: bool,
    /// File times are whole multiples of it.
    pub(super) tick: Duration,
    pub(super) power: bool,
    pub(super) calls: u64,
    pub(super) serial: u64,
    pub(super) cut_at: Option<u64>,
    pub(super) faults: Vec<(Op, Fault)>,
    /// Which process has locked which inode.
    pub(super) locks: BTreeMap<u64, u32>,
    pub(super) processes: BTreeSet<u32>,
    next_process: u32,
    /// What NFS clients believe, by host. A host without an entry sees the storage itself.
    pub(super) clients: BTreeMap<u32, Client>,
    /// The host whose call is being answered.
    pub(super) asking: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) body: Body,
    pub(super) modified: SystemTime,
    pub(super) changed: SystemTime,
    pub(super) links: u64,
    pub(super) owner: Owner,
    /// Shared with every open handle: an inode without a name lives as long as it is open.
    pub(super) pin: Arc<()>,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    File(Bytes),
    Dir(Names),
    /// Where it leads. Durable with its name, as journals have it.
    Symlink(PathBuf),
}

/// When the clock of every new disk starts.
pub(super) fn start() -> SystemTime {
    UNIX_EPOCH + START
}

impl State {
    pub(super) fn new() -> State {
        let clock = start();
        let mut state = State {
            inodes: BTreeMap::new(),
            next_inode: ROOT,
            sweep_at: SWEEP_AFTER,
            clock,
            frozen: false,
            tick: Duration::from_nanos(1),
            power: true,
            calls: 0,
            serial: 0,
            cut_at: None,
            faults: Vec::new(),
            locks: BTreeMap::new(),
            processes: BTreeSet::new(),
            next_process: 1,
            clients: BTreeMap::new(),
            asking: 0,
        };
        state.new_inode(Body::Dir(Names::default()));
        state
    }

    // Processes, power and faults.

    pub(super) fn start_process(&mut self) -> u32 {
        let process = self.next_process;
        self.next_process += 1;
        self.processes.insert(process);
        process
    }

    pub(super) fn end_process(&mut self, process: u32) {
        self.processes.remove(&process);
        self.locks.retain(|_, holder| *holder != process);
    }

    pub(super) fn lives(&self, process: u32) -> bool {
        self.processes.contains(&process)
    }

    pub(super) fn powered(&self, process: u32) -> Result<()> {
        if self.power && self.lives(process) { Ok(()) } else { Err(Error::PowerOff) }
    }

    pub(super) fn count(&mut self) {
        self.calls += 1;
        if !self.frozen {
            self.clock += TICK;
        }
    }

    pub(super) fn cut_if_due(&mut self) -> Result<()> {
        if self.cut_at.is_some_and(|call| self.calls >= call) {
            self.power = false;
            return Err(Error::PowerOff);
        }
        Ok(())
    }

    /// What the call is made to say: because somebody asked for it, or because it is the manner of the node.
    pub(super) fn take_fault(&mut self, op: Op) -> Option<Fault> {
        match self.faults.iter().position(|(of, _)| *of == op) {
            Some(place) => Some(self.faults.remove(place).1),
            None => self.clients.get_mut(&self.asking)?.fault(op),
        }
    }

    pub(super) fn loses_reply(&mut self) -> bool {
        self.clients.get_mut(&self.asking).is_some_and(Client::loses_reply)
    }

    // Locks.

    pub(super) fn lock(&mut self, inode: u64, process: u32) -> bool {
        let free = !self.locks.contains_key(&inode);
        if free {
            self.locks.insert(inode, process);
        }
        free
    }

    pub(super) fn unlock(&mut self, inode: u64, process: u32) {
        // A process that was killed has lost its lock already, maybe to another.
        if self.locks.get(&inode) == Some(&process) {
            self.locks.remove(&inode);
        }
    }

    // Files.

    /// What a file changed now is stamped with.
    pub(super) fn file_time(&self) -> SystemTime {
        let since = self.clock.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let whole = since - since % self.tick.as_nanos().max(1);
        UNIX_EPOCH + Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX))
    }

    pub(super) fn create_file(&mut self, op: Op, path: &Path) -> Result<u64> {
        self.create(op, path, Body::File(Bytes::default()))
    }

    pub(super) fn open_or_create(&mut self, op: Op, path: &Path) -> Result<u64> {
        match self.find_or_ask(op, path)? {
            Some(inode) => self.file(op, inode, path).map(|_| inode),
            None => self.create_file(op, path),
        }
    }

    /// The content of a file; a folder has none.
    pub(super) fn file(&self, op: Op, inode: u64, path: &Path) -> Result<&Bytes> {
        match self.inodes.get(&inode).map(|inode| &inode.body) {
            Some(Body::File(bytes)) => Ok(bytes),
            _ => Err(Error::new(op, path, io::ErrorKind::IsADirectory.into())),
        }
    }

    /// Changes a file's content and with it its times.
    pub(super) fn edit(&mut self, inode: u64, edit: impl FnOnce(&mut Bytes)) {
        let time = self.file_time();
        if let Some(inode) = self.inodes.get_mut(&inode)
            && let Body::File(bytes) = &mut inode.body
        {
            edit(bytes);
            inode.modified = time;
            inode.changed = time;
        }
        self.changed_by_asking(inode);
    }

    /// Makes content durable, or spoils it; the times stay.
    pub(super) fn settle(&mut self, inode: u64, settle: impl FnOnce(&mut Bytes)) {
        if let Some(Body::File(bytes)) = self.inodes.get_mut(&inode).map(|inode| &mut inode.body) {
            settle(bytes);
        }
    }

    pub(super) fn set_modified(&mut self, inode: u64, time: SystemTime) {
        let changed = self.file_time();
        if let Some(inode) = self.inodes.get_mut(&inode) {
            inode.modified = time;
            inode.changed = changed;
        }
        self.changed_by_asking(inode);
    }

    pub(super) fn len(&self, inode: u64) -> u64 {
        match self.inodes.get(&inode).map(|inode| &inode.body) {
            Some(Body::File(bytes)) => bytes.current().len() as u64,
            _ => 0,
        }
    }

    pub(super) fn pin(&self, inode: u64) -> Arc<()> {
        self.inodes.get(&inode).map(|inode| Arc::clone(&inode.pin)).unwrap_or_default()
    }

    pub(super) fn stat(&self, number: u64, path: &Path) -> Result<Stat> {
        let inode = self.inodes.get(&number).ok_or_else(|| Error::Stale { path: path.to_owned() })?;
        Ok(Stat {
            len: self.len(number),
            modified: inode.modified,
            changed: inode.changed,
            inode: number,
            device: 1,
            kind: inode.kind(),
            links: inode.links,
            owner: inode.owner,
        })
    }

    pub(super) fn new_inode(&mut self, body: Body) -> u64 {
        let number = self.next_inode;
        self.next_inode += 1;
        let time = self.file_time();
        let inode =
            Inode { body, modified: time, changed: time, links: 0, owner: Owner::default(), pin: Arc::default() };
        self.inodes.insert(number, inode);
        number
    }

    /// Forgets inodes that no folder names, not even after a power cut, and that nobody has open.
    pub(super) fn sweep_if_due(&mut self) {
        if self.inodes.len() < self.sweep_at {
            return;
        }
        let named: BTreeSet<u64> = self.inodes.values().flat_map(Inode::names_inodes).collect();
        self.inodes
            .retain(|number, inode| *number == ROOT || named.contains(number) || Arc::strong_count(&inode.pin) > 1);
        self.sweep_at = 2 * self.inodes.len() + SWEEP_AFTER;
    }
}

impl Inode {
    pub(super) fn kind(&self) -> Kind {
        match self.body {
            Body::File(_) => Kind::File,
            Body::Dir(_) => Kind::Dir,
            Body::Symlink(_) => Kind::Other,
        }
    }

    fn names_inodes(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        match &self.body {
            Body::File(_) | Body::Symlink(_) => Box::new(std::iter::empty()),
            Body::Dir(names) => Box::new(names.inodes()),
        }
    }
}
