//! Every text that an SMTP or LMTP server of ours says, and how replies are written.
//!
//! The only place where faults become codes. What echoes the client is cleaned: a reply is printable ASCII in lines of
//! bounded length, whatever was in it. The texts are those that operators know from Postfix, where they say the right thing.

use mail::Reply;

use super::command::{self, Fault};
use super::profile::{Auth, Dialect, Profile, Tls};
use super::xclient;
use crate::sasl::{self, Channel, Failure};
use crate::session::Outbox;

/// RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets, with its code and its CR LF.
pub const REPLY_LINE_LENGTH_MAX: usize = 512;
/// What "250-5.7.1 " and CR LF need at most: code, separator, status, space, line end.
const FRAME_LENGTH_MAX: usize = 4 + 10 + 2;
/// Lines of one reply. A client must not wait for ever for its end.
pub const REPLY_LINES_MAX: usize = 100;

/// Writes a reply. A text of several lines becomes a multi-line reply (RFC 5321 §4.2.1), with the status on each line
/// (RFC 2034 §4).
pub fn write(out: &mut Outbox, reply: &Reply) {
    let status = reply.status.map_or(String::new(), |status| format!("{status} "));
    let mut lines: Vec<String> = reply.text.split('\n').flat_map(folded).take(REPLY_LINES_MAX).collect();
    let last = lines.pop().unwrap_or_default();
    for line in &lines {
        out.push(format!("{}-{status}{line}\r\n", reply.code).as_bytes());
    }
    out.push(format!("{} {status}{last}\r\n", reply.code).as_bytes());
}

/// Cuts a line at spaces so that each piece fits, and makes it printable.
fn folded(line: &str) -> Vec<String> {
    const LENGTH_MAX: usize = REPLY_LINE_LENGTH_MAX - FRAME_LENGTH_MAX;
    // RFC 5321 §4.2: textstring = 1*(%d09 / %d32-126)
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let mut rest: String = line.trim_end_matches('\r').chars().map(printable).collect();
    let mut pieces = Vec::new();
    while rest.len() > LENGTH_MAX {
        let space = rest.get(..LENGTH_MAX).and_then(|head| head.rfind(' ')).filter(|at| *at > 0);
        let tail = rest.split_off(space.unwrap_or(LENGTH_MAX));
        pieces.push(std::mem::replace(&mut rest, tail.trim_start().to_owned()));
    }
    pieces.push(rest);
    pieces
}

/// The reply to a line that is no command.
pub fn fault(fault: &Fault) -> Reply {
    match fault {
        Fault::Unknown => Reply::new(500, (5, 5, 2), "Error: command not recognized"),
        Fault::Empty => Reply::new(500, (5, 5, 2), "Error: bad syntax"),
        Fault::TooLong => Reply::new(500, (5, 5, 2), "Error: line too long"),
        Fault::NotUtf8 => Reply::new(500, (5, 5, 2), "Error: bad UTF-8 syntax"),
        Fault::BareLf => Reply::new(500, (5, 5, 2), "Error: bare <LF> received"),
        Fault::BareCr => Reply::new(500, (5, 5, 2), "Error: bare <CR> received"),
        Fault::Syntax(form) => Reply::new(501, (5, 5, 4), format!("Syntax: {form}")),
        Fault::HeloSyntax(form) => Reply::plain(501, format!("Syntax: {form}")),
        Fault::SenderSyntax => Reply::new(501, (5, 1, 7), "Bad sender address syntax"),
        Fault::RecipientSyntax => Reply::new(501, (5, 1, 3), "Bad recipient address syntax"),
        Fault::SenderUnqualified(path) => {
            Reply::new(501, (5, 1, 7), format!("<{path}>: Sender address rejected: need fully-qualified address"))
        }
        Fault::RecipientUnqualified(path) => {
            // Nobody has it: as Postfix answers that looks for it among its own.
            Reply::new(550, (5, 1, 1), format!("<{path}>: Recipient address rejected: need fully-qualified address"))
        }
        // RFC 5321 §4.1.1.11
        Fault::ParameterUnknown(word) => Reply::new(555, (5, 5, 4), format!("Unsupported option: {word}")),
        Fault::ParameterValue(complaint) => Reply::new(501, (5, 5, 4), *complaint),
        Fault::ParameterTwice(keyword) => Reply::new(501, (5, 5, 4), format!("Error: {keyword} given twice")),
        Fault::EtrnSyntax => Reply::plain(500, "Syntax: ETRN domain"),
        Fault::BdatSyntax => Reply::new(521, (5, 5, 4), "Syntax: BDAT count [LAST]"),
    }
}

/// The reply to an exchange that came to nothing.
pub fn sasl_failure(failure: Failure) -> Reply {
    match failure {
        // RFC 4954 §4: 501 for a cancelled exchange, and for what is not base64.
        Failure::Cancelled => Reply::new(501, (5, 7, 0), "Authentication aborted"),
        Failure::Encoding => Reply::new(501, (5, 5, 2), "Error: authentication failed: bad base64"),
        // RFC 4954 §4: 5.5.6, the line is too long.
        Failure::TooLong => Reply::new(500, (5, 5, 6), "Error: authentication exchange line is too long"),
        Failure::Malformed => Reply::new(535, (5, 7, 8), "Error: authentication failed: bad protocol / cancel"),
        Failure::Empty => Reply::new(535, (5, 7, 8), "Error: authentication failed: authentication failure"),
    }
}

pub fn greeting(profile: &Profile) -> Reply {
    let protocol = if profile.dialect == Dialect::Lmtp { "LMTP" } else { "ESMTP" };
    let usual = || format!("{} {protocol} Tepui", profile.hostname);
    Reply::plain(220, profile.banner.clone().unwrap_or_else(usual))
}

/// The answer to HELO, or to EHLO and LHLO with what is offered now.
pub fn hello(profile: &Profile, extended: bool, in_tls: bool, channel: Option<&Channel>) -> Reply {
    let mut lines = vec![profile.hostname.clone()];
    if extended {
        let offered = extensions(profile, in_tls, channel);
        let is_hidden =
            |told: &str| profile.hidden.iter().any(|hidden| told.split(' ').next() == Some(hidden.as_str()));
        let told = offered.into_iter().filter(|(keyword, offered)| *offered && !is_hidden(keyword));
        lines.extend(told.map(|(keyword, _)| keyword));
    }
    Reply::plain(250, lines.join("\n"))
}

fn extensions(profile: &Profile, in_tls: bool, channel: Option<&Channel>) -> [(String, bool); 15] {
    let mechanisms = profile.offers.names("", channel);
    let starttls = !in_tls && matches!(profile.tls, Tls::Offered | Tls::Required);
    let auth = profile.auth != Auth::Off && (in_tls || !profile.auth_needs_tls);
    [
        ("PIPELINING".into(), true),
        (format!("SIZE {}", profile.limits.message_size_max), true),
        ("VRFY".into(), profile.vrfy && profile.dialect != Dialect::Lmtp),
        ("ETRN".into(), profile.etrn && profile.dialect != Dialect::Lmtp),
        ("STARTTLS".into(), starttls),
        (format!("AUTH {mechanisms}"), auth && !mechanisms.is_empty()),
        ("ENHANCEDSTATUSCODES".into(), true),
        ("8BITMIME".into(), true),
        ("DSN".into(), profile.dsn),
        ("SMTPUTF8".into(), profile.smtputf8),
        ("CHUNKING".into(), profile.chunking),
        // RFC 9422 §4
        (format!("LIMITS RCPTMAX={}", profile.limits.recipients_max), profile.dialect != Dialect::Lmtp),
        (xclient::XCLIENT.into(), profile.xclient),
        (xclient::XFORWARD.into(), profile.xforward),
        ("XTRACE".into(), profile.trace),
    ]
}

pub fn help(dialect: Dialect) -> Reply {
    let verbs: Vec<&str> = command::verbs(dialect).collect();
    Reply::new(214, (2, 0, 0), format!("Commands: {}", verbs.join(" ")))
}

pub fn ok() -> Reply {
    Reply::new(250, (2, 0, 0), "Ok")
}

pub fn sender_ok() -> Reply {
    Reply::new(250, (2, 1, 0), "Ok")
}

pub fn recipient_ok() -> Reply {
    Reply::new(250, (2, 1, 5), "Ok")
}

pub fn bye() -> Reply {
    Reply::new(221, (2, 0, 0), "Bye")
}

pub fn http() -> Reply {
    Reply::new(221, (2, 7, 0), "Error: this is a mail server. Goodbye.")
}

pub fn start_content() -> Reply {
    Reply::plain(354, "End data with <CR><LF>.<CR><LF>")
}

pub fn chunk_ok(length: u64) -> Reply {
    Reply::new(250, (2, 0, 0), format!("Ok: {length} bytes"))
}

pub fn chunk_discarded(length: u64) -> Reply {
    Reply::new(551, (5, 0, 0), format!("Discarded {length} bytes after earlier error"))
}

pub fn start_tls() -> Reply {
    Reply::new(220, (2, 0, 0), "Ready to start TLS")
}

pub fn tls_active() -> Reply {
    Reply::new(554, (5, 5, 1), "Error: TLS already active")
}

pub fn tls_first() -> Reply {
    Reply::new(530, (5, 7, 0), "Must issue a STARTTLS command first")
}

pub fn login_first() -> Reply {
    Reply::new(530, (5, 7, 0), "Authentication required")
}

pub fn challenge(challenge: &[u8]) -> Reply {
    Reply::plain(334, sasl::encode(challenge))
}

pub fn logged_in() -> Reply {
    Reply::new(235, (2, 7, 0), "Authentication successful")
}

pub fn already_logged_in() -> Reply {
    Reply::new(503, (5, 5, 1), "Error: already authenticated")
}

pub fn auth_off() -> Reply {
    Reply::new(503, (5, 5, 1), "Error: authentication not enabled")
}

// RFC 4954 §4: 504 for a mechanism that is not known.
pub fn mechanism_unknown() -> Reply {
    Reply::new(504, (5, 5, 4), "Error: authentication mechanism not supported")
}

// RFC 4954 §6
pub fn auth_needs_tls() -> Reply {
    Reply::new(538, (5, 7, 11), "Encryption required for requested authentication mechanism")
}

pub fn transaction_open() -> Reply {
    Reply::new(503, (5, 5, 1), "Error: MAIL transaction in progress")
}

pub fn nested_mail() -> Reply {
    Reply::new(503, (5, 5, 1), "Error: nested MAIL command")
}

pub fn mail_first() -> Reply {
    Reply::new(503, (5, 5, 1), "Error: need MAIL command")
}

pub fn recipient_first() -> Reply {
    Reply::new(503, (5, 5, 1), "Error: need RCPT command")
}

pub fn no_recipients() -> Reply {
    Reply::new(554, (5, 5, 1), "Error: no valid recipients")
}

/// RFC 3030 §2: once BDAT was used only BDAT may follow.
pub fn after_chunk(verb: &str) -> Reply {
    Reply::new(503, (5, 5, 1), format!("Error: {verb} after BDAT"))
}

pub fn not_implemented() -> Reply {
    Reply::new(502, (5, 5, 1), "Error: command not implemented")
}

pub fn verify_off() -> Reply {
    Reply::new(502, (5, 5, 1), "VRFY command is disabled")
}

// RFC 6531 §3.5
pub fn needs_smtputf8() -> Reply {
    Reply::new(553, (5, 6, 7), "Error: non-ASCII address without SMTPUTF8")
}

// RFC 5321 §4.5.3.1.10
pub fn too_many_recipients() -> Reply {
    Reply::new(452, (4, 5, 3), "Error: too many recipients")
}

// RFC 1870 §6.1
pub fn size_announced_too_big() -> Reply {
    Reply::new(552, (5, 3, 4), "Message size exceeds fixed limit")
}

pub fn content_too_big() -> Reply {
    Reply::new(552, (5, 3, 4), "Error: message file too big")
}

pub fn chunk_too_big() -> Reply {
    Reply::new(552, (5, 3, 4), "Chunk exceeds message size limit")
}

pub fn content_bare_lf() -> Reply {
    Reply::new(550, (5, 5, 2), "Error: bare <LF> received")
}

pub fn content_bare_cr() -> Reply {
    Reply::new(550, (5, 5, 2), "Error: bare <CR> received")
}

/// The client sent on after a DATA that was refused. What it took for content must not be taken for commands.
pub fn out_of_step() -> Reply {
    Reply::new(554, (5, 5, 0), "Error: SMTP protocol synchronization")
}

/// The house gave an answer that does not fit its question, or none for a recipient.
pub fn our_failure() -> Reply {
    Reply::new(451, (4, 3, 0), "Error: internal failure, try again later")
}

pub fn too_many_errors(hostname: &str) -> Reply {
    Reply::new(421, (4, 7, 0), format!("{hostname} Error: too many errors"))
}

pub fn timed_out(hostname: &str) -> Reply {
    Reply::new(421, (4, 4, 2), format!("{hostname} Error: timeout exceeded"))
}

// RFC 5321 §3.8
pub fn shutting_down(hostname: &str) -> Reply {
    Reply::new(421, (4, 3, 2), format!("{hostname} Service not available, closing transmission channel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = Outbox::default();
        write(&mut out, reply);
        String::from_utf8(out.take()).unwrap()
    }

    #[test]
    fn every_line_has_code_and_status() {
        assert_eq!(written(&Reply::new(550, (5, 1, 1), "no\nsuch user")), "550-5.1.1 no\r\n550 5.1.1 such user\r\n");
        assert_eq!(written(&Reply::plain(334, "")), "334 \r\n");
    }

    #[test]
    fn an_echo_cannot_forge_a_reply() {
        assert_eq!(written(&Reply::new(500, (5, 5, 2), "a\rb\0c\u{f1}")), "500 5.5.2 a?b?c?\r\n");
    }

    #[test]
    fn long_lines_are_folded_and_very_long_replies_end() {
        let text = written(&Reply::new(550, (5, 1, 1), format!("{} {}", "x".repeat(400), "y".repeat(1000))));
        assert!(text.lines().all(|line| line.len() + 2 <= REPLY_LINE_LENGTH_MAX));
        assert_eq!(text.lines().count(), 4);
        assert_eq!(written(&Reply::plain(250, "a\n".repeat(1000))).lines().count(), REPLY_LINES_MAX);
    }
}
