//! Whether a vacation answer may be sent, and what it says (RFC 5230 §4.5 to §5, RFC 3834). Whether the sender was answered
//! before is the caller's to know: `Vacation::handle` and `seconds`.

use mail::header::addresses;

use crate::encode::{header_value, mailbox, on_one_line};
use crate::{Envelope, Message, Vacation};

/// Why nobody is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// The message came from nobody: a report, or an answer itself.
    NullSender,
    /// It came from the recipient.
    OwnMessage,
    /// Lists, daemons and robots (RFC 3834 §2).
    SystemSender,
    /// The header says that a list or a program sent it.
    Automatic,
    /// None of the recipient's addresses stands in To, Cc or Bcc (RFC 5230 §4.5).
    NotAddressed,
}

/// An answer to send, with the null path as its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub to: String,
    /// Lines end in CRLF.
    pub content: Vec<u8>,
}

/// What the answer needs from the world.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'s> {
    /// With its angle brackets.
    pub message_id: &'s str,
    pub date: mail::date::DateTime,
}

const RECIPIENT_FIELDS: &[&str] = &["to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"];
/// The most characters of a subject that is repeated.
const SUBJECT_LENGTH_MAX: usize = 256;
/// The longest name of a message that an answer repeats; it has a line of its own (RFC 5322 §2.1.1).
const ID_LENGTH_MAX: usize = 900;
/// The most of them, of a thread that is longer.
const REFERENCES_MAX: usize = 100;

/// Whether the sender of the message may be answered at all.
pub fn judge(vacation: &Vacation, message: &Message<'_>, envelope: &Envelope) -> Result<(), Silent> {
    let sender = envelope.from.as_str();
    if sender.is_empty() {
        return Err(Silent::NullSender);
    }
    let own = || own_addresses(vacation, envelope);
    if own().any(|address| address.eq_ignore_ascii_case(sender)) {
        return Err(Silent::OwnMessage);
    }
    if is_system(sender) {
        return Err(Silent::SystemSender);
    }
    if is_automatic(message) {
        return Err(Silent::Automatic);
    }
    let named = RECIPIENT_FIELDS
        .iter()
        .flat_map(|name| message.fields(name))
        .flat_map(|field| addresses(&field.value))
        .filter_map(|address| {
            let (mailbox, host) = (address.mailbox?, address.host?);
            Some(format!("{}@{}", String::from_utf8_lossy(&mailbox), String::from_utf8_lossy(&host)))
        });
    let mut named = named;
    if named.any(|named| own().any(|address| address.eq_ignore_ascii_case(&named))) {
        Ok(())
    } else {
        Err(Silent::NotAddressed)
    }
}

fn own_addresses<'a>(vacation: &'a Vacation, envelope: &'a Envelope) -> impl Iterator<Item = &'a str> {
    let of_envelope = [Some(envelope.to.as_str()), envelope.original_to.as_deref()];
    of_envelope.into_iter().flatten().chain(vacation.addresses.iter().map(String::as_str))
}

// RFC 3834 §2, RFC 5230 §4.5
fn is_system(sender: &str) -> bool {
    let local_part = sender.rsplit_once('@').map_or(sender, |(local_part, _)| local_part).to_ascii_lowercase();
    matches!(local_part.as_str(), "mailer-daemon" | "listserv" | "majordomo")
        || local_part.starts_with("owner-")
        || local_part.ends_with("-request")
        || local_part.ends_with("-owner")
}

/// RFC 3834 §5: a program sent it.
pub(crate) fn is_auto_submitted(message: &Message<'_>) -> bool {
    any_is(message, "auto-submitted", |value| value.split([';', ' ']).next() != Some("no"))
}

fn any_is(message: &Message<'_>, name: &str, judge: fn(&str) -> bool) -> bool {
    message.fields(name).any(|field| judge(&field.text().trim().to_ascii_lowercase()))
}

fn is_automatic(message: &Message<'_>) -> bool {
    message
        .all_fields()
        .iter()
        .any(|field| field.name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("list-")))
        || is_auto_submitted(message)
        || any_is(message, "precedence", |value| matches!(value, "junk" | "bulk" | "list"))
        || any_is(message, "x-auto-response-suppress", |value| {
            value.split(',').any(|word| matches!(word.trim(), "oof" | "all" | "autoreply"))
        })
}

/// The answer itself.
pub fn answer(vacation: &Vacation, message: &Message<'_>, envelope: &Envelope, stamp: Stamp<'_>) -> Answer {
    let text = |name: &str| message.fields(name).next().map(|field| on_one_line(field.text()));
    let subject = vacation.subject.clone().unwrap_or_else(|| match text("subject") {
        Some(subject) => format!("Auto: {}", subject.chars().take(SUBJECT_LENGTH_MAX).collect::<String>()),
        None => "Automated reply".to_owned(),
    });
    let from = vacation.from.as_deref().unwrap_or(&envelope.to);
    let mut header = format!(
        "Date: {}\r\nFrom: {}\r\nTo: <{}>\r\nSubject: {}\r\nMessage-ID: {}\r\n",
        stamp.date.to_rfc5322(),
        if vacation.from.is_some() { mailbox(from, "\r\n") } else { format!("<{from}>") },
        envelope.from,
        header_value(&subject, "\r\n"),
        stamp.message_id,
    );
    // RFC 5230 §5.5: the answer belongs to the thread.
    if let Some(id) = text("message-id").filter(|id| id.len() <= ID_LENGTH_MAX) {
        let before = text("references").or_else(|| text("in-reply-to")).unwrap_or_default();
        let mut ids: Vec<&str> = before.split_whitespace().chain([id.as_str()]).collect();
        ids.retain(|id| id.len() <= ID_LENGTH_MAX);
        // RFC 5256 §3: the first one and the last ones are what threads are made of.
        let left_out = ids.len().saturating_sub(REFERENCES_MAX);
        ids.drain(1..=left_out);
        header.push_str(&format!("In-Reply-To: {id}\r\nReferences: {}\r\n", ids.join("\r\n ")));
    }
    header.push_str("Auto-Submitted: auto-replied (vacation)\r\nPrecedence: bulk\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n");
    if !vacation.mime {
        header.push_str("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    }
    let reason = vacation.reason.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n");
    Answer { to: envelope.from.clone(), content: (header + &reason + "\r\n").into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vacation() -> Vacation {
        Vacation {
            handle: String::new(),
            seconds: None,
            subject: None,
            from: None,
            addresses: vec!["me@alias.test".to_owned()],
            mime: false,
            reason: "away\nuntil May".to_owned(),
        }
    }

    fn judged(mail: &str, from: &str) -> Result<(), Silent> {
        let envelope = Envelope { from: from.to_owned(), to: "me@house.test".to_owned(), ..Envelope::default() };
        judge(&vacation(), &Message::new(mail.as_bytes()), &envelope)
    }

    #[test]
    fn only_people_who_wrote_to_the_recipient_are_answered() {
        assert_eq!(judged("To: Me <ME@house.test>\n\n", "a@b.test"), Ok(()));
        assert_eq!(judged("Cc: x@y.test, me@alias.test\nAuto-Submitted: no\n\n", "a@b.test"), Ok(()));
        assert_eq!(judged("To: list@b.test\n\n", "a@b.test"), Err(Silent::NotAddressed));
        assert_eq!(judged("To: me@house.test\n\n", ""), Err(Silent::NullSender));
        assert_eq!(judged("To: me@house.test\n\n", "me@ALIAS.test"), Err(Silent::OwnMessage));
        assert_eq!(judged("To: me@house.test\n\n", "owner-list@b.test"), Err(Silent::SystemSender));
        for line in
            ["List-Id: <x>", "Auto-Submitted: auto-replied", "Precedence: bulk", "X-Auto-Response-Suppress: DR, OOF"]
        {
            let mail = format!("To: me@house.test\n{line}\n\n");
            assert_eq!(judged(&mail, "a@b.test"), Err(Silent::Automatic), "{line}");
        }
    }

    #[test]
    fn an_answer_says_that_it_is_one() {
        let mail = b"Subject: hi\nMessage-ID: <1@b>\nReferences: <0@b>\n\n";
        let envelope = Envelope { from: "a@b.test".to_owned(), to: "me@house.test".to_owned(), ..Envelope::default() };
        let stamp = Stamp { message_id: "<2@house>", date: mail::date::DateTime::utc(0) };
        let answer = answer(&vacation(), &Message::new(mail), &envelope, stamp);
        let content = String::from_utf8(answer.content).unwrap();
        for line in [
            "From: <me@house.test>\r\n",
            "Subject: Auto: hi\r\n",
            "In-Reply-To: <1@b>\r\nReferences: <0@b>\r\n <1@b>\r\n",
            "Auto-Submitted: auto-replied (vacation)\r\n",
            "8bit\r\n\r\naway\r\nuntil May\r\n",
        ] {
            assert!(content.contains(line), "{content}");
        }
    }

    #[test]
    fn what_an_answer_repeats_has_a_bound_and_is_ascii() {
        let ids: String = (0..500).map(|number| format!(" <{number}@b>")).collect();
        let long = "x".repeat(2000);
        let mail = format!("Subject: {}\nMessage-ID: <last@b>\nReferences:{ids} <{long}>\n\n", "word ".repeat(100));
        let envelope = Envelope { from: "a@b.test".to_owned(), to: "me@house.test".to_owned(), ..Envelope::default() };
        let from = Some("\"Ana Núñez\" <ana@house.test>".to_owned());
        let stamp = Stamp { message_id: "<2@house>", date: mail::date::DateTime::utc(0) };
        let answer = answer(&Vacation { from, ..vacation() }, &Message::new(mail.as_bytes()), &envelope, stamp);
        let content = String::from_utf8(answer.content).unwrap();
        let (header, _) = content.split_once("\r\n\r\n").unwrap();
        assert!(header.is_ascii() && header.lines().all(|line| line.len() <= 998), "{header}");
        assert_eq!(
            header.lines().filter(|line| line.contains("@b>") && !line.starts_with("In-")).count(),
            REFERENCES_MAX
        );
        assert!(
            header.contains("References: <0@b>\r\n <402@b>\r\n") && header.contains("\r\n <last@b>\r\n"),
            "{header}"
        );
        assert!(header.contains(" <ana@house.test>\r\n"), "{header}");
    }

    #[test]
    fn nothing_of_a_message_makes_another_field() {
        let mail = b"Subject: =?utf-8?q?a=0D=0AX-A:_1?=\nMessage-ID: =?utf-8?q?<1@b>=0D=0AX-B:_1?=\nReferences: =?utf-8?q?<0@b>=0AX-C:_1?=\n\n";
        let envelope = Envelope { from: "a@b.test".to_owned(), to: "me@house.test".to_owned(), ..Envelope::default() };
        let stamp = Stamp { message_id: "<2@house>", date: mail::date::DateTime::utc(0) };
        let mut vacation = vacation();
        vacation.from = Some("me@house.test\r\nX-D: 1".to_owned());
        let answer = answer(&vacation, &Message::new(mail), &envelope, stamp).content;
        for name in ["X-A", "X-B", "X-C", "X-D"] {
            assert!(mail::header::find(&answer, name).is_none(), "{}", String::from_utf8_lossy(&answer));
        }
    }
}
