//! The SMTP and LMTP client session: delivers messages over one connection.
//!
//! Promises: each message it was given gets exactly one `Report` with one outcome a recipient, in order, whatever the peer
//! does; a recipient is `Delivered` only when the peer took responsibility for it; content never gets out in a form in which a
//! bare newline or a dot could end it. After the final dot was sent and its answer got lost the outcome is `Deferred`:
//! the message may then arrive twice (RFC 5321 §4.5.4.1), which is better than not at all.
//! Does not know where it is connected to, nor what becomes of an outcome.

mod ask;
mod envelope;
mod hello;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mail::{Outcome, Reply};

pub use ask::{Answer, Ask, ClientProfile, ClientTls, Job, Patience, Report};
use hello::Offers;

use super::peer_reply::{Heard, ReplyReader};
use super::profile::Dialect;
use crate::input::Input;
use crate::session::{Next, Outbox, Session};
use crate::stuffing::Stuffer;

/// One connection to a peer.
#[derive(Debug)]
pub struct Client {
    profile: Arc<ClientProfile>,
    input: Input,
    out: Outbox,
    reader: ReplyReader,
    phase: Phase,
    /// What the next replies will be about, in order.
    awaited: VecDeque<Awaited>,
    ask: Option<Ask>,
    offers: Offers,
    in_tls: bool,
    tls_failed: bool,
    delivery: Option<Delivery>,
    /// The peer still holds a transaction that we gave up.
    needs_reset: bool,
    shutting_down: bool,
    /// The connection is of no more use.
    broken: bool,
    /// The peer said something since the message was begun.
    heard: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before the first message is known.
    Start,
    Hello,
    Handshake,
    Envelope,
    Content,
    ContentEnd,
    /// The report is out; the next message may come.
    Between,
    Quit,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Mail,
    /// The recipient of this index.
    Rcpt(usize),
    Data,
    /// After the final dot: for all accepted recipients.
    End,
    /// After the final dot, LMTP: for the recipient of this index.
    EndOf(usize),
    /// After the final dot of a message that nobody shall get.
    EndOfNothing,
    Reset,
    Quit,
}

/// The message that is being delivered.
#[derive(Debug)]
struct Delivery {
    job: Job,
    outcomes: Vec<Option<Outcome>>,
    mail_sent: bool,
    mail_accepted: bool,
    /// How many RCPTs were sent.
    recipients_sent: usize,
    data_sent: bool,
    /// Indices of the recipients that the peer accepted.
    accepted: Vec<usize>,
    stuffer: Stuffer,
    offset: u64,
}

impl Client {
    /// For a connection that has just been made. The first question is for a message: without one nothing is said.
    pub fn new(profile: impl Into<Arc<ClientProfile>>) -> Client {
        let profile = profile.into();
        Client {
            in_tls: profile.tls == ClientTls::On,
            profile,
            input: Input::default(),
            out: Outbox::default(),
            reader: ReplyReader::default(),
            phase: Phase::Start,
            awaited: VecDeque::new(),
            ask: Some(Ask::NextMessage),
            offers: Offers::default(),
            tls_failed: false,
            delivery: None,
            needs_reset: false,
            shutting_down: false,
            broken: false,
            heard: false,
        }
    }

    fn command(&mut self, line: &str, awaited: Awaited) {
        self.out.push(line.as_bytes());
        self.out.push(b"\r\n");
        self.awaited.push_back(awaited);
    }

    fn wait(&mut self) -> Option<Next<Ask>> {
        match self.reader.read(&mut self.input) {
            Heard::Reply(reply) => self.heard(&reply),
            Heard::Nonsense => self.lose(&Reply::new(451, (4, 5, 0), "the peer does not speak the protocol")),
            Heard::Unfinished => {
                let patience =
                    self.awaited.front().map_or(self.profile.patience.other, |awaited| self.patience(*awaited));
                return Some(Next::NeedInput { patience, watch: false });
            }
        }
        None
    }

    fn patience(&self, awaited: Awaited) -> Duration {
        let patience = &self.profile.patience;
        match awaited {
            Awaited::Greeting => patience.greeting,
            Awaited::Mail => patience.mail,
            Awaited::Rcpt(_) => patience.rcpt,
            Awaited::Data => patience.data,
            Awaited::End | Awaited::EndOf(_) | Awaited::EndOfNothing => patience.content_end,
            Awaited::Ehlo | Awaited::Helo | Awaited::StartTls | Awaited::Auth | Awaited::Reset => patience.other,
            Awaited::Quit => patience.quit,
        }
    }

    fn heard(&mut self, reply: &Reply) {
        let awaited = self.awaited.pop_front();
        self.heard = true;
        // RFC 5321 §3.8: the server is closing, whatever we have asked.
        if reply.code == 421 && awaited != Some(Awaited::Quit) {
            return self.lose(reply);
        }
        match awaited {
            Some(Awaited::Greeting) => self.greeted(reply),
            Some(Awaited::Ehlo) => self.hello_answered(reply),
            Some(Awaited::Helo) => self.helo_answered(reply),
            Some(Awaited::StartTls) => self.start_tls_answered(reply),
            Some(Awaited::Auth) => self.auth_answered(reply),
            Some(Awaited::Mail) => self.mail_answered(reply),
            Some(Awaited::Rcpt(index)) => self.rcpt_answered(index, reply),
            Some(Awaited::Data) => self.data_answered(reply),
            Some(Awaited::End) => self.settle_accepted(reply),
            Some(Awaited::EndOf(index)) => self.settle(index, reply),
            Some(Awaited::EndOfNothing) => {}
            Some(Awaited::Reset) => {
                self.needs_reset = false;
                self.start_envelope();
            }
            Some(Awaited::Quit) => self.phase = Phase::Ended,
            None => self.lose(&Reply::new(451, (4, 5, 0), "the peer answers what was not asked")),
        }
    }

    /// All replies are in: what is next? `None`: look again.
    fn advance(&mut self) -> Option<Next<Ask>> {
        match self.phase {
            Phase::Start | Phase::Between | Phase::Hello => return self.wait(),
            Phase::Handshake => return Some(Next::StartTls),
            Phase::Envelope => self.continue_envelope(),
            Phase::Content => {
                self.ask = Some(Ask::Content { offset: self.delivery.as_ref().map_or(0, |delivery| delivery.offset) })
            }
            Phase::ContentEnd => self.report(),
            Phase::Quit | Phase::Ended => return Some(Next::Close),
        }
        None
    }

    /// The connection is lost or of no more use: whoever has no outcome yet is deferred.
    fn lose(&mut self, reply: &Reply) {
        self.broken = true;
        self.awaited.clear();
        self.input.clear();
        self.out.take();
        self.settle_rest(&Outcome::Deferred(deferral(reply)));
        self.phase = Phase::Ended;
        if !matches!(self.ask, Some(Ask::Report(_))) {
            self.ask = None;
        }
        self.report();
    }

    fn lose_connection(&mut self, what: &str) {
        let text = match self.phase {
            Phase::ContentEnd => format!("{what} after the content was sent; the message may arrive twice"),
            Phase::Start | Phase::Hello | Phase::Handshake => format!("{what} while greeting"),
            Phase::Content => format!("{what} while sending the content"),
            Phase::Envelope | Phase::Between | Phase::Quit | Phase::Ended => what.to_owned(),
        };
        self.lose(&Reply::new(451, (4, 4, 2), text));
    }

    /// One outcome a recipient, and the message is off our hands.
    fn report(&mut self) {
        let Some(delivery) = self.delivery.take() else { return };
        let missing = || Outcome::Deferred(Reply::new(451, (4, 5, 0), "the peer gave no answer"));
        let outcomes = delivery.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect();
        self.ask = Some(Ask::Report(Report {
            outcomes,
            tls: self.in_tls,
            dsn: self.offers.dsn,
            tls_failed: self.tls_failed,
            unheard: self.broken && !self.heard,
        }));
        if !self.broken {
            self.phase = Phase::Between;
        }
    }

    fn quit(&mut self) {
        self.command("QUIT", Awaited::Quit);
        self.phase = Phase::Quit;
    }

    fn message(&mut self, job: Job) {
        self.heard = false;
        let outcomes = vec![None; job.recipients.len()];
        self.delivery = Some(Delivery {
            job,
            outcomes,
            mail_sent: false,
            mail_accepted: false,
            recipients_sent: 0,
            data_sent: false,
            accepted: Vec::new(),
            stuffer: Stuffer::default(),
            offset: 0,
        });
        match self.phase {
            _ if self.broken => self.lose_connection("the connection was lost"),
            Phase::Start => {
                self.phase = Phase::Hello;
                self.awaited.push_back(Awaited::Greeting);
            }
            _ if self.needs_reset => {
                self.command("RSET", Awaited::Reset);
                self.phase = Phase::Hello;
            }
            _ => self.start_envelope(),
        }
    }

    fn content(&mut self, bytes: &[u8]) {
        let Some(delivery) = &mut self.delivery else { return };
        delivery.offset += bytes.len() as u64;
        let stuffed = delivery.stuffer.push(bytes);
        self.out.push(&stuffed);
    }

    fn content_end(&mut self) {
        let Some(delivery) = &mut self.delivery else { return };
        self.out.push(std::mem::take(&mut delivery.stuffer).finish());
        self.phase = Phase::ContentEnd;
        match self.profile.dialect {
            // RFC 2033 §4.2: one reply for each recipient that was accepted, in their order.
            Dialect::Lmtp => self.awaited.extend(delivery.accepted.iter().map(|index| Awaited::EndOf(*index))),
            Dialect::Smtp | Dialect::Submission => self.awaited.push_back(Awaited::End),
        }
    }
}

/// A reply as the reason of a deferral: never a permanent one.
fn deferral(reply: &Reply) -> Reply {
    if reply.is_transient() { reply.clone() } else { Reply::new(451, (4, 3, 0), reply.to_string()) }
}

impl Session for Client {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        if !self.broken && self.phase != Phase::Handshake {
            self.input.push(bytes);
        }
    }

    fn next(&mut self) -> Next<Ask> {
        loop {
            if let Some(ask) = self.ask.take() {
                return Next::Ask(ask);
            }
            if self.broken {
                return Next::Close;
            }
            if !self.out.is_empty() {
                return Next::Send(self.out.take());
            }
            let next = if self.awaited.is_empty() { self.advance() } else { self.wait() };
            if let Some(next) = next {
                return next;
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        match (answer, self.phase) {
            (Answer::Message(job), Phase::Start | Phase::Between | Phase::Ended) => self.message(job),
            (Answer::NoMore, Phase::Between) => self.quit(),
            (Answer::NoMore, _) => self.phase = Phase::Ended,
            (Answer::Bytes(bytes), Phase::Content) => self.content(&bytes),
            (Answer::ContentEnd, Phase::Content) => self.content_end(),
            // RFC 5321 §4.1.1.4: without the final dot the peer has nothing; closing is the only way to say so.
            (Answer::ContentFailed, Phase::Content) => {
                self.lose(&Reply::new(451, (4, 3, 0), "the content cannot be read"))
            }
            (Answer::Go, Phase::Between) if self.shutting_down => self.quit(),
            (Answer::Go, Phase::Between) => self.ask = Some(Ask::NextMessage),
            (Answer::Go, _) => {}
            (_, _) => self.lose(&Reply::new(451, (4, 3, 0), "internal failure")),
        }
    }

    fn tls_started(&mut self) {
        // RFC 3207 §4.2: whatever was heard before counts no more.
        self.input.clear();
        self.reader = ReplyReader::default();
        self.in_tls = true;
        self.offers = Offers::default();
        self.say_hello();
    }

    fn timed_out(&mut self) {
        self.lose_connection("the peer was silent for too long");
    }

    fn shut_down(&mut self) {
        self.shutting_down = true;
    }

    /// The handshake after `StartTls` failed. The connection is lost with it; the report says so, and the house may try
    /// again without TLS where the profile is only opportunistic (RFC 7435 §3).
    fn tls_failed(&mut self) {
        self.tls_failed = true;
        self.lose(&Reply::new(454, (4, 7, 5), "TLS handshake failed"));
    }

    fn closed(&mut self) {
        self.lose_connection("the connection was lost");
    }
}
