//! STARTTLS (RFC 3501 §6.2.1).

use crate::imap::command::Step;
use crate::imap::context::{Context, TlsState};
use crate::imap::parse::{Parsed, Parser, syntax};
use crate::imap::response::Completion;
use crate::imap::view::Numbers;

// command-nonauth = ... / "STARTTLS"
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    match context.tls {
        TlsState::Off => syntax("TLS is not available"),
        TlsState::On => syntax("TLS is already active"),
        TlsState::Offered | TlsState::Required => Ok(Step::StartTls(Completion::ok("Begin TLS negotiation now."))),
    }
}
