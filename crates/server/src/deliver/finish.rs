//! What became of an attempt: told, written down, acted on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mail::dsn::ReportKind;
use mail::{Outcome, QueueId};
use queue::{Attempt, Entry, Verdict};

use super::now;
use super::report::{self, Arrived};
use crate::house::blocking;
use crate::node::Node;
use crate::steps::StepKind;

/// What became of one recipient in an attempt.
#[derive(Debug)]
pub struct Fate {
    pub index: usize,
    pub outcome: Outcome,
    /// What a sender hears who wants to be told of a delivery; `None`: he hears it from the next hop.
    pub told: Option<ReportKind>,
}

impl Fate {
    /// Of a recipient who does not have the message.
    pub fn not_delivered(index: usize, outcome: Outcome) -> Fate {
        Fate { index, outcome, told: None }
    }
}

/// What is to be written down of an entry.
#[derive(Debug)]
pub struct Settlement {
    pub id: QueueId,
    pub verdict: Verdict,
    /// Of whom the sender is to hear that they have it.
    pub arrived: Vec<Arrived>,
}

/// Writes down what became of an attempt and acts on it. Then, and only then, is the attempt over.
pub async fn finish(node: Arc<Node>, attempt: Attempt, fates: Vec<Fate>) {
    let worker = node.clone();
    blocking(move || {
        let outgoing = &worker.outgoing;
        let entry = outgoing.entry(attempt.id).ok();
        let arrived = entry.map(|entry| tell(&worker, &entry, &fates)).unwrap_or_default();
        let outcomes: Vec<(usize, Outcome)> = fates.into_iter().map(|fate| (fate.index, fate.outcome)).collect();
        let verdict = outgoing.schedule().finished(&attempt, &outcomes, now());
        settle(&worker, Settlement { id: attempt.id, verdict, arrived });
        outgoing.under_way.fetch_sub(1, Ordering::AcqRel);
        outgoing.wake.notify_one();
    })
    .await;
}

/// Ends an attempt whose message could not be read. What is damaged is set aside, and told; what was removed meanwhile is
/// forgotten; anything else is tried again later.
pub async fn unreadable(node: Arc<Node>, attempt: Attempt, error: queue::Error) {
    tracing::error!(queue = %attempt.id, %error, "cannot read a queued message");
    if matches!(error, queue::Error::Damaged { .. }) {
        let (worker, id) = (node.clone(), attempt.id);
        match blocking(move || worker.outgoing.set_aside(id)).await {
            Ok(()) => tracing::error!(queue = %id, "the damaged message was set aside"),
            Err(error) => tracing::error!(queue = %id, %error, "the damaged message cannot be set aside"),
        }
    }
    finish(node, attempt, Vec::new()).await;
}

/// Says for the log what became of each. Gives those of whom the sender wants to hear.
fn tell(node: &Node, entry: &Entry, fates: &[Fate]) -> Vec<Arrived> {
    let mut arrived = Vec::new();
    for Fate { index, outcome, told } in fates {
        let Some(recipient) = entry.envelope.recipients.get(*index) else { continue };
        let kind = match outcome {
            Outcome::Delivered(_) => StepKind::Relayed,
            Outcome::Deferred(_) => StepKind::Deferred,
            Outcome::Bounced(_) => StepKind::Bounced,
        };
        let detail = format!("<{}>: {}", recipient.address, outcome.reply());
        node.steps.tell(kind, &entry.envelope.trace, None, Some(entry.id), detail);
        if let (Outcome::Delivered(reply), Some(kind)) = (outcome, told) {
            arrived.extend(Arrived::of(&entry.envelope, *index, reply, *kind));
        }
    }
    arrived
}

/// Makes a verdict durable: new states, reports, the end of the entry. What finds no room is done again later.
pub fn settle(node: &Node, mut settlement: Settlement) {
    let id = settlement.id;
    match try_settle(node, &mut settlement) {
        Ok(()) => {}
        // An operator removed it meanwhile.
        Err(queue::Error::NotFound { .. }) => node.outgoing.schedule().remove(id),
        Err(error) => {
            tracing::error!(queue = %id, %error, "cannot write down what became of a message");
            node.outgoing.undone().push(settlement);
        }
    }
}

fn try_settle(node: &Node, settlement: &mut Settlement) -> queue::Result<()> {
    let Settlement { id, ref verdict, ref mut arrived } = *settlement;
    let outgoing = &node.outgoing;
    let all_arrived = verdict.finished && verdict.bounced.is_empty();
    let is_removed = report::arrived(node, id, arrived, all_arrived)?;
    if all_arrived {
        if !is_removed {
            // Its removal says that everything was delivered: one write instead of two.
            outgoing.spool.remove(id)?;
        }
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
        report::failed(node, id, &verdict.bounced, verdict.finished)?;
        if verdict.finished {
            outgoing.schedule().remove(id);
        }
    }
    if !verdict.delayed.is_empty() {
        report::delayed(node, id, &verdict.delayed)?;
    }
    Ok(())
}
