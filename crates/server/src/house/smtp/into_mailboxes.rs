//! The mailbox role: a message is delivered before it is answered.

use std::sync::Arc;

use mail::{Outcome, Reply, TraceId, TraceMark};
use proto::smtp::{Dialect, ForwardRecipient, Transaction};

use super::super::content::Held;
use super::intake::Content;
use super::into_queue::{envelope, queued};
use super::{SmtpHouse, blocking, ours, unknown};
use crate::deliver::local;
use crate::steps::StepKind;

impl SmtpHouse {
    /// Delivers into each recipient's mailbox and answers for each (LMTP) or for all (SMTP).
    pub(super) async fn deliver(&self, content: Box<Content>, held: Held, mark: TraceMark) -> Vec<Reply> {
        let held = Arc::new(held);
        let received = self.received(&content.transaction, &mark.id);
        let mut outcomes = Vec::new();
        for recipient in &content.transaction.recipients {
            outcomes.push(self.deliver_to(recipient, &content.transaction, &received, &held, &mark).await);
        }
        if self.dialect == Dialect::Lmtp {
            return outcomes.into_iter().map(|outcome| outcome.reply().clone()).collect();
        }
        vec![self.answer_once(&content, held, &received, mark.id, &outcomes).await]
    }

    async fn deliver_to(
        &self,
        recipient: &ForwardRecipient,
        transaction: &Transaction,
        received: &str,
        held: &Arc<Held>,
        mark: &TraceMark,
    ) -> Outcome {
        let Some(address) = self.address(&recipient.path) else { return Outcome::Bounced(unknown(&recipient.path)) };
        let header = local::header(&transaction.reverse_path, &address, received);
        let (node, held) = (self.guest.node.clone(), held.clone());
        let (session, mark) = (self.guest.session.clone(), mark.clone());
        blocking(move || {
            let place = local::Origin { trace: &mark.id, again: mark.again, session: Some(&session), queue: None };
            local::deliver(&node, &address, &place, |draft| {
                draft.write(header.as_bytes())?;
                held.copy_to(|piece| draft.write(piece))
            })
        })
        .await
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
        let transaction = &content.transaction;
        let recipients = rest.iter().filter_map(|&index| {
            let recipient = &transaction.recipients[index];
            Some(queued(recipient, self.address(&recipient.path)?))
        });
        let envelope = envelope(transaction, trace.clone(), recipients.collect());
        let (node, header) = (self.guest.node.clone(), received.to_owned());
        let committed = blocking(move || {
            let mut incoming = node.outgoing.begin()?;
            held.copy_to::<CopyError>(|piece| Ok(incoming.write(piece)?)).map_err(CopyError::into_queue)?;
            node.outgoing.commit(incoming, envelope, header.as_bytes())
        });
        match committed.await {
            Ok(id) => {
                self.guest.node.steps.tell(
                    StepKind::Queued,
                    &trace,
                    Some(&self.guest.session),
                    Some(id),
                    "for the recipients that could not be delivered to now",
                );
                Reply::new(250, (2, 0, 0), format!("Ok: queued as {id}"))
            }
            Err(error) => self.queue_trouble(&error),
        }
    }
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
