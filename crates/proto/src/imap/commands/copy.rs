//! COPY (RFC 3501 §6.4.7) and MOVE (RFC 6851), with COPYUID (RFC 4315 §3).

use mail::{MailboxName, Uid};

use super::expunge::with_highest_modseq;
use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::{MAILBOX_LOST, Step};
use crate::imap::context::Context;
use crate::imap::parse::{Fault, Parsed, Parser, syntax};
use crate::imap::response::{Completion, copyuid, refused, refused_target};
use crate::imap::view::Numbers;

// copy = "COPY" SP sequence-set SP mailbox
pub fn copy(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    let (uids, to) = arguments(args, context, numbers)?;
    if uids.is_empty() {
        return Ok(Step::ok("No messages found."));
    }
    Ok(Step::ask(Ask::Copy { uids, to }, |_, answer| match answer {
        Answer::Copied { source, .. } if source.is_empty() => Step::Done(refused(Refusal::Gone)),
        Answer::Copied { uid_validity, source, target } => {
            Step::Done(Completion::ok("Copy completed.").code(copyuid(uid_validity, &source, &target)))
        }
        other => failed(other),
    }))
}

// move = "MOVE" SP sequence-set SP mailbox
pub fn r#move(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    let (uids, to) = arguments(args, context, numbers)?;
    if context.view().is_some_and(|view| view.is_read_only()) {
        return Err(Fault::Refused(Completion::read_only()));
    }
    if uids.is_empty() {
        return Ok(Step::ok("No messages found."));
    }
    Ok(Step::ask(Ask::Move { uids, to }, |context, answer| match answer {
        Answer::Copied { source, .. } if source.is_empty() => Step::Done(refused(Refusal::Gone)),
        Answer::Copied { uid_validity, source, target } => {
            // RFC 6851 §4.3: COPYUID comes untagged, before the EXPUNGEs, which the command's end tells.
            let code = copyuid(uid_validity, &source, &target);
            context.out.push(format!("* OK [{code}] Moved UIDs.\r\n").as_bytes());
            moved(context)
        }
        other => failed(other),
    }))
}

/// RFC 7162 §3.2: a move expunges too, and the completion says the mod-sequence, so the store is asked before it.
fn moved(context: &mut Context) -> Step {
    context.fresh = false;
    let completion = Completion::ok("Move completed.");
    if !context.enabled.qresync {
        return Step::Done(completion);
    }
    Step::ask(Ask::Sync, move |context, answer| match context.hear(answer) {
        true => Step::Done(with_highest_modseq(completion, context)),
        false => Step::Bye(MAILBOX_LOST),
    })
}

fn arguments(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<(Vec<Uid>, MailboxName)> {
    args.space()?;
    let set = args.message_set()?;
    args.space()?;
    let to = args.mailbox()?;
    args.end()?;
    let messages = context.view().and_then(|view| view.messages(&set, numbers));
    let Some(messages) = messages else { return syntax("Invalid messageset") };
    Ok((messages.into_iter().map(|message| message.uid).collect(), to))
}

fn failed(answer: Answer) -> Step {
    match answer {
        Answer::Refused(refusal) => Step::Done(refused_target(refusal)),
        other => Step::failed(other),
    }
}
