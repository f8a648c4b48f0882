//! How a command goes on: its steps, the lines and the message that belong to it, and IDLE.

use super::{Doing, Server, bad};
use crate::imap::ask::Ask;
use crate::imap::command::{OnLine, OnReceived, Rest, Step};
use crate::imap::reader::{Announced, Got};
use crate::imap::response::Completion;
use crate::sasl;
use crate::session::Next;

impl Server {
    pub(super) fn step(&mut self, step: Step) -> Option<Next<Ask>> {
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
            Step::Accept(on_received) => {
                if let Some(announced) = self.announced.take() {
                    self.reader.accept(announced);
                    self.invite(announced);
                }
                self.doing = Doing::AfterMessage(on_received);
            }
            Step::Content(octets, resume) => {
                self.doing = Doing::Stepping(resume(&mut self.context));
                return Some(Next::Content(octets));
            }
            Step::Idle => {
                self.context.out.push(b"+ idling\r\n");
                self.changed = false;
                self.doing = Doing::Idling;
            }
            Step::StartTls(completion) => {
                completion.write(&self.context.tag, &mut self.context.out);
                self.doing = Doing::StartingTls;
            }
            Step::Compress(completion) => {
                completion.write(&self.context.tag, &mut self.context.out);
                self.doing = Doing::Compressing;
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
                Completion::ok("Logout completed.").write(&self.context.tag, &mut self.context.out);
                self.doing = Doing::Closing;
            }
            Step::Bye(why) => return self.bye(why),
            Step::Broken => self.doing = Doing::Closing,
        }
        None
    }

    pub(super) fn read_line(&mut self, on_line: OnLine) -> Option<Next<Ask>> {
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

    pub(super) fn receive_message(&mut self, on_received: OnReceived) -> Option<Next<Ask>> {
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
        if let Some(watch) = &mut self.context.literal8 {
            watch.feed(&piece);
        }
        let left = left - piece.len() as u64;
        self.announced = Some(Announced { length: left, synchronizing: false });
        self.doing = Doing::Receiving(on_received);
        Some(Next::Content(piece))
    }

    /// What follows a message's octets is the command's own affair.
    pub(super) fn read_rest(&mut self, on_received: OnReceived) -> Option<Next<Ask>> {
        let line_max = self.context.limits().line_max;
        let step = match self.reader.read(line_max) {
            Got::Unfinished => return self.need_input(Doing::AfterMessage(on_received)),
            Got::Command(line) => on_received(&mut self.context, Rest::Ended(&line)),
            Got::Literal(announced) => {
                self.announced = Some(announced);
                let step = on_received(&mut self.context, Rest::Literal(self.reader.text(), announced.length));
                if !matches!(step, Step::Accept(_)) {
                    self.reader.hand_over();
                }
                step
            }
            Got::TooLong { .. } | Got::PassedOver => on_received(&mut self.context, Rest::TooLong),
        };
        self.doing = Doing::Stepping(step);
        None
    }

    // RFC 2177 §3
    pub(super) fn idle(&mut self) -> Option<Next<Ask>> {
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

    pub(super) fn tell_while_idle(&mut self) {
        self.context.catch_up(true, false);
        self.doing = Doing::Idling;
    }
}
