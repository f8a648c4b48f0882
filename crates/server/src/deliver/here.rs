//! The queue's deliveries into mailboxes of its own node, and groups that it expands.

use std::sync::Arc;
use std::time::SystemTime;

use mail::dsn::ReportKind;
use mail::envelope::Recipient;
use mail::header::header_end;
use mail::received::{Protocol, Received, hops};
use mail::{Address, Envelope, Outcome, Reply, ReversePath};
use queue::{Attempt, Content, Entry};

use super::finish::{Fate, finish, unreadable};
use super::local::{self, Target, date_time};
use super::outgoing::QUEUE_FOLDER;
use super::together::{self, Addressee, Parcel};
use super::{Acceptance, accept_copy, read_beginning};
use crate::house::{HOPS_MAX, blocking};
use crate::node::Node;

/// How much of a queued message is read at once.
const PIECE: usize = 256 * 1024;

/// Delivers an attempt, and ends it.
pub async fn deliver(node: Arc<Node>, attempt: Attempt) {
    let fates = match open(node.clone(), attempt.id).await {
        Ok((entry, content)) => {
            let (entry, content) = (Arc::new(entry), Arc::new(content));
            let (mut fates, mut addressees) = (Vec::new(), Vec::new());
            for &index in &attempt.recipients {
                match addressee(&node, &entry, &content, index).await {
                    Some(Ok(addressee)) => addressees.push(addressee),
                    // Whom the address stands for have an entry of their own.
                    Some(Err(outcome)) => fates.push(Fate { index, outcome, told: Some(ReportKind::Expanded) }),
                    None => {}
                }
            }
            let outcomes = together::deliver(&node, parcel(&entry, content), addressees).await;
            let told = Some(ReportKind::Delivered);
            fates.extend(outcomes.into_iter().map(|(index, outcome)| Fate { index, outcome, told }));
            fates
        }
        Err(error) => return unreadable(node, attempt, error).await,
    };
    finish(node, attempt, fates).await;
}

async fn open(node: Arc<Node>, id: mail::QueueId) -> queue::Result<(Entry, Content)> {
    blocking(move || Ok((node.outgoing.entry(id)?, node.outgoing.spool.content(id)?))).await
}

/// Whose mailbox a recipient's is, or what became of it otherwise.
async fn addressee(
    node: &Arc<Node>,
    entry: &Arc<Entry>,
    content: &Arc<Content>,
    index: usize,
) -> Option<Result<Addressee, Outcome>> {
    let address = entry.envelope.recipients.get(index)?.address.clone();
    let again = node.outgoing.may_have_arrived(entry, index);
    match local::resolve(node, &address).await {
        Target::Mailbox(account) => Some(Ok(Addressee { index, account, address, again })),
        Target::Forward { to, owner } => {
            let (node, entry, content) = (node.clone(), entry.clone(), content.clone());
            Some(Err(blocking(move || forward(&node, &entry, &content, &address, to, owner)).await))
        }
        Target::Nowhere(outcome) => Some(Err(outcome)),
    }
}

fn parcel(entry: &Entry, content: Arc<Content>) -> Parcel {
    Parcel {
        trace: entry.envelope.trace.clone(),
        session: None,
        queue: Some(entry.id),
        reverse_path: entry.envelope.reverse_path.clone(),
        received: String::new(),
        recipients: entry.envelope.recipients.len(),
        content: Box::new(move |take| {
            let what = "a queued message cannot be read";
            let unreadable = |_| store::Error::Damaged { path: QUEUE_FOLDER.into(), what };
            copy(&content, unreadable, |piece| take(piece))
        }),
    }
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
    if hops_of(content).unwrap_or_default() >= HOPS_MAX {
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

/// How many servers a queued message has passed, those of its trace header included.
fn hops_of(content: &Content) -> queue::Result<usize> {
    let beginning = read_beginning(content, PIECE)?;
    let header = header_end(&beginning).unwrap_or(beginning.len());
    Ok(hops(&beginning[..header]))
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use disk::MemoryDisk;
    use mail::envelope::Body;
    use mail::{TraceId, date::DateTime};
    use queue::{Spool, SpoolSettings, Timestamp};

    use super::*;

    #[test]
    fn hops_are_counted_through_the_trace_header_into_the_content() {
        let disk = Arc::new(MemoryDisk::new());
        let (spool, _) = Spool::open(disk, Path::new("/queue"), SpoolSettings::default()).unwrap();
        let mut incoming = spool.begin().unwrap();
        incoming.write(b"Received: by b; x\r\nReceived: by a; x\r\nSubject: s\r\n\r\nReceived: no\r\n").unwrap();
        let envelope = Envelope {
            trace: TraceId::parse("1-2-3").unwrap(),
            reverse_path: ReversePath::Null,
            recipients: vec![Recipient::new(Address::parse("bob@example.test").unwrap())],
            body: Body::SevenBit,
            smtputf8: false,
            envelope_id: None,
            return_headers_only: false,
        };
        let header = format!("Received: by c; {}\r\n", DateTime::utc(0).to_rfc5322());
        let id = incoming.commit(envelope, header.as_bytes(), Timestamp(0)).unwrap();
        assert_eq!(hops_of(&spool.content(id).unwrap()).unwrap(), 3);
    }
}
