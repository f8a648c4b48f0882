//! Delivery on this node: whom an address means, and the way into a mailbox.

use std::sync::Arc;
use std::time::SystemTime;

use directory::Account;
use directory::chain::Recipient;
use mail::date::DateTime;
use mail::{Address, MailboxName, Outcome, QueueId, Reply, ReversePath, TraceId};
use store::DeliveryKey;

use super::in_time::Claim;
use crate::filter;
use crate::node::{Live, Node};
use crate::quota;
use crate::steps::StepKind;

/// Where a message comes from, for the log.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub trace: &'a TraceId,
    /// An earlier attempt ended without an answer: the message may be in the mailbox already.
    pub again: bool,
    pub session: Option<&'a str>,
    pub queue: Option<QueueId>,
    /// To be taken before anything of the delivery can be seen.
    pub claim: &'a Claim,
}

impl Origin<'_> {
    /// Whether the delivery is still wanted, asked right before it can be seen.
    ///
    /// # Errors
    /// [`store::Error::Busy`]: it took so long that it was answered for.
    pub fn is_wanted(&self) -> store::Result<()> {
        if self.claim.take() { Ok(()) } else { Err(store::Error::Busy) }
    }
}

/// What an address of a local domain means for a delivery.
#[derive(Debug)]
pub enum Target {
    Mailbox(Account),
    /// A group or an alias: these get it, through the queue. Failures are told to the owner, if there is one.
    Forward {
        to: Vec<Address>,
        owner: Option<Address>,
    },
    /// It cannot be delivered, now or ever.
    Nowhere(Outcome),
}

/// Whom an address of our domains means: as the directory says, else whoever gets what is for nobody.
pub async fn meant(live: &Live, address: &Address) -> Recipient {
    let found = live.directory.recipient(address).await;
    let settings = &live.settings;
    let to = settings.spare.for_unknown(address).filter(|_| settings.is_local(address.domain()));
    let (Recipient::Unknown, Some(to)) = (&found, to) else { return found };
    if settings.is_local(to.domain()) {
        return live.directory.recipient(to).await;
    }
    Recipient::Forward { to: vec![to.clone()], owner: None }
}

/// Asks whom an address means.
pub async fn resolve(node: &Node, address: &Address) -> Target {
    match meant(&node.live(), address).await {
        Recipient::Account(account) => Target::Mailbox(account),
        Recipient::Forward { to, owner } => Target::Forward { to, owner },
        Recipient::Unknown => {
            Target::Nowhere(Outcome::Bounced(Reply::new(550, (5, 1, 1), format!("<{address}>: User unknown"))))
        }
        Recipient::TooMany(why) => Target::Nowhere(Outcome::Bounced(too_many(address, &why))),
        Recipient::Unavailable(why) => Target::Nowhere(Outcome::Deferred(unavailable(address, &why))),
    }
}

/// Promise 4: a directory that is down never bounces mail. The reason is for the log.
pub fn unavailable(address: &Address, why: &str) -> Reply {
    tracing::error!(recipient = %address, reason = why, "no directory answers");
    Reply::new(451, (4, 3, 0), format!("<{address}>: Temporary lookup failure"))
}

/// A group beyond its limits, which trying again does not mend.
pub fn too_many(address: &Address, why: &str) -> Reply {
    tracing::error!(recipient = %address, reason = why, "a group cannot be expanded");
    Reply::new(550, (5, 2, 4), format!("<{address}>: mailing list expansion problem"))
}

/// What is put on top of a message at its final delivery (RFC 5321 §4.4). A message that several get alike names none of
/// them.
pub fn header(reverse_path: &ReversePath, recipient: Option<&Address>, received: &str) -> String {
    let delivered_to = recipient.map(|recipient| format!("Delivered-To: {recipient}\r\n")).unwrap_or_default();
    format!("Return-Path: <{reverse_path}>\r\n{delivered_to}{received}")
}

/// Where mail for a recipient is kept unless scripts say otherwise: in INBOX, or in the mailbox that its detail names, where the
/// settings want that and it is there. Blocking.
pub fn kept_in(node: &Node, mailboxes: &store::Account, account: &Account, recipient: &Address) -> MailboxName {
    let live = node.live();
    let named = || {
        let (bare, detail) = recipient.split_detail(live.settings.recipient_delimiter);
        // An account may have the delimiter in its own name.
        let is_own_name = account.name.split('@').next() != Some(bare.local_part());
        let detail = detail.filter(|detail| !detail.is_empty() && !is_own_name)?;
        let name = filter::own_mailbox(&live.settings.namespaces, detail).ok()?;
        mailboxes.exists(&name).ok()?.then_some(name)
    };
    let named = if live.settings.lmtp.save_to_detail_mailbox { named() } else { None };
    named.unwrap_or_else(MailboxName::inbox)
}

/// Puts a message into an account's INBOX, or the mailbox that stands for it; `put` does it. Blocking.
pub fn deliver(
    node: &Node,
    account: &Account,
    recipient: &Address,
    origin: &Origin<'_>,
    put: impl FnOnce(&Arc<store::Account>, &MailboxName, &DeliveryKey) -> store::Result<()>,
) -> Outcome {
    let key = delivery_key(origin, recipient);
    let stored = (|| {
        let mailboxes = quota::open(&node.store(), &node.live().settings.quota, account)?;
        let name = kept_in(node, &mailboxes, account, recipient);
        if origin.again && mailboxes.was_delivered(&name, &key)? {
            tracing::info!(trace = %origin.trace, recipient = %recipient, "the message was delivered by an earlier attempt");
            return Ok(name);
        }
        put(&mailboxes, &name, &key)?;
        Ok(name)
    })();
    match stored {
        Ok(name) => {
            let detail = format!("<{recipient}> in {name} of {}", account.name);
            node.steps.tell(StepKind::Stored, origin.trace, origin.session, origin.queue, detail);
            saved(origin, recipient)
        }
        Err(error) => failed(node, origin, recipient, &error),
    }
}

/// What names this delivery to this recipient.
pub fn delivery_key(origin: &Origin<'_>, recipient: &Address) -> DeliveryKey {
    DeliveryKey::new(&format!("{} {}", origin.trace, recipient.key()))
}

/// The end of a delivery that worked.
pub fn saved(origin: &Origin<'_>, recipient: &Address) -> Outcome {
    Outcome::Delivered(Reply::new(250, (2, 0, 0), format!("<{recipient}> {} Saved", origin.trace)))
}

/// The end of a delivery that the store did not take.
pub fn failed(node: &Node, origin: &Origin<'_>, recipient: &Address, error: &store::Error) -> Outcome {
    if let store::Error::OverQuota = error {
        tracing::info!(trace = %origin.trace, recipient = %recipient, "the mailbox is full");
        return quota::refused(node, recipient);
    }
    tracing::error!(trace = %origin.trace, recipient = %recipient, %error, "cannot deliver into a mailbox");
    Outcome::Deferred(trouble(error, recipient))
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
