//! RENAME (RFC 3501 §6.3.5).

use super::delete::leave_if_selected;
use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Fault, Parsed, Parser};
use crate::imap::response::refused;
use crate::imap::view::Numbers;

// rename = "RENAME" SP mailbox SP mailbox ; Use of INBOX as a destination gives a NO error
pub fn start(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let from = args.mailbox()?;
    args.space()?;
    let to = args.mailbox()?;
    args.end()?;
    if to.is_inbox() {
        return Err(Fault::Refused(refused(Refusal::AlreadyExists)));
    }
    if to.is_below(&from) && !from.is_inbox() {
        return Err(Fault::Refused(refused(Refusal::Cannot("A mailbox can't be moved below itself".to_owned()))));
    }
    Ok(Step::ask(Ask::Rename { from: from.clone(), to }, move |context, answer| match answer {
        // INBOX stays when it is renamed; only its messages go.
        Answer::Done => leave_if_selected(
            context,
            |selected| !from.is_inbox() && (*selected == from || selected.is_below(&from)),
            "Rename completed.",
        ),
        other => Step::failed(other),
    }))
}
