//! The trace line that each server puts on top of a message (RFC 5321 §4.4), and counting them.
//!
//! Nothing that a peer said can add a line, end a comment or start a clause: every octet that could is replaced.

use std::fmt;
use std::net::IpAddr;

use crate::Address;
use crate::date::DateTime;

/// The longest text of a peer's (its HELO name, its login) that a trace line repeats, in characters.
pub const WORD_LENGTH_MAX: usize = 255;

/// One `Received:` field. `Display` gives it folded, with CRLF line ends, the last one included.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// What the client said in HELO, EHLO or LHLO. Empty, together with no `peer`, for a message that was made here.
    pub helo: &'a str,
    pub peer: Option<IpAddr>,
    /// The login, where it is to be told.
    pub authenticated_as: Option<&'a str>,
    /// This server's name.
    pub by: &'a str,
    pub protocol: Protocol,
    /// Version and cipher, as `TLS1.3 with cipher TLS_AES_256_GCM_SHA384`.
    pub tls: Option<&'a str>,
    /// What the logs call the message here.
    pub id: &'a str,
    /// The recipient, where there is only one: more would tell each about the others (RFC 5321 §7.6).
    pub recipient: Option<&'a Address>,
    pub date: DateTime,
}

/// How a message came: the `with` clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// It was made here, as bounces are: no `with` clause.
    Local,
    /// HELO.
    Smtp,
    /// EHLO.
    Esmtp(Features),
    Lmtp(Features),
}

/// What was in use when the message came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    pub tls: bool,
    pub auth: bool,
    /// The SMTPUTF8 parameter of MAIL.
    pub utf8: bool,
}

impl Protocol {
    fn utf8(self) -> bool {
        matches!(self, Protocol::Esmtp(Features { utf8: true, .. }) | Protocol::Lmtp(Features { utf8: true, .. }))
    }
}

// RFC 3848: ESMTP, ESMTPA, ESMTPS, ESMTPSA, LMTP, LMTPA, LMTPS, LMTPSA; RFC 6531 §4.3: UTF8SMTP.., UTF8LMTP...
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, utf8_name, features) = match self {
            Protocol::Local => return Ok(()),
            Protocol::Smtp => return f.write_str("SMTP"),
            Protocol::Esmtp(features) => ("ESMTP", "UTF8SMTP", features),
            Protocol::Lmtp(features) => ("LMTP", "UTF8LMTP", features),
        };
        let name = if features.utf8 { utf8_name } else { name };
        let tls = if features.tls { "S" } else { "" };
        let auth = if features.auth { "A" } else { "" };
        write!(f, "{name}{tls}{auth}")
    }
}

impl fmt::Display for Received<'_> {
    // RFC 5321 §4.4: Time-stamp-line. At most one clause a line keeps every line under 998 octets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Received: ")?;
        self.write_from(f)?;
        write!(f, "by {} (Tepui)", Word(self.by))?;
        if self.protocol != Protocol::Local {
            write!(f, " with {}", self.protocol)?;
        }
        write!(f, "\r\n\tid {}", Word(self.id))?;
        if let Some(recipient) = self.told_recipient() {
            write!(f, "\r\n\tfor <{recipient}>")?;
        }
        write!(f, "; {}\r\n", self.date.to_rfc5322())
    }
}

impl Received<'_> {
    fn write_from(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.helo.is_empty() && self.peer.is_none() {
            return Ok(());
        }
        write!(f, "from {}", Word(self.helo))?;
        match self.peer {
            // RFC 5321 §4.1.3: an IPv6 address literal is tagged.
            Some(IpAddr::V6(peer)) => write!(f, " ([IPv6:{peer}])")?,
            Some(IpAddr::V4(peer)) => write!(f, " ([{peer}])")?,
            None => {}
        }
        if let Some(tls) = self.tls {
            write!(f, "\r\n\t(using {})", Comment(tls))?;
        }
        if let Some(login) = self.authenticated_as {
            write!(f, "\r\n\t(Authenticated sender: {})", Comment(login))?;
        }
        f.write_str("\r\n\t")
    }

    // RFC 6531 §3.7.3: UTF-8 in the for clause only within a UTF8SMTP transaction.
    fn told_recipient(&self) -> Option<&Address> {
        self.recipient.filter(|recipient| recipient.is_ascii() || self.protocol.utf8())
    }
}

/// A text as one word: printable ASCII that is no special of RFC 5322 §3.2.3 but those of host names and literals.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("unknown");
        }
        let harmless = |c: char| c.is_ascii_graphic() && !"()<>,;\\\"".contains(c);
        write_replaced(f, self.0, harmless)
    }
}

/// A text within a comment.
struct Comment<'a>(&'a str);

impl fmt::Display for Comment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let harmless = |c: char| (c.is_ascii_graphic() || c == ' ') && !"()\\".contains(c);
        write_replaced(f, self.0, harmless)
    }
}

fn write_replaced(f: &mut fmt::Formatter<'_>, text: &str, harmless: impl Fn(char) -> bool) -> fmt::Result {
    use fmt::Write;
    text.chars().take(WORD_LENGTH_MAX).try_for_each(|c| f.write_char(if harmless(c) { c } else { '?' }))
}

/// How many servers a message has passed: its `Received` fields. Too many mean that it runs in circles (RFC 5321 §6.3).
pub fn hops(block: &[u8]) -> usize {
    crate::header::fields(block).filter(|field| field.is("Received")).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn received<'a>(helo: &'a str, recipient: &'a Address) -> Received<'a> {
        Received {
            helo,
            peer: Some("127.0.0.9".parse().unwrap()),
            authenticated_as: Some("usuario01"),
            by: "mx.example.test",
            protocol: Protocol::Esmtp(Features { tls: true, auth: true, utf8: false }),
            tls: Some("TLS1.3 with cipher TLS_AES_256_GCM_SHA384"),
            id: "133B3990082",
            recipient: Some(recipient),
            date: DateTime::utc(1_795_220_156),
        }
    }

    #[test]
    fn the_trace_line_tells_from_by_with_id_for() {
        let recipient = Address::parse("usuario02@domain01.dom").unwrap();
        let line = received("cliente.domain01.dom", &recipient).to_string();
        let expected = "Received: from cliente.domain01.dom ([127.0.0.9])\r\n\
            \t(using TLS1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n\
            \t(Authenticated sender: usuario01)\r\n\
            \tby mx.example.test (Tepui) with ESMTPSA\r\n\
            \tid 133B3990082\r\n\
            \tfor <usuario02@domain01.dom>; Sat, 21 Nov 2026 00:15:56 +0000\r\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_message_made_here_came_from_nobody() {
        let recipient = Address::parse("ñ@españa.test").unwrap();
        let local = Received { peer: None, protocol: Protocol::Local, ..received("", &recipient) };
        let expected = "Received: by mx.example.test (Tepui)\r\n\tid 133B3990082; Sat, 21 Nov 2026 00:15:56 +0000\r\n";
        assert_eq!(local.to_string(), expected, "and no UTF-8 outside of a UTF8SMTP transaction");
    }

    #[test]
    fn protocols_are_named_as_registered() {
        let names = [(false, false, false), (false, true, false), (true, true, false), (true, true, true)]
            .map(|(tls, auth, utf8)| Features { tls, auth, utf8 })
            .map(|features| format!("{} {}", Protocol::Esmtp(features), Protocol::Lmtp(features)));
        assert_eq!(names, ["ESMTP LMTP", "ESMTPA LMTPA", "ESMTPSA LMTPSA", "UTF8SMTPSA UTF8LMTPSA"]);
    }

    #[test]
    fn hops_are_the_received_fields() {
        assert_eq!(hops(b"Received: a\r\n\tb\r\nX: y\r\nreceived: c\r\n\r\nReceived: body\r\n"), 2);
    }

    proptest! {
        #[test]
        fn a_client_can_inject_nothing(helo in "(?s).{0,400}", login in "(?s).{0,2000}") {
            let recipient = Address::parse("b@example.test").unwrap();
            let line = Received { authenticated_as: Some(&login), ..received(&helo, &recipient) }.to_string();
            prop_assert_eq!(crate::header::fields(line.as_bytes()).count(), 1);
            prop_assert_eq!(line.matches('\n').count(), 6);
            prop_assert_eq!(line.matches(';').count(), 1 + login.chars().take(WORD_LENGTH_MAX).filter(|c| *c == ';').count());
            prop_assert_eq!(line.matches('(').count(), 4);
            prop_assert!(line.split("\r\n").all(|line| line.len() <= 998 && line.is_ascii() && !line.contains(['\r', '\n', '\0'])));
        }
    }
}
