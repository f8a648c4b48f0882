//! AUTHENTICATE (RFC 3501 §6.2.2) with SASL-IR (RFC 4959). The mechanisms are `crate::sasl`'s.

use super::login;
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Fault, Parsed, Parser};
use crate::imap::response::Completion;
use crate::imap::view::Numbers;
use crate::sasl::{self, Exchange, Mechanism};

// authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp] *(CRLF base64)
// initial-resp = (base64 / "=")
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.atom()?;
    let initial = if args.take_if(b' ') { Some(args.take_while(|byte| byte != b' ')) } else { None };
    args.end()?;
    login::allowed(context)?;
    let Some(mechanism) = Mechanism::parse(name) else {
        return Err(Fault::Refused(Completion::no("Unsupported authentication mechanism.").code("CANNOT")));
    };
    let (exchange, step) = Exchange::start_word(mechanism, initial);
    Ok(go_on(exchange, step, context))
}

fn go_on(mut exchange: Exchange, step: sasl::Step, context: &mut Context) -> Step {
    match step {
        sasl::Step::Challenge(challenge) => {
            context.out.push(format!("+ {}\r\n", sasl::encode(challenge)).as_bytes());
            Step::Line(Box::new(move |context, line| {
                let step = exchange.respond_line(line);
                go_on(exchange, step, context)
            }))
        }
        sasl::Step::Done(credentials) => login::log_in(credentials),
        sasl::Step::Failed(failure) => login::failed(context, failure),
    }
}
