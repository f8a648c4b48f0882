//! APPEND (RFC 3501 §6.3.11) of one message or of several, all or none (RFC 3502), with APPENDUID (RFC 4315 §3).
//! `grammar.rs` reads it stretch by stretch; here the house is asked, and messages are streamed to it, never kept.

mod grammar;

use std::collections::VecDeque;

use grammar::{Act, Pause, Stretch, Traits};
use mail::{MailboxName, NumberSet};

use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::{Rest, Step};
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser, syntax};
use crate::imap::response::{Completion, refused, refused_target};
use crate::imap::view::Numbers;

/// The most messages that one APPEND may hold.
const MESSAGES_MAX: usize = 10_000;
/// All messages of one APPEND together are at most so many of the greatest size.
const GREATEST_MAX: u64 = 64;

/// An APPEND whose line ended without a literal to come.
pub fn without_message(_: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    syntax("Missing message literal")
}

/// A literal is announced. `None` if it belongs to the command's text, as the mailbox's name does.
pub fn begin(args: &mut Parser<'_>, announced: u64, context: &mut Context) -> Parsed<Option<Step>> {
    args.space()?;
    if grammar::is_announcement(args) {
        return Ok(None);
    }
    let mailbox = args.astring()?;
    let stretch = grammar::stretch(args, Some(announced))?;
    let mailbox = args.mailbox_name(&mailbox)?;
    let append = Append { mailbox, acts: stretch.acts, pause: stretch.pause, messages: 0, octets: 0 };
    Ok(Some(Box::new(append).act(context)))
}

/// An APPEND under way.
#[derive(Debug)]
struct Append {
    mailbox: MailboxName,
    /// What is still to be done of the stretch that was read last, and what comes then.
    acts: VecDeque<Act>,
    pause: Pause,
    /// How many messages were begun.
    messages: usize,
    /// How many octets were announced, of all messages.
    octets: u64,
}

impl Append {
    fn act(mut self: Box<Self>, context: &mut Context) -> Step {
        match self.acts.pop_front() {
            Some(Act::Begin(traits)) => self.begin_message(traits, context),
            None if self.pause == Pause::End => finish(),
            None => Step::Receive(Box::new(move |context, rest| self.go_on(context, rest))),
        }
    }

    /// The house is asked before the client is invited to send, so that a refusal costs no upload.
    fn begin_message(mut self: Box<Self>, traits: Traits, context: &mut Context) -> Step {
        let Traits { flags, keywords, internal_date, size } = traits;
        let append_max = context.limits().append_max;
        self.octets = self.octets.saturating_add(size.unwrap_or(0));
        // RFC 3502 §6.3.11: this can be used to cancel the append.
        if size == Some(0) {
            return give_up(Completion::no("Can't save a zero byte message.").code("CANNOT"), context);
        }
        if size.is_some_and(|size| size > append_max) {
            return give_up(refused(Refusal::TooBig), context);
        }
        if self.messages == MESSAGES_MAX || self.octets > append_max.saturating_mul(GREATEST_MAX) {
            return give_up(refused(Refusal::Limit), context);
        }
        self.messages += 1;
        context.appending = true;
        let mailbox = self.mailbox.clone();
        let ask = Ask::AppendBegin { mailbox, flags, keywords, internal_date, size };
        Step::ask(ask, move |context, answer| match answer {
            Answer::Done => self.act(context),
            other => {
                // What is not the first leaves those that came before to be given up.
                context.appending = self.messages > 1;
                give_up(failed(other), context)
            }
        })
    }

    /// The octets were received; what follows them is the next stretch.
    fn go_on(mut self: Box<Self>, context: &mut Context, rest: Rest<'_>) -> Step {
        let (text, announced) = match rest {
            Rest::Ended(text) => (text, None),
            Rest::Literal(text, announced) => (text, Some(announced)),
            Rest::TooLong => return give_up(Completion::bad("Command line is too long."), context),
        };
        let mut args = Parser::new(text).with_separator(context.separator());
        match grammar::stretch(&mut args, announced) {
            Ok(Stretch { acts, pause }) => {
                (self.acts, self.pause) = (acts, pause);
                self.act(context)
            }
            Err(fault) => give_up(fault.completion("APPEND"), context),
        }
    }
}

fn finish() -> Step {
    Step::ask(Ask::AppendEnd, |context, answer| {
        context.appending = false;
        match answer {
            Answer::Appended { uid_validity, uids } => {
                let uids = NumberSet::from_numbers(uids.iter().map(|uid| uid.number()));
                Step::Done(Completion::ok("Append completed.").code(format!("APPENDUID {uid_validity} {uids}")))
            }
            other => Step::Done(failed(other)),
        }
    })
}

/// Ends with this, and nothing is appended.
fn give_up(completion: Completion, context: &mut Context) -> Step {
    if !std::mem::take(&mut context.appending) {
        return Step::Done(completion);
    }
    Step::ask(Ask::AppendAbort, move |_, _| Step::Done(completion))
}

fn failed(answer: Answer) -> Completion {
    match answer {
        Answer::Refused(refusal) => refused_target(refusal),
        _ => Completion::misunderstood(),
    }
}
