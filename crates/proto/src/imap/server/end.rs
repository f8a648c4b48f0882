//! How a command ends: what is left of it is passed over, changes are told, and it is answered.

use super::{Doing, Server};
use crate::imap::ask::Ask;
use crate::imap::command::Tells;
use crate::imap::context::State;
use crate::imap::reader::{Announced, Got, PASSED_OVER_MAX};
use crate::imap::response::{Completion, Status};
use crate::imap::view::Numbers;
use crate::session::Next;

impl Server {
    pub(super) fn end(&mut self, completion: Completion) -> Option<Next<Ask>> {
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

    pub(super) fn pass_over(&mut self, completion: Completion) -> Option<Next<Ask>> {
        let line_max = self.context.limits().line_max;
        match self.reader.read(line_max) {
            Got::Unfinished => self.need_input(Doing::PassingOver(completion)),
            _ => self.end_command(completion),
        }
    }

    /// Asks what changed meanwhile, if this command may tell it.
    pub(super) fn end_command(&mut self, completion: Completion) -> Option<Next<Ask>> {
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

    pub(super) fn tell_and_complete(&mut self, completion: Completion) -> Option<Next<Ask>> {
        if let Some(called) = self.called {
            let expunges = called.tells_expunges() && !self.context.named_numbers;
            self.context.catch_up(expunges, called.numbers == Numbers::Uid);
        }
        self.complete(completion)
    }

    pub(super) fn complete(&mut self, completion: Completion) -> Option<Next<Ask>> {
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
        completion.write(&self.context.tag, &mut self.context.out);
        self.context.tag = Vec::new();
        self.doing = Doing::Reading;
        None
    }
}
