//! What became of an attempt: told, written down, acted on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mail::{Outcome, QueueId};
use queue::{Attempt, Verdict};

use super::{bounce, now};
use crate::house::blocking;
use crate::node::Node;
use crate::steps::StepKind;

/// Writes down what became of an attempt and acts on it. Then, and only then, is the attempt over.
pub async fn finish(node: Arc<Node>, attempt: Attempt, outcomes: Vec<(usize, Outcome)>) {
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
pub fn settle(node: &Node, id: QueueId, verdict: Verdict) {
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
