//! Answers an SMTP or LMTP session: who may send, who is here, and where content goes.
//!
//! Submission puts content into the queue. The mailbox role delivers it before it answers (`deliver::local`), and queues
//! only what could not be delivered while something else was.

use std::sync::Arc;
use std::time::SystemTime;

use mail::date::DateTime;
use mail::envelope::Recipient;
use mail::received::{Features, Protocol, Received};
use mail::{Address, Envelope, ForwardPath, Outcome, Reply, TraceId, TraceMark};
use proto::smtp::{Answer, Ask, Dialect, ForwardRecipient, Transaction};

use super::content::{HeaderWatch, Held};
use super::{Guest, blocking};
use crate::deliver::local;
use crate::directory::{LogIn, Lookup};
use crate::driver::House;
use crate::steps::StepKind;

/// RFC 5321 §6.3: more hops than this are a loop.
const HOPS_MAX: usize = 50;

/// Content is handed to the disk in pieces of about this size.
const CONTENT_PIECE: usize = 256 * 1024;

/// The house of one SMTP or LMTP session.
#[derive(Debug)]
pub struct SmtpHouse {
    guest: Guest,
    dialect: Dialect,
    /// Version and cipher, once the connection is encrypted.
    tls: Option<String>,
    content: Option<Box<Content>>,
}

/// A message that is arriving.
#[derive(Debug)]
struct Content {
    transaction: Transaction,
    header: HeaderWatch,
    /// Not yet handed on.
    pending: Vec<u8>,
    kept: Kept,
}

/// Where arriving content is put.
#[derive(Debug)]
enum Kept {
    /// In the queue, not yet committed.
    Queue(Box<queue::Incoming>),
    /// To be copied into mailboxes.
    Mailboxes(Held),
    /// Nowhere: this was the reason.
    Lost(Reply),
}

impl SmtpHouse {
    pub fn new(guest: Guest, dialect: Dialect) -> SmtpHouse {
        SmtpHouse { guest, dialect, tls: None, content: None }
    }

    async fn log_in(&mut self, credentials: proto::sasl::Credentials) -> Answer {
        match self.guest.log_in(credentials).await {
            LogIn::Welcome(account) => Answer::LoggedIn { account: account.name },
            LogIn::Refused => Answer::Refused(Reply::new(535, (5, 7, 8), "Error: authentication failed")),
            // RFC 4954 §4: 454 keeps mail programs from asking the user for another password.
            LogIn::Unavailable => Answer::Refused(Reply::new(454, (4, 7, 0), "Temporary authentication failure")),
        }
    }

    async fn forward_path(&self, path: &ForwardPath) -> Result<(), Reply> {
        let live = self.guest.node.live();
        let Some(address) = self.address(path) else { return Err(unknown(path)) };
        if live.settings.is_local(address.domain()) {
            let lookup = blocking({
                let live = live.clone();
                move || live.directory.recipient(&address)
            });
            return match lookup.await {
                Lookup::Account(_) => Ok(()),
                Lookup::Unknown => Err(unknown(path)),
                // Promise 4: a directory that is down never bounces mail.
                Lookup::Unavailable => Err(Reply::new(451, (4, 3, 0), format!("<{path}>: Temporary lookup failure"))),
            };
        }
        if self.dialect != Dialect::Submission {
            return Err(Reply::new(554, (5, 7, 1), format!("<{path}>: Relay access denied")));
        }
        match live.settings.route(address.domain()) {
            Some(_) => Ok(()),
            None => Err(Reply::new(550, (5, 1, 2), format!("<{path}>: no route to this domain"))),
        }
    }

    /// The address behind a forward-path. `postmaster` without a domain is the one of our first domain (RFC 5321 §4.5.1).
    fn address(&self, path: &ForwardPath) -> Option<Address> {
        match path {
            ForwardPath::Address(address) => Some(address.clone()),
            ForwardPath::Postmaster => {
                let domain = self.guest.node.live().settings.local_domains.first()?.to_string();
                Address::parse(&format!("postmaster@{domain}")).ok()
            }
        }
    }

    /// VRFY tells what RCPT would (RFC 5321 §3.5.3): 252 for whom it would take.
    async fn verify(&self, text: &str) -> Answer {
        let inner = text.trim().trim_start_matches('<').trim_end_matches('>');
        let Ok(path) = ForwardPath::parse(inner) else {
            return Answer::Refused(Reply::new(501, (5, 1, 3), "Bad recipient address syntax"));
        };
        match self.forward_path(&path).await {
            Ok(()) => Answer::Reply(Reply::new(252, (2, 0, 0), inner)),
            Err(reply) => Answer::Refused(reply),
        }
    }

    async fn begin(&mut self, transaction: Transaction) -> Answer {
        let node = self.guest.node.clone();
        let kept = match self.dialect {
            Dialect::Submission => {
                blocking(move || node.outgoing.begin()).await.map(|incoming| Kept::Queue(Box::new(incoming)))
            }
            Dialect::Smtp | Dialect::Lmtp => Ok(Kept::Mailboxes(Held::new(node.disk(), &node.held_folder()))),
        };
        match kept {
            Ok(kept) => {
                self.content =
                    Some(Box::new(Content { transaction, header: HeaderWatch::default(), pending: Vec::new(), kept }));
                Answer::Go
            }
            Err(error) => Answer::Refused(self.queue_trouble(&error)),
        }
    }

    async fn end(&mut self) -> Vec<Reply> {
        let Some(mut content) = self.content.take() else { return vec![ours()] };
        if content.header.hops() >= HOPS_MAX {
            return self.to_all(&content, Reply::new(554, (5, 4, 6), "Error: too many hops"));
        }
        flush(&mut content).await;
        let mark = self.mark(&content);
        match std::mem::replace(&mut content.kept, Kept::Lost(ours())) {
            Kept::Lost(reply) => self.to_all(&content, reply),
            Kept::Queue(incoming) => vec![self.enqueue(&content, *incoming, mark.id).await],
            Kept::Mailboxes(held) => self.deliver(content, held, mark).await,
        }
    }

    /// A reply for a message as a whole, once for SMTP, for each recipient for LMTP.
    fn to_all(&self, content: &Content, reply: Reply) -> Vec<Reply> {
        let count = if self.dialect == Dialect::Lmtp { content.transaction.recipients.len() } else { 1 };
        vec![reply; count]
    }

    /// The name that the message has from its submission on, and whether it may have come before. Only a hop of this
    /// platform is offered XTRACE; whoever comes from outside gets a new name.
    fn mark(&self, content: &Content) -> TraceMark {
        let told = content.transaction.trace.clone();
        told.unwrap_or_else(|| TraceMark { id: self.guest.node.ids.trace(), again: false })
    }

    async fn enqueue(&self, content: &Content, incoming: queue::Incoming, trace: TraceId) -> Reply {
        let transaction = &content.transaction;
        let recipients = transaction
            .recipients
            .iter()
            .filter_map(|recipient| Some(queued(recipient, self.address(&recipient.path)?)));
        let envelope = envelope(transaction, trace.clone(), recipients.collect());
        let mut header = self.received(transaction, &trace);
        header.push_str(&self.missing_fields(content, &trace));
        let (node, from) = (self.guest.node.clone(), transaction.reverse_path.to_string());
        let detail = format!("<{from}> for {} recipients", envelope.recipients.len());
        node.steps.tell(StepKind::Submitted, &trace, Some(&self.guest.session), None, detail);
        let committed = blocking(move || node.outgoing.commit(incoming, envelope, header.as_bytes())).await;
        match committed {
            Ok(id) => {
                self.guest.node.steps.tell(StepKind::Queued, &trace, Some(&self.guest.session), Some(id), "durable");
                Reply::new(250, (2, 0, 0), format!("Ok: queued as {id}"))
            }
            Err(error) => self.queue_trouble(&error),
        }
    }

    /// RFC 6409 §8.1 and §8.2: a submission server adds what a mail program left out.
    fn missing_fields(&self, content: &Content, trace: &TraceId) -> String {
        let mut fields = String::new();
        if !content.header.has("Date") {
            fields.push_str(&format!("Date: {}\r\n", now().to_rfc5322()));
        }
        if !content.header.has("Message-ID") {
            fields.push_str(&format!("Message-ID: <{trace}@{}>\r\n", self.guest.node.live().settings.name));
        }
        fields
    }

    fn received(&self, transaction: &Transaction, trace: &TraceId) -> String {
        let live = self.guest.node.live();
        let features =
            Features { tls: transaction.tls, auth: transaction.authenticated.is_some(), utf8: transaction.smtputf8 };
        let protocol = match (transaction.dialect, transaction.extended) {
            (Dialect::Lmtp, _) => Protocol::Lmtp(features),
            (_, true) => Protocol::Esmtp(features),
            (_, false) => Protocol::Smtp,
        };
        let only = match &transaction.recipients[..] {
            [recipient] => self.address(&recipient.path),
            _ => None,
        };
        let received = Received {
            helo: transaction.helo.as_deref().unwrap_or_default(),
            peer: Some(self.guest.peer.ip()),
            authenticated_as: None,
            by: &live.settings.name,
            protocol,
            tls: self.tls.as_deref(),
            id: trace.as_str(),
            recipient: only.as_ref(),
            date: now(),
        };
        received.to_string()
    }

    /// Delivers into each recipient's mailbox and answers for each (LMTP) or for all (SMTP).
    async fn deliver(&self, content: Box<Content>, held: Held, mark: TraceMark) -> Vec<Reply> {
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

    fn queue_trouble(&self, error: &queue::Error) -> Reply {
        tracing::error!(session = &*self.guest.session, %error, "the queue cannot take a message");
        match error {
            queue::Error::Full => Reply::new(452, (4, 3, 1), "Insufficient system storage"),
            queue::Error::TooLarge => Reply::new(452, (4, 5, 3), "Error: too many recipients"),
            _ => ours(),
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

impl House<proto::smtp::Server> for SmtpHouse {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::LogIn(credentials) => self.log_in(credentials).await,
            Ask::ReversePath { .. } => Answer::Go,
            Ask::ForwardPath { recipient, .. } => match self.forward_path(&recipient.path).await {
                Ok(()) => Answer::Go,
                Err(reply) => {
                    tracing::info!(session = &*self.guest.session, recipient = %recipient.path, reply = %reply, "recipient refused");
                    Answer::Refused(reply)
                }
            },
            Ask::Verify(text) => self.verify(&text).await,
            Ask::ContentBegin(transaction) => self.begin(*transaction).await,
            Ask::ContentEnd { .. } => Answer::Replies(self.end().await),
            Ask::Abandoned => {
                let content = self.content.take();
                tracing::info!(session = &*self.guest.session, begun = content.is_some(), "message abandoned");
                // Dropping it removes what is on disk.
                blocking(move || drop(content)).await;
                Answer::Go
            }
        }
    }

    fn encrypted(&mut self, how: String) {
        self.tls = Some(how);
    }

    async fn content(&mut self, bytes: Vec<u8>) {
        let Some(content) = &mut self.content else { return };
        content.header.feed(&bytes);
        content.pending.extend_from_slice(&bytes);
        if content.pending.len() >= CONTENT_PIECE {
            flush(content).await;
        }
    }
}

/// Hands pending content on. A failure is remembered, to be told at the content's end.
async fn flush(content: &mut Content) {
    let pending = std::mem::take(&mut content.pending);
    let kept = std::mem::replace(&mut content.kept, Kept::Lost(ours()));
    content.kept = match kept {
        Kept::Mailboxes(mut held) if !held.would_block(pending.len()) => match held.write(&pending) {
            Ok(()) => Kept::Mailboxes(held),
            Err(error) => lost(&error.into()),
        },
        Kept::Lost(reply) => Kept::Lost(reply),
        kept => blocking(move || keep(kept, &pending)).await,
    };
}

fn keep(mut kept: Kept, bytes: &[u8]) -> Kept {
    let result = match &mut kept {
        Kept::Queue(incoming) => incoming.write(bytes),
        Kept::Mailboxes(held) => held.write(bytes).map_err(queue::Error::from),
        Kept::Lost(_) => Ok(()),
    };
    match result {
        Ok(()) => kept,
        Err(error) => lost(&error),
    }
}

fn lost(error: &queue::Error) -> Kept {
    tracing::error!(%error, "cannot keep a message that arrives");
    Kept::Lost(match error {
        queue::Error::Full => Reply::new(452, (4, 3, 1), "Insufficient system storage"),
        _ => ours(),
    })
}

fn envelope(transaction: &Transaction, trace: TraceId, recipients: Vec<Recipient>) -> Envelope {
    Envelope {
        trace,
        reverse_path: transaction.reverse_path.clone(),
        recipients,
        body: transaction.body,
        smtputf8: transaction.smtputf8,
        envelope_id: transaction.envelope_id.clone(),
        return_headers_only: transaction.return_headers_only,
    }
}

fn queued(recipient: &ForwardRecipient, address: Address) -> Recipient {
    Recipient { address, original: recipient.original.clone(), notify: recipient.notify }
}

/// Our own fault: nothing is lost, because nothing was promised.
fn ours() -> Reply {
    Reply::new(451, (4, 3, 0), "Error: queue file write error")
}

fn unknown(path: &ForwardPath) -> Reply {
    Reply::new(550, (5, 1, 1), format!("<{path}>: Recipient address rejected: User unknown"))
}

fn now() -> DateTime {
    local::date_time(SystemTime::now())
}
