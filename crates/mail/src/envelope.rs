//! The envelope: who sent a message and who shall get it, apart from what its headers claim.

use std::fmt;

use crate::{Address, ReversePath, header};

/// Names a message for its whole way through the platform, from submission to mailbox. Printable ASCII without spaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraceId(String);

/// The longest trace id accepted from another node.
pub const TRACE_ID_LENGTH_MAX: usize = 64;

impl TraceId {
    /// `None` unless it is 1 to 64 ASCII letters, digits and `-`.
    pub fn parse(text: &str) -> Option<TraceId> {
        id_like(text, TRACE_ID_LENGTH_MAX).then(|| TraceId(text.to_owned()))
    }

    /// The trace id that the previous hop of this platform wrote as the `id` of its Received line: the newest in a header.
    pub fn of_newest_hop(header_block: &[u8]) -> Option<TraceId> {
        let newest = header::find(header_block, "Received")?;
        let text = without_comments(&String::from_utf8(header::unfold(newest.value)).ok()?);
        // What the client called itself stands before `by`, and could be any word.
        let mut words = text.split_ascii_whitespace().skip_while(|word| *word != "by").skip(2).skip_while(|word| *word != "id");
        words.nth(1).and_then(|id| TraceId::parse(id.trim_end_matches(';')))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names an entry of a queue. Unique on the node for the life of its spool; sorts by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u64);

impl QueueId {
    /// Parses what `Display` prints: up to 16 hexadecimal digits, case ignored.
    pub fn parse(text: &str) -> Option<QueueId> {
        let hex = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u64::from_str_radix(text, 16).ok().map(QueueId))?
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012X}", self.0)
    }
}

// RFC 5322 §3.2.2: comments nest, and a backslash quotes the next character.
fn without_comments(text: &str) -> String {
    let (mut plain, mut depth, mut quoted) = (String::new(), 0_usize, false);
    for c in text.chars() {
        match c {
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => depth -= 1,
            c if depth == 0 => plain.push(c),
            _ => {}
        }
        quoted = c == '\\' && !quoted;
    }
    plain
}

fn id_like(text: &str, length_max: usize) -> bool {
    (1..=length_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// When the sender wants to hear of a recipient (RFC 3461 §4.1). None of the three is `NEVER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}

impl Default for Notify {
    /// RFC 3461 §4.1: without NOTIFY, failures are told and delays may be.
    fn default() -> Notify {
        Notify { success: false, failure: true, delay: true }
    }
}

/// One recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Where it goes now.
    pub address: Address,
    /// What the sender typed, if it was rewritten since (RFC 3461 §4.2), as `rfc822;ana@example.test`.
    pub original: Option<String>,
    pub notify: Notify,
}

impl Recipient {
    pub fn new(address: Address) -> Recipient {
        Recipient { address, original: None, notify: Notify::default() }
    }
}

/// How the content is encoded (RFC 6152, RFC 3030).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Body {
    #[default]
    SevenBit,
    EightBitMime,
}

/// The envelope of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub trace: TraceId,
    pub reverse_path: ReversePath,
    pub recipients: Vec<Recipient>,
    pub body: Body,
    /// Whether addresses or headers hold UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// ENVID of the sender (RFC 3461 §4.4).
    pub envelope_id: Option<String>,
    /// Whether a report shall hold only the headers (RFC 3461 §4.3, RET=HDRS).
    pub return_headers_only: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_id_is_taken_from_the_newest_received_line() {
        let block = b"Received: from a (a [127.0.0.1])\r\n\tby mx.example.test with ESMTPSA id 6b0-1f-1;\r\n\tSat, 21 Nov 2026 00:00:00 +0000\r\nReceived: by old id 9\r\n";
        assert_eq!(TraceId::of_newest_hop(block), TraceId::parse("6b0-1f-1"));
        let login = b"Received: from by (x [127.0.0.1]) (Authenticated sender: by y id no)\r\n\tby mx id yes; date\r\n";
        assert_eq!(TraceId::of_newest_hop(login), TraceId::parse("yes"));
        assert_eq!(TraceId::of_newest_hop(b"Received: from x by y; date\r\n"), None);
        assert_eq!(TraceId::of_newest_hop(b"Received: by y id <a@b>; date\r\n"), None);
    }
}
