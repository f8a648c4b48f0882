//! Tells a sender what could not be delivered (RFC 3464), in the same durable write that settles it.

use std::time::SystemTime;

use mail::dsn::{Report, ReportKind, ReportedRecipient, Returned};
use mail::envelope::{Body, Recipient};
use mail::{Address, Envelope, QueueId, ReversePath};
use queue::{Entry, RecipientState, Settles};

use super::local::date_time;
use super::{Acceptance, accept, read_beginning};
use crate::node::Node;

/// The most of a message that is returned with a report; of a larger one, only the headers.
const RETURNED_MAX: usize = 64 * 1024;

/// Reports the failure of these recipients. When `finished`, nothing of the entry stays.
///
/// # Errors
/// Those of the spool.
pub fn report(node: &Node, id: QueueId, bounced: &[usize], finished: bool) -> queue::Result<()> {
    let entry = node.outgoing.entry(id)?;
    let wanted: Vec<usize> = bounced.iter().copied().filter(|index| wants_report(&entry, *index)).collect();
    let reported: Vec<(usize, RecipientState)> = bounced.iter().filter_map(|&index| reported(&entry, index)).collect();
    let settles = if finished { Settles::Entry(id) } else { Settles::Recipients(id, &reported) };
    match &entry.envelope.reverse_path {
        ReversePath::Address(sender) if !wanted.is_empty() => send(node, &entry, sender, &wanted, settles),
        // RFC 5321 §6.1: nobody is told of the failure of a report. The log is.
        _ => {
            tracing::warn!(queue = %id, trace = %entry.envelope.trace, recipients = bounced.len(), "nobody is told of a failure");
            if finished { node.outgoing.spool.remove(id) } else { node.outgoing.spool.record(id, &reported, true) }
        }
    }
}

/// RFC 3461 §4.1: NOTIFY without FAILURE.
fn wants_report(entry: &Entry, index: usize) -> bool {
    entry.envelope.recipients.get(index).is_some_and(|recipient| recipient.notify.failure)
}

fn reported(entry: &Entry, index: usize) -> Option<(usize, RecipientState)> {
    Some((index, RecipientState::Reported(entry.states.get(index)?.reply()?.clone())))
}

fn send(node: &Node, entry: &Entry, sender: &Address, recipients: &[usize], settles: Settles<'_>) -> queue::Result<()> {
    let settings = &node.live().settings;
    let trace = node.ids.trace();
    let original = original(node, entry).unwrap_or_else(|error| {
        // The sender is told all the same.
        tracing::error!(queue = %entry.id, %error, "a message cannot be returned with its report");
        Original::Headers(Vec::new())
    });
    let moment = date_time(SystemTime::now());
    let report = Report {
        kind: ReportKind::Failed,
        reporting_mta: &settings.name,
        from: &format!("MAILER-DAEMON@{}", settings.name),
        message_id: &format!("<{trace}@{}>", settings.name),
        boundary: &format!("tepui-{trace}"),
        date: moment,
        arrival: date_time(entry.arrived.into()),
        to: sender,
        envelope_id: entry.envelope.envelope_id.as_deref(),
        recipients: recipients.iter().filter_map(|&index| reported_recipient(entry, index)).collect(),
        original: original.as_returned(),
    };
    let mut incoming = node.outgoing.begin()?;
    incoming.write(&report.write())?;
    let envelope = Envelope {
        trace,
        reverse_path: ReversePath::Null,
        recipients: vec![Recipient::new(sender.clone())],
        body: Body::EightBitMime,
        smtputf8: entry.envelope.smtputf8,
        envelope_id: None,
        return_headers_only: true,
    };
    let detail = format!("report to <{sender}> about trace={}", entry.envelope.trace);
    accept(node, incoming, Acceptance { envelope, header: "", session: None, detail, settles: Some(settles) })?;
    Ok(())
}

fn reported_recipient(entry: &Entry, index: usize) -> Option<ReportedRecipient<'_>> {
    let recipient = entry.envelope.recipients.get(index)?;
    Some(ReportedRecipient {
        address: &recipient.address,
        original: recipient.original.as_deref(),
        reply: entry.states.get(index)?.reply()?,
        remote_mta: None,
        last_attempt: date_time(SystemTime::now()),
        will_retry_until: None,
    })
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

/// What of the message goes back: all of a small one, unless the sender wanted only headers (RFC 3461 §4.3).
fn original(node: &Node, entry: &Entry) -> queue::Result<Original> {
    let content = node.outgoing.spool.content(entry.id)?;
    let mut bytes = read_beginning(&content, RETURNED_MAX)?;
    if content.len() <= RETURNED_MAX as u64 && !entry.envelope.return_headers_only {
        return Ok(Original::Whole(bytes));
    }
    let end = mail::header::header_end(&bytes).unwrap_or(bytes.len());
    bytes.truncate(end);
    Ok(Original::Headers(bytes))
}
