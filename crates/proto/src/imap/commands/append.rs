//! APPEND (RFC 3501 §6.3.11), with APPENDUID (RFC 4315 §3). The message is streamed to the house, never kept here.

use mail::date::DateTime;

use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser, syntax};
use crate::imap::response::{Completion, refused, refused_target};
use crate::imap::view::Numbers;

/// An APPEND whose line ended without a literal to come.
pub fn without_message(_: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    syntax("Missing message literal")
}

// append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal
/// A literal is announced. `None` if it is the mailbox's name and not the message.
pub fn begin(args: &mut Parser<'_>, size: u64, context: &mut Context) -> Parsed<Option<Step>> {
    args.space()?;
    if is_announcement(args) {
        return Ok(None);
    }
    let mailbox = args.astring()?;
    args.space()?;
    let mut flags = Default::default();
    if args.peek() == Some(b'(') {
        flags = args.flag_list()?;
        args.space()?;
    }
    let internal_date = date_time(args)?;
    if !is_announcement(args) {
        return syntax("Invalid arguments");
    }
    let mailbox = args.mailbox_name(&mailbox)?;
    if size == 0 {
        return Ok(Some(Step::Done(Completion::no("Can't save a zero byte message.").code("CANNOT"))));
    }
    if size > context.limits().append_max {
        return Ok(Some(Step::Done(refused(Refusal::TooBig))));
    }
    let (flags, keywords) = flags;
    context.appending = true;
    Ok(Some(Step::ask(Ask::AppendBegin { mailbox, flags, keywords, internal_date, size }, begun)))
}

/// Whether nothing but the announcement is left: the literal's octets are not there yet.
fn is_announcement(args: &Parser<'_>) -> bool {
    args.peek() == Some(b'{') && !args.rest().contains(&b'\n')
}

// date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
fn date_time(args: &mut Parser<'_>) -> Parsed<Option<DateTime>> {
    if args.peek() != Some(b'"') {
        return Ok(None);
    }
    let text = args.string()?;
    args.space()?;
    let date = std::str::from_utf8(&text).ok().and_then(DateTime::parse_imap);
    date.map_or_else(|| syntax("Invalid internal date"), |date| Ok(Some(date)))
}

/// The house is asked before the client is invited to send, so that a refusal costs no upload.
fn begun(context: &mut Context, answer: Answer) -> Step {
    match answer {
        Answer::Done => Step::Receive(Box::new(received)),
        other => {
            context.appending = false;
            failed(other)
        }
    }
}

fn received(context: &mut Context, ended: bool) -> Step {
    context.appending = false;
    if !ended {
        return Step::ask(Ask::AppendAbort, |_, _| {
            Step::Done(Completion::bad("Error in IMAP command APPEND: Only one message can be appended at a time."))
        });
    }
    Step::ask(Ask::AppendEnd, |_, answer| match answer {
        Answer::Appended { uid_validity, uid } => {
            Step::Done(Completion::ok("Append completed.").code(format!("APPENDUID {uid_validity} {uid}")))
        }
        other => failed(other),
    })
}

fn failed(answer: Answer) -> Step {
    match answer {
        Answer::Refused(refusal) => Step::Done(refused_target(refusal)),
        other => Step::failed(other),
    }
}
