//! The messages of `notify` with `mailto:` (RFC 5435, RFC 5436): whether one may be sent, to whom, and what it says.

use std::collections::BTreeSet;

use mail::Address;

use crate::encode::{header_value, on_one_line};
use crate::mailto::{self, Contact};
use crate::vacation::{Stamp, is_auto_submitted};
use crate::{Envelope, Message, Notification};

/// A notification to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The sender of its envelope; empty where that of the message was (RFC 5436 §2.7).
    pub sender: String,
    pub recipients: Vec<Address>,
    /// Lines end in CRLF.
    pub content: Vec<u8>,
}

/// The most characters of a subject.
const SUBJECT_LENGTH_MAX: usize = 256;
/// The most characters of another field of the message that is repeated.
const EXCERPT_LENGTH_MAX: usize = 512;
/// The most steps of the message's way that are repeated.
const RECEIVED_MAX: usize = 100;

/// The notification about a message; nothing where none may be sent, or everybody has been told: `told` holds whom other
/// notifications of the same run went to (RFC 5436 §2.7).
pub fn compose(
    notification: &Notification,
    message: &Message<'_>,
    envelope: &Envelope,
    stamp: Stamp<'_>,
    told: &mut BTreeSet<String>,
) -> Option<Notice> {
    // RFC 5436 §2.7: nobody is told of what a program sent, or two of them would tell each other for ever.
    if is_auto_submitted(message) {
        return None;
    }
    let (_, rest) = notification.method.split_once(':')?;
    let mut mailto = mailto::parse(rest).ok()?;
    let mut news = |contact: &Contact| told.insert(contact.address.key());
    mailto.to.retain(&mut news);
    mailto.cc.retain(&mut news);
    let recipients: Vec<Address> = mailto.to.iter().chain(&mailto.cc).map(|contact| contact.address.clone()).collect();
    if recipients.is_empty() {
        return None;
    }
    let from = notification.from.as_deref().and_then(|from| mailto::contacts(from).ok()?.pop());
    let sender = match (&from, envelope.from.is_empty()) {
        (_, true) => String::new(),
        (Some(from), false) => from.address.to_string(),
        (None, false) => envelope.to.clone(),
    };
    let mut header = way(message, envelope);
    header.push_str(&format!("Date: {}\r\nMessage-ID: {}\r\n", stamp.date.to_rfc5322(), stamp.message_id));
    let from = from.map_or_else(|| format!("<{}>", envelope.to), |from| from.shown);
    header.push_str(&format!("From: {from}\r\n"));
    for (name, list) in [("To", &mailto.to), ("Cc", &mailto.cc)] {
        if !list.is_empty() {
            let shown: Vec<&str> = list.iter().map(|contact| contact.shown.as_str()).collect();
            header.push_str(&format!("{name}: {}\r\n", shown.join(",\r\n ")));
        }
    }
    let subject = subject(notification, mailto.subject, message);
    header.push_str(&format!("Subject: {}\r\n", header_value(&subject, "\r\n")));
    header.push_str(importance(notification.importance));
    for (name, value) in &mailto.fields {
        header.push_str(&format!("{name}: {value}\r\n"));
    }
    header.push_str(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
    );
    let body = mailto.body.unwrap_or_else(|| excerpt(message));
    let body = body.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n");
    Some(Notice { sender, recipients, content: (header + body.trim_end() + "\r\n").into_bytes() })
}

/// RFC 5436 §2.7.1: who the script belongs to, above the way of the message, by which a loop shows in the number of hops.
fn way(message: &Message<'_>, envelope: &Envelope) -> String {
    let owner = on_one_line(&envelope.to).replace('\\', "\\\\").replace('"', "\\\"");
    let mut header = format!("Auto-Submitted: auto-notified;\r\n owner-email=\"{owner}\"\r\n");
    for field in message.fields("received").take(RECEIVED_MAX) {
        let value = String::from_utf8_lossy(&field.value);
        let lines: Vec<&str> = value.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect();
        header.push_str(&format!("Received: {}\r\n", lines.join("\r\n\t")));
    }
    header
}

/// What `:message` says, else the URI, else the message itself (RFC 5436 §2.7).
fn subject(notification: &Notification, of_uri: Option<String>, message: &Message<'_>) -> String {
    let own = || message.fields("subject").next().map(|field| field.text().to_owned());
    let subject = notification.message.clone().or(of_uri).or_else(own).unwrap_or_default();
    let subject = on_one_line(&subject);
    match subject.trim() {
        "" => "New mail".to_owned(),
        subject => shortened(subject, SUBJECT_LENGTH_MAX),
    }
}

fn shortened(text: &str, length_max: usize) -> String {
    if text.chars().count() <= length_max {
        return text.to_owned();
    }
    text.chars().take(length_max.saturating_sub(1)).chain(['…']).collect()
}

// RFC 5435 §3.4: 1 is the most important.
fn importance(importance: u8) -> &'static str {
    match importance {
        1 => "X-Priority: 1 (Highest)\r\nImportance: high\r\n",
        3 => "X-Priority: 5 (Lowest)\r\nImportance: low\r\n",
        _ => "X-Priority: 3 (Normal)\r\nImportance: normal\r\n",
    }
}

/// Whose message it is about.
fn excerpt(message: &Message<'_>) -> String {
    let mut text = String::from("New mail has arrived.\n");
    for name in ["From", "Subject", "Date"] {
        if let Some(field) = message.fields(name).next() {
            let value = on_one_line(field.text());
            text.push_str(&format!("{name}: {}\n", shortened(value.trim(), EXCERPT_LENGTH_MAX)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp<'_> = Stamp { message_id: "<n@house>", date: mail::date::DateTime::utc(0) };

    fn notification(method: &str) -> Notification {
        Notification { method: method.to_owned(), from: None, importance: 1, options: Vec::new(), message: None }
    }

    fn envelope(from: &str) -> Envelope {
        Envelope { from: from.to_owned(), to: "me@house.test".to_owned(), ..Envelope::default() }
    }

    fn composed(notification: &Notification, mail: &[u8], from: &str) -> Option<Notice> {
        compose(notification, &Message::new(mail), &envelope(from), STAMP, &mut BTreeSet::new())
    }

    fn text(notice: &Notice) -> String {
        String::from_utf8(notice.content.clone()).unwrap()
    }

    #[test]
    fn a_notification_says_what_it_is_and_whose() {
        let mail = b"Received: from a by b;\r\n\tnow\r\nFrom: Bob <bob@b.test>\r\nSubject: hi\r\n\r\n";
        let notice = composed(&notification("mailto:a@b.test?cc=c@d.test"), mail, "bob@b.test").unwrap();
        let text = text(&notice);
        assert!(text.starts_with(
            "Auto-Submitted: auto-notified;\r\n owner-email=\"me@house.test\"\r\nReceived: from a by b;\r\n\tnow\r\n"
        ));
        for line in [
            "From: <me@house.test>\r\nTo: a@b.test\r\nCc: c@d.test\r\nSubject: hi\r\n",
            "Importance: high\r\n",
            "\r\n\r\nNew mail has arrived.\r\nFrom: Bob <bob@b.test>\r\nSubject: hi\r\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert_eq!(notice.sender, "me@house.test");
        assert_eq!(notice.recipients.len(), 2);
    }

    #[test]
    fn the_message_comes_before_the_uri_and_both_before_the_mail() {
        let mail = b"Subject: mail\n\n";
        let mut notification = notification("mailto:a@b.test?subject=uri&body=eins%0azwei");
        let notice = composed(&notification, mail, "x@y.test").unwrap();
        assert!(text(&notice).contains("Subject: uri\r\n") && text(&notice).ends_with("\r\n\r\neins\r\nzwei\r\n"));
        notification.message = Some("own ñ".repeat(100));
        let subject = mail::text::decode_words(
            mail::header::find(&composed(&notification, mail, "x@y.test").unwrap().content, "subject").unwrap().value,
        );
        assert!(subject.starts_with("own ñ") && subject.ends_with('…') && subject.chars().count() == 256, "{subject}");
    }

    #[test]
    fn a_given_sender_is_shown_and_nobody_stays_nobody() {
        let mut notification = notification("mailto:a@b.test");
        notification.from = Some("Mé <other@house.test>".to_owned());
        let notice = composed(&notification, b"\n", "x@y.test").unwrap();
        assert_eq!(notice.sender, "other@house.test");
        assert!(text(&notice).contains("From: =?utf-8?B?TcOp?= <other@house.test>\r\n"));
        assert_eq!(composed(&notification, b"\n", "").unwrap().sender, "");
    }

    #[test]
    fn nobody_is_told_twice_or_of_what_a_program_sent() {
        let mut told = BTreeSet::new();
        let mut tell = |method: &str| {
            let message = Message::new(b"Subject: hi\n\n");
            compose(&notification(method), &message, &envelope("x@y.test"), STAMP, &mut told)
                .map(|notice| text(&notice))
        };
        assert!(!tell("mailto:a@b.test?cc=A@b.test,c@d.test").unwrap().contains("A@b.test"));
        assert_eq!(tell("mailto:c@d.test"), None);
        let automatic = b"Auto-Submitted: auto-notified; owner-email=\"x\"\n\n";
        assert_eq!(composed(&notification("mailto:a@b.test"), automatic, "x@y.test"), None);
        assert!(composed(&notification("mailto:a@b.test"), b"Auto-Submitted: no\n\n", "x@y.test").is_some());
    }

    #[test]
    fn nothing_of_a_message_makes_another_field() {
        let mail = b"Subject: =?utf-8?q?a=0D=0AX-A:_1?=\r\nReceived: x\r\n\tX-B: 1\r\n\r\n";
        let mut notification = notification("mailto:a@b.test");
        notification.from = Some("me@house.test\r\nX-C: 1".to_owned());
        let notice = composed(&notification, mail, "x@y.test").unwrap();
        for name in ["X-A", "X-B", "X-C"] {
            assert!(mail::header::find(&notice.content, name).is_none(), "{}", text(&notice));
        }
    }
}
