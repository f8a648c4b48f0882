//! The ManageSieve server session. It has nothing to ask: there are no scripts yet.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::command::{Command, Heard, Reader};
use super::response;
use crate::input::Input;
use crate::session::{Next, Outbox, Session};

/// Bounds of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// After so many commands that are none the session ends.
    pub bad_commands_max: u32,
    /// Silence before the session is closed. RFC 5804 §1.6 wants at least 30 minutes.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bad_commands_max: 20, patience: Duration::from_secs(1800) }
    }
}

/// One listener's manners, shared by all its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What stands in the greeting.
    pub banner: String,
    /// STARTTLS is offered (RFC 5804 §2.2).
    pub starttls: bool,
    pub limits: Limits,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile { banner: "Tepui ready.".into(), starttls: false, limits: Limits::default() }
    }
}

/// One client's session.
#[derive(Debug)]
pub struct Server {
    profile: Arc<Profile>,
    input: Input,
    out: Outbox,
    reader: Reader,
    phase: Phase,
    in_tls: bool,
    bad_commands: u32,
    shutting_down: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Commands,
    Handshake,
    Ended,
}

impl Server {
    pub fn new(profile: impl Into<Arc<Profile>>) -> Server {
        Server {
            profile: profile.into(),
            input: Input::default(),
            out: Outbox::default(),
            reader: Reader::default(),
            phase: Phase::Greeting,
            in_tls: false,
            bad_commands: 0,
            shutting_down: false,
        }
    }

    /// A session that says only this and closes, for a client that may not come in.
    pub fn turned_away(profile: impl Into<Arc<Profile>>, text: &str) -> Server {
        let mut session = Server::new(profile);
        session.end(&response::bye(text));
        session
    }

    fn read_command(&mut self) -> Option<Next<Infallible>> {
        if self.shutting_down {
            self.end(&response::bye("Server shutting down."));
            return None;
        }
        match self.reader.read(&mut self.input) {
            Heard::Command(command) => self.command(&command),
            Heard::Malformed => self.bad(&response::no("Syntax error.")),
            Heard::Hopeless => self.end(&response::bye("Command too long.")),
            Heard::Unfinished if self.out.is_empty() => {
                return Some(Next::NeedInput { patience: self.profile.limits.patience, watch: false });
            }
            Heard::Unfinished => return Some(Next::Send(self.out.take())),
        }
        None
    }

    fn command(&mut self, command: &Command) {
        match command.name.as_str() {
            "CAPABILITY" => {
                let text = response::capabilities(&self.profile, self.in_tls) + &response::ok("Capability completed.");
                self.say(&text);
            }
            "LOGOUT" => self.end(&response::ok("Logout completed.")),
            "STARTTLS" => self.start_tls(),
            "NOOP" => match command.strings.first() {
                Some(Some(tag)) => self.say(&response::noop_tagged(tag)),
                _ => self.say(&response::ok("NOOP completed.")),
            },
            "AUTHENTICATE" | "UNAUTHENTICATE" | "HAVESPACE" | "PUTSCRIPT" | "LISTSCRIPTS" | "SETACTIVE"
            | "GETSCRIPT" | "DELETESCRIPT" | "RENAMESCRIPT" | "CHECKSCRIPT" => self.say(&response::no_scripts()),
            _ => self.bad(&response::no("Unknown command.")),
        }
    }

    fn start_tls(&mut self) {
        if self.profile.starttls && !self.in_tls {
            self.say(&response::ok("Begin TLS negotiation now."));
            self.input.clear();
            self.phase = Phase::Handshake;
        } else {
            self.say(&response::no("TLS is not offered now."));
        }
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

    fn end(&mut self, last_word: &str) {
        self.say(last_word);
        self.input.clear();
        self.phase = Phase::Ended;
    }

    fn greet(&mut self, text: &str) {
        let greeting = response::capabilities(&self.profile, self.in_tls) + &response::ok(text);
        self.say(&greeting);
        self.phase = Phase::Commands;
    }
}

impl Session for Server {
    type Ask = Infallible;
    type Answer = Infallible;

    fn receive(&mut self, bytes: &[u8]) {
        if matches!(self.phase, Phase::Greeting | Phase::Commands) {
            self.input.push(bytes);
        }
    }

    fn next(&mut self) -> Next<Infallible> {
        loop {
            if self.out.is_full() {
                return Next::Send(self.out.take());
            }
            match self.phase {
                Phase::Greeting => {
                    let banner = self.profile.banner.clone();
                    self.greet(&banner);
                }
                Phase::Commands => {
                    if let Some(next) = self.read_command() {
                        return next;
                    }
                }
                Phase::Handshake | Phase::Ended if !self.out.is_empty() => return Next::Send(self.out.take()),
                Phase::Handshake => return Next::StartTls,
                Phase::Ended => return Next::Close,
            }
        }
    }

    fn answer(&mut self, answer: Infallible) {
        match answer {}
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
        self.out.take();
        self.end("");
    }
}
