//! NAMESPACE (RFC 2342). One personal namespace; none of other users', none shared.

use mail::mailbox_name::SEPARATOR;

use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::view::Numbers;

// namespace = "NAMESPACE"
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    context.out.push(format!("* NAMESPACE ((\"\" \"{SEPARATOR}\")) NIL NIL\r\n").as_bytes());
    Ok(Step::ok("Namespace completed."))
}
