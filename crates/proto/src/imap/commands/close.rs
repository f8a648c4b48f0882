//! CLOSE (RFC 3501 §6.4.2) and UNSELECT (RFC 3691): back to no mailbox, with and without expunging.

use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::Step;
use crate::imap::context::{Context, State};
use crate::imap::parse::{Parsed, Parser};
use crate::imap::view::Numbers;

// command-select = ... / "CLOSE" / ...
pub fn close(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    let expunges = context.view().is_some_and(|view| !view.is_read_only());
    if !expunges {
        return Ok(leave("Close completed."));
    }
    Ok(Step::ask(Ask::Sync, |context, answer| {
        // In a mailbox that is another one by now, these UIDs mean something else.
        let same = context.hear(answer);
        let uids = context.view().map(|view| super::expunge::deleted(view)).unwrap_or_default();
        if !same || uids.is_empty() {
            return leave("Close completed.");
        }
        Step::ask(Ask::Expunge { uids }, |_, answer| match answer {
            // RFC 4314 §4: without the right to expunge, CLOSE just closes.
            Answer::Synced { .. } | Answer::Refused(Refusal::NoSuchMailbox | Refusal::NoPermission) => {
                leave("Close completed.")
            }
            other => Step::failed(other),
        })
    }))
}

// command-select =/ "UNSELECT"
pub fn unselect(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    Ok(leave("Unselect completed."))
}

/// No mailbox is selected any more, whatever the house says to it.
pub fn leave(text: &'static str) -> Step {
    Step::ask(Ask::Unselect, move |context, _| {
        context.state = State::LoggedIn;
        Step::ok(text)
    })
}
