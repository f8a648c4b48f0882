//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.6, §6.3.7).

use crate::imap::ask::Ask;
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::view::Numbers;

// subscribe = "SUBSCRIBE" SP mailbox
pub fn subscribe(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.end()?;
    Ok(Step::ask_done(Ask::Subscribe { name }, "Subscribe completed."))
}

// unsubscribe = "UNSUBSCRIBE" SP mailbox
pub fn unsubscribe(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.end()?;
    Ok(Step::ask_done(Ask::Unsubscribe { name }, "Unsubscribe completed."))
}
