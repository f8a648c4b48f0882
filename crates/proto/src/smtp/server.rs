//! The SMTP and LMTP server session: a machine that takes a client's bytes and gives replies, questions and content.
//!
//! Promises: replies come in the order of the commands; content is handed on between `ContentBegin` and `ContentEnd` or
//! `Abandoned`, one of which always follows; nothing of a message is kept; whatever was pipelined before TLS is forgotten.
//! This file runs the phases; `server/login`, `server/envelope` and `server/intake` carry out the commands.

mod envelope;
mod intake;
mod login;

use std::sync::Arc;
use std::time::Duration;

use mail::Reply;

use super::ask::{Answer, Ask};
use super::command::{self, Command, Fault, Row};
use super::profile::{Auth, Profile, Tls};
use super::response;
use super::xclient::ClientAttributes;
use crate::input::{Input, Line};
use crate::sasl::{Channel, Exchange, LastWords};
use crate::session::{Next, Outbox, Session};
use envelope::Envelope;
use intake::Intake;

/// One client's session.
#[derive(Debug)]
pub struct Server {
    profile: Arc<Profile>,
    input: Input,
    out: Outbox,
    phase: Phase,
    /// The question to be handed out next.
    ask: Option<Ask>,
    /// The question that was handed out and not answered.
    pending: Option<Pending>,
    hello: Option<Hello>,
    in_tls: bool,
    channel: Option<Arc<Channel>>,
    account: Option<String>,
    envelope: Option<Box<Envelope>>,
    intake: Option<Box<Intake>>,
    errors: u32,
    junk_commands: u32,
    pause: bool,
    shutting_down: bool,
    gone: bool,
}

/// What the session is doing.
#[derive(Debug)]
enum Phase {
    Greeting,
    Commands,
    /// Waiting for a SASL response.
    Login(Exchange),
    /// The mechanism's last words were sent; then this is the verdict.
    LastWords(Answer),
    /// Content that DATA began.
    Content,
    /// Content that BDAT counts.
    Chunk(Chunk),
    /// A chunk that nobody wants.
    Swallow {
        left: u64,
        reply: Reply,
    },
    StartTls,
    Handshake,
    Ended,
}

/// One BDAT's share of the content.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    length: u64,
    left: u64,
    last: bool,
}

/// What the answer will be about.
#[derive(Debug)]
enum Pending {
    Sasl(Exchange),
    LogIn(LastWords),
    ReversePath(Box<Envelope>),
    ForwardPath(Box<super::ask::ForwardRecipient>),
    /// VRFY or ETRN.
    Asked,
    XClient(Box<ClientAttributes>),
    XForward,
    Begin(Option<Chunk>),
    End,
    Abandoned,
}

#[derive(Debug)]
struct Hello {
    name: String,
    extended: bool,
}

impl Server {
    pub fn new(profile: impl Into<Arc<Profile>>) -> Server {
        let profile = profile.into();
        Server {
            in_tls: profile.tls == Tls::On,
            profile,
            channel: None,
            input: Input::default(),
            out: Outbox::default(),
            phase: Phase::Greeting,
            ask: None,
            pending: None,
            hello: None,
            account: None,
            envelope: None,
            intake: None,
            errors: 0,
            junk_commands: 0,
            pause: false,
            shutting_down: false,
            gone: false,
        }
    }

    /// A session that says only this and closes, for a client that may not come in (RFC 5321 §3.1: 421 or 554).
    pub fn turned_away(profile: impl Into<Arc<Profile>>, reply: &Reply) -> Server {
        let mut session = Server::new(profile);
        session.end(reply);
        session
    }

    /// Does what can be done without asking or waiting. `None`: go on.
    fn step(&mut self) -> Option<Next<Ask>> {
        match &mut self.phase {
            Phase::Greeting => {
                let greeting = response::greeting(&self.profile);
                response::write(&mut self.out, &greeting);
                self.phase = Phase::Commands;
                None
            }
            Phase::Commands | Phase::Login(_) | Phase::LastWords(_) => self.read_line(),
            Phase::Content => self.read_content(),
            Phase::Chunk(chunk) => {
                let chunk = *chunk;
                self.read_chunk(chunk)
            }
            Phase::Swallow { .. } => self.swallow(),
            Phase::StartTls => {
                // RFC 3207 §6: what came in the clear must not count once the session is protected.
                self.input.clear();
                self.phase = Phase::Handshake;
                None
            }
            Phase::Handshake => Some(if self.out.is_empty() { Next::StartTls } else { Next::Send(self.out.take()) }),
            Phase::Ended => Some(if self.out.is_empty() { Next::Close } else { Next::Send(self.out.take()) }),
        }
    }

    fn read_line(&mut self) -> Option<Next<Ask>> {
        if self.shutting_down && self.envelope.is_none() && self.intake.is_none() {
            self.end(&response::shutting_down(&self.profile.hostname));
            return None;
        }
        match self.input.line(self.line_length_max()) {
            Line::Unfinished => return Some(self.starve(self.profile.limits.command_patience)),
            line if self.in_exchange() => self.sasl_line(line),
            Line::TooLong => self.counted(|session| session.reply(&response::fault(&Fault::TooLong))),
            Line::Whole(line) => self.counted(|session| session.command_line(&line)),
        }
        None
    }

    /// RFC 4954 §4.5: lines that hold a SASL response may be longer.
    fn line_length_max(&self) -> usize {
        let limits = &self.profile.limits;
        let verb = self.input.unused().get(..5);
        let auth = self.in_exchange() || verb.is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        if auth { limits.auth_line_length_max } else { limits.line_length_max }
    }

    fn in_exchange(&self) -> bool {
        matches!(self.phase, Phase::Login(_) | Phase::LastWords(_))
    }

    /// All input is used: send what there is, or read.
    fn starve(&mut self, patience: Duration) -> Next<Ask> {
        if self.out.is_empty() { Next::NeedInput { patience, watch: false } } else { Next::Send(self.out.take()) }
    }

    /// Carries out a command unless too many were wrong before it.
    fn counted(&mut self, carry_out: impl FnOnce(&mut Server)) {
        let limits = &self.profile.limits;
        self.pause = self.errors >= limits.errors_slow_after;
        if self.errors >= limits.errors_max {
            self.end(&response::too_many_errors(&self.profile.hostname));
        } else {
            carry_out(self);
        }
    }

    fn command_line(&mut self, line: &[u8]) {
        let profile = Arc::clone(&self.profile);
        let (row, argument) = match command::find(line, profile.dialect) {
            Ok(found) => found,
            Err(fault) => return self.reply(&response::fault(&fault)),
        };
        match (self.before_its_time(row), row.parse(argument, &profile)) {
            // What a chunk holds must not be read as commands, even if the chunk is refused.
            (Some(reply), Ok(Command::Bdat { length, .. })) => self.refuse_chunk(length, reply),
            (_, Err(Fault::BdatSyntax)) => self.end(&response::fault(&Fault::BdatSyntax)),
            (Some(reply), _) => self.reply(&reply),
            (None, Err(fault)) => self.reply(&response::fault(&fault)),
            (None, Ok(command)) => self.command(row, command),
        }
    }

    /// Why this command may not be given yet.
    fn before_its_time(&self, row: &Row) -> Option<Reply> {
        if self.profile.tls == Tls::Required && !self.in_tls && !row.before_tls {
            return Some(response::tls_first());
        }
        if self.profile.auth == Auth::Required && self.account.is_none() && !row.before_login {
            return Some(response::login_first());
        }
        None
    }

    fn command(&mut self, row: &Row, command: Command<'_>) {
        if row.junk {
            self.errors += u32::from(self.junk_commands > self.profile.limits.junk_commands_max);
            self.junk_commands += 1;
        }
        match command {
            Command::Helo { name, extended } => self.hello(name, extended),
            Command::StartTls => self.start_tls(),
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial),
            Command::Mail(mail) => self.mail(*mail),
            Command::Rcpt(rcpt) => self.rcpt(*rcpt),
            Command::Data => self.data(),
            Command::Bdat { length, last } => self.bdat(length, last),
            Command::Reset => {
                self.forget_transaction();
                self.reply(&response::ok());
            }
            Command::Noop => self.reply(&response::ok()),
            Command::Verify(_) if !self.profile.vrfy => self.reply(&response::verify_off()),
            Command::Verify(text) => self.ask(Ask::Verify(text.to_owned()), Pending::Asked),
            Command::Flush(_) if !self.profile.etrn => self.reply(&response::not_implemented()),
            // RFC 1985 §5.2: not within a transaction.
            Command::Flush(_) if self.in_transaction() => self.reply(&response::transaction_open()),
            Command::Flush(domain) => self.ask(Ask::Flush(domain), Pending::Asked),
            Command::XClient(_) | Command::XForward(_) if self.in_transaction() => {
                self.reply(&response::transaction_open());
            }
            Command::XClient(client) => self.ask(Ask::Client(client.clone()), Pending::XClient(client)),
            Command::XForward(client) => self.ask(Ask::Forwarded(client), Pending::XForward),
            Command::Expand => self.reply(&response::not_implemented()),
            Command::Help => self.reply(&response::help(self.profile.dialect)),
            Command::Quit => self.end(&response::bye()),
            Command::Http => self.end(&response::http()),
        }
    }

    // RFC 5321 §4.1.4: a second EHLO ends the transaction.
    fn hello(&mut self, name: &str, extended: bool) {
        self.forget_transaction();
        self.hello = Some(Hello { name: name.to_owned(), extended });
        self.reply(&response::hello(&self.profile, extended, self.in_tls, self.channel.as_deref()));
    }

    fn start_tls(&mut self) {
        match self.profile.tls {
            Tls::Off => self.reply(&response::not_implemented()),
            _ if self.in_tls => self.reply(&response::tls_active()),
            _ if self.in_transaction() => self.reply(&response::transaction_open()),
            _ => {
                self.reply(&response::start_tls());
                self.phase = Phase::StartTls;
            }
        }
    }

    /// XCLIENT: the session begins anew, for another client. What only peers of ours are offered, it is not.
    fn client_answered(&mut self, client: ClientAttributes, answer: Answer) {
        self.account = match answer {
            Answer::Go => None,
            Answer::LoggedIn { account } => Some(account),
            Answer::Refused(reply) => return self.reply(&reply),
            _ => return self.reply(&response::our_failure()),
        };
        self.hello = client.helo.map(|name| Hello { name, extended: client.extended });
        Arc::make_mut(&mut self.profile).trace = false;
        self.phase = Phase::Greeting;
    }

    fn in_transaction(&self) -> bool {
        self.envelope.is_some() || self.intake.is_some()
    }

    /// Writes a reply and counts it if it is a complaint.
    fn reply(&mut self, reply: &Reply) {
        self.errors += u32::from(reply.code >= 400);
        response::write(&mut self.out, reply);
    }

    fn ask(&mut self, ask: Ask, pending: Pending) {
        self.ask = Some(ask);
        self.pending = Some(pending);
    }

    /// Says a last word and closes.
    fn end(&mut self, reply: &Reply) {
        self.forget_transaction();
        response::write(&mut self.out, reply);
        self.input.clear();
        self.phase = Phase::Ended;
    }
}

impl Session for Server {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Ended | Phase::StartTls | Phase::Handshake) {
            self.input.push(bytes);
        }
    }

    fn next(&mut self) -> Next<Ask> {
        loop {
            if let Some(ask) = self.ask.take() {
                return Next::Ask(ask);
            }
            if self.gone {
                return Next::Close;
            }
            if std::mem::take(&mut self.pause) {
                return Next::Pause(self.profile.limits.error_pause);
            }
            if self.out.is_full() {
                return Next::Send(self.out.take());
            }
            if let Some(next) = self.step() {
                return next;
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        match self.pending.take() {
            Some(Pending::Sasl(exchange)) => self.sasl_answered(exchange, answer),
            Some(Pending::LogIn(last)) => self.login_answered(answer, last),
            Some(Pending::ReversePath(envelope)) => self.reverse_path_answered(envelope, answer),
            Some(Pending::ForwardPath(recipient)) => self.forward_path_answered(*recipient, answer),
            Some(Pending::Asked) => match answer {
                Answer::Reply(reply) | Answer::Refused(reply) => self.reply(&reply),
                _ => self.reply(&response::our_failure()),
            },
            Some(Pending::XClient(client)) => self.client_answered(*client, answer),
            Some(Pending::XForward) => match answer {
                Answer::Go => self.reply(&response::ok()),
                Answer::Refused(reply) => self.reply(&reply),
                _ => self.reply(&response::our_failure()),
            },
            Some(Pending::Begin(chunk)) => self.content_begin_answered(chunk, answer),
            Some(Pending::End) => self.content_end_answered(answer),
            Some(Pending::Abandoned) | None => {}
        }
    }

    fn secured(&mut self, channel: Channel) {
        self.channel = Some(Arc::new(channel));
    }

    // RFC 3207 §4.2: the session starts again; nothing said before counts.
    fn tls_started(&mut self) {
        self.input.clear();
        self.in_tls = true;
        self.hello = None;
        self.account = None;
        self.phase = Phase::Commands;
    }

    fn timed_out(&mut self) {
        self.end(&response::timed_out(&self.profile.hostname));
    }

    fn shut_down(&mut self) {
        self.shutting_down = true;
    }

    fn closed(&mut self) {
        self.gone = true;
        let (unasked, pending) = (self.ask.take(), self.pending.take());
        match (unasked, pending) {
            // It was about to be said anyway.
            (Some(Ask::Abandoned), _) => self.ask(Ask::Abandoned, Pending::Abandoned),
            // The house may have begun before its answer got lost.
            (None, Some(Pending::Begin(_))) => self.ask(Ask::Abandoned, Pending::Abandoned),
            // What it was asked to keep at the end is its own.
            (None, Some(Pending::End)) => self.intake = None,
            _ => self.forget_transaction(),
        }
        self.input.clear();
        self.phase = Phase::Ended;
    }
}
