//! IDLE (RFC 2177). What changed before it is told first; then the machine watches (`server.rs`).

use crate::imap::ask::Ask;
use crate::imap::command::{MAILBOX_LOST, Step};
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::view::Numbers;

// command_auth ::= ... / idle
// idle ::= "IDLE" CRLF "DONE"
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    if context.view().is_none() {
        return Ok(Step::Idle);
    }
    Ok(Step::ask(Ask::Sync, |context, answer| {
        if !context.hear(answer) {
            return Step::Bye(MAILBOX_LOST);
        }
        context.catch_up(true, false);
        Step::Idle
    }))
}
