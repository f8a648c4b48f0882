//! Delivery into a mailbox of this node.

use std::time::SystemTime;

use mail::date::DateTime;
use mail::{Address, MailboxName, Outcome, QueueId, Reply, ReversePath, TraceId};
use store::{DeliveryKey, Draft};

use crate::directory::Lookup;
use crate::node::Node;
use crate::steps::StepKind;

/// Where a message comes from, for the log.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub trace: &'a TraceId,
    /// An earlier attempt ended without an answer: the message may be in the mailbox already.
    pub again: bool,
    pub session: Option<&'a str>,
    pub queue: Option<QueueId>,
}

/// What is put on top of a message at its final delivery (RFC 5321 §4.4).
pub fn header(reverse_path: &ReversePath, recipient: &Address, received: &str) -> String {
    format!("Return-Path: <{reverse_path}>\r\nDelivered-To: {recipient}\r\n{received}")
}

/// Puts a message into the INBOX of whoever the address belongs to. `write` writes header and content. Blocking.
pub fn deliver(
    node: &Node,
    recipient: &Address,
    origin: &Origin<'_>,
    write: impl FnOnce(&mut Draft) -> store::Result<()>,
) -> Outcome {
    let account = match node.live().directory.recipient(recipient) {
        Lookup::Account(account) => account,
        Lookup::Unknown => return Outcome::Bounced(Reply::new(550, (5, 1, 1), format!("<{recipient}>: User unknown"))),
        Lookup::Unavailable => {
            return Outcome::Deferred(Reply::new(451, (4, 3, 0), format!("<{recipient}>: Temporary lookup failure")));
        }
    };
    let key = DeliveryKey::new(&format!("{} {}", origin.trace, recipient.key()));
    let stored = (|| {
        let (mailboxes, inbox) = (node.store().account(&account.home)?, MailboxName::inbox());
        if origin.again && mailboxes.was_delivered(&inbox, &key)? {
            tracing::info!(trace = %origin.trace, recipient = %recipient, "the message was delivered by an earlier attempt");
            return Ok(());
        }
        let mut draft = mailboxes.draft_for(&inbox, &key)?;
        write(&mut draft)?;
        draft.deliver()
    })();
    match stored {
        Ok(()) => {
            node.steps.tell(
                StepKind::Stored,
                origin.trace,
                origin.session,
                origin.queue,
                format!("<{recipient}> in INBOX of {}", account.name),
            );
            Outcome::Delivered(Reply::new(250, (2, 0, 0), format!("<{recipient}> {} Saved", origin.trace)))
        }
        Err(error) => {
            tracing::error!(trace = %origin.trace, recipient = %recipient, %error, "cannot deliver into a mailbox");
            Outcome::Deferred(trouble(&error, recipient))
        }
    }
}

fn trouble(error: &store::Error, recipient: &Address) -> Reply {
    match error {
        store::Error::NoSpace => Reply::new(452, (4, 3, 1), format!("<{recipient}> Insufficient system storage")),
        _ => Reply::new(451, (4, 3, 0), format!("<{recipient}> Temporary internal error")),
    }
}

/// A moment as headers show it, in UTC.
pub fn date_time(moment: SystemTime) -> DateTime {
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    DateTime::utc(i64::try_from(seconds).unwrap_or(i64::MAX))
}
