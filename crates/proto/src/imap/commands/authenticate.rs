//! AUTHENTICATE (RFC 3501 §6.2.2) with SASL-IR (RFC 4959). The mechanisms are `crate::sasl`'s.

use super::login;
use crate::imap::ask::{Answer, Ask};
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Fault, Parsed, Parser};
use crate::imap::response::Completion;
use crate::imap::view::Numbers;
use crate::sasl::{self, Credentials, Exchange, LastWords};

// authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp] *(CRLF base64)
// initial-resp = (base64 / "=")
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.atom()?;
    let initial = if args.take_if(b' ') { Some(args.take_while(|byte| byte != b' ')) } else { None };
    args.end()?;
    login::allowed(context)?;
    let (offers, channel) = (&context.profile.offers, context.channel.as_ref());
    let Some(mechanism) = offers.find(name, channel.map(AsRef::as_ref)) else {
        return Err(Fault::Refused(Completion::no("Unsupported authentication mechanism.").code("CANNOT")));
    };
    let (exchange, step) = Exchange::start_word(mechanism, initial, offers, channel);
    Ok(go_on(exchange, step, context))
}

fn go_on(mut exchange: Exchange, step: sasl::Step, context: &mut Context) -> Step {
    match step {
        sasl::Step::Challenge(challenge) => ask_client(context, &challenge, move |context, line| {
            let step = exchange.respond_line(line, &context.profile.offers);
            go_on(exchange, step, context)
        }),
        sasl::Step::Ask(ask) => Step::ask(Ask::Sasl(ask), move |context, answer| match answer {
            Answer::Sasl(answer) => {
                let step = exchange.answered(&answer);
                go_on(exchange, step, context)
            }
            other => login::judged(context, other),
        }),
        sasl::Step::Done(credentials, last) => judge(credentials, last),
        sasl::Step::Failed(failure) => login::failed(context, failure),
    }
}

fn judge(credentials: Credentials, last: LastWords) -> Step {
    Step::ask(Ask::LogIn(credentials), move |context, answer| match (&answer, last) {
        (Answer::Done, LastWords { welcome: Some(words), .. }) => {
            ask_client(context, &words, |context, line| match LastWords::heard(line) {
                Ok(()) => login::judged(context, answer),
                Err(failure) => login::failed(context, failure),
            })
        }
        (Answer::Refused(refusal), LastWords { refused: Some(words), .. }) if login::is_no(refusal) => {
            // RFC 7628 §3.2.3: whatever the client says to that.
            ask_client(context, &words, |context, _| login::judged(context, answer))
        }
        _ => login::judged(context, answer),
    })
}

fn ask_client(
    context: &mut Context,
    challenge: &[u8],
    then: impl FnOnce(&mut Context, &[u8]) -> Step + Send + 'static,
) -> Step {
    context.out.push(format!("+ {}\r\n", sasl::encode(challenge)).as_bytes());
    Step::Line(Box::new(then))
}
