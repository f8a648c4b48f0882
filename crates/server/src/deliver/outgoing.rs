//! Spool and schedule together: what the rest of the server knows of the queue.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disk::Disk;
use mail::QueueId;
use queue::{Destination, Entry, Incoming, Schedule, ScheduleSettings, Spool, SpoolSettings, Which};
use tokio::sync::Notify;

use super::finish::Settlement;
use super::lanes::Lanes;
use super::now;
use crate::config::Settings;

/// The queue's folder, below the state folder.
pub(super) const QUEUE_FOLDER: &str = "queue";

/// Attempts at the same time, in all.
const ATTEMPTS_MAX: usize = 200;

/// Spool and schedule together.
#[derive(Debug)]
pub struct Outgoing {
    pub(super) spool: Spool,
    pub(super) schedule: Mutex<Schedule>,
    /// What a crash, or a full disk, left undone, until the housekeeping does it.
    pub(super) undone: Mutex<Vec<Settlement>>,
    pub(super) wake: Notify,
    pub(super) lanes: Lanes,
    pub(super) under_way: AtomicUsize,
    /// Entries with lower ids were in the queue when the process began.
    pub(super) first_id: QueueId,
}

impl Outgoing {
    /// Opens the queue and schedules what is in it.
    ///
    /// # Errors
    /// Those of the spool; `InUse` when another process has it.
    pub fn open(disk: Arc<dyn Disk>, settings: &Settings) -> queue::Result<Outgoing> {
        let folder = settings.state.join(QUEUE_FOLDER);
        let (spool, recovered) = Spool::open(disk, Path::new(&folder), SpoolSettings::default())?;
        for damage in &recovered.damaged {
            tracing::error!(damage, "the queue was damaged");
        }
        let mut schedule = Schedule::new(schedule_settings(settings));
        let settlement = |entry: &Entry| Settlement {
            id: entry.id,
            verdict: schedule.add(entry, destination),
            // Their states are written down together with what is told of them.
            arrived: Vec::new(),
        };
        let settlements = recovered.entries.iter().map(settlement);
        let is_undone = |one: &Settlement| one.verdict.finished || !one.verdict.bounced.is_empty();
        let undone = settlements.filter(is_undone).collect();
        if !recovered.entries.is_empty() {
            tracing::info!(entries = recovered.entries.len(), "messages are in the queue from before");
        }
        let first_id = spool.begin()?.id();
        Ok(Outgoing {
            first_id,
            spool,
            schedule: Mutex::new(schedule),
            undone: Mutex::new(undone),
            wake: Notify::new(),
            lanes: Lanes::default(),
            under_way: AtomicUsize::new(0),
        })
    }

    /// Begins to receive a message.
    ///
    /// # Errors
    /// Those of the spool.
    pub fn begin(&self) -> queue::Result<Incoming> {
        self.spool.begin()
    }

    /// Schedules an entry that has just been made durable.
    pub(super) fn add(&self, entry: &Entry) {
        self.schedule().add(entry, destination);
        self.wake.notify_one();
    }

    /// Whether an earlier attempt may have delivered the message without our knowing it: it was tried before, or was in the
    /// queue when the process began, and nobody knows what the one before it did last.
    pub(super) fn may_have_arrived(&self, entry: &Entry, recipient: usize) -> bool {
        entry.id < self.first_id || entry.states.get(recipient) != Some(&queue::RecipientState::Waiting)
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.spool.len()
    }

    /// Whether an attempt is under way.
    pub fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0
    }

    /// The oldest entries. Blocking.
    ///
    /// # Errors
    /// Those of the spool, but not that an entry was finished meanwhile.
    pub fn entries(&self, count: usize) -> queue::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for id in self.spool.ids(QueueId(0), count) {
            match self.spool.entry(id) {
                Ok(entry) => entries.push(entry),
                Err(queue::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    /// # Errors
    /// Those of the spool; `NotFound` when it is finished.
    pub fn entry(&self, id: QueueId) -> queue::Result<Entry> {
        self.spool.entry(id)
    }

    /// An operator removes an entry. Blocking.
    ///
    /// # Errors
    /// Those of the spool.
    pub fn remove(&self, id: QueueId) -> queue::Result<()> {
        self.spool.remove(id)?;
        self.schedule().remove(id);
        tracing::info!(queue = %id, "message removed by an operator");
        Ok(())
    }

    /// An operator lets an entry go that was on hold. Blocking.
    ///
    /// # Errors
    /// Those of the spool.
    pub fn release(&self, id: QueueId) -> queue::Result<()> {
        self.spool.mark(id, queue::Mark::Released)?;
        self.schedule().release(Which::One(id));
        self.wake.notify_one();
        tracing::info!(queue = %id, "message released by an operator");
        Ok(())
    }

    /// Takes a damaged entry out of the queue, into the spool's own folder for such. Blocking.
    pub(super) fn set_aside(&self, id: QueueId) -> queue::Result<()> {
        self.spool.set_aside(id)?;
        self.schedule().remove(id);
        Ok(())
    }

    /// Lets one entry, or all, be tried now.
    pub fn flush(&self, id: Option<QueueId>) {
        let which = id.map_or(Which::All, Which::One);
        self.schedule().flush(which, now());
        self.wake.notify_one();
    }

    /// Lets what waits for a domain be tried now (RFC 1985).
    pub fn flush_to(&self, domain: &mail::Domain) {
        self.schedule().flush_to(&Destination::new(domain.as_str()), now());
        self.wake.notify_one();
    }

    pub(super) fn undone(&self) -> MutexGuard<'_, Vec<Settlement>> {
        self.undone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn schedule_settings(settings: &Settings) -> ScheduleSettings {
    ScheduleSettings {
        retry_first: settings.queue.retry_first,
        retry_max: settings.queue.retry_max,
        message_lifetime: settings.queue.lifetime,
        bounce_lifetime: settings.queue.bounce_lifetime,
        delay_warning: settings.queue.delay_warning,
        concurrency_per_destination: settings.queue.connections_per_destination,
        concurrency: ATTEMPTS_MAX,
        ..ScheduleSettings::default()
    }
}

/// Recipients of one domain are tried together; the route is looked up when they are.
fn destination(_index: usize, recipient: &mail::Recipient) -> Destination {
    Destination::of(&recipient.address)
}
