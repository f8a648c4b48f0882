//! Answers an SMTP or LMTP session: who may send, who is here, and where content goes.
//!
//! Submission and relayed mail go into the queue. The mailbox role delivers before it answers (`deliver::local`), and queues
//! only what could not be delivered while something else was.

mod client;
mod intake;
mod into_mailboxes;
mod into_queue;
mod policy;
mod recipients;
mod screen;
mod sender;
mod sending;
mod signature;

use std::time::{Instant, SystemTime};

use directory::chain::LogIn;
use mail::address::AddressError;
use mail::date::DateTime;
use mail::{Address, Domain, ForwardPath, Reply, ReversePath, TraceMark};
use proto::smtp::{Answer, Ask, Dialect, Transaction};

use super::{Guest, HOPS_MAX, blocking};
use crate::config::PolicyStage;
use crate::deliver::local;
use crate::driver::House;
use crate::policy::Policies;
use crate::rates::Event;
use intake::{Content, Kept};
use policy::Said;
use recipients::Way;

/// The house of one SMTP or LMTP session.
#[derive(Debug)]
pub struct SmtpHouse {
    guest: Guest,
    dialect: Dialect,
    /// Version and cipher, once the connection is encrypted.
    tls: Option<String>,
    /// Who logged in.
    login: Option<String>,
    /// The groups that he is in.
    groups: Vec<String>,
    content: Option<Box<Content>>,
    policies: Policies,
    said: Said,
    /// How many have begun.
    transactions: u64,
}

impl SmtpHouse {
    pub fn new(guest: Guest, dialect: Dialect) -> SmtpHouse {
        SmtpHouse {
            guest,
            dialect,
            tls: None,
            login: None,
            groups: Vec::new(),
            content: None,
            policies: Policies::default(),
            said: Said::default(),
            transactions: 0,
        }
    }

    async fn log_in(&mut self, credentials: proto::sasl::Credentials) -> Answer {
        if let Err(reply) = self.within_rate(Event::LogIn) {
            return Answer::Refused(reply);
        }
        match self.guest.log_in(credentials).await {
            LogIn::Welcome { account, .. } => {
                self.login = Some(account.name.clone());
                self.groups = account.groups();
                Answer::LoggedIn { account: account.name }
            }
            LogIn::Refused(_) => Answer::Refused(Reply::new(535, (5, 7, 8), "Error: authentication failed")),
            LogIn::Unavailable(_) => Answer::Refused(cannot_say()),
        }
    }

    async fn sender(&self, path: &ReversePath) -> Result<(), Reply> {
        self.within_rate(Event::Message)?;
        self.may_send_as(path).await
    }

    async fn recipient(&mut self, path: &ForwardPath) -> Result<(), Reply> {
        self.within_rate(Event::Recipient)?;
        self.forward_path(path).await?;
        let address = self.address(path);
        self.ask_policy(PolicyStage::Recipient, address.as_ref()).await
    }

    /// Whether the client does this too often. The words are Postfix's.
    fn within_rate(&self, event: Event) -> Result<(), Reply> {
        let (live, client) = (self.guest.node.live(), self.guest.peer.ip());
        // LMTP's clients are layers of the platform.
        if self.dialect == Dialect::Lmtp
            || self.guest.node.smtp_clients.allows(event, client, &live.settings.smtp.limits, Instant::now())
        {
            return Ok(());
        }
        let what = match event {
            Event::Connection => "many connections",
            Event::Message => "much mail",
            Event::Recipient => "many recipients",
            Event::LogIn => "many AUTH commands",
        };
        tracing::warn!(session = &*self.guest.session, %client, what, "too often");
        Err(Reply::new(450, (4, 7, 1), format!("Error: too {what} from {client}")))
    }

    /// VRFY tells what RCPT would (RFC 5321 §3.5.3): 252 for whom it would take.
    async fn verify(&self, text: &str) -> Answer {
        let inner = text.trim().trim_start_matches('<').trim_end_matches('>');
        let path = match ForwardPath::parse(inner) {
            Ok(path) => path,
            Err(AddressError::NoDomain) => {
                return Answer::Refused(Reply::new(550, (5, 1, 1), format!("<{inner}>: User unknown")));
            }
            Err(_) => return Answer::Refused(Reply::new(501, (5, 1, 3), "Bad recipient address syntax")),
        };
        match self.forward_path(&path).await {
            Ok(()) => Answer::Reply(Reply::new(252, (2, 0, 0), inner)),
            Err(reply) => Answer::Refused(reply),
        }
    }

    /// ETRN for the domains that we keep mail for. The words, and that they have no enhanced status, are Postfix's.
    fn flush(&self, domain: &Domain) -> Answer {
        let (node, live) = (&self.guest.node, self.guest.node.live());
        if !live.settings.is_local(domain) && !live.settings.relay.domains.contains(domain) {
            return Answer::Refused(Reply::plain(459, format!("<{domain}>: service unavailable")));
        }
        node.outgoing.flush_to(domain);
        Answer::Reply(Reply::plain(250, "Queuing started"))
    }

    async fn begin(&mut self, transaction: Transaction) -> Answer {
        self.said.recipients = transaction.recipients.len();
        let asked = self.ask_policy(PolicyStage::Data, only(&transaction, self).as_ref()).await;
        let may_send = match asked {
            Ok(()) => self.may_send(&transaction).await,
            refused => refused,
        };
        if let Err(reply) = may_send {
            return Answer::Refused(reply);
        }
        let is_here = |path| self.address(path).is_some_and(|address| self.way(&address) == Way::Here);
        let any_here = transaction.recipients.iter().any(|recipient| is_here(&recipient.path));
        match Content::begin(&self.guest.node, self.guest.protocol, any_here, transaction) {
            Ok(content) => {
                self.content = Some(Box::new(content));
                Answer::Go
            }
            Err(error) => Answer::Refused(self.queue_trouble(&error)),
        }
    }

    async fn end(&mut self, size: u64) -> Vec<Reply> {
        let Some(mut content) = self.content.take() else { return vec![ours()] };
        self.said.size = size;
        if let Err(reply) = self.ask_policy(PolicyStage::EndOfMessage, only(&content.transaction, self).as_ref()).await
        {
            return self.to_all(&content, reply);
        }
        content.complete();
        if content.header.hops() >= HOPS_MAX {
            return self.to_all(&content, Reply::new(554, (5, 4, 6), "Error: too many hops"));
        }
        let mark = self.mark(&content);
        let ours = match self.screen(&mut content, &mark.id).await {
            Ok(ours) => ours,
            Err(reply) => return self.to_all(&content, reply),
        };
        match content.end().await {
            Kept::Lost(reply) => self.to_all(&content, reply),
            Kept::Queue(incoming) => vec![self.enqueue(&mut content, *incoming, mark.id, ours).await],
            Kept::Mailboxes(held) => self.deliver(content, held, mark, ours).await,
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

    fn queue_trouble(&self, error: &queue::Error) -> Reply {
        tracing::error!(session = &*self.guest.session, %error, "the queue cannot take a message");
        match error {
            queue::Error::Full => Reply::new(452, (4, 3, 1), "Insufficient system storage"),
            queue::Error::TooLarge => Reply::new(452, (4, 5, 3), "Error: too many recipients"),
            _ => ours(),
        }
    }
}

impl House<proto::smtp::Server> for SmtpHouse {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(ask) => match self.guest.sasl(ask).await {
                Some(answer) => Answer::Sasl(answer),
                None => Answer::Refused(cannot_say()),
            },
            Ask::LogIn(credentials) => self.log_in(credentials).await,
            Ask::ReversePath { path, helo, extended, size, .. } => {
                self.transactions += 1;
                self.said(&path, size, helo, extended);
                self.sender(&path).await.map_or_else(Answer::Refused, |()| Answer::Go)
            }
            Ask::ForwardPath { recipient, .. } => match self.recipient(&recipient.path).await {
                Ok(()) => Answer::Go,
                Err(reply) => {
                    tracing::info!(session = &*self.guest.session, recipient = %recipient.path, reply = %reply, "recipient refused");
                    Answer::Refused(reply)
                }
            },
            Ask::Client(client) => self.speaks_for(*client).await,
            Ask::Forwarded(client) => self.forwarded_for(&client),
            Ask::Verify(text) => self.verify(&text).await,
            Ask::Flush(domain) => self.flush(&domain),
            Ask::ContentBegin(transaction) => self.begin(*transaction).await,
            Ask::ContentEnd { size } => Answer::Replies(self.end(size).await),
            Ask::Abandoned => {
                let content = self.content.take();
                tracing::info!(session = &*self.guest.session, begun = content.is_some(), "message abandoned");
                // Dropping it removes what is on disk.
                blocking(move || drop(content)).await;
                Answer::Go
            }
        }
    }

    // RFC 3207 §4.2: whoever logged in before TLS is nobody again.
    fn encrypted(&mut self, how: String) {
        self.tls = Some(how);
        self.login = None;
        self.groups.clear();
    }

    async fn content(&mut self, bytes: Vec<u8>) {
        let Some(content) = &mut self.content else { return };
        content.take_in(&bytes).await;
    }
}

/// The recipient, where there is one only.
fn only(transaction: &Transaction, house: &SmtpHouse) -> Option<Address> {
    match &transaction.recipients[..] {
        [recipient] => house.address(&recipient.path),
        _ => None,
    }
}

/// RFC 4954 §4: 454 keeps mail programs from asking the user for another password.
fn cannot_say() -> Reply {
    Reply::new(454, (4, 7, 0), "Temporary authentication failure")
}

/// Our own fault: nothing is lost, because nothing was promised.
fn ours() -> Reply {
    Reply::new(451, (4, 3, 0), "Error: queue file write error")
}

fn now() -> DateTime {
    local::date_time(SystemTime::now())
}
