//! The machine that runs an IMAP session: one command after the other, each to its end (RFC 3501 §5.5).
//!
//! Promises: what `Session` promises; a command that cannot be understood is answered and passed over; every wait has its
//! patience. Knows no command (`command.rs` does) and no text but those about commands as such.

mod begin;
mod end;
mod go_on;

use std::fmt;
use std::sync::Arc;

use super::ask::{Answer, Ask};
use super::command::{Called, MAILBOX_LOST, OnLine, OnReceived, Step, Then};
use super::compression::{Compression, Damaged};
use super::context::{Context, Profile, State, TlsState};
use super::reader::{Announced, Reader};
use super::response::Completion;
use crate::sasl::Channel;
use crate::session::{Next, Session};

/// The server's side of an IMAP connection.
pub struct Server {
    context: Context,
    reader: Reader,
    doing: Doing,
    /// The command that runs.
    called: Option<Called>,
    /// A literal that was announced and neither taken nor passed over yet.
    announced: Option<Announced>,
    bad_commands: u32,
    changed: bool,
    shutting_down: bool,
    compression: Option<Box<Compression>>,
}

enum Doing {
    Greeting,
    Reading,
    Stepping(Step),
    /// An answer is awaited.
    Asking(Then),
    AwaitingLine(OnLine),
    Receiving(OnReceived),
    /// The octets are here; the rest of the command follows.
    AfterMessage(OnReceived),
    Idling,
    IdleAsking,
    /// The command failed, but a literal of it is still to come.
    PassingOver(Completion),
    /// The command is done; what changed meanwhile is asked for before its completion is told.
    Syncing(Completion),
    StartingTls,
    /// What was said in clear must leave before anything is compressed.
    Compressing,
    /// The driver was told to start TLS.
    Handshaking,
    /// The connection is lost; the house must still hear that an append is given up.
    GivingUp,
    Closing,
}

impl Server {
    /// A session, which begins by greeting its client. `tls` is `On` where TLS came first (port 993).
    pub fn new(profile: Arc<Profile>, tls: TlsState) -> Server {
        Server {
            context: Context::new(profile, tls),
            reader: Reader::default(),
            doing: Doing::Greeting,
            called: None,
            announced: None,
            bad_commands: 0,
            changed: false,
            shutting_down: false,
            compression: None,
        }
    }

    /// A session that says only this and closes, for a client that may not come in.
    pub fn turned_away(profile: Arc<Profile>, tls: TlsState, text: &str) -> Server {
        let mut session = Server::new(profile, tls);
        // RFC 3501 §7.1.5: a greeting of BYE; RFC 5530 §3: UNAVAILABLE.
        session.context.out.push(format!("* BYE [UNAVAILABLE] {text}\r\n").as_bytes());
        session.doing = Doing::Closing;
        session
    }

    /// Whether somebody has logged in.
    pub fn is_logged_in(&self) -> bool {
        self.context.is_logged_in()
    }

    /// One thing at a time; `None` when there is more to do before the driver can do anything.
    fn advance(&mut self) -> Option<Next<Ask>> {
        match std::mem::replace(&mut self.doing, Doing::Reading) {
            Doing::Greeting => {
                let context = &mut self.context;
                let greeting = format!("* OK [{}] {}\r\n", context.capability_code(), context.profile.greeting);
                context.out.push(greeting.as_bytes());
                None
            }
            Doing::Reading => self.read_command(),
            Doing::Stepping(step) => self.step(step),
            Doing::AwaitingLine(on_line) => self.read_line(on_line),
            Doing::Receiving(on_received) => self.receive_message(on_received),
            Doing::AfterMessage(on_received) => self.read_rest(on_received),
            Doing::Idling => self.idle(),
            Doing::PassingOver(completion) => self.pass_over(completion),
            Doing::StartingTls => self.flushed(Doing::StartingTls, |server| {
                server.doing = Doing::Handshaking;
                Next::StartTls
            }),
            Doing::Compressing if self.context.out.is_empty() => {
                let mut compression = Compression::new();
                compression.receive(&self.reader.take_unread());
                self.compression = Some(Box::new(compression));
                None
            }
            Doing::Compressing => {
                self.doing = Doing::Compressing;
                Some(Next::Send(self.context.out.take()))
            }
            Doing::GivingUp if std::mem::take(&mut self.context.appending) => {
                self.doing = Doing::GivingUp;
                Some(Next::Ask(Ask::AppendAbort))
            }
            Doing::GivingUp | Doing::Closing => self.flushed(Doing::Closing, |_| Next::Close),
            // The driver must answer first; asking again would be the driver's mistake, and waiting is harmless.
            waiting @ (Doing::Asking(_) | Doing::IdleAsking | Doing::Syncing(_) | Doing::Handshaking) => {
                self.doing = waiting;
                Some(Next::NeedInput { patience: self.context.limits().login_patience, watch: false })
            }
        }
    }

    fn next_in_clear(&mut self) -> Next<Ask> {
        loop {
            if self.context.out.is_full() {
                return Next::Send(self.context.out.take());
            }
            if let Some(next) = self.advance() {
                return next;
            }
        }
    }

    /// Sends what is written, and once that is done does `next`.
    fn flushed(&mut self, doing: Doing, next: impl FnOnce(&mut Server) -> Next<Ask>) -> Option<Next<Ask>> {
        self.doing = doing;
        Some(if self.context.out.is_empty() { next(self) } else { Next::Send(self.context.out.take()) })
    }

    fn need_input(&mut self, doing: Doing) -> Option<Next<Ask>> {
        if self.shutting_down && self.context.out.is_empty() {
            return self.bye("Server shutting down.");
        }
        let limits = self.context.limits();
        let idling = matches!(doing, Doing::Idling);
        let patience = match (idling, self.context.is_logged_in()) {
            (true, _) => limits.keepalive,
            (false, true) => limits.idle_patience,
            (false, false) => limits.login_patience,
        };
        let watch = idling && matches!(self.context.state, State::Selected(_));
        self.flushed(doing, |_| Next::NeedInput { patience, watch })
    }

    fn bye(&mut self, why: &str) -> Option<Next<Ask>> {
        self.context.out.push(format!("* BYE {why}\r\n").as_bytes());
        // An append that will never be complete is given up (`GivingUp` asks for that before it closes).
        self.doing = Doing::GivingUp;
        None
    }
}

fn bad(text: &'static str) -> Step {
    Step::Done(Completion::bad(text))
}

impl Session for Server {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        match &mut self.compression {
            Some(compression) => compression.receive(bytes),
            None => self.reader.push(bytes),
        }
    }

    fn next(&mut self) -> Next<Ask> {
        loop {
            let next = self.next_in_clear();
            let Some(compression) = &mut self.compression else { return next };
            match next {
                Next::Send(bytes) => return Next::Send(compression.deflate(&bytes)),
                Next::NeedInput { .. } => match compression.inflate() {
                    Ok(Some(piece)) => self.reader.push(&piece),
                    Ok(None) => {
                        compression.rest();
                        return next;
                    }
                    Err(Damaged) => drop(self.bye("Compressed input is damaged.")),
                },
                other => return other,
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        match std::mem::replace(&mut self.doing, Doing::Reading) {
            Doing::Asking(then) => self.doing = Doing::Stepping(then(&mut self.context, answer)),
            Doing::Syncing(completion) => {
                if self.context.hear(answer) {
                    self.tell_and_complete(completion);
                } else {
                    completion.write(&self.context.tag, &mut self.context.out);
                    self.bye(MAILBOX_LOST);
                }
            }
            Doing::IdleAsking if self.context.hear(answer) => self.tell_while_idle(),
            Doing::IdleAsking => drop(self.bye(MAILBOX_LOST)),
            other => self.doing = other,
        }
    }

    fn tls_started(&mut self) {
        // RFC 3501 §6.2.1: what came before TLS is forgotten.
        self.reader.clear();
        self.context.tls = TlsState::On;
        self.doing = Doing::Reading;
    }

    fn secured(&mut self, channel: Channel) {
        self.context.channel = Some(Arc::new(channel));
    }

    fn timed_out(&mut self) {
        if matches!(self.doing, Doing::Idling) {
            return self.context.out.push(b"* OK Still here\r\n");
        }
        self.bye("Disconnected for inactivity.");
    }

    fn shut_down(&mut self) {
        self.shutting_down = true;
    }

    fn closed(&mut self) {
        self.context.out.take();
        self.reader.clear();
        self.doing = Doing::GivingUp;
    }

    fn changed(&mut self) {
        self.changed = true;
    }
}

impl fmt::Debug for Server {
    /// Without the input, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("state", &self.context.state).finish_non_exhaustive()
    }
}
