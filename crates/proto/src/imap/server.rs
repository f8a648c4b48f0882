//! The machine that runs an IMAP session: one command after the other, each to its end (RFC 3501 §5.5).
//!
//! Promises: what `Session` promises; a command that cannot be understood is answered and passed over; every wait has its
//! patience. Knows no command (`command.rs` does) and no text but those about commands as such.

use std::fmt;
use std::sync::Arc;

use super::ask::{Answer, Ask};
use super::command::{self, Called, OnLine, OnReceived, Step, Tells, Then, When};
use super::commands::append;
use super::context::{Context, Profile, State, TlsState};
use super::parse::{Fault, Parser};
use super::reader::{Announced, Got, PASSED_OVER_MAX, Reader, tag_of};
use super::response::{Completion, Status};
use super::view::Numbers;
use crate::sasl;
use crate::session::{Next, Session};

/// Why a session ends when its mailbox is not there any more.
const MAILBOX_LOST: &str = "The selected mailbox was deleted or renamed.";

/// The server's side of an IMAP connection.
pub struct Server {
    context: Context,
    reader: Reader,
    doing: Doing,
    /// The command that runs.
    tag: Vec<u8>,
    called: Option<Called>,
    /// A literal that was announced and neither taken nor passed over yet.
    announced: Option<Announced>,
    bad_commands: u32,
    changed: bool,
    shutting_down: bool,
}

enum Doing {
    Reading,
    Stepping(Step),
    /// An answer is awaited.
    Asking(Then),
    AwaitingLine(OnLine),
    Receiving(OnReceived),
    /// The message is here; the line's end should follow.
    AfterMessage(OnReceived),
    Idling,
    IdleAsking,
    /// The command failed, but a literal of it is still to come.
    PassingOver(Completion),
    /// The command is done; what changed meanwhile is asked for before its completion is told.
    Syncing(Completion),
    StartingTls,
    /// The connection is lost; the house must still hear that an append is given up.
    GivingUp,
    Closing,
}

impl Server {
    /// A session, which begins by greeting its client. `tls` is `On` where TLS came first (port 993).
    pub fn new(profile: Arc<Profile>, tls: TlsState) -> Server {
        let mut context = Context::new(profile, tls);
        let greeting = format!("* OK [{}] {}\r\n", context.capability_code(), context.profile.greeting);
        context.out.push(greeting.as_bytes());
        Server {
            context,
            reader: Reader::default(),
            doing: Doing::Reading,
            tag: Vec::new(),
            called: None,
            announced: None,
            bad_commands: 0,
            changed: false,
            shutting_down: false,
        }
    }

    /// Whether somebody has logged in.
    pub fn is_logged_in(&self) -> bool {
        self.context.is_logged_in()
    }

    /// One thing at a time; `None` when there is more to do before the driver can do anything.
    fn advance(&mut self) -> Option<Next<Ask>> {
        match std::mem::replace(&mut self.doing, Doing::Reading) {
            Doing::Reading => self.read_command(),
            Doing::Stepping(step) => self.step(step),
            Doing::AwaitingLine(on_line) => self.read_line(on_line),
            Doing::Receiving(on_received) => self.receive_message(on_received),
            Doing::AfterMessage(on_received) => self.read_message_end(on_received),
            Doing::Idling => self.idle(),
            Doing::PassingOver(completion) => self.pass_over(completion),
            Doing::StartingTls => self.flushed(Doing::StartingTls, |_| Next::StartTls),
            Doing::GivingUp if std::mem::take(&mut self.context.appending) => {
                self.doing = Doing::GivingUp;
                Some(Next::Ask(Ask::AppendAbort))
            }
            Doing::GivingUp | Doing::Closing => self.flushed(Doing::Closing, |_| Next::Close),
            // The driver must answer first; asking again would be the driver's mistake, and waiting is harmless.
            waiting @ (Doing::Asking(_) | Doing::IdleAsking | Doing::Syncing(_)) => {
                self.doing = waiting;
                Some(Next::NeedInput { patience: self.context.limits().idle_patience, watch: false })
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

    // ---- commands begin

    fn read_command(&mut self) -> Option<Next<Ask>> {
        if self.shutting_down && self.reader.text().is_empty() {
            return self.bye("Server shutting down.");
        }
        let line_max = self.context.limits().line_max;
        match self.reader.read(line_max) {
            Got::Unfinished => return self.need_input(Doing::Reading),
            Got::PassedOver => {}
            Got::TooLong { tag } => {
                self.begin(tag.as_deref());
                self.doing = Doing::Stepping(bad("Command line is too long."));
            }
            Got::Command(text) => self.start(&text),
            Got::Literal(announced) => self.judge_literal(announced),
        }
        None
    }

    /// A command begins: its answers carry its tag, or `*` where it has none.
    fn begin(&mut self, tag: Option<&[u8]>) {
        self.tag = tag.unwrap_or(b"*").to_vec();
        self.called = None;
        self.context.fresh = false;
    }

    /// Runs a whole command.
    fn start(&mut self, text: &[u8]) {
        let step = match self.look_up(text) {
            Ok((called, mut parser)) => {
                self.called = Some(called);
                let started = (called.row.start)(&mut parser, &mut self.context, called.numbers);
                started.unwrap_or_else(|fault| failed_to_start(called, fault))
            }
            Err(completion) => Step::Done(completion),
        };
        self.doing = Doing::Stepping(step);
    }

    /// Finds a command's row by its text so far, and whether it is allowed now.
    fn look_up<'a>(&mut self, text: &'a [u8]) -> Result<(Called, Parser<'a>), Completion> {
        let tag = tag_of(text);
        self.begin(tag);
        let Some(tag) = tag else { return Err(Completion::bad("Error in IMAP tag: Invalid tag.")) };
        let mut parser = Parser::new(&text[tag.len()..]);
        let unknown = || Completion::bad("Error in IMAP command: Unknown command.");
        let called = parser.space().ok().and_then(|()| command::find(&mut parser)).ok_or_else(unknown)?;
        self.allowed(called).map(|()| (called, parser))
    }

    fn allowed(&self, called: Called) -> Result<(), Completion> {
        match (called.row.when, &self.context.state) {
            (When::Always, _) | (When::BeforeLogin, State::BeforeLogin) => Ok(()),
            (When::LoggedIn, State::LoggedIn | State::Selected(_)) | (When::Selected, State::Selected(_)) => Ok(()),
            (When::BeforeLogin, _) => Err(Completion::bad("Already logged in.")),
            (_, State::BeforeLogin) => Err(Completion::bad("Please log in first.")),
            (_, State::LoggedIn) => Err(Completion::bad("No mailbox selected.")),
        }
    }

    /// A literal is announced. Is it wanted?
    fn judge_literal(&mut self, announced: Announced) {
        let text = self.reader.text().to_vec();
        let judged = match self.look_up(&text) {
            Ok((called, mut parser)) if called.row.takes_message => {
                self.called = Some(called);
                append::begin(&mut parser, announced.length, &mut self.context)
                    .unwrap_or_else(|fault| Some(failed_to_start(called, fault)))
            }
            Ok(_) => None,
            Err(completion) => Some(Step::Done(completion)),
        };
        let room = self.context.limits().command_max.saturating_sub(text.len()) as u64;
        match judged {
            Some(step) => {
                self.reader.hand_over();
                self.announced = Some(announced);
                self.doing = Doing::Stepping(step);
            }
            None if announced.length > room => {
                self.reader.hand_over();
                self.announced = Some(announced);
                self.doing = Doing::Stepping(Step::Done(Completion::too_big()));
            }
            None => {
                self.reader.accept(announced);
                self.invite(announced);
            }
        }
    }

    // RFC 3501 §7.5: the client waits for this before it sends the literal.
    fn invite(&mut self, announced: Announced) {
        if announced.synchronizing {
            self.context.out.push(b"+ OK\r\n");
        }
    }

    // ---- commands go on

    fn step(&mut self, step: Step) -> Option<Next<Ask>> {
        match step {
            Step::Done(completion) => return self.end(completion),
            Step::Ask(ask, then) => {
                self.doing = Doing::Asking(then);
                return Some(Next::Ask(ask));
            }
            Step::Flush(resume) if self.context.out.is_empty() => {
                self.doing = Doing::Stepping(resume(&mut self.context));
            }
            Step::Flush(resume) => {
                self.doing = Doing::Stepping(Step::Flush(resume));
                return Some(Next::Send(self.context.out.take()));
            }
            Step::Line(on_line) => self.doing = Doing::AwaitingLine(on_line),
            Step::Receive(on_received) => {
                if let Some(announced) = self.announced {
                    self.invite(announced);
                }
                self.doing = Doing::Receiving(on_received);
            }
            Step::Idle => {
                self.context.out.push(b"+ idling\r\n");
                self.changed = false;
                self.doing = Doing::Idling;
            }
            Step::StartTls(completion) => {
                completion.write(&self.tag, &mut self.context.out);
                self.doing = Doing::StartingTls;
            }
            Step::Pause(time, completion) => {
                let doing = Doing::Stepping(Step::Pause(time, completion.clone()));
                return self.flushed(doing, |server| {
                    server.doing = Doing::Stepping(Step::Done(completion));
                    Next::Pause(time)
                });
            }
            Step::Logout => {
                self.context.out.push(b"* BYE Logging out\r\n");
                Completion::ok("Logout completed.").write(&self.tag, &mut self.context.out);
                self.doing = Doing::Closing;
            }
            Step::Bye(why) => return self.bye(why),
            Step::Broken => self.doing = Doing::Closing,
        }
        None
    }

    fn read_line(&mut self, on_line: OnLine) -> Option<Next<Ask>> {
        match self.reader.read(sasl::LINE_LENGTH_MAX) {
            Got::Unfinished => return self.need_input(Doing::AwaitingLine(on_line)),
            Got::Command(line) => self.doing = Doing::Stepping(on_line(&mut self.context, &line)),
            // A line like this belongs to no exchange; nothing of it is kept.
            Got::Literal(announced) => {
                self.reader.hand_over();
                self.announced = Some(announced);
                self.doing = Doing::Stepping(bad("Invalid line."));
            }
            Got::TooLong { .. } | Got::PassedOver => self.doing = Doing::Stepping(bad("Line is too long.")),
        }
        None
    }

    fn receive_message(&mut self, on_received: OnReceived) -> Option<Next<Ask>> {
        let left = self.announced.map_or(0, |announced| announced.length);
        if left == 0 {
            self.announced = None;
            self.doing = Doing::AfterMessage(on_received);
            return None;
        }
        let piece = self.reader.take_piece(left);
        if piece.is_empty() {
            return self.need_input(Doing::Receiving(on_received));
        }
        let left = left - piece.len() as u64;
        self.announced = Some(Announced { length: left, synchronizing: false });
        self.doing = Doing::Receiving(on_received);
        Some(Next::Content(piece))
    }

    // append = "APPEND" ... literal, and then CRLF.
    fn read_message_end(&mut self, on_received: OnReceived) -> Option<Next<Ask>> {
        let line_max = self.context.limits().line_max;
        let ended = match self.reader.read(line_max) {
            Got::Unfinished => return self.need_input(Doing::AfterMessage(on_received)),
            Got::Command(line) => line.is_empty(),
            Got::Literal(announced) => {
                self.reader.hand_over();
                self.announced = Some(announced);
                false
            }
            Got::TooLong { .. } | Got::PassedOver => false,
        };
        self.doing = Doing::Stepping(on_received(&mut self.context, ended));
        None
    }

    // RFC 2177 §3
    fn idle(&mut self) -> Option<Next<Ask>> {
        let line_max = self.context.limits().line_max;
        match self.reader.read(line_max) {
            Got::Unfinished if std::mem::take(&mut self.changed) => {
                self.doing = Doing::IdleAsking;
                return Some(Next::Ask(Ask::Sync));
            }
            Got::Unfinished => return self.need_input(Doing::Idling),
            Got::Command(line) if line.eq_ignore_ascii_case(b"DONE") => {
                self.doing = Doing::Stepping(Step::ok("Idle completed."));
            }
            Got::Literal(announced) => {
                self.reader.hand_over();
                self.announced = Some(announced);
                self.doing = Doing::Stepping(bad("Expected DONE."));
            }
            Got::Command(_) | Got::TooLong { .. } | Got::PassedOver => {
                self.doing = Doing::Stepping(bad("Expected DONE."));
            }
        }
        None
    }

    // ---- commands end

    fn end(&mut self, completion: Completion) -> Option<Next<Ask>> {
        match self.announced.take() {
            // The client sends it only when it is asked to, and it is not.
            None | Some(Announced { synchronizing: true, .. }) => {}
            Some(announced) if announced.length > PASSED_OVER_MAX => return self.bye("Literal is too large."),
            Some(announced) => {
                self.reader.pass_over(announced);
                self.doing = Doing::PassingOver(completion);
                return None;
            }
        }
        self.end_command(completion)
    }

    fn pass_over(&mut self, completion: Completion) -> Option<Next<Ask>> {
        let line_max = self.context.limits().line_max;
        match self.reader.read(line_max) {
            Got::Unfinished => self.need_input(Doing::PassingOver(completion)),
            _ => self.end_command(completion),
        }
    }

    /// Asks what changed meanwhile, if this command may tell it.
    fn end_command(&mut self, completion: Completion) -> Option<Next<Ask>> {
        let tells = self.called.is_some_and(|called| called.row.tells != Tells::Nothing);
        if completion.status == Status::Bad || !tells || !matches!(self.context.state, State::Selected(_)) {
            return self.complete(completion);
        }
        if self.context.fresh {
            return self.tell_and_complete(completion);
        }
        self.doing = Doing::Syncing(completion);
        Some(Next::Ask(Ask::Sync))
    }

    fn tell_and_complete(&mut self, completion: Completion) -> Option<Next<Ask>> {
        let Context { state, out, .. } = &mut self.context;
        if let (State::Selected(view), Some(called)) = (state, self.called) {
            view.catch_up(called.tells_expunges(), called.numbers == Numbers::Uid, out);
        }
        self.complete(completion)
    }

    fn complete(&mut self, completion: Completion) -> Option<Next<Ask>> {
        match completion.status {
            Status::Bad => self.bad_commands += 1,
            Status::Ok => self.bad_commands = 0,
            Status::No => {}
        }
        let limits = self.context.limits();
        let logged_in = self.context.is_logged_in();
        if self.bad_commands >= if logged_in { limits.bad_commands_max } else { limits.bad_commands_before_login_max } {
            return self.bye("Too many invalid IMAP commands.");
        }
        completion.write(&self.tag, &mut self.context.out);
        self.tag = Vec::new();
        self.doing = Doing::Reading;
        None
    }

    fn tell_while_idle(&mut self) {
        let Context { state, out, .. } = &mut self.context;
        if let State::Selected(view) = state {
            view.catch_up(true, false, out);
        }
        self.doing = Doing::Idling;
    }
}

fn bad(text: &'static str) -> Step {
    Step::Done(Completion::bad(text))
}

fn failed_to_start(called: Called, fault: Fault) -> Step {
    Step::Done(match fault {
        Fault::Syntax(text) => Completion::bad(format!("Error in IMAP command {}: {text}.", called.row.name)),
        Fault::Refused(completion) => completion,
    })
}

impl Session for Server {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
    }

    fn next(&mut self) -> Next<Ask> {
        loop {
            if self.context.out.is_full() {
                return Next::Send(self.context.out.take());
            }
            if let Some(next) = self.advance() {
                return next;
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
                    completion.write(&self.tag, &mut self.context.out);
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
