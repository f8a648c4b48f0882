//! Every text that a ManageSieve server of ours says. The only place where faults and refusals become words.
//!
//! The texts are those that operators know from Pigeonhole, where they say the right thing.

use super::ask::{Refusal, Script};
use super::command::{Fault, When};
use super::profile::{Profile, Tls};
use crate::sasl::{self, Channel, Failure};

/// Who asks for the capabilities.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    pub in_tls: bool,
    pub channel: Option<&'a Channel>,
    /// The user, once logged in.
    pub owner: Option<&'a str>,
}

/// The capabilities (RFC 5804 §1.7), as CAPABILITY, the greeting and the end of STARTTLS give them.
pub fn capabilities(profile: &Profile, asker: Asker<'_>) -> String {
    let language = &profile.language;
    let logged_in = asker.owner.is_some();
    let may_log_in = asker.in_tls || !profile.login_needs_tls;
    let mechanisms = if may_log_in { profile.offers.names("", asker.channel) } else { String::new() };
    let rows: [(&str, Option<String>, bool); 9] = [
        ("IMPLEMENTATION", Some("Tepui".to_owned()), true),
        ("SIEVE", Some(language.extensions.clone()), true),
        ("MAXREDIRECTS", Some(language.redirects_max.to_string()), logged_in),
        ("NOTIFY", language.notify.clone(), language.notify.is_some()),
        ("OWNER", asker.owner.map(str::to_owned), logged_in),
        // RFC 5804 §1.7: empty as long as TLS has to come first.
        ("SASL", Some(mechanisms), !logged_in),
        ("STARTTLS", None, !logged_in && !asker.in_tls && profile.tls == Tls::Offered),
        ("UNAUTHENTICATE", None, logged_in),
        ("VERSION", Some("1.0".to_owned()), true),
    ];
    let line = |(name, value, _): &(&str, Option<String>, bool)| match value {
        Some(value) => format!("\"{name}\" {}\r\n", quoted(value.as_bytes())),
        None => format!("\"{name}\"\r\n"),
    };
    rows.iter().filter(|(.., offered)| *offered).map(line).collect()
}

pub fn ok(text: &str) -> String {
    format!("OK {}\r\n", string(text))
}

pub fn no(text: &str) -> String {
    format!("NO {}\r\n", string(text))
}

pub fn bye(text: &str) -> String {
    format!("BYE {}\r\n", string(text))
}

/// NOOP with a string (RFC 5804 §2.13).
pub fn noop_tagged(tag: &[u8]) -> String {
    format!("OK (TAG {}) \"Done\"\r\n", quoted(tag))
}

/// The end of a login with a mechanism's last words (RFC 5804 §1.3, SASL).
pub fn logged_in(last_words: Option<&[u8]>) -> String {
    let code = last_words.map(|words| format!("(SASL \"{}\") ", sasl::encode(words))).unwrap_or_default();
    format!("OK {code}\"Logged in.\"\r\n")
}

// RFC 5804 §2.1
pub fn challenge(challenge: &[u8]) -> String {
    format!("\"{}\"\r\n", sasl::encode(challenge))
}

/// A script that is good, and what its author may not have meant (RFC 5804 §1.3).
pub fn warned(warnings: &str) -> String {
    format!("OK (WARNINGS) {}\r\n", string(warnings))
}

pub fn list(scripts: &[Script]) -> String {
    let line = |script: &Script| {
        let active = if script.is_active { " ACTIVE" } else { "" };
        format!("{}{active}\r\n", quoted(script.name.as_str().as_bytes()))
    };
    scripts.iter().map(line).collect()
}

/// A script as GETSCRIPT gives it: a literal.
pub fn content(content: &[u8]) -> Vec<u8> {
    [format!("{{{}}}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat()
}

pub fn fault(fault: &Fault, size_max: u64) -> String {
    match fault {
        Fault::Unknown => no("Unknown command."),
        Fault::NotNow(When::BeforeLogin) => no("Already logged in."),
        Fault::NotNow(_) => no("Log in first."),
        Fault::Arguments => no("Invalid arguments."),
        Fault::Name(error) => no(&format!("Invalid script name: {error}.")),
        Fault::TooLarge(_) => refusal(&Refusal::TooLarge(size_max)),
    }
}

pub fn refusal(refusal: &Refusal) -> String {
    let (code, text) = match refusal {
        Refusal::Authentication => ("", "Authentication failed.".to_owned()),
        Refusal::Temporary => ("(TRYLATER) ", "Internal error occurred, try again later.".to_owned()),
        Refusal::Permanent => ("", "Internal error occurred, ask the postmaster.".to_owned()),
        Refusal::NotFound => ("(NONEXISTENT) ", "There is no script of this name.".to_owned()),
        Refusal::Exists => ("(ALREADYEXISTS) ", "A script of this name already exists.".to_owned()),
        Refusal::Active => ("(ACTIVE) ", "Cannot delete the active Sieve script.".to_owned()),
        Refusal::Reserved => ("", "This name is used by the server itself.".to_owned()),
        Refusal::TooLarge(max) => ("(QUOTA/MAXSIZE) ", format!("Script is too large (max {max} bytes).")),
        Refusal::TooMany(max) => ("(QUOTA/MAXSCRIPTS) ", format!("Too many scripts (max {max}).")),
        Refusal::NoStorage(max) => ("(QUOTA) ", format!("Scripts take too much storage (max {max} bytes).")),
        Refusal::Faulty(errors) => ("", errors.clone()),
    };
    format!("NO {code}{}\r\n", string(&text))
}

pub fn sasl_failure(failure: Failure) -> String {
    no(match failure {
        Failure::Cancelled => "Authentication aborted.",
        Failure::Encoding => "Invalid base64 data.",
        Failure::TooLong => "Line too long.",
        Failure::Malformed | Failure::Empty => "Authentication failed.",
    })
}

/// A text: quoted, or a literal when it has more than one line (RFC 5804 §4, string).
fn string(text: &str) -> String {
    if text.contains('\n') { format!("{{{}}}\r\n{text}", text.len()) } else { quoted(text.as_bytes()) }
}

/// A quoted string; what may not stand in one is replaced (RFC 5804 §4).
fn quoted(text: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push('?'),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
