//! APPEND (RFC 3501 §6.3.11) of one message or of several, all or none (RFC 3502), with APPENDUID (RFC 4315 §3), literal8
//! (RFC 3516 §4.4) and CATENATE (RFC 4469); and REPLACE (RFC 8508), which is an APPEND of one message that takes another's place.
//! `grammar.rs` reads it stretch by stretch; here the house is asked, and messages are streamed to it, never kept. `part.rs` fetches
//! what URLs name, `replace.rs` removes what is replaced.

mod grammar;
pub mod octets;
mod part;
mod replace;

use std::collections::VecDeque;

use grammar::{Act, At, Pause, Stretch, Traits};
use mail::{MailboxName, NumberSet, Uid, UidValidity};
use octets::LineWatch;

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

/// An APPEND whose line ended without a literal to come: all its messages are put together of what is here.
pub fn append(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    whole(args, None, context)
}

/// A literal is announced.
pub fn begin_append(args: &mut Parser<'_>, announced: u64, context: &mut Context, _: Numbers) -> Parsed<Option<Step>> {
    args.space()?;
    begin(args, announced, None, context)
}

// replace = "REPLACE" SP seq-number SP mailbox append-message
pub fn replace(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    let replaced = replace::replaced(args, context, numbers)?;
    whole(args, Some(replaced), context)
}

pub fn begin_replace(
    args: &mut Parser<'_>,
    announced: u64,
    context: &mut Context,
    numbers: Numbers,
) -> Parsed<Option<Step>> {
    let replaced = replace::replaced(args, context, numbers)?;
    begin(args, announced, Some(replaced), context)
}

fn whole(args: &mut Parser<'_>, replaces: Option<Uid>, context: &mut Context) -> Parsed<Step> {
    let mailbox = args.mailbox()?;
    let stretch = grammar::stretch(args, At::Message, None)?;
    if stretch.acts.is_empty() {
        return syntax("Missing message literal");
    }
    Ok(Append::new(mailbox, stretch, 0, replaces).act(context))
}

/// `None` if the literal belongs to the command's text, as the mailbox's name does.
fn begin(args: &mut Parser<'_>, announced: u64, replaces: Option<Uid>, context: &mut Context) -> Parsed<Option<Step>> {
    if grammar::is_announcement(args) {
        return Ok(None);
    }
    let mailbox = args.astring()?;
    let stretch = grammar::stretch(args, At::Message, Some(announced))?;
    if stretch.pause == Pause::Text {
        return Ok(None);
    }
    let mailbox = args.mailbox_name(&mailbox)?;
    Ok(Some(Append::new(mailbox, stretch, announced, replaces).act(context)))
}

/// An APPEND under way.
#[derive(Debug)]
struct Append {
    mailbox: MailboxName,
    /// Which message of the selected mailbox gives way.
    replaces: Option<Uid>,
    /// What is still to be done of the stretch that was read last.
    acts: VecDeque<Act>,
    /// What comes then: octets, so many of them, or the end.
    pause: Pause,
    announced: u64,
    /// Where the stretch begins that follows them.
    next: At,
    /// How many messages were begun.
    messages: usize,
    /// How many octets the message in hand has, and how many all have together.
    size: u64,
    together: u64,
}

impl Append {
    fn new(mailbox: MailboxName, stretch: Stretch, announced: u64, replaces: Option<Uid>) -> Box<Append> {
        let Stretch { acts, pause, next } = stretch;
        Box::new(Append { mailbox, replaces, acts, pause, announced, next, messages: 0, size: 0, together: 0 })
    }

    fn act(mut self: Box<Self>, context: &mut Context) -> Step {
        match self.acts.pop_front() {
            Some(Act::Begin(traits)) => self.begin_message(traits, context),
            Some(Act::Url(url)) => self.add_url(&url, context),
            Some(Act::Complete) if self.size == 0 => give_up(empty(), context),
            Some(Act::Complete) => self.act(context),
            None => match self.pause {
                Pause::Octets { binary } => self.receive(binary, context),
                Pause::Text | Pause::End => self.finish(),
            },
        }
    }

    /// The house is asked before the client is invited to send, so that a refusal costs no upload.
    fn begin_message(mut self: Box<Self>, traits: Traits, context: &mut Context) -> Step {
        let Traits { flags, keywords, internal_date, size } = traits;
        // RFC 3502 §6.3.11: this can be used to cancel the append.
        if size == Some(0) {
            return give_up(empty(), context);
        }
        // RFC 8508 §4.7: several messages replace none.
        if self.replaces.is_some() && self.messages > 0 {
            let bad = Completion::bad("Error in IMAP command REPLACE: Only one message can replace another.");
            return give_up(bad, context);
        }
        if self.messages == MESSAGES_MAX {
            return give_up(refused(Refusal::Limit), context);
        }
        self.size = 0;
        if let Err(completion) = self.may_add(size.unwrap_or(0), context) {
            return give_up(completion, context);
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

    /// Whether so many octets more are within the bounds.
    fn may_add(&self, octets: u64, context: &Context) -> Result<(), Completion> {
        let size_max = context.limits().append_max;
        if self.size.saturating_add(octets) > size_max {
            return Err(refused(Refusal::TooBig));
        }
        if self.together.saturating_add(octets) > size_max.saturating_mul(GREATEST_MAX) {
            return Err(refused(Refusal::Limit));
        }
        Ok(())
    }

    fn added(&mut self, octets: u64) {
        self.size = self.size.saturating_add(octets);
        self.together = self.together.saturating_add(octets);
    }

    fn receive(mut self: Box<Self>, binary: bool, context: &mut Context) -> Step {
        if let Err(completion) = self.may_add(self.announced, context) {
            return give_up(completion, context);
        }
        self.added(self.announced);
        context.literal8 = binary.then(LineWatch::default);
        Step::Receive(Box::new(move |context, rest| self.go_on(context, rest)))
    }

    /// The octets were received; what follows them is the next stretch.
    fn go_on(mut self: Box<Self>, context: &mut Context, rest: Rest<'_>) -> Step {
        let (text, announced) = match rest {
            Rest::Ended(text) => (text, None),
            Rest::Literal(text, announced) => (text, Some(announced)),
            Rest::TooLong => return give_up(Completion::bad("Command line is too long."), context),
        };
        // RFC 3516 §4.4: what the mailbox could not give back as it was is refused.
        if context.literal8.take().is_some_and(|watch| !watch.is_lines()) {
            let text = "This server keeps no binary content: encode it.";
            return give_up(Completion::no(text).code("UNKNOWN-CTE"), context);
        }
        let mut args = Parser::new(text).with_separator(context.separator());
        match grammar::stretch(&mut args, self.next, announced) {
            Ok(Stretch { pause: Pause::Text, .. }) => self.accept(text.len(), announced.unwrap_or(0), context),
            Ok(Stretch { acts, pause, next }) => {
                (self.acts, self.pause, self.next) = (acts, pause, next);
                self.announced = announced.unwrap_or(0);
                self.act(context)
            }
            Err(fault) => give_up(fault.completion(self.name()), context),
        }
    }

    /// A literal belongs to the text, of which so much is here.
    fn accept(self: Box<Self>, length: usize, announced: u64, context: &mut Context) -> Step {
        let room = context.limits().command_max.saturating_sub(length);
        if announced > room as u64 {
            return give_up(Completion::too_big(), context);
        }
        Step::Accept(Box::new(move |context, rest| self.go_on(context, rest)))
    }

    fn name(&self) -> &'static str {
        if self.replaces.is_some() { "REPLACE" } else { "APPEND" }
    }

    fn finish(&self) -> Step {
        let replaces = self.replaces;
        Step::ask(Ask::AppendEnd { replaces }, move |context, answer| {
            context.appending = false;
            match (answer, replaces) {
                (Answer::Appended { uid_validity, uids }, None) => {
                    Step::Done(Completion::ok("Append completed.").code(append_uid(uid_validity, &uids)))
                }
                (Answer::Appended { uid_validity, uids }, Some(replaced)) => {
                    replace::remove(replaced, &append_uid(uid_validity, &uids), context)
                }
                (other, _) => Step::Done(failed(other)),
            }
        })
    }
}

// resp-code-apnd = "APPENDUID" SP nz-number SP append-uid (RFC 4315 §3)
fn append_uid(uid_validity: UidValidity, uids: &[Uid]) -> String {
    let uids = NumberSet::from_numbers(uids.iter().map(|uid| uid.number()));
    format!("APPENDUID {uid_validity} {uids}")
}

/// Ends with this, and nothing is appended.
fn give_up(completion: Completion, context: &mut Context) -> Step {
    if !std::mem::take(&mut context.appending) {
        return Step::Done(completion);
    }
    Step::ask(Ask::AppendAbort, move |_, _| Step::Done(completion))
}

fn empty() -> Completion {
    Completion::no("Can't save a zero byte message.").code("CANNOT")
}

fn failed(answer: Answer) -> Completion {
    match answer {
        Answer::Refused(refusal) => refused_target(refusal),
        _ => Completion::misunderstood(),
    }
}
