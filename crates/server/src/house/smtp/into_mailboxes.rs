//! The mailbox role: a message is delivered before it is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mail::dsn::ReportKind;
use mail::{Address, Envelope, Outcome, QueueId, Reply, TraceId, TraceMark};
use proto::smtp::{Dialect, ForwardRecipient, Transaction};

use super::super::content::Held;
use super::intake::Content;
use super::into_queue::{envelope, queued};
use super::recipients::{Way, unknown};
use super::screen::Ours;
use super::{SmtpHouse, blocking, ours};
use crate::deliver::local::{self, Target};
use crate::deliver::report::{self, Arrived};
use crate::deliver::together::{self, Addressee, Parcel};
use crate::deliver::{Acceptance, accept_copy, forwarded};

impl SmtpHouse {
    /// Delivers into each recipient's mailbox and answers for each (LMTP) or for all (SMTP).
    pub(super) async fn deliver(&self, content: Box<Content>, held: Held, mark: TraceMark, ours: Ours) -> Vec<Reply> {
        let held = Arc::new(held);
        let mut received = self.top(&content, &mark.id, &ours);
        let signature = match self.signature_of_held(&content, &received, &held).await {
            Ok(signature) => signature,
            Err(reply) => return self.to_all(&content, reply),
        };
        received.insert_str(0, &signature);
        let transaction = &content.transaction;
        if ours.hold {
            let reply = self.quarantine(&content, &held, &received, mark.id).await;
            return self.to_all(&content, reply);
        }
        let mut outcomes = self.relay(transaction, &received, &held, &mark.id).await;
        let relayed: BTreeSet<usize> = outcomes.keys().copied().collect();
        let mut addressees = Vec::new();
        for (index, recipient) in transaction.recipients.iter().enumerate() {
            if outcomes.contains_key(&index) {
                continue;
            }
            if let Some(address) =
                self.address(&recipient.path).filter(|address| content.header.was_delivered_to(address))
            {
                outcomes.insert(index, went_round(&address));
                continue;
            }
            match self.addressee(index, recipient, transaction, &received, &held, &mark).await {
                Ok(addressee) => addressees.push(addressee),
                Err(outcome) => _ = outcomes.insert(index, outcome),
            }
        }
        let message = Arc::clone(&held);
        let parcel = Parcel {
            trace: mark.id.clone(),
            session: Some(self.guest.session.clone()),
            queue: None,
            reverse_path: transaction.reverse_path.clone(),
            received: received.clone(),
            recipients: transaction.recipients.len(),
            content: Box::new(move |take| message.copy_to(|piece| take(piece))),
        };
        let addressed: BTreeSet<usize> = addressees.iter().map(|addressee| addressee.index).collect();
        outcomes.extend(together::deliver(&self.guest.node, parcel, addressees).await);
        let told = outcomes.iter().filter(|(index, _)| !relayed.contains(index)).map(|(index, outcome)| {
            // Who is no addressee is an address that stands for others.
            let is_his = addressed.contains(index);
            (*index, outcome, if is_his { ReportKind::Delivered } else { ReportKind::Expanded })
        });
        self.tell_sender(&content, &mark.id, told).await;
        // By the order of the recipients.
        let outcomes: Vec<Outcome> = outcomes.into_values().collect();
        if self.dialect == Dialect::Lmtp {
            return outcomes.into_iter().map(|outcome| outcome.reply().clone()).collect();
        }
        vec![self.answer_once(&content, held, &received, mark.id, &outcomes).await]
    }

    /// Tells the sender of deliveries, if he wants to hear of them (RFC 3461 §5.2.3); of what went into the queue he hears
    /// from there.
    async fn tell_sender(
        &self,
        content: &Content,
        trace: &TraceId,
        outcomes: impl Iterator<Item = (usize, &Outcome, ReportKind)>,
    ) {
        let transaction = &content.transaction;
        if !transaction.recipients.iter().any(|recipient| recipient.notify.success) {
            return;
        }
        let (mut recipients, mut delivered) = (Vec::new(), Vec::new());
        for (index, outcome, kind) in outcomes {
            let recipient = &transaction.recipients[index];
            if let (Outcome::Delivered(reply), Some(address)) = (outcome, self.address(&recipient.path)) {
                recipients.push(queued(recipient, address));
                delivered.push((reply, kind));
            }
        }
        let envelope = envelope(transaction, trace.clone(), recipients);
        let arrived: Vec<Arrived> = delivered
            .into_iter()
            .enumerate()
            .filter_map(|(index, (reply, kind))| Arrived::of(&envelope, index, reply, kind))
            .collect();
        if arrived.is_empty() {
            return;
        }
        let (node, header, trace) = (self.guest.node.clone(), content.header.block().to_vec(), trace.clone());
        blocking(move || {
            if let Err(error) = report::arrived_at_once(&node, &envelope, &header, &arrived) {
                // They have it: a refusal would make the sender send it again.
                tracing::error!(%trace, %error, "the sender does not hear of a delivery");
            }
        })
        .await;
    }

    /// Puts the message into the queue for those whose mailboxes are elsewhere, and says what became of each.
    async fn relay(
        &self,
        transaction: &Transaction,
        received: &str,
        held: &Arc<Held>,
        trace: &TraceId,
    ) -> BTreeMap<usize, Outcome> {
        let (mut indices, mut elsewhere) = (Vec::new(), Vec::new());
        for (index, recipient) in transaction.recipients.iter().enumerate() {
            if let Some(address) = self.address(&recipient.path).filter(|address| self.way(address) == Way::Queue) {
                indices.push(index);
                elsewhere.push(queued(recipient, address));
            }
        }
        if elsewhere.is_empty() {
            return BTreeMap::new();
        }
        let envelope = envelope(transaction, trace.clone(), elsewhere);
        let detail = "for the recipients whose mailboxes are elsewhere".to_owned();
        let outcome = match self.queue_held(envelope, received, held, detail, false).await {
            Ok(id) => Outcome::Delivered(Reply::new(250, (2, 0, 0), format!("Ok: queued as {id}"))),
            Err(error) => Outcome::Deferred(self.queue_trouble(&error)),
        };
        indices.into_iter().map(|index| (index, outcome.clone())).collect()
    }

    /// Whose mailbox a recipient's is, or what became of it otherwise.
    async fn addressee(
        &self,
        index: usize,
        recipient: &ForwardRecipient,
        transaction: &Transaction,
        received: &str,
        held: &Arc<Held>,
        mark: &TraceMark,
    ) -> Result<Addressee, Outcome> {
        let address = self.address(&recipient.path).ok_or_else(|| Outcome::Bounced(unknown(&recipient.path)))?;
        match local::resolve(&self.guest.node, &address).await {
            Target::Mailbox(account) => Ok(Addressee { index, account, address, again: mark.again }),
            Target::Forward { to, owner } => {
                let all = forwarded(&envelope(transaction, mark.id.clone(), Vec::new()), to, owner);
                Err(self.expand(&address, all, received, held).await)
            }
            Target::Nowhere(outcome) => Err(outcome),
        }
    }

    /// A group or an alias: whom it stands for get the message through the queue.
    async fn expand(&self, group: &Address, envelope: Envelope, received: &str, held: &Arc<Held>) -> Outcome {
        let count = envelope.recipients.len();
        let detail = format!("<{group}> expanded to {count} recipients");
        match self.queue_held(envelope, received, held, detail, false).await {
            Ok(id) => Outcome::Delivered(Reply::new(250, (2, 1, 5), format!("<{group}> expanded, queued as {id}"))),
            Err(error) => Outcome::Deferred(self.queue_trouble(&error)),
        }
    }

    /// Puts held content into the queue.
    async fn queue_held(
        &self,
        envelope: Envelope,
        received: &str,
        held: &Arc<Held>,
        detail: String,
        hold: bool,
    ) -> queue::Result<QueueId> {
        let (node, held, header) = (self.guest.node.clone(), held.clone(), received.to_owned());
        let session = self.guest.session.clone();
        let accepted = blocking(move || {
            let acceptance = Acceptance { envelope, header: &header, session: Some(&session), detail, settles: None };
            accept_copy(&node, acceptance, |incoming| {
                if hold {
                    incoming.hold();
                }
                held.copy_to::<CopyError>(|piece| Ok(incoming.write(piece)?))
            })
        });
        accepted.await.map_err(CopyError::into_queue)
    }

    /// SMTP has one answer. When some recipients have the message, those who could not get it now are queued, so that the
    /// answer is true for all; when nobody has it, the client shall try again.
    async fn answer_once(
        &self,
        content: &Content,
        held: Arc<Held>,
        received: &str,
        trace: TraceId,
        outcomes: &[Outcome],
    ) -> Reply {
        let delivered = |outcome: &Outcome| matches!(outcome, Outcome::Delivered(_));
        let deferred = |outcome: &&Outcome| matches!(outcome, Outcome::Deferred(_));
        let rest: Vec<usize> = (0..outcomes.len()).filter(|&index| !delivered(&outcomes[index])).collect();
        if rest.is_empty() {
            return Reply::new(250, (2, 0, 0), format!("Ok: delivered as {trace}"));
        }
        if rest.len() < outcomes.len() {
            return self.enqueue_rest(content, held, received, trace, &rest).await;
        }
        // A later try may help some of them: then a permanent answer for all would be wrong.
        let telling = outcomes.iter().find(deferred).or(outcomes.first());
        telling.map_or_else(ours, |outcome| outcome.reply().clone())
    }

    async fn enqueue_rest(
        &self,
        content: &Content,
        held: Arc<Held>,
        received: &str,
        trace: TraceId,
        rest: &[usize],
    ) -> Reply {
        let detail = "for the recipients that could not be delivered to now".to_owned();
        self.enqueue_some(content, &held, received, trace, rest, (detail, false)).await
    }

    /// Keeps a message in the queue until somebody looks at it.
    async fn quarantine(&self, content: &Content, held: &Arc<Held>, received: &str, trace: TraceId) -> Reply {
        let all: Vec<usize> = (0..content.transaction.recipients.len()).collect();
        self.enqueue_some(content, held, received, trace, &all, ("on hold".to_owned(), true)).await
    }

    /// Queues a message for some of its recipients; `how` is why, and whether it is on hold.
    async fn enqueue_some(
        &self,
        content: &Content,
        held: &Arc<Held>,
        received: &str,
        trace: TraceId,
        some: &[usize],
        (detail, hold): (String, bool),
    ) -> Reply {
        let transaction = &content.transaction;
        let recipients = some.iter().filter_map(|&index| {
            let recipient = &transaction.recipients[index];
            Some(queued(recipient, self.address(&recipient.path)?))
        });
        let envelope = envelope(transaction, trace, recipients.collect());
        match self.queue_held(envelope, received, held, detail, hold).await {
            Ok(id) => Reply::new(250, (2, 0, 0), format!("Ok: queued as {id}")),
            Err(error) => self.queue_trouble(&error),
        }
    }
}

/// The message was in this very mailbox and came back: somebody forwards it in a circle.
fn went_round(address: &Address) -> Outcome {
    Outcome::Bounced(Reply::new(554, (5, 4, 6), format!("<{address}>: mail forwarding loop")))
}

/// What can go wrong while held content is copied into the queue.
#[derive(Debug)]
enum CopyError {
    Disk(disk::Error),
    Queue(queue::Error),
}

impl CopyError {
    fn into_queue(self) -> queue::Error {
        match self {
            CopyError::Disk(error) => error.into(),
            CopyError::Queue(error) => error,
        }
    }
}

impl From<disk::Error> for CopyError {
    fn from(error: disk::Error) -> CopyError {
        CopyError::Disk(error)
    }
}

impl From<queue::Error> for CopyError {
    fn from(error: queue::Error) -> CopyError {
        CopyError::Queue(error)
    }
}
