//! Reports on the fate of a message: multipart/report of delivery-status (RFC 3464, RFC 6522), with UTF-8 addresses by
//! RFC 6533.
//!
//! Three parts: words for a person, fields for a program, and the message (or its header) that it is about. Texts that a
//! peer said are cleaned of line ends and controls before they are folded into a line, so they cannot add a field or a
//! part. The caller makes the boundary (it must not occur in the returned message) and the message id: no randomness here.

mod folding;

use crate::date::DateTime;
use crate::{Address, EnhancedStatus, Reply};
use folding::{Charset, field, paragraph};

/// What the report tells of all its recipients (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    Failed,
    Delayed,
    Delivered,
    /// Handed to a server that does not report deliveries.
    Relayed,
    /// Handed to those whom the address stands for.
    Expanded,
}

/// What the sender gets back of the message.
#[derive(Debug, Clone, Copy)]
pub enum Returned<'a> {
    /// Its header block, with or without the empty line.
    Headers(&'a [u8]),
    Whole(&'a [u8]),
}

/// What became of one recipient.
#[derive(Debug, Clone)]
pub struct ReportedRecipient<'a> {
    pub address: &'a Address,
    /// ORCPT as the sender gave it, `rfc822;ana@example.test`.
    pub original: Option<&'a str>,
    pub reply: &'a Reply,
    /// The host that gave the reply; none for a reply of our own.
    pub remote_mta: Option<&'a str>,
    pub last_attempt: DateTime,
    /// Until when delivery is tried; told in `Delayed` reports only (RFC 3464 §2.3.9).
    pub will_retry_until: Option<DateTime>,
}

/// A report about one message.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    pub kind: ReportKind,
    /// This server's name.
    pub reporting_mta: &'a str,
    /// The address it comes from, `MAILER-DAEMON@example.test`. Its reverse-path is empty (RFC 3464 §2).
    pub from: &'a str,
    /// With its angle brackets.
    pub message_id: &'a str,
    /// Up to 70 characters of RFC 2046 §5.1.1, not occurring in the returned message.
    pub boundary: &'a str,
    pub date: DateTime,
    /// When the message that it is about came.
    pub arrival: DateTime,
    /// The sender of that message.
    pub to: &'a Address,
    /// ENVID as the sender gave it.
    pub envelope_id: Option<&'a str>,
    pub recipients: Vec<ReportedRecipient<'a>>,
    pub original: Returned<'a>,
}

impl ReportKind {
    fn action(self) -> &'static str {
        match self {
            ReportKind::Failed => "failed",
            ReportKind::Delayed => "delayed",
            ReportKind::Delivered => "delivered",
            ReportKind::Relayed => "relayed",
            ReportKind::Expanded => "expanded",
        }
    }

    fn subject(self) -> &'static str {
        match self {
            ReportKind::Failed => "Your message could not be delivered",
            ReportKind::Delayed => "Your message is delayed",
            ReportKind::Delivered => "Your message was delivered",
            ReportKind::Relayed => "Your message was handed on",
            ReportKind::Expanded => "Your message was passed on to the members of a list",
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            ReportKind::Failed => {
                "Your message did not reach the recipients below, and it will not be tried again. \
                 What you sent comes back with this report."
            }
            ReportKind::Delayed => {
                "Your message has not reached the recipients below yet. You need not send it again: \
                 delivery goes on, and you will hear of it if it fails in the end."
            }
            ReportKind::Delivered => "Your message reached the mailboxes of the recipients below.",
            ReportKind::Relayed => {
                "Your message was handed on towards the recipients below, to a server that does not report deliveries: \
                 you may hear nothing more of it."
            }
            ReportKind::Expanded => {
                "Your message was passed on to all for whom the addresses below stand. You will not hear of each of them."
            }
        }
    }

    /// The status where the reply has none that fits (RFC 3464 §2.3.4, RFC 3463 §2).
    fn status_class(self) -> u8 {
        match self {
            ReportKind::Failed => 5,
            ReportKind::Delayed => 4,
            ReportKind::Delivered | ReportKind::Relayed | ReportKind::Expanded => 2,
        }
    }
}

impl Report<'_> {
    /// The whole report as a message with CRLF line ends.
    pub fn write(&self) -> Vec<u8> {
        let mut out = String::new();
        self.write_header(&mut out);
        self.write_words(&mut out);
        self.write_status(&mut out);
        self.write_returned_header(&mut out);
        let mut message = out.into_bytes();
        message.extend_from_slice(self.returned());
        // The line end before the delimiter belongs to it; what is returned keeps its own.
        message.extend_from_slice(format!("\r\n--{}--\r\n", self.boundary()).as_bytes());
        message
    }

    fn write_header(&self, out: &mut String) {
        let charset = self.charset();
        field(out, charset, "Date", &self.date.to_rfc5322());
        field(out, charset, "From", &format!("Mail Delivery System <{}>", self.from));
        field(out, charset, "To", &self.to.to_string());
        field(out, charset, "Subject", self.kind.subject());
        field(out, charset, "Message-ID", self.message_id);
        // RFC 3834 §3.1.8: nobody shall answer it automatically.
        field(out, charset, "Auto-Submitted", "auto-replied");
        field(out, charset, "MIME-Version", "1.0");
        let boundary = self.boundary();
        let report = format!("multipart/report; report-type=delivery-status; boundary=\"{boundary}\"");
        field(out, charset, "Content-Type", &report);
        let eight_bit = charset == Charset::Utf8 || !self.returned().is_ascii();
        write_encoding(out, charset, eight_bit);
        out.push_str("\r\n");
    }

    fn write_words(&self, out: &mut String) {
        let charset = self.charset();
        self.start_part(out, "Notification", &format!("text/plain; charset={}", charset.name()));
        write_encoding(out, charset, charset == Charset::Utf8);
        out.push_str("\r\n");
        paragraph(out, charset, &format!("This is the mail server {}.", self.reporting_mta));
        paragraph(out, charset, self.kind.explanation());
        for recipient in &self.recipients {
            paragraph(out, charset, &self.told(recipient));
        }
    }

    fn told(&self, recipient: &ReportedRecipient<'_>) -> String {
        let said = match recipient.remote_mta {
            Some(host) => format!("<{}>: {host} said: {}", recipient.address, recipient.reply),
            None => format!("<{}>: {}", recipient.address, recipient.reply),
        };
        match (self.kind, recipient.will_retry_until) {
            (ReportKind::Delayed, Some(until)) => format!("{said} (tried again until {})", until.to_rfc5322()),
            _ => said,
        }
    }

    // RFC 3464 §2.1: fields of the message, then an empty line and fields of each recipient.
    fn write_status(&self, out: &mut String) {
        let charset = self.charset();
        self.start_part(out, "Delivery report", if charset == Charset::Utf8 { GLOBAL_STATUS } else { STATUS });
        write_encoding(out, charset, charset == Charset::Utf8);
        out.push_str("\r\n");
        if let Some(envelope_id) = self.envelope_id {
            field(out, charset, "Original-Envelope-Id", envelope_id);
        }
        field(out, charset, "Reporting-MTA", &format!("dns; {}", self.reporting_mta));
        field(out, charset, "Arrival-Date", &self.arrival.to_rfc5322());
        for recipient in &self.recipients {
            out.push_str("\r\n");
            self.write_recipient(out, recipient);
        }
    }

    // RFC 3464 §2.3, in its order.
    fn write_recipient(&self, out: &mut String, recipient: &ReportedRecipient<'_>) {
        let charset = self.charset();
        if let Some(original) = recipient.original {
            field(out, charset, "Original-Recipient", original);
        }
        // RFC 6533 §3: addresses with UTF-8 have a type of their own.
        let address_type = if recipient.address.is_ascii() { "rfc822" } else { "utf-8" };
        field(out, charset, "Final-Recipient", &format!("{address_type}; {}", recipient.address));
        field(out, charset, "Action", self.kind.action());
        field(out, charset, "Status", &self.status(recipient.reply).to_string());
        if let Some(host) = recipient.remote_mta {
            field(out, charset, "Remote-MTA", &format!("dns; {host}"));
        }
        field(out, charset, "Diagnostic-Code", &format!("smtp; {}", recipient.reply));
        field(out, charset, "Last-Attempt-Date", &recipient.last_attempt.to_rfc5322());
        if let (ReportKind::Delayed, Some(until)) = (self.kind, recipient.will_retry_until) {
            field(out, charset, "Will-Retry-Until", &until.to_rfc5322());
        }
    }

    // The reply's own status, else one of its class. A failure may have a status of class 4 (retried for too long), but no
    // reply makes a failure out of a 2yz.
    fn status(&self, reply: &Reply) -> EnhancedStatus {
        let class = match (self.kind, reply.code / 100) {
            (ReportKind::Failed, 4) => 4,
            (kind, _) => kind.status_class(),
        };
        let fits =
            |status: &EnhancedStatus| status.class == class || (self.kind == ReportKind::Failed && status.class == 4);
        reply.status.filter(fits).unwrap_or(EnhancedStatus::new(class, 0, 0))
    }

    fn write_returned_header(&self, out: &mut String) {
        let global = self.charset() == Charset::Utf8;
        let (description, media) = match (self.original, global) {
            (Returned::Headers(_), false) => ("Header of the message", "text/rfc822-headers"),
            (Returned::Headers(_), true) => ("Header of the message", "message/global-headers"),
            (Returned::Whole(_), false) => ("The message", "message/rfc822"),
            (Returned::Whole(_), true) => ("The message", "message/global"),
        };
        self.start_part(out, description, media);
        write_encoding(out, self.charset(), !self.returned().is_ascii());
        out.push_str("\r\n");
    }

    fn returned(&self) -> &[u8] {
        match self.original {
            Returned::Headers(block) => {
                let end = crate::header::header_end(block).unwrap_or(block.len());
                block.get(..end).unwrap_or(block)
            }
            Returned::Whole(message) => message,
        }
    }

    fn start_part(&self, out: &mut String, description: &str, media: &str) {
        let opening = if out.ends_with("\r\n\r\n") { "--" } else { "\r\n--" };
        out.push_str(&format!("{opening}{}\r\n", self.boundary()));
        field(out, Charset::Ascii, "Content-Description", description);
        field(out, Charset::Ascii, "Content-Type", media);
    }

    // RFC 2046 §5.1.1: bchars, without the space; what else the caller gives would break out of the quotes.
    fn boundary(&self) -> String {
        let bchar = |c: &char| c.is_ascii_alphanumeric() || "'()+_,-./:=?".contains(*c);
        self.boundary.chars().filter(bchar).take(BOUNDARY_LENGTH_MAX).collect()
    }

    // RFC 6533 §4: as soon as an address needs UTF-8 the global form is used; otherwise everything stays ASCII.
    fn charset(&self) -> Charset {
        let ascii = self.to.is_ascii() && self.recipients.iter().all(|recipient| recipient.address.is_ascii());
        if ascii { Charset::Ascii } else { Charset::Utf8 }
    }
}

/// RFC 2046 §5.1.1.
const BOUNDARY_LENGTH_MAX: usize = 70;
const STATUS: &str = "message/delivery-status";
const GLOBAL_STATUS: &str = "message/global-delivery-status";

fn write_encoding(out: &mut String, charset: Charset, eight_bit: bool) {
    if eight_bit {
        field(out, charset, "Content-Transfer-Encoding", "8bit");
    }
}

#[cfg(test)]
mod tests;
