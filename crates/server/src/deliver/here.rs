//! The queue's deliveries into mailboxes of its own node, and groups that it expands.

use std::sync::Arc;
use std::time::SystemTime;

use mail::envelope::Recipient;
use mail::header::header_end;
use mail::received::{Protocol, Received, hops};
use mail::{Address, Envelope, Outcome, Reply, ReversePath};
use queue::{Attempt, Content, Entry};

use super::finish::finish;
use super::local::{self, Target, date_time};
use super::outgoing::QUEUE_FOLDER;
use super::{Acceptance, accept_copy};
use crate::house::{HOPS_MAX, blocking};
use crate::node::Node;

/// How much of a queued message is read at once.
const PIECE: usize = 256 * 1024;

/// Delivers an attempt, and ends it.
pub async fn deliver(node: Arc<Node>, attempt: Attempt) {
    let outcomes = match open(node.clone(), attempt.id).await {
        Ok((entry, content)) => {
            let (entry, content) = (Arc::new(entry), Arc::new(content));
            let mut outcomes = Vec::new();
            for &index in &attempt.recipients {
                let outcome = deliver_to(node.clone(), entry.clone(), content.clone(), index).await;
                outcomes.extend(outcome.map(|outcome| (index, outcome)));
            }
            outcomes
        }
        Err(error) => {
            // Removed meanwhile, or damaged: the schedule tries what is still there again later.
            tracing::error!(queue = %attempt.id, %error, "cannot read a queued message");
            Vec::new()
        }
    };
    finish(node, attempt, outcomes).await;
}

async fn open(node: Arc<Node>, id: mail::QueueId) -> queue::Result<(Entry, Content)> {
    blocking(move || Ok((node.outgoing.entry(id)?, node.outgoing.spool.content(id)?))).await
}

async fn deliver_to(node: Arc<Node>, entry: Arc<Entry>, content: Arc<Content>, index: usize) -> Option<Outcome> {
    let address = entry.envelope.recipients.get(index)?.address.clone();
    let account = match local::resolve(&node, &address).await {
        Target::Mailbox(account) => account,
        Target::Forward { to, owner } => {
            return Some(blocking(move || forward(&node, &entry, &content, &address, to, owner)).await);
        }
        Target::Nowhere(outcome) => return Some(outcome),
    };
    let deliver = move || {
        let origin = local::Origin {
            trace: &entry.envelope.trace,
            again: node.outgoing.may_have_arrived(&entry, index),
            session: None,
            queue: Some(entry.id),
        };
        let header = local::header(&entry.envelope.reverse_path, &address, "");
        local::deliver(&node, &account, &address, &origin, |draft| {
            draft.write(header.as_bytes())?;
            let what = "a queued message cannot be read";
            let unreadable = |_| store::Error::Damaged { path: QUEUE_FOLDER.into(), what };
            copy(&content, unreadable, |piece| draft.write(piece))
        })
    };
    Some(blocking(deliver).await)
}

/// A group or an alias: a new entry of the queue for whom it stands.
fn forward(
    node: &Node,
    entry: &Entry,
    content: &Content,
    group: &Address,
    to: Vec<Address>,
    owner: Option<Address>,
) -> Outcome {
    let mut beginning = vec![0; PIECE];
    let count = content.read_at(0, &mut beginning).unwrap_or_default();
    beginning.truncate(count);
    let header = header_end(&beginning).unwrap_or(count);
    if hops(&beginning[..header]) >= HOPS_MAX {
        return Outcome::Bounced(Reply::new(554, (5, 4, 6), format!("<{group}>: too many hops")));
    }
    let name = node.live().settings.name.clone();
    let received = Received {
        helo: "",
        peer: None,
        authenticated_as: None,
        by: &name,
        protocol: Protocol::Local,
        tls: None,
        id: entry.envelope.trace.as_str(),
        recipient: Some(group),
        date: date_time(SystemTime::now()),
    };
    let envelope = forwarded(&entry.envelope, to, owner);
    let count = envelope.recipients.len();
    let acceptance = Acceptance {
        envelope,
        header: &received.to_string(),
        session: None,
        detail: format!("<{group}> expanded to {count} recipients"),
        settles: None,
    };
    let queued = accept_copy(node, acceptance, |incoming| copy(content, |error| error, |piece| incoming.write(piece)));
    match queued {
        Ok(id) => Outcome::Delivered(Reply::new(250, (2, 1, 5), format!("<{group}> expanded, queued as {id}"))),
        Err(error) => {
            tracing::error!(queue = %entry.id, %error, "a group cannot be expanded");
            Outcome::Deferred(Reply::new(451, (4, 3, 0), format!("<{group}> Temporary internal error")))
        }
    }
}

/// The envelope for those whom an address stands for. Failures go to its owner, if it has one (RFC 5321 §3.9.2).
pub fn forwarded(original: &Envelope, to: Vec<Address>, owner: Option<Address>) -> Envelope {
    let reverse_path = match owner {
        // RFC 5321 §4.5.5: a report must not get a sender again.
        Some(owner) if original.reverse_path != ReversePath::Null => ReversePath::Address(owner),
        _ => original.reverse_path.clone(),
    };
    Envelope { reverse_path, recipients: to.into_iter().map(Recipient::new).collect(), ..original.clone() }
}

/// Gives the whole content, in pieces, to `take`.
fn copy<E>(
    content: &Content,
    unreadable: impl Fn(queue::Error) -> E,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut piece = vec![0; PIECE];
    let mut offset = 0;
    loop {
        // It may give less than fits before its end.
        let count = content.read_at(offset, &mut piece).map_err(&unreadable)?;
        if count == 0 {
            return Ok(());
        }
        take(&piece[..count])?;
        offset += count as u64;
    }
}
