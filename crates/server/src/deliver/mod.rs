//! The queue at work: what is due is tried, and what became of it is written down before it is forgotten.
//!
//! `accept` takes messages in. `Outgoing` (`outgoing`) joins spool and schedule; `run` is the one task that asks what is due. An attempt goes to a mailbox here
//! (`here`, `local`, `together`) or over a lane to the next hop (`remote`, `lanes`); `finish` writes down what became of it; what a sender has to hear becomes a report (`report`).

mod accept;
mod finish;
mod here;
mod in_time;
mod lanes;
pub mod local;
mod outgoing;
mod remote;
pub mod report;
pub mod submit;
pub mod together;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use mail::{Outcome, Reply};
use queue::{Attempt, Timestamp};
use tokio::sync::watch;

use crate::config::NextHop;
use crate::house::blocking;
use crate::node::Node;
pub use accept::{Acceptance, accept, accept_copy};
use finish::{Fate, finish, settle};
pub use here::forwarded;
pub use outgoing::Outgoing;

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
    for settlement in undone {
        settle(node, settlement);
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
    let live = node.live();
    let next_hop = mail::Domain::parse(attempt.destination.as_str()).map(|domain| live.settings.next_hop(&domain));
    let node = node.clone();
    match next_hop {
        Ok(NextHop::Route(route)) => drop(tokio::spawn(remote::lane(node, route.clone(), attempt))),
        Ok(NextHop::Here) => drop(tokio::spawn(here::deliver(node, attempt))),
        Ok(NextHop::Unknown) | Err(_) => drop(tokio::spawn(async move {
            let reply = Reply::new(451, (4, 4, 4), format!("no route to {}", attempt.destination));
            let deferred = |index: &usize| Fate::not_delivered(*index, Outcome::Deferred(reply.clone()));
            let fates = attempt.recipients.iter().map(deferred).collect();
            finish(node, attempt, fates).await;
        })),
    }
}

/// The first octets of a queued message: as many as asked for, fewer only where it is shorter.
fn read_beginning(content: &queue::Content, length_max: usize) -> queue::Result<Vec<u8>> {
    let length = usize::try_from(content.len()).unwrap_or(usize::MAX).min(length_max);
    let (mut bytes, mut filled) = (vec![0; length], 0);
    while filled < length {
        // The trace header comes first, alone.
        match content.read_at(filled as u64, &mut bytes[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
