//! UNAUTHENTICATE (RFC 8437): nobody is logged in any more, and the connection stays. Not offered once COMPRESS was begun.

use crate::imap::ask::{Answer, Ask};
use crate::imap::command::Step;
use crate::imap::context::{Context, Enabled, State};
use crate::imap::parse::{Parsed, Parser, syntax};
use crate::imap::view::Numbers;

// command-auth =/ "UNAUTHENTICATE"
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    if context.compressed {
        return syntax("Not while the connection is compressed");
    }
    Ok(Step::ask(Ask::LogOut, |context, answer| match answer {
        Answer::Done => {
            // RFC 8437 §4.1: also what was enabled is forgotten, and `$`, which the view holds.
            context.state = State::BeforeLogin;
            context.enabled = Enabled::default();
            Step::ok("Nobody is logged in now.")
        }
        // RFC 8437 §3: a NO is not permitted.
        _ => Step::Bye("The login cannot be forgotten."),
    }))
}
