//! How a command begins: it is read, looked up, and its literals are judged.

use super::{Doing, Server, bad};
use crate::imap::ask::Ask;
use crate::imap::command::{self, Called, Step, When};
use crate::imap::context::State;
use crate::imap::parse::Parser;
use crate::imap::reader::{Announced, Got, tag_of};
use crate::imap::response::Completion;
use crate::session::Next;

impl Server {
    pub(super) fn read_command(&mut self) -> Option<Next<Ask>> {
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
    pub(super) fn begin(&mut self, tag: Option<&[u8]>) {
        self.context.tag = tag.unwrap_or(b"*").to_vec();
        self.called = None;
        self.context.fresh = false;
        self.context.named_numbers = false;
    }

    /// Runs a whole command.
    pub(super) fn start(&mut self, text: &[u8]) {
        let step = match self.look_up(text) {
            Ok((called, mut parser)) => {
                self.called = Some(called);
                let started = (called.row.start)(&mut parser, &mut self.context, called.numbers);
                started.unwrap_or_else(|fault| Step::Done(fault.completion(called.row.name)))
            }
            Err(completion) => Step::Done(completion),
        };
        self.doing = Doing::Stepping(step);
    }

    /// Finds a command's row by its text so far, and whether it is allowed now.
    pub(super) fn look_up<'a>(&mut self, text: &'a [u8]) -> Result<(Called, Parser<'a>), Completion> {
        let tag = tag_of(text);
        self.begin(tag);
        let Some(tag) = tag else { return Err(Completion::bad("Error in IMAP tag: Invalid tag.")) };
        let mut parser = Parser::new(&text[tag.len()..]).with_separator(self.context.separator());
        let unknown = || Completion::bad("Error in IMAP command: Unknown command.");
        let called = parser.space().ok().and_then(|()| command::find(&mut parser)).ok_or_else(unknown)?;
        self.allowed(called).map(|()| (called, parser))
    }

    pub(super) fn allowed(&self, called: Called) -> Result<(), Completion> {
        match (called.row.when, &self.context.state) {
            (When::Always, _) | (When::BeforeLogin, State::BeforeLogin) => Ok(()),
            (When::LoggedIn, State::LoggedIn | State::Selected(_)) | (When::Selected, State::Selected(_)) => Ok(()),
            (When::BeforeLogin, _) => Err(Completion::bad("Already logged in.")),
            (_, State::BeforeLogin) => Err(Completion::bad("Please log in first.")),
            (_, State::LoggedIn) => Err(Completion::bad("No mailbox selected.")),
        }
    }

    /// A literal is announced. Is it wanted?
    pub(super) fn judge_literal(&mut self, announced: Announced) {
        let text = self.reader.text().to_vec();
        let judged = match self.look_up(&text) {
            Ok((called, mut parser)) => called.row.begin_message.and_then(|begin| {
                self.called = Some(called);
                begin(&mut parser, announced.length, &mut self.context, called.numbers)
                    .unwrap_or_else(|fault| Some(Step::Done(fault.completion(called.row.name))))
            }),
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
    pub(super) fn invite(&mut self, announced: Announced) {
        if announced.synchronizing {
            self.context.out.push(b"+ OK\r\n");
        }
    }
}
