//! Tells senders what became of their messages (RFC 3461, RFC 3464): of failures and delays, and of deliveries to those who
//! want to hear of them. Each report is in the same durable write that settles what it is about.

use std::time::SystemTime;

use mail::date::DateTime;
use mail::dsn::{Report, ReportKind, ReportedRecipient, Returned};
use mail::envelope::{Body, Recipient};
use mail::{Address, Envelope, QueueId, Reply, ReversePath};
use queue::{Entry, Mark, RecipientState, Settles};

use super::local::date_time;
use super::{Acceptance, accept, read_beginning};
use crate::node::Node;

/// The most of a message that is returned with a report; of a larger one, only the headers.
const RETURNED_MAX: usize = 64 * 1024;

/// A recipient who has the message, of whom the sender may want to hear.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Its place in the envelope.
    pub index: usize,
    pub reply: Reply,
    pub kind: ReportKind,
}

impl Arrived {
    /// `None` where the sender did not ask (RFC 3461 §4.1), or is nobody.
    pub fn of(envelope: &Envelope, index: usize, reply: &Reply, kind: ReportKind) -> Option<Arrived> {
        let asked = envelope.recipients.get(index)?.notify.success && envelope.reverse_path != ReversePath::Null;
        asked.then(|| Arrived { index, reply: reply.clone(), kind })
    }
}

/// Reports the failure of these recipients. When `finished`, nothing of the entry stays.
///
/// # Errors
/// Those of the spool.
pub fn failed(node: &Node, id: QueueId, bounced: &[usize], finished: bool) -> queue::Result<()> {
    let entry = node.outgoing.entry(id)?;
    // RFC 3461 §4.1: NOTIFY without FAILURE.
    let wanted = replies(&entry, bounced, |recipient| recipient.notify.failure);
    let reported: Vec<(usize, RecipientState)> = bounced.iter().filter_map(|&index| reported(&entry, index)).collect();
    let settles = if finished { Settles::Entry(id) } else { Settles::Recipients(id, &reported) };
    match &entry.envelope.reverse_path {
        ReversePath::Address(sender) if !wanted.is_empty() => {
            let original = original(node, &entry);
            send(node, Occasion { original, ..occasion(&entry, sender, ReportKind::Failed, &wanted) }, Some(settles))
        }
        // RFC 5321 §6.1: nobody is told of the failure of a report. The log is.
        _ => {
            tracing::warn!(queue = %id, trace = %entry.envelope.trace, recipients = bounced.len(), "nobody is told of a failure");
            if finished { node.outgoing.spool.remove(id) } else { node.outgoing.spool.record(id, &reported, true) }
        }
    }
}

/// Says once that these recipients are still being tried.
///
/// # Errors
/// Those of the spool.
pub fn delayed(node: &Node, id: QueueId, delayed: &[usize]) -> queue::Result<()> {
    let entry = node.outgoing.entry(id)?;
    let wanted = replies(&entry, delayed, |recipient| recipient.notify.delay);
    match &entry.envelope.reverse_path {
        ReversePath::Address(sender) if !wanted.is_empty() => {
            let until = SystemTime::from(entry.arrived) + node.live().settings.queue.lifetime;
            let about = occasion(&entry, sender, ReportKind::Delayed, &wanted);
            let original = header_of(node, &entry);
            send(node, Occasion { until: Some(date_time(until)), original, ..about }, Some(Settles::Delay(id)))
        }
        _ => node.outgoing.spool.mark(id, Mark::Warned),
    }
}

/// Reports deliveries, and forgets each of them as soon as it is told. Says whether, as wanted by `finished`, nothing of the
/// entry has stayed.
///
/// # Errors
/// Those of the spool.
pub fn arrived(node: &Node, id: QueueId, arrived: &mut Vec<Arrived>, finished: bool) -> queue::Result<bool> {
    while let Some(kind) = arrived.first().map(|one| one.kind) {
        let entry = node.outgoing.entry(id)?;
        let ReversePath::Address(sender) = &entry.envelope.reverse_path else { return Ok(false) };
        let (now, later): (Vec<Arrived>, Vec<Arrived>) = arrived.iter().cloned().partition(|one| one.kind == kind);
        let replies: Vec<(usize, &Reply)> = now.iter().map(|one| (one.index, &one.reply)).collect();
        let state = |one: &Arrived| (one.index, RecipientState::Delivered(one.reply.clone()));
        let states: Vec<(usize, RecipientState)> = now.iter().map(state).collect();
        let is_last = finished && later.is_empty();
        let settles = if is_last { Settles::Entry(id) } else { Settles::Recipients(id, &states) };
        let original = header_of(node, &entry);
        send(node, Occasion { original, ..occasion(&entry, sender, kind, &replies) }, Some(settles))?;
        *arrived = later;
        if is_last {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reports deliveries of a message that was never in the queue, with its header block.
///
/// # Errors
/// Those of the spool.
pub fn arrived_at_once(node: &Node, envelope: &Envelope, header: &[u8], arrived: &[Arrived]) -> queue::Result<()> {
    let ReversePath::Address(sender) = &envelope.reverse_path else { return Ok(()) };
    for kind in [ReportKind::Delivered, ReportKind::Expanded] {
        let these = arrived.iter().filter(|one| one.kind == kind);
        let recipients: Vec<(usize, &Reply)> = these.map(|one| (one.index, &one.reply)).collect();
        if !recipients.is_empty() {
            let (arrival, original) = (date_time(SystemTime::now()), Original::Headers(header.to_vec()));
            let recipients = recipients.as_slice();
            send(node, Occasion { kind, envelope, sender, arrival, recipients, until: None, original }, None)?;
        }
    }
    Ok(())
}

/// The last replies for those of whom the sender wants to hear.
fn replies<'a>(entry: &'a Entry, indices: &[usize], wants: impl Fn(&Recipient) -> bool) -> Vec<(usize, &'a Reply)> {
    let reply = |&index: &usize| {
        entry.envelope.recipients.get(index).filter(|recipient| wants(recipient))?;
        Some((index, entry.states.get(index)?.reply()?))
    };
    indices.iter().filter_map(reply).collect()
}

fn reported(entry: &Entry, index: usize) -> Option<(usize, RecipientState)> {
    Some((index, RecipientState::Reported(entry.states.get(index)?.reply()?.clone())))
}

/// What is to be told.
struct Occasion<'a> {
    kind: ReportKind,
    /// Of the message that it is about.
    envelope: &'a Envelope,
    sender: &'a Address,
    arrival: DateTime,
    /// By their places in the envelope.
    recipients: &'a [(usize, &'a Reply)],
    /// How long a delayed message is tried.
    until: Option<DateTime>,
    original: Original,
}

fn occasion<'a>(
    entry: &'a Entry,
    sender: &'a Address,
    kind: ReportKind,
    recipients: &'a [(usize, &'a Reply)],
) -> Occasion<'a> {
    let arrival = date_time(entry.arrived.into());
    let original = Original::Headers(Vec::new());
    Occasion { kind, envelope: &entry.envelope, sender, arrival, recipients, until: None, original }
}

fn send(node: &Node, occasion: Occasion<'_>, settles: Option<Settles<'_>>) -> queue::Result<()> {
    let Occasion { kind, envelope, sender, arrival, recipients, until, original } = occasion;
    let settings = &node.live().settings;
    let trace = node.ids.trace();
    let moment = date_time(SystemTime::now());
    let recipient = |&(index, reply): &(usize, _)| {
        let Recipient { address, original, .. } = envelope.recipients.get(index)?;
        let original = original.as_deref();
        let (last_attempt, will_retry_until) = (moment, until);
        Some(ReportedRecipient { address, original, reply, remote_mta: None, last_attempt, will_retry_until })
    };
    let report = Report {
        kind,
        reporting_mta: &settings.name,
        from: &format!("MAILER-DAEMON@{}", settings.name),
        message_id: &format!("<{trace}@{}>", settings.name),
        boundary: &format!("tepui-{trace}"),
        date: moment,
        arrival,
        to: sender,
        envelope_id: envelope.envelope_id.as_deref(),
        recipients: recipients.iter().filter_map(recipient).collect(),
        original: original.as_returned(),
    };
    let mut incoming = node.outgoing.begin()?;
    incoming.write(&report.write())?;
    let detail = format!("report to <{sender}> about trace={}", envelope.trace);
    let envelope = Envelope {
        trace,
        reverse_path: ReversePath::Null,
        recipients: vec![Recipient::new(sender.clone())],
        body: Body::EightBitMime,
        smtputf8: envelope.smtputf8,
        envelope_id: None,
        return_headers_only: true,
    };
    accept(node, incoming, Acceptance { envelope, header: "", session: None, detail, settles })?;
    Ok(())
}

enum Original {
    Whole(Vec<u8>),
    Headers(Vec<u8>),
}

impl Original {
    fn as_returned(&self) -> Returned<'_> {
        match self {
            Original::Whole(bytes) => Returned::Whole(bytes),
            Original::Headers(bytes) => Returned::Headers(bytes),
        }
    }
}

/// What of a message goes back with its failure: all of a small one, unless the sender wanted only headers
/// (RFC 3461 §4.3).
fn original(node: &Node, entry: &Entry) -> Original {
    let bytes = beginning(node, entry);
    if entry.size <= RETURNED_MAX as u64 && !entry.envelope.return_headers_only {
        return Original::Whole(bytes);
    }
    Original::Headers(header(bytes))
}

/// RFC 3461 §4.3: what RET asks for is of failures; other reports return the header.
fn header_of(node: &Node, entry: &Entry) -> Original {
    Original::Headers(header(beginning(node, entry)))
}

fn header(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = mail::header::header_end(&bytes).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

/// Nothing when it cannot be read: the sender is told all the same.
fn beginning(node: &Node, entry: &Entry) -> Vec<u8> {
    let content = node.outgoing.spool.content(entry.id);
    content.and_then(|content| read_beginning(&content, RETURNED_MAX)).unwrap_or_else(|error| {
        tracing::error!(queue = %entry.id, %error, "a message cannot be returned with its report");
        Vec::new()
    })
}
