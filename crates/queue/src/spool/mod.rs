//! The durable spool: keeps accepted messages, and what became of each recipient, whatever dies.
//!
//! Promises: what a call acknowledged is there after any crash, once, with its state; a message is never half removed;
//! damage costs the entry it hit and nothing else, and is told. Blocking; to be called from threads that may block.
//! Knows nothing of time beyond what it is told, of routes, and of when to try what (`schedule`).
//!
//! What lies where is in docs/internals/queue.md; the octets are in `record.rs` and `payload.rs`.

mod compact;
mod content;
mod incoming;
mod index;
mod layout;
mod log;
mod payload;
mod record;
mod recover;
mod repair;
mod verify;

use std::path::Path;
use std::sync::{Arc, Mutex};

use disk::{Disk, Lock};
use mail::QueueId;

use self::index::{Effect, EffectKind};
use self::layout::Layout;
use self::log::{Change, Log};
use self::payload::{Status, Writer};
use self::record::Kind;
use crate::{Entry, Error, RecipientState, Result};

pub use self::content::Content;
pub use self::incoming::{Incoming, Settles};

/// A segment is never larger than this and one group, octets, whatever the setting says: it is read whole.
const SEGMENT_SIZE_MAX: u64 = 128 << 20;
/// Nor is a message kept in the log when it is larger than this, octets.
const INLINE_LIMIT_MAX: usize = 4 << 20;
/// An entry whose state is spread over more records than this is written anew.
const STATUSES_MAX: usize = 16;

#[derive(Debug, Clone)]
pub struct SpoolSettings {
    /// A new log segment is begun when the last has this many octets. At most 128 MiB.
    pub segment_size: u64,
    /// Content up to this many octets lies in the log with its envelope; larger content has its own file. At most
    /// 4 MiB. So much memory is also what one arriving message needs.
    pub inline_max: usize,
}

impl Default for SpoolSettings {
    fn default() -> SpoolSettings {
        SpoolSettings { segment_size: 64 << 20, inline_max: 128 << 10 }
    }
}

/// What an opening found.
#[derive(Debug)]
pub struct Recovered {
    /// Everything that is alive, oldest first.
    pub entries: Vec<Entry>,
    /// What was cut or set aside, a sentence each, for the log and the operator.
    pub damaged: Vec<String>,
}

/// A mark on an entry, beside the states of its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Held,
    Released,
    /// The sender was told of the delay.
    Warned,
}

/// An open spool. Clones are the same spool; the folder is free again when the last one, and the last [`Incoming`], is
/// dropped.
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    layout: Layout,
    settings: SpoolSettings,
    log: Log,
    /// One compaction at a time.
    compacting: Mutex<()>,
    _lock: Box<dyn Lock>,
}

impl Spool {
    /// Opens the spool in `dir`, which is made when it is not there, and takes it for this process. Cuts a torn end,
    /// takes away what a crash left of messages that were never accepted, and sets aside what is damaged.
    /// [`Error::InUse`] when another has it.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, settings: SpoolSettings) -> Result<(Spool, Recovered)> {
        let layout = Layout::new(dir);
        layout.create(&*disk)?;
        let lock = disk.try_lock(&layout.lock())?.ok_or_else(|| Error::InUse { dir: dir.to_owned() })?;
        let mut found = recover::read(&*disk, &layout)?;
        repair::before_writing(&*disk, &layout, &found)?;
        let segment_size = settings.segment_size.min(SEGMENT_SIZE_MAX);
        let settings = SpoolSettings { segment_size, inline_max: settings.inline_max.min(INLINE_LIMIT_MAX) };
        let index = std::mem::take(&mut found.index);
        let log = Log::begin(Arc::clone(&disk), layout.clone(), segment_size, index, found.next_segment)?;
        let shared = Shared { disk, layout, settings, log, compacting: Mutex::new(()), _lock: lock };
        let spool = Spool { shared: Arc::new(shared) };
        let recovered = spool.repair(found)?;
        spool.drop_dead_segments()?;
        Ok((spool, recovered))
    }

    /// Looks at a spool that nobody has open, changes nothing, and says everything that is not as
    /// docs/internals/queue.md has it. Reads all of it, large content included. [`Error::InUse`] when another has it.
    pub fn verify(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>> {
        verify::verify(disk, dir)
    }

    /// How many entries are alive.
    pub fn len(&self) -> usize {
        self.shared.log.lock().index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins to receive a message. Its id is given already, for the trace header and the log.
    pub fn begin(&self) -> Result<Incoming> {
        Ok(Incoming::new(self.clone(), self.shared.log.next_id()?))
    }

    /// The entry as it is now, read from disk.
    pub fn entry(&self, id: QueueId) -> Result<Entry> {
        let records = self.shared.log.lock().index.records(id)?;
        Ok(content::read_entry(id, &records)?.entry)
    }

    /// Up to `count` ids of living entries from `from` on, in order: a page of a listing.
    pub fn ids(&self, from: QueueId, count: usize) -> Vec<QueueId> {
        self.shared.log.lock().index.ids(from, count)
    }

    /// The content with its trace header, to be read in pieces. Stays readable when the entry is removed meanwhile.
    pub fn content(&self, id: QueueId) -> Result<Content> {
        let record = self.shared.log.lock().index.accepted(id)?;
        Content::open(&*self.shared.disk, &self.shared.layout, id, &record)
    }

    /// Writes down what became of some recipients, by their index in the envelope. Without `durable` a power cut may
    /// take it back, and the recipient is then tried again: fit for deferrals, not for deliveries.
    pub fn record(&self, id: QueueId, changes: &[(usize, RecipientState)], durable: bool) -> Result<()> {
        self.change(id, Status { states: changes.to_vec(), ..Status::default() }, durable)
    }

    /// Sets a mark, durably.
    pub fn mark(&self, id: QueueId, mark: Mark) -> Result<()> {
        let status = match mark {
            Mark::Held => Status { held: Some(true), ..Status::default() },
            Mark::Released => Status { held: Some(false), ..Status::default() },
            Mark::Warned => Status { warned: true, ..Status::default() },
        };
        self.change(id, status, true)
    }

    /// Forgets a finished entry, durably: it will not come back after any crash.
    pub fn remove(&self, id: QueueId) -> Result<()> {
        let mut writer = Writer::with_room_for(0);
        writer.removed(id);
        let octets = self.sealed(writer, Kind::Removed, id)?;
        let state = self.shared.log.lock();
        let has_file = state.index.slot(id)?.has_file;
        let effects = vec![Effect { id, kind: EffectKind::Removed }];
        self.shared.log.submit(state, Change { octets, durable: true, effects, roll: false })?;
        self.remove_content(id, has_file);
        Ok(())
    }

    /// Takes an entry whose content or state cannot be read out of the queue and into `damaged/`, durably.
    pub fn set_aside(&self, id: QueueId) -> Result<()> {
        let records = self.shared.log.lock().index.records(id)?;
        repair::copy_aside(&*self.shared.disk, &self.shared.layout, id, &records)?;
        self.remove(id)
    }

    fn change(&self, id: QueueId, status: Status, durable: bool) -> Result<()> {
        let mut writer = Writer::with_room_for(0);
        writer.status(id, &status);
        let octets = self.sealed(writer, Kind::Status, id)?;
        let effects = vec![Effect { id, kind: status.effect() }];
        let log = &self.shared.log;
        log.submit(log.lock(), Change { octets, durable, effects, roll: false })?;
        let spread = log.lock().index.slot(id).map_or(0, |slot| slot.statuses.len());
        if spread > STATUSES_MAX {
            self.rewrite(id)?;
        }
        Ok(())
    }

    fn sealed(&self, writer: Writer, kind: Kind, id: QueueId) -> Result<Vec<u8>> {
        let octets = writer.into_octets();
        if octets.len() > record::PAYLOAD_MAX {
            return Err(Error::TooLarge);
        }
        Ok(record::seal(octets, self.shared.log.salt, kind, id))
    }

    /// Best effort, after the removal is durable: the next opening finds what stays behind and removes it.
    fn remove_content(&self, id: QueueId, has_file: bool) {
        if has_file {
            let _ = self.shared.disk.remove(&self.shared.layout.content_of(id));
        }
    }
}
