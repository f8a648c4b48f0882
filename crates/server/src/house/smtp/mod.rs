//! Answers an SMTP or LMTP session: who may send, who is here, and where content goes.
//!
//! Submission puts content into the queue. The mailbox role delivers it before it answers (`deliver::local`), and queues
//! only what could not be delivered while something else was.

mod intake;
mod into_mailboxes;
mod into_queue;

use std::time::SystemTime;

use directory::Account;
use directory::chain::{LogIn, Recipient};
use mail::date::DateTime;
use mail::{Address, ForwardPath, Reply, TraceMark};
use proto::smtp::{Answer, Ask, Dialect, Transaction};

use super::{Guest, HOPS_MAX, blocking};
use crate::config::NextHop;
use crate::deliver::local;
use crate::driver::House;
use crate::quota;
use intake::{Content, Kept};

/// The house of one SMTP or LMTP session.
#[derive(Debug)]
pub struct SmtpHouse {
    guest: Guest,
    dialect: Dialect,
    /// Version and cipher, once the connection is encrypted.
    tls: Option<String>,
    content: Option<Box<Content>>,
}

impl SmtpHouse {
    pub fn new(guest: Guest, dialect: Dialect) -> SmtpHouse {
        SmtpHouse { guest, dialect, tls: None, content: None }
    }

    async fn log_in(&mut self, credentials: proto::sasl::Credentials) -> Answer {
        match self.guest.log_in(credentials).await {
            LogIn::Welcome { account, .. } => Answer::LoggedIn { account: account.name },
            LogIn::Refused(_) => Answer::Refused(Reply::new(535, (5, 7, 8), "Error: authentication failed")),
            LogIn::Unavailable(_) => Answer::Refused(cannot_say()),
        }
    }

    async fn forward_path(&self, path: &ForwardPath) -> Result<(), Reply> {
        let live = self.guest.node.live();
        let Some(address) = self.address(path) else { return Err(unknown(path)) };
        if self.dialect == Dialect::Submission && live.settings.next_hop(address.domain()) == NextHop::Unknown {
            return Err(Reply::new(550, (5, 1, 2), format!("<{path}>: no route to this domain")));
        }
        if live.settings.is_local(address.domain()) {
            return match live.directory.recipient(&address).await {
                Recipient::Account(account) if self.dialect != Dialect::Submission => {
                    self.room_for(&address, account).await
                }
                Recipient::Account(_) | Recipient::Forward { .. } => Ok(()),
                Recipient::Unknown => Err(unknown(path)),
                Recipient::TooMany(why) => Err(local::too_many(&address, &why)),
                Recipient::Unavailable(why) => Err(local::unavailable(&address, &why)),
            };
        }
        if self.dialect != Dialect::Submission {
            return Err(Reply::new(554, (5, 7, 1), format!("<{path}>: Relay access denied")));
        }
        Ok(())
    }

    /// Whoever is full is refused before the content comes.
    async fn room_for(&self, address: &Address, account: Account) -> Result<(), Reply> {
        let node = self.guest.node.clone();
        // Most are not limited, and need no disk thread to tell.
        if !quota::is_limited(&node, &account) || !blocking(move || quota::is_full(&node, &account)).await {
            return Ok(());
        }
        Err(quota::refused(&self.guest.node, address).reply().clone())
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

    fn begin(&mut self, transaction: Transaction) -> Answer {
        match Content::begin(&self.guest.node, self.dialect, transaction) {
            Ok(content) => {
                self.content = Some(Box::new(content));
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
        let mark = self.mark(&content);
        match content.end().await {
            Kept::Lost(reply) => self.to_all(&content, reply),
            Kept::Queue(incoming) => vec![self.enqueue(&mut content, *incoming, mark.id).await],
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
            Ask::ReversePath { .. } => Answer::Go,
            Ask::ForwardPath { recipient, .. } => match self.forward_path(&recipient.path).await {
                Ok(()) => Answer::Go,
                Err(reply) => {
                    tracing::info!(session = &*self.guest.session, recipient = %recipient.path, reply = %reply, "recipient refused");
                    Answer::Refused(reply)
                }
            },
            Ask::Verify(text) => self.verify(&text).await,
            Ask::ContentBegin(transaction) => self.begin(*transaction),
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
        content.take_in(&bytes).await;
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

fn unknown(path: &ForwardPath) -> Reply {
    Reply::new(550, (5, 1, 1), format!("<{path}>: Recipient address rejected: User unknown"))
}

fn now() -> DateTime {
    local::date_time(SystemTime::now())
}
