//! SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2).

use crate::imap::ask::{Answer, Ask};
use crate::imap::command::Step;
use crate::imap::context::{Context, State};
use crate::imap::parse::{Fault, Parsed, Parser, mailbox_name};
use crate::imap::response::Completion;
use crate::imap::view::{Numbers, View};

// select = "SELECT" SP mailbox
pub fn select(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    open(args, context, "Select completed.", false)
}

// examine = "EXAMINE" SP mailbox
pub fn examine(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    open(args, context, "Examine completed.", true)
}

fn open(args: &mut Parser<'_>, context: &mut Context, text: &'static str, read_only: bool) -> Parsed<Step> {
    args.space()?;
    let encoded = args.astring()?;
    args.end()?;
    // RFC 3501 §6.3.1: also a SELECT that fails leaves no mailbox selected.
    let was_selected = leave(context);
    let name = match mailbox_name(&encoded) {
        Err(Fault::Refused(completion)) if was_selected => {
            return Ok(Step::ask(Ask::Unselect, |_, _| Step::Done(completion)));
        }
        other => other?,
    };
    let ask = Ask::Select { name: name.clone(), read_only };
    Ok(Step::ask(ask, move |context, answer| match answer {
        Answer::Selected { snapshot, recent, read_only: only, may_change } => {
            let read_only = read_only || only;
            let view = View::new(name, snapshot, recent, read_only).with_flags_of(may_change);
            view.introduce(&mut context.out);
            context.state = State::Selected(Box::new(view));
            Step::Done(Completion::ok(text).code(if read_only { "READ-ONLY" } else { "READ-WRITE" }))
        }
        other => Step::failed(other),
    }))
}

/// RFC 7162 §3.2.11: where the responses about the mailbox selected before end.
fn leave(context: &mut Context) -> bool {
    let was_selected = matches!(context.state, State::Selected(_));
    if was_selected {
        context.out.push(b"* OK [CLOSED] Previous mailbox closed.\r\n");
        context.state = State::LoggedIn;
    }
    was_selected
}
