//! The queue at work: what is due is tried, and what became of it is written down before it is forgotten.
//!
//! `Outgoing` joins spool and schedule; `run` is the one task that asks what is due. An attempt goes to a mailbox here
//! (`local`) or over a lane to the next hop (`remote`); a failure for good becomes a report to the sender (`bounce`).

mod bounce;
mod lanes;
pub mod local;
mod remote;
pub mod submit;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use disk::Disk;
use mail::{Envelope, Outcome, QueueId, Reply};
use queue::{
    Attempt, Destination, Entry, Incoming, Schedule, ScheduleSettings, Settles, Spool, SpoolSettings, Timestamp,
    Verdict, Which,
};
use tokio::sync::{Notify, watch};

use crate::config::{Role, Settings};
use crate::house::blocking;
use crate::node::Node;
use crate::steps::StepKind;
use lanes::Lanes;

/// The queue's folder, below the state folder.
const QUEUE_FOLDER: &str = "queue";

/// The schedule is asked at least so often, in case a clock was set.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// How often the queue's house is kept.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Attempts at the same time, in all.
const ATTEMPTS_MAX: usize = 200;

/// Spool and schedule together.
#[derive(Debug)]
pub struct Outgoing {
    spool: Spool,
    schedule: Mutex<Schedule>,
    /// What a crash, or a full disk, left undone, until the housekeeping does it.
    undone: Mutex<Vec<(QueueId, Verdict)>>,
    wake: Notify,
    lanes: Lanes,
    under_way: AtomicUsize,
    /// Entries with lower ids were in the queue when the process began.
    first_id: QueueId,
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
        let verdicts = recovered.entries.iter().map(|entry| (entry.id, schedule.add(entry, destination)));
        let undone = verdicts.filter(|(_, verdict)| verdict.finished || !verdict.bounced.is_empty()).collect();
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

    /// Makes a received message durable and schedules it. Blocking.
    ///
    /// # Errors
    /// Those of the spool; then nothing may be said to be accepted.
    pub fn commit(&self, incoming: Incoming, envelope: Envelope, header: &[u8]) -> queue::Result<QueueId> {
        self.commit_settling(incoming, envelope, header, None)
    }

    fn commit_settling(
        &self,
        incoming: Incoming,
        envelope: Envelope,
        header: &[u8],
        settles: Option<Settles<'_>>,
    ) -> queue::Result<QueueId> {
        let arrived = now();
        let size = incoming.len() + header.len() as u64;
        let states = vec![queue::RecipientState::Waiting; envelope.recipients.len()];
        let id = match settles {
            None => incoming.commit(envelope.clone(), header, arrived)?,
            Some(settles) => incoming.commit_report(envelope.clone(), header, arrived, settles)?,
        };
        let entry = Entry { id, arrived, envelope, states, held: false, warned: false, size };
        self.schedule().add(&entry, destination);
        self.wake.notify_one();
        Ok(id)
    }

    /// Whether an earlier attempt may have delivered the message without our knowing it: it was tried before, or was in the
    /// queue when the process began, and nobody knows what the one before it did last.
    fn may_have_arrived(&self, entry: &Entry, recipient: usize) -> bool {
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

    /// Lets one entry, or all, be tried now.
    pub fn flush(&self, id: Option<QueueId>) {
        let which = id.map_or(Which::All, Which::One);
        self.schedule().flush(which, now());
        self.wake.notify_one();
    }

    fn undone(&self) -> MutexGuard<'_, Vec<(QueueId, Verdict)>> {
        self.undone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn schedule_settings(settings: &Settings) -> ScheduleSettings {
    ScheduleSettings {
        retry_first: settings.queue.retry_first,
        retry_max: settings.queue.retry_max,
        message_lifetime: settings.queue.lifetime,
        bounce_lifetime: settings.queue.bounce_lifetime,
        concurrency_per_destination: settings.queue.connections_per_destination,
        concurrency: ATTEMPTS_MAX,
        ..ScheduleSettings::default()
    }
}

/// Recipients of one domain are tried together; the route is looked up when they are.
fn destination(_index: usize, recipient: &mail::Recipient) -> Destination {
    Destination::of(&recipient.address)
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Tries what is due, until the node stops.
pub async fn run(node: Arc<Node>, mut stopping: watch::Receiver<bool>) {
    let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
    loop {
        let (attempts, next) = {
            let mut schedule = node.outgoing.schedule();
            (schedule.due(now()), schedule.next_due(now()))
        };
        for attempt in attempts {
            start(&node, attempt);
        }
        let sleep = next.map_or(LOOK_MAX, |next| next.since(now()).min(LOOK_MAX));
        tokio::select! {
            _ = stopping.changed() => return,
            _ = housekeeping.tick() => {
                let node = node.clone();
                blocking(move || keep_house(&node)).await;
            }
            () = node.outgoing.wake.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Does what is left undone, and gives back the disk space of what is finished.
fn keep_house(node: &Node) {
    let undone = std::mem::take(&mut *node.outgoing.undone());
    for (id, verdict) in undone {
        settle(node, id, verdict);
    }
    loop {
        match node.outgoing.spool.compact() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracing::error!(%error, "cannot compact the queue"),
        }
    }
}

fn start(node: &Arc<Node>, attempt: Attempt) {
    node.outgoing.under_way.fetch_add(1, Ordering::AcqRel);
    let Some(attempt) = node.outgoing.lanes.offer(attempt) else { return };
    let domain = mail::Domain::parse(attempt.destination.as_str()).ok();
    let settings = &node.live().settings;
    let route = domain.as_ref().and_then(|domain| settings.route(domain)).cloned();
    let is_here = domain.is_some_and(|domain| settings.is_local(&domain)) && settings.has_role(Role::Mailbox);
    let node = node.clone();
    match route {
        Some(route) => drop(tokio::spawn(remote::lane(node, route, attempt))),
        None if is_here => drop(tokio::spawn(deliver_here(node, attempt))),
        None => drop(tokio::spawn(async move {
            let reply = Reply::new(451, (4, 4, 4), format!("no route to {}", attempt.destination));
            let outcomes = attempt.recipients.iter().map(|index| (*index, Outcome::Deferred(reply.clone()))).collect();
            finish(node, attempt, outcomes).await;
        })),
    }
}

async fn deliver_here(node: Arc<Node>, attempt: Attempt) {
    let worker = node.clone();
    let (attempt, outcomes) = blocking(move || {
        let outcomes = deliver_all_here(&worker, &attempt).unwrap_or_default();
        (attempt, outcomes)
    })
    .await;
    finish(node, attempt, outcomes).await;
}

fn deliver_all_here(node: &Node, attempt: &Attempt) -> queue::Result<Vec<(usize, Outcome)>> {
    let entry = node.outgoing.entry(attempt.id)?;
    let content = node.outgoing.spool.content(attempt.id)?;
    let recipients =
        attempt.recipients.iter().filter_map(|&index| Some((index, entry.envelope.recipients.get(index)?)));
    let deliver = |(index, recipient): (usize, &mail::Recipient)| {
        let origin = local::Origin {
            trace: &entry.envelope.trace,
            again: node.outgoing.may_have_arrived(&entry, index),
            session: None,
            queue: Some(attempt.id),
        };
        let header = local::header(&entry.envelope.reverse_path, &recipient.address, "");
        let outcome = local::deliver(node, &recipient.address, &origin, |draft| {
            draft.write(header.as_bytes())?;
            copy(&content, draft)
        });
        (index, outcome)
    };
    Ok(recipients.map(deliver).collect())
}

fn copy(content: &queue::Content, draft: &mut store::Draft) -> store::Result<()> {
    let mut piece = vec![0; 256 * 1024];
    let mut offset = 0;
    loop {
        let damaged = |_| store::Error::Damaged { path: QUEUE_FOLDER.into(), what: "a queued message cannot be read" };
        match content.read_at(offset, &mut piece).map_err(damaged)? {
            0 => return Ok(()),
            count => draft.write(&piece[..count])?,
        }
        offset = content.len().min(offset + piece.len() as u64);
    }
}

/// Writes down what became of an attempt and acts on it. Then, and only then, is the attempt over.
async fn finish(node: Arc<Node>, attempt: Attempt, outcomes: Vec<(usize, Outcome)>) {
    let worker = node.clone();
    blocking(move || {
        let outgoing = &worker.outgoing;
        tell(&worker, &attempt, &outcomes);
        let verdict = outgoing.schedule().finished(&attempt, &outcomes, now());
        settle(&worker, attempt.id, verdict);
        outgoing.under_way.fetch_sub(1, Ordering::AcqRel);
        outgoing.wake.notify_one();
    })
    .await;
}

fn tell(node: &Node, attempt: &Attempt, outcomes: &[(usize, Outcome)]) {
    let Ok(entry) = node.outgoing.entry(attempt.id) else { return };
    for (index, outcome) in outcomes {
        let Some(recipient) = entry.envelope.recipients.get(*index) else { continue };
        let kind = match outcome {
            Outcome::Delivered(_) => StepKind::Relayed,
            Outcome::Deferred(_) => StepKind::Deferred,
            Outcome::Bounced(_) => StepKind::Bounced,
        };
        let detail = format!("<{}>: {}", recipient.address, outcome.reply());
        node.steps.tell(kind, &entry.envelope.trace, None, Some(attempt.id), detail);
    }
}

/// Makes a verdict durable: new states, reports, the end of the entry. What finds no room is done again later.
fn settle(node: &Node, id: QueueId, verdict: Verdict) {
    match try_settle(node, id, &verdict) {
        Ok(()) => {}
        // An operator removed it meanwhile.
        Err(queue::Error::NotFound { .. }) => node.outgoing.schedule().remove(id),
        Err(error) => {
            tracing::error!(queue = %id, %error, "cannot write down what became of a message");
            node.outgoing.undone().push((id, verdict));
        }
    }
}

fn try_settle(node: &Node, id: QueueId, verdict: &Verdict) -> queue::Result<()> {
    let outgoing = &node.outgoing;
    if verdict.finished && verdict.bounced.is_empty() {
        // Its removal says that everything was delivered: one write instead of two.
        outgoing.spool.remove(id)?;
        outgoing.schedule().remove(id);
        return Ok(());
    }
    if !verdict.changes.is_empty() {
        let deferred =
            |change: &(usize, queue::RecipientState)| matches!(change.1, queue::RecipientState::Deferred { .. });
        let durable = !verdict.changes.iter().all(deferred);
        outgoing.spool.record(id, &verdict.changes, durable)?;
    }
    if !verdict.bounced.is_empty() {
        bounce::report(node, id, &verdict.bounced, verdict.finished)?;
        if verdict.finished {
            outgoing.schedule().remove(id);
        }
    }
    Ok(())
}
