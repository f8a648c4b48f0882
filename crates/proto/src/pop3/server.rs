//! The POP3 server session: a machine that takes a client's bytes and gives responses and questions.
//!
//! Promises: messages are removed only after QUIT (RFC 1939 §6); a message is read in pieces and never held; TOP reads no
//! further than it must. This file runs the phases; `server/login` and `server/maildrop` carry out the commands,
//! `server/retrieve` streams.

mod login;
mod maildrop;
mod retrieve;

use std::sync::Arc;

use super::ask::{Answer, Ask, Refusal};
use super::command::{self, Command, Fault};
use super::profile::{Profile, Tls};
use super::response;
use crate::input::{Input, Line};
use crate::sasl::{Channel, Exchange, LastWords};
use crate::session::{Next, Outbox, Session};
use maildrop::{Listing, Maildrop};
use retrieve::Retrieval;

/// One client's session.
#[derive(Debug)]
pub struct Server {
    profile: Arc<Profile>,
    input: Input,
    out: Outbox,
    phase: Phase,
    ask: Option<Ask>,
    pending: Option<Pending>,
    in_tls: bool,
    channel: Option<Arc<Channel>>,
    /// The name that USER gave.
    user: Option<String>,
    /// UTF8 was said.
    utf8: bool,
    maildrop: Option<Box<Maildrop>>,
    bad_commands: u32,
    login_failures: u32,
    pause: bool,
    shutting_down: bool,
}

#[derive(Debug)]
enum Phase {
    Greeting,
    Commands,
    /// Waiting for a SASL response.
    Login(Exchange),
    /// The mechanism's last words were sent; then this is the verdict.
    LastWords(Answer),
    Listing(Listing),
    Retrieving(Box<Retrieval>),
    StartTls,
    Handshake,
    Ended,
}

#[derive(Debug)]
enum Pending {
    Sasl(Exchange),
    LogIn(LastWords),
    Open,
    Read,
    Quit { deleted: bool },
}

impl Server {
    pub fn new(profile: impl Into<Arc<Profile>>) -> Server {
        let profile = profile.into();
        Server {
            in_tls: profile.tls == Tls::On,
            channel: None,
            profile,
            input: Input::default(),
            out: Outbox::default(),
            phase: Phase::Greeting,
            ask: None,
            pending: None,
            user: None,
            utf8: false,
            maildrop: None,
            bad_commands: 0,
            login_failures: 0,
            pause: false,
            shutting_down: false,
        }
    }

    /// A session that says only this and closes, for a client that may not come in.
    pub fn turned_away(profile: impl Into<Arc<Profile>>, text: &str) -> Server {
        let mut session = Server::new(profile);
        session.end(&response::err(text));
        session
    }

    /// Does what can be done without asking or waiting. `None`: go on.
    fn step(&mut self) -> Option<Next<Ask>> {
        match &mut self.phase {
            Phase::Greeting => {
                let greeting = response::ok(&self.profile.banner);
                self.say(&greeting);
                self.phase = Phase::Commands;
                None
            }
            Phase::Commands | Phase::Login(_) | Phase::LastWords(_) => self.read_line(),
            Phase::Listing(_) => self.continue_listing(),
            Phase::Retrieving(_) => self.continue_retrieving(),
            Phase::StartTls => {
                // RFC 2595 §4: what came in the clear must not count once the session is protected.
                self.input.clear();
                self.phase = Phase::Handshake;
                None
            }
            Phase::Handshake => Some(if self.out.is_empty() { Next::StartTls } else { Next::Send(self.out.take()) }),
            Phase::Ended => Some(if self.out.is_empty() { Next::Close } else { Next::Send(self.out.take()) }),
        }
    }

    fn read_line(&mut self) -> Option<Next<Ask>> {
        if self.shutting_down {
            self.end(&response::err("[SYS/TEMP] Server shutting down."));
            return None;
        }
        match self.input.line(self.line_length_max()) {
            Line::Unfinished if self.out.is_empty() => {
                return Some(Next::NeedInput { patience: self.profile.limits.patience, watch: false });
            }
            Line::Unfinished => return Some(Next::Send(self.out.take())),
            line if self.in_exchange() => self.sasl_line(line),
            Line::TooLong => self.complain(&Fault::TooLong),
            Line::Whole(line) => match command::parse(&line, self.maildrop.is_some()) {
                Ok(command) => self.command(command),
                Err(fault) => self.complain(&fault),
            },
        }
        None
    }

    fn line_length_max(&self) -> usize {
        let limits = &self.profile.limits;
        let verb = self.input.unused().get(..5);
        let auth = self.in_exchange() || verb.is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        if auth { limits.auth_line_length_max } else { limits.line_length_max }
    }

    fn in_exchange(&self) -> bool {
        matches!(self.phase, Phase::Login(_) | Phase::LastWords(_))
    }

    fn command(&mut self, command: Command<'_>) {
        match command {
            Command::Capa => {
                let text = response::capabilities(
                    &self.profile,
                    self.in_tls,
                    self.channel.as_deref(),
                    self.maildrop.is_some(),
                );
                self.say(&text);
            }
            Command::Quit => self.quit(),
            Command::User(name) => self.user(name),
            Command::Pass(password) => self.pass(password),
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial),
            Command::Stls => self.start_tls(),
            Command::Noop => self.say(&response::ok("")),
            Command::Stat => self.stat(),
            Command::List(message) => self.list(message),
            Command::Uidl(message) => self.uidl(message),
            Command::Retr(message) => self.retrieve(message, None),
            Command::Top { message, lines } => self.retrieve(message, Some(lines)),
            Command::Dele(message) => self.delete(message),
            Command::Rset => self.reset(),
            Command::Last => self.last(),
            Command::Utf8 => {
                // Messages are given as they are, in this mode and without it.
                self.utf8 = true;
                self.say(&response::ok("UTF8 is on."));
            }
            Command::Lang(range) => self.say(&response::language(range)),
        }
    }

    fn start_tls(&mut self) {
        // RFC 6856 §2.1: the client must not.
        if self.utf8 {
            self.say(&response::err("STLS comes before UTF8."));
        } else if self.profile.tls == Tls::Offered && !self.in_tls {
            self.say(&response::ok("Begin TLS negotiation now."));
            self.phase = Phase::StartTls;
        } else if self.in_tls {
            self.say(&response::err("TLS is already active."));
        } else {
            self.say(&response::err("TLS support isn't enabled."));
        }
    }

    fn say(&mut self, text: &str) {
        self.out.push(text.as_bytes());
    }

    /// Tells a fault, and ends the session when there were too many.
    fn complain(&mut self, fault: &Fault) {
        self.say(&response::fault(fault, self.maildrop.is_some()));
        self.bad_commands += 1;
        if self.bad_commands >= self.profile.limits.bad_commands_max {
            self.end(&response::err("Too many bad commands."));
        }
    }

    fn ask(&mut self, ask: Ask, pending: Pending) {
        self.ask = Some(ask);
        self.pending = Some(pending);
    }

    /// Says a last word and closes. Nothing is removed (RFC 1939 §6).
    fn end(&mut self, last_word: &str) {
        self.say(last_word);
        self.input.clear();
        self.maildrop = None;
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
            if std::mem::take(&mut self.pause) {
                return Next::Pause(self.profile.limits.login_failure_pause);
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
            Some(Pending::Sasl(exchange)) => self.sasl_answered(exchange, &answer),
            Some(Pending::LogIn(last)) => self.login_answered(answer, last),
            Some(Pending::Open) => self.open_answered(answer),
            Some(Pending::Read) => self.read_answered(answer),
            Some(Pending::Quit { deleted }) => self.quit_answered(&answer, deleted),
            None => {}
        }
    }

    fn secured(&mut self, channel: Channel) {
        self.channel = Some(Arc::new(channel));
    }

    // RFC 2595 §4: the session starts again.
    fn tls_started(&mut self) {
        self.input.clear();
        self.in_tls = true;
        self.user = None;
        self.phase = Phase::Commands;
    }

    // RFC 1939 §3: the server closes without removing any messages or sending any response.
    fn timed_out(&mut self) {
        self.closed();
    }

    fn shut_down(&mut self) {
        self.shutting_down = true;
    }

    fn closed(&mut self) {
        self.ask = None;
        self.pending = None;
        self.out.take();
        self.pause = false;
        self.end("");
    }
}

/// Why, when an answer does not fit its question.
fn refusal_in(answer: &Answer) -> Refusal {
    if let Answer::Refused(refusal) = answer { *refusal } else { Refusal::Temporary }
}
