//! DELETE (RFC 3501 §6.3.4).

use mail::MailboxName;

use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::Step;
use crate::imap::context::{Context, State};
use crate::imap::parse::{Fault, Parsed, Parser};
use crate::imap::response::refused;
use crate::imap::view::Numbers;

// delete = "DELETE" SP mailbox ; INBOX is invalid
pub fn start(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.end()?;
    if name.is_inbox() {
        return Err(Fault::Refused(refused(Refusal::Cannot("INBOX can't be deleted".to_owned()))));
    }
    Ok(Step::ask(Ask::Delete { name: name.clone() }, move |context, answer| match answer {
        Answer::Done => leave_if_selected(context, |selected| *selected == name, "Delete completed."),
        other => Step::failed(other),
    }))
}

/// The client's own command took its selected mailbox away: it hears that, and stays logged in.
pub fn leave_if_selected(context: &mut Context, taken: impl Fn(&MailboxName) -> bool, text: &'static str) -> Step {
    if !context.view().is_some_and(|view| taken(view.name())) {
        return Step::ok(text);
    }
    context.out.push(b"* OK [CLOSED] Selected mailbox closed.\r\n");
    context.state = State::LoggedIn;
    Step::ask(Ask::Unselect, move |_, _| Step::ok(text))
}
