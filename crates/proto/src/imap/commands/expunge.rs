//! EXPUNGE (RFC 3501 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1).

use std::collections::BTreeSet;

use mail::{Flags, Uid};

use crate::imap::ask::{Answer, Ask};
use crate::imap::command::{MAILBOX_LOST, Step};
use crate::imap::context::Context;
use crate::imap::parse::{Fault, MessageSet, Parsed, Parser};
use crate::imap::response::Completion;
use crate::imap::view::{Numbers, View};

// command-select = ... / "EXPUNGE" / ...
// uid-expunge = "UID" SP "EXPUNGE" SP sequence-set
pub fn start(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    let only = match numbers {
        Numbers::Seq => None,
        Numbers::Uid => {
            args.space()?;
            Some(args.message_set()?)
        }
    };
    args.end()?;
    // RFC 3501 §6.3.2: nothing changes in a mailbox that was opened by EXAMINE.
    if context.view().is_some_and(|view| view.is_read_only()) {
        return Err(Fault::Refused(Completion::read_only()));
    }
    // What others marked \Deleted a moment ago goes too, so the store is asked first.
    Ok(Step::ask(Ask::Sync, move |context, answer| {
        if !context.hear(answer) {
            return Step::Bye(MAILBOX_LOST);
        }
        expunge(context, only.as_ref())
    }))
}

fn expunge(context: &mut Context, only: Option<&MessageSet>) -> Step {
    let Some(view) = context.view() else { return Step::Done(Completion::misunderstood()) };
    let mut uids = deleted(view);
    if let Some(set) = only {
        let named: BTreeSet<Uid> = view.named_messages(set, Numbers::Uid).iter().map(|message| message.uid).collect();
        uids.retain(|uid| named.contains(uid));
    }
    if uids.is_empty() {
        return Step::ok("Expunge completed.");
    }
    Step::ask(Ask::Expunge { uids }, |context, answer| match answer {
        Answer::Synced { .. } => {
            context.hear(answer);
            Step::Done(with_highest_modseq(Completion::ok("Expunge completed."), context))
        }
        other => Step::failed(other),
    })
}

// RFC 7162 §3.2.7: "If at least one message got expunged and QRESYNC was enabled, the server MUST send the updated per-mailbox
// modification sequence". All that the view heard is told before this completion.
pub fn with_highest_modseq(completion: Completion, context: &mut Context) -> Completion {
    let qresync = context.enabled.qresync;
    match context.view().filter(|_| qresync) {
        Some(view) => completion.code(format!("HIGHESTMODSEQ {}", view.latest().highest_modseq)),
        None => completion,
    }
}

/// The messages marked `\Deleted`, as the store said last.
pub fn deleted(view: &View) -> Vec<Uid> {
    view.latest().rows.iter().filter(|row| row.flags.contains(Flags::DELETED)).map(|row| row.uid).collect()
}
