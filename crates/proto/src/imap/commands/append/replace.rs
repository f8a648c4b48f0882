//! What REPLACE (RFC 8508) does beside appending: it names a message of the selected mailbox, and removes it when the other is there.
//! A crash between leaves both, as with MOVE.

use mail::{NumberSet, Uid};

use crate::imap::ask::{Answer, Ask};
use crate::imap::command::{MAILBOX_LOST, Step};
use crate::imap::commands::expunge::with_highest_modseq;
use crate::imap::context::Context;
use crate::imap::parse::{Fault, MessageSet, Parsed, Parser, syntax};
use crate::imap::response::Completion;
use crate::imap::view::Numbers;

/// The message that gives way: its number, or with `UID` its UID, and the space before and after it.
pub fn replaced(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Uid> {
    args.space()?;
    let number = args.nz_number()?;
    args.space()?;
    let Some(view) = context.view() else { return Err(Fault::Refused(Completion::misunderstood())) };
    if view.is_read_only() {
        return Err(Fault::Refused(Completion::read_only()));
    }
    let set = MessageSet::Numbers(NumberSet::from_numbers([number]));
    let Some(messages) = view.messages(&set, numbers) else { return syntax("Invalid message number") };
    let message = messages.first().filter(|message| view.is_there(message.uid));
    // RFC 8508 §3.2: NO when the message cannot be removed.
    message.map(|message| message.uid).ok_or_else(|| Fault::Refused(Completion::no("There is no such message.")))
}

/// The other is there, under this UID.
pub fn remove(replaced: Uid, append_uid: &str, context: &mut Context) -> Step {
    // RFC 8508 §4.3: untagged, before the EXPUNGE, which the command's end tells.
    context.out.push(format!("* OK [{append_uid}] Replacement message ready.\r\n").as_bytes());
    Step::ask(Ask::Expunge { uids: vec![replaced] }, |context, answer| {
        if matches!(answer, Answer::Refused(_)) {
            return Step::failed(answer);
        }
        if !context.hear(answer) {
            return Step::Bye(MAILBOX_LOST);
        }
        Step::Done(with_highest_modseq(Completion::ok("Replace completed."), context))
    })
}
