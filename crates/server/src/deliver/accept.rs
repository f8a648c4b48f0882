//! The moment in which a message becomes ours: durable, told, scheduled, in this order.

use mail::{Envelope, QueueId};
use queue::{Entry, Incoming, RecipientState, Settles};

use super::now;
use crate::node::Node;
use crate::steps::StepKind;

/// A message that is to be accepted into the queue.
#[derive(Debug)]
pub struct Acceptance<'a> {
    pub envelope: Envelope,
    /// What is put before the content.
    pub header: &'a str,
    /// The session it came in, for the log.
    pub session: Option<&'a str>,
    /// Why it is queued, for the log.
    pub detail: String,
    /// What a report says the last word on.
    pub settles: Option<Settles<'a>>,
}

/// Makes a received message durable, tells so, and schedules it. Blocking.
///
/// # Errors
/// Those of the spool; then nothing may be said to be accepted.
pub fn accept(node: &Node, incoming: Incoming, acceptance: Acceptance<'_>) -> queue::Result<QueueId> {
    let Acceptance { envelope, header, session, detail, settles } = acceptance;
    let arrived = now();
    let size = incoming.len() + header.len() as u64;
    let held = incoming.is_held();
    let states = vec![RecipientState::Waiting; envelope.recipients.len()];
    let id = match settles {
        None => incoming.commit(envelope.clone(), header.as_bytes(), arrived)?,
        Some(settles) => incoming.commit_report(envelope.clone(), header.as_bytes(), arrived, settles)?,
    };
    // Told before it is scheduled: its first attempt may begin at once.
    node.steps.tell(StepKind::Queued, &envelope.trace, session, Some(id), detail);
    node.outgoing.add(&Entry { id, arrived, envelope, states, held, warned: false, size });
    Ok(id)
}

/// Accepts a message that is copied from somewhere. `copy` writes its content. Blocking.
///
/// # Errors
/// Those of the spool and of `copy`; then nothing was queued.
pub fn accept_copy<E: From<queue::Error>>(
    node: &Node,
    acceptance: Acceptance<'_>,
    copy: impl FnOnce(&mut Incoming) -> Result<(), E>,
) -> Result<QueueId, E> {
    let mut incoming = node.outgoing.begin()?;
    copy(&mut incoming)?;
    Ok(accept(node, incoming, acceptance)?)
}
