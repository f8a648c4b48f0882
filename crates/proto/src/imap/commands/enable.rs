//! ENABLE (RFC 5161). There is nothing to enable yet; unknown names are passed over, as §3.1 wants.

use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::view::Numbers;

// enable = "ENABLE" 1*(SP capability)
// response-data =/ "*" SP enable-data CRLF ; enable-data = "ENABLED" *(SP capability)
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    args.atom()?;
    while args.take_if(b' ') {
        args.atom()?;
    }
    args.end()?;
    context.out.push(b"* ENABLED\r\n");
    Ok(Step::ok("Enabled."))
}
