//! NAMESPACE (RFC 2342): the personal one, the one of other users' mailboxes where the house has it, and no shared one.

use mail::mailbox_name::SEPARATOR;

use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::response;
use crate::imap::view::Numbers;

// namespace = "NAMESPACE"
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    let out = &mut context.out;
    // namespace = nil / "(" 1*( "(" string SP (<"> QUOTED_CHAR <"> / nil) *(Namespace_Response_Extension) ")" ) ")"
    out.push(format!("* NAMESPACE ((\"\" \"{SEPARATOR}\")) ").as_bytes());
    match &context.profile.others {
        Some(root) => {
            out.push(b"((");
            response::string(format!("{}{SEPARATOR}", root.to_mutf7()).as_bytes(), out);
            out.push(format!(" \"{SEPARATOR}\"))").as_bytes());
        }
        None => out.push(b"NIL"),
    }
    out.push(b" NIL\r\n");
    Ok(Step::ok("Namespace completed."))
}
