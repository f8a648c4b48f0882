//! LOGIN (RFC 3501 §6.2.3), and what happens to credentials however they came.

use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::Step;
use crate::imap::context::{Context, State, TlsState};
use crate::imap::parse::{Fault, Parsed, Parser};
use crate::imap::response::{Completion, refused};
use crate::imap::view::Numbers;
use crate::sasl::{Credentials, Failure, Mechanism};

// login = "LOGIN" SP userid SP password
// userid = astring
// password = astring
/// Both may be UTF-8 in any form of string: there are passwords that are not ASCII, and programs that send them so.
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let login = args.astring()?;
    args.space()?;
    let password = args.astring()?;
    args.end()?;
    allowed(context)?;
    if !context.profile.offers.take_passwords() {
        return Err(Fault::Refused(Completion::no("Passwords are not taken here.").code("CANNOT")));
    }
    Ok(match Credentials::new(Mechanism::Login, &login, &password) {
        Ok(credentials) => Step::ask(Ask::LogIn(credentials), judged),
        Err(failure) => failed(context, failure),
    })
}

/// Whether anybody may log in on this connection yet.
pub fn allowed(context: &Context) -> Parsed<()> {
    // RFC 3501 §6.2.3: LOGINDISABLED means that LOGIN fails. RFC 5530 §3 has the code.
    match context.tls {
        TlsState::Required => {
            Err(Fault::Refused(Completion::no("Use STARTTLS before logging in.").code("PRIVACYREQUIRED")))
        }
        _ => Ok(()),
    }
}

/// Tells the house's verdict.
pub fn judged(context: &mut Context, answer: Answer) -> Step {
    match answer {
        Answer::Done => {
            context.state = State::LoggedIn;
            // RFC 3501 §6.2.3: the capabilities may have changed, so they come along.
            Step::Done(Completion::ok("Logged in.").code(context.capability_code()))
        }
        Answer::Refused(refusal) if is_no(&refusal) => refuse(context, refusal),
        other => Step::failed(other),
    }
}

/// Whether this says that they are not who they claim to be, and not that something is out of order.
pub fn is_no(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::AuthenticationFailed | Refusal::AuthorizationFailed)
}

/// Credentials that were none.
pub fn failed(context: &mut Context, failure: Failure) -> Step {
    match failure {
        Failure::Cancelled => Step::Done(Completion::bad("Authentication aborted by client.")),
        Failure::Encoding => Step::Done(Completion::bad("Invalid base64 data.")),
        // Not the peer's grammar but what it holds is wrong: nobody can log in with that.
        Failure::Malformed | Failure::Empty | Failure::TooLong => refuse(context, Refusal::AuthenticationFailed),
    }
}

/// Wrong passwords are told late, so that guessing takes its time.
fn refuse(context: &mut Context, refusal: Refusal) -> Step {
    context.failed_logins += 1;
    let limits = context.limits();
    if context.failed_logins >= limits.failed_logins_max {
        return Step::Bye("Too many failed logins.");
    }
    Step::Pause(limits.failed_login_pause, refused(refusal))
}
