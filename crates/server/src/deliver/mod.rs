//! The queue at work: what is due is tried, and what became of it is written down before it is forgotten.
//!
//! `Outgoing` (`outgoing`) joins spool and schedule; `run` is the one task that asks what is due. An attempt goes to a mailbox here
//! (`local`) or over a lane to the next hop (`remote`, `lanes`); `finish` writes down what became of it; a failure for good becomes a report to the sender (`bounce`).

mod bounce;
mod finish;
mod lanes;
pub mod local;
mod outgoing;
mod remote;
pub mod submit;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use mail::{Outcome, Reply};
use queue::{Attempt, Timestamp};
use tokio::sync::watch;

use crate::config::Role;
use crate::house::blocking;
use crate::node::Node;
use finish::{finish, settle};
pub use outgoing::Outgoing;
use outgoing::QUEUE_FOLDER;

/// The schedule is asked at least so often, in case a clock was set.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// How often the queue's house is kept.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

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

/// How much of a queued message is read at once.
const PIECE: usize = 256 * 1024;

fn copy(content: &queue::Content, draft: &mut store::Draft) -> store::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut offset = 0;
    loop {
        let damaged = |_| store::Error::Damaged { path: QUEUE_FOLDER.into(), what: "a queued message cannot be read" };
        // It may give less than fits before its end.
        let count = content.read_at(offset, &mut piece).map_err(damaged)?;
        if count == 0 {
            return Ok(());
        }
        draft.write(&piece[..count])?;
        offset += count as u64;
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
