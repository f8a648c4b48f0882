//! Every text that a POP3 server of ours says. The only place where faults and refusals become words.
//!
//! The texts are those that operators know from Dovecot, where they say the right thing. What echoes the client is printable
//! ASCII of bounded length.

use super::ask::Refusal;
use super::command::Fault;
use super::profile::{Profile, Tls};
use crate::sasl::{self, Channel, Failure, Offers};

/// Characters of an echo.
const ECHO_LENGTH_MAX: usize = 40;

/// `+OK` with a text, and its line end.
pub fn ok(text: &str) -> String {
    if text.is_empty() { "+OK\r\n".to_owned() } else { format!("+OK {text}\r\n") }
}

/// `-ERR` with a text, and its line end.
pub fn err(text: &str) -> String {
    format!("-ERR {text}\r\n")
}

// RFC 5034 §4
pub fn challenge(challenge: &[u8]) -> String {
    format!("+ {}\r\n", sasl::encode(challenge))
}

/// CAPA (RFC 2449 §5). What concerns login vanishes with it.
pub fn capabilities(profile: &Profile, in_tls: bool, channel: Option<&Channel>, logged_in: bool) -> String {
    let mechanisms = format!("SASL {}", profile.offers.names("", channel));
    let login = !logged_in && (in_tls || !profile.login_needs_tls);
    let rows = [
        ("CAPA", true),
        ("TOP", true),
        ("UIDL", true),
        ("RESP-CODES", true),
        ("PIPELINING", true),
        ("AUTH-RESP-CODE", true),
        ("STLS", !logged_in && !in_tls && profile.tls == Tls::Offered),
        ("USER", login && profile.offers.take_passwords()),
        (mechanisms.as_str(), login && mechanisms != "SASL "),
        // RFC 6856 §2.2: USER says that names and passwords may be UTF-8.
        ("UTF8 USER", true),
        ("LANG", true),
        // RFC 2449 §6.7, §6.5: nothing goes by itself, and clients may come as often as they like.
        ("EXPIRE NEVER", true),
        ("LOGIN-DELAY 0", true),
        ("IMPLEMENTATION Tepui", true),
    ];
    let lines = rows.iter().filter(|(_, offered)| *offered).map(|(line, _)| format!("{line}\r\n"));
    std::iter::once(ok("")).chain(lines).chain([".\r\n".to_owned()]).collect()
}

/// AUTH without a mechanism.
pub fn mechanisms(offers: &Offers, channel: Option<&Channel>) -> String {
    let lines: String = offers.on(channel).map(|mechanism| format!("{}\r\n", mechanism.name())).collect();
    format!("{}{lines}.\r\n", ok(""))
}

/// The only language of our texts, as its tag and in itself.
const LANGUAGE: (&str, &str) = ("en", "English");

/// LANG (RFC 6856 §3.2).
pub fn language(range: Option<&str>) -> String {
    let (tag, name) = LANGUAGE;
    let Some(range) = range else {
        return format!("{}{tag} {name}\r\n.\r\n", ok("Language listing follows:"));
    };
    let primary = range.split('-').next().unwrap_or_default();
    if range == "*" || primary.eq_ignore_ascii_case(tag) {
        ok(&format!("{tag} This is the language of all texts."))
    } else {
        err(&format!("{tag} There is no language {}.", echo(range)))
    }
}

pub fn fault(fault: &Fault, logged_in: bool) -> String {
    match fault {
        Fault::Unknown(name) if logged_in => err(&format!("Unknown command: {}", echo(name))),
        Fault::Unknown(_) => err("Unknown command."),
        Fault::TooLong => err("Line too long."),
        Fault::NotUtf8 => err("Line is not UTF-8."),
        Fault::BareNewline => err("Bare newline in a line."),
        Fault::Number(word) => err(&format!("Invalid message number: {}", echo(word))),
        Fault::Noise(word) => err(&format!("Noise after message number: {}", echo(word))),
        Fault::NoLogin => err("No username given."),
    }
}

fn echo(text: &str) -> String {
    text.chars().take(ECHO_LENGTH_MAX).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

pub fn refusal(refusal: Refusal) -> String {
    err(match refusal {
        // RFC 3206 §5, §4
        Refusal::Authentication => "[AUTH] Authentication failed.",
        Refusal::Temporary => "[SYS/TEMP] Internal error occurred, try again later.",
        Refusal::Permanent => "[SYS/PERM] Internal error occurred, ask the postmaster.",
        // RFC 2449 §8.1.2
        Refusal::InUse => "[IN-USE] Mailbox is in use by another session.",
        Refusal::Gone => "Message is gone.",
    })
}

pub fn sasl_failure(failure: Failure) -> String {
    err(match failure {
        Failure::Cancelled => "Authentication aborted.",
        Failure::Encoding => "Invalid base64 data.",
        Failure::TooLong => "Line too long.",
        Failure::Malformed | Failure::Empty => "[AUTH] Authentication failed.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_cannot_forge_a_response() {
        let said = fault(&Fault::Number("1\r\n+OK\u{f1}".into()), true);
        assert_eq!(said, "-ERR Invalid message number: 1??+OK?\r\n");
        assert!(fault(&Fault::Unknown("x".repeat(500)), true).len() < 100);
    }
}
