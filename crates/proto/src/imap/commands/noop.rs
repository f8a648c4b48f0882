//! NOOP and CHECK (RFC 3501 §6.1.2, §6.4.1). What changed is told at their end, as at any command's.

use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::view::Numbers;

// command-any = ... / "NOOP" / ...
pub fn noop(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    Ok(Step::ok("NOOP completed."))
}

// command-select = "CHECK" / ...
pub fn check(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    Ok(Step::ok("Check completed."))
}
