//! STORE (RFC 3501 §6.4.6).

use crate::imap::ask::{Answer, Ask, FlagChange, How};
use crate::imap::command::{MAILBOX_LOST, Step};
use crate::imap::context::{Context, State};
use crate::imap::parse::{Fault, Parsed, Parser, syntax, syntax_at};
use crate::imap::response::Completion;
use crate::imap::view::{Numbered, Numbers};

// store = "STORE" SP sequence-set SP store-att-flags
pub fn start(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    args.space()?;
    let set = args.message_set()?;
    args.space()?;
    let (change, silent) = change(args)?;
    args.end()?;
    let Some(view) = context.view() else { return Err(Fault::Refused(Completion::misunderstood())) };
    let Some(messages) = view.messages(&set, numbers) else { return syntax("Invalid messageset") };
    if view.is_read_only() {
        return Err(Fault::Refused(Completion::read_only()));
    }
    if messages.is_empty() {
        return Ok(Step::ok("Store completed."));
    }
    let uids = messages.iter().map(|message| message.uid).collect();
    Ok(Step::ask(Ask::Store { uids, change: change.clone() }, move |context, answer| match answer {
        Answer::Synced { .. } => {
            if !context.hear(answer) {
                return Step::Bye(MAILBOX_LOST);
            }
            tell(context, &messages, &change, silent, numbers)
        }
        other => Step::failed(other),
    }))
}

// store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
fn change(args: &mut Parser<'_>) -> Parsed<(FlagChange, bool)> {
    let name = args.atom()?;
    let (how, rest) = match name.as_bytes() {
        [b'+', ..] => (How::Add, &name[1..]),
        [b'-', ..] => (How::Remove, &name[1..]),
        _ => (How::Replace, name),
    };
    let silent = rest.eq_ignore_ascii_case("FLAGS.SILENT");
    if !silent && !rest.eq_ignore_ascii_case("FLAGS") {
        return syntax_at("Unknown parameter", name.as_bytes());
    }
    args.space()?;
    let (flags, keywords) = if args.peek() == Some(b'(') { args.flag_list()? } else { bare_flags(args)? };
    Ok((FlagChange { how, flags, keywords }, silent))
}

fn bare_flags(args: &mut Parser<'_>) -> Parsed<(mail::Flags, Vec<mail::Keyword>)> {
    let mut found = (mail::Flags::NONE, Vec::new());
    args.flag(&mut found)?;
    while args.take_if(b' ') {
        args.flag(&mut found)?;
    }
    Ok(found)
}

/// The new flags of each message, or with `.SILENT` only what the client cannot reckon itself, which `catch_up` tells.
fn tell(context: &mut Context, messages: &[Numbered], change: &FlagChange, silent: bool, numbers: Numbers) -> Step {
    let Context { state: State::Selected(view), out, .. } = context else {
        return Step::Done(Completion::misunderstood());
    };
    view.announce_keywords(out);
    let mut missing = false;
    for message in messages {
        if !view.is_there(message.uid) {
            missing = true;
        } else if silent {
            view.reckon(message.uid, change);
        } else {
            let uid = if numbers == Numbers::Uid { format!("UID {} ", message.uid) } else { String::new() };
            out.push(format!("* {} FETCH ({uid}", message.seq).as_bytes());
            view.tell_flags(message.uid, out);
            out.push(b")\r\n");
        }
    }
    // RFC 2180 §4.2.1: flags of messages that others expunged cannot be changed, and the client should hear why.
    let completion = Completion::ok("Store completed.");
    Step::Done(if missing { completion.code("EXPUNGEISSUED") } else { completion })
}
