//! The ManageSieve server session: a machine that takes a client's bytes and gives responses and questions.
//!
//! Promises: a script is held only while it is on its way, and only for who has logged in; commands are answered one after the
//! other, in their order. This file runs the phases; `server/login` carries out the logins.

mod login;

use std::sync::Arc;

use super::ask::{Answer, Ask, Refusal};
use super::command::{self, Command, Fault};
use super::profile::{Profile, Tls};
use super::reader::{Heard, Reader, Wanted, Words};
use super::response::{self, Asker};
use crate::input::Input;
use crate::sasl::{self, Channel, Exchange, LastWords};
use crate::session::{Next, Outbox, Session};

/// One client's session.
#[derive(Debug)]
pub struct Server {
    profile: Arc<Profile>,
    input: Input,
    out: Outbox,
    reader: Reader,
    phase: Phase,
    ask: Option<Ask>,
    pending: Option<Pending>,
    in_tls: bool,
    channel: Option<Arc<Channel>>,
    /// The user, once logged in.
    owner: Option<Box<str>>,
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
    /// The mechanism's words of refusal were sent; then this is the verdict.
    LastWords(Refusal),
    StartTls,
    Handshake,
    Ended,
}

#[derive(Debug)]
enum Pending {
    Sasl(Exchange),
    LogIn(LastWords),
    LogOut,
    /// What is said when it is done.
    Script(&'static str),
}

impl Server {
    pub fn new(profile: impl Into<Arc<Profile>>) -> Server {
        let profile = profile.into();
        Server {
            in_tls: profile.tls == Tls::On,
            profile,
            input: Input::default(),
            out: Outbox::default(),
            reader: Reader::default(),
            phase: Phase::Greeting,
            ask: None,
            pending: None,
            channel: None,
            owner: None,
            bad_commands: 0,
            login_failures: 0,
            pause: false,
            shutting_down: false,
        }
    }

    /// A session that says only this and closes, for a client that may not come in.
    pub fn turned_away(profile: impl Into<Arc<Profile>>, text: &str) -> Server {
        let mut session = Server::new(profile);
        session.end(&response::bye(text));
        session
    }

    /// Does what can be done without asking or waiting. `None`: go on.
    fn step(&mut self) -> Option<Next<Ask>> {
        match &self.phase {
            Phase::Greeting => {
                let profile = Arc::clone(&self.profile);
                self.greet(&profile.banner);
                None
            }
            Phase::Commands | Phase::Login(_) | Phase::LastWords(_) => self.read(),
            Phase::StartTls => {
                // RFC 5804 §2.2: what came in the clear must not count once the session is protected.
                self.input.clear();
                self.phase = Phase::Handshake;
                None
            }
            Phase::Handshake => Some(if self.out.is_empty() { Next::StartTls } else { Next::Send(self.out.take()) }),
            Phase::Ended => Some(if self.out.is_empty() { Next::Close } else { Next::Send(self.out.take()) }),
        }
    }

    fn read(&mut self) -> Option<Next<Ask>> {
        if self.shutting_down {
            self.end(&response::bye("Server shutting down."));
            return None;
        }
        let is_command = matches!(self.phase, Phase::Commands);
        let kept_max = if self.owner.is_some() { self.profile.limits.script_size_max } else { sasl::LINE_LENGTH_MAX };
        match self.reader.read(&mut self.input, Wanted { command: is_command, kept_max }) {
            Heard::Words(words) if is_command => self.words(words),
            Heard::Words(words) => self.sasl_response(words.strings),
            Heard::Malformed if is_command => self.bad(&response::no("Syntax error.")),
            Heard::Malformed => self.sasl_response(Vec::new()),
            Heard::Hopeless => self.end(&response::bye("Command too long.")),
            Heard::Unfinished if self.out.is_empty() => {
                return Some(Next::NeedInput { patience: self.profile.limits.patience, watch: false });
            }
            Heard::Unfinished => return Some(Next::Send(self.out.take())),
        }
        None
    }

    fn words(&mut self, words: Words) {
        match command::parse(words, self.owner.is_some()) {
            Ok(command) => self.command(command),
            Err(fault) => {
                let text = response::fault(&fault, self.profile.limits.script_size_max as u64);
                match fault {
                    Fault::Name(_) | Fault::TooLarge(_) => self.say(&text),
                    Fault::Unknown | Fault::NotNow(_) | Fault::Arguments => self.bad(&text),
                }
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Capability => {
                let text = self.capabilities() + &response::ok("Capability completed.");
                self.say(&text);
            }
            Command::StartTls => self.start_tls(),
            Command::Logout => self.end(&response::ok("Logout completed.")),
            Command::Noop(None) => self.say(&response::ok("NOOP completed.")),
            Command::Noop(Some(tag)) => self.say(&response::noop_tagged(&tag)),
            Command::Authenticate { mechanism, initial } => self.authenticate(&mechanism, initial.as_deref()),
            Command::Unauthenticate => self.ask(Ask::LogOut, Pending::LogOut),
            Command::Script { ask, done } => self.ask(ask, Pending::Script(done)),
        }
    }

    fn script_answered(&mut self, answer: Answer, done: &str) {
        match answer {
            Answer::Done => self.say(&response::ok(done)),
            Answer::Warned(warnings) => self.say(&response::warned(&warnings)),
            Answer::Scripts(scripts) => {
                let text = response::list(&scripts) + &response::ok(done);
                self.say(&text);
            }
            Answer::Content(content) => {
                self.out.push(&response::content(&content));
                self.say(&response::ok(done));
            }
            other @ (Answer::Refused(_) | Answer::Sasl(_) | Answer::Welcome(_)) => {
                self.say(&response::refusal(&refusal_in(other)));
            }
        }
    }

    fn start_tls(&mut self) {
        if self.in_tls {
            self.say(&response::no("TLS is already active."));
        } else if self.profile.tls == Tls::Offered {
            self.say(&response::ok("Begin TLS negotiation now."));
            self.phase = Phase::StartTls;
        } else {
            self.say(&response::no("TLS support isn't enabled."));
        }
    }

    fn capabilities(&self) -> String {
        let (channel, owner) = (self.channel.as_deref(), self.owner.as_deref());
        response::capabilities(&self.profile, Asker { in_tls: self.in_tls, channel, owner })
    }

    fn say(&mut self, text: &str) {
        self.out.push(text.as_bytes());
    }

    /// Tells a fault, and ends the session when there were too many.
    fn bad(&mut self, text: &str) {
        self.say(text);
        self.bad_commands += 1;
        if self.bad_commands >= self.profile.limits.bad_commands_max {
            self.end(&response::bye("Too many bad commands."));
        }
    }

    fn ask(&mut self, ask: Ask, pending: Pending) {
        self.ask = Some(ask);
        self.pending = Some(pending);
    }

    fn end(&mut self, last_word: &str) {
        self.say(last_word);
        self.input.clear();
        self.reader = Reader::default();
        self.phase = Phase::Ended;
    }

    fn greet(&mut self, text: &str) {
        let greeting = self.capabilities() + &response::ok(text);
        self.say(&greeting);
        self.phase = Phase::Commands;
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
            Some(Pending::LogOut) => self.logout_answered(answer),
            Some(Pending::Script(done)) => self.script_answered(answer, done),
            None => {}
        }
    }

    fn secured(&mut self, channel: Channel) {
        self.channel = Some(Arc::new(channel));
    }

    // RFC 5804 §2.2: after the handshake the server gives its capabilities again.
    fn tls_started(&mut self) {
        self.input.clear();
        self.reader = Reader::default();
        self.in_tls = true;
        self.greet("TLS negotiation successful.");
    }

    fn timed_out(&mut self) {
        self.end(&response::bye("Disconnected for inactivity."));
    }

    fn shut_down(&mut self) {
        self.shutting_down = true;
    }

    fn closed(&mut self) {
        self.ask = None;
        self.pending = None;
        self.pause = false;
        self.end("");
        self.out.take();
    }
}

/// Why, when an answer does not fit its question.
fn refusal_in(answer: Answer) -> Refusal {
    if let Answer::Refused(refusal) = answer { refusal } else { Refusal::Temporary }
}
