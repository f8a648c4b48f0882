//! LOGOUT (RFC 3501 §6.1.3). Closes the selected mailbox without expunging.

use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::view::Numbers;

// command-any = ... / "LOGOUT" / ...
pub fn start(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    Ok(Step::Logout)
}
