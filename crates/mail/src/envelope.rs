//! The envelope: who sent a message and who shall get it, apart from what its headers claim.

use std::fmt;

use crate::{Address, ReversePath};

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

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one hop of the platform tells the next about a message: its trace id, and whether it may have come before, because
/// an earlier attempt ended without an answer. Written `ID` or `ID;again`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceMark {
    pub id: TraceId,
    pub again: bool,
}

impl TraceMark {
    pub fn parse(text: &str) -> Option<TraceMark> {
        let (id, again) = text.strip_suffix(";again").map_or((text, false), |id| (id, true));
        Some(TraceMark { id: TraceId::parse(id)?, again })
    }
}

impl fmt::Display for TraceMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.id, if self.again { ";again" } else { "" })
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

impl Notify {
    /// Parses the value of NOTIFY, case ignored.
    pub fn parse(text: &str) -> Option<Notify> {
        // RFC 3461 §4.1: notify-esmtp-value = "NEVER" / 1#notify-list-element
        let mut notify = Notify { success: false, failure: false, delay: false };
        if text.eq_ignore_ascii_case("NEVER") {
            return Some(notify);
        }
        for element in text.split(',') {
            match element {
                _ if element.eq_ignore_ascii_case("SUCCESS") => notify.success = true,
                _ if element.eq_ignore_ascii_case("FAILURE") => notify.failure = true,
                _ if element.eq_ignore_ascii_case("DELAY") => notify.delay = true,
                _ => return None,
            }
        }
        Some(notify)
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
    fn a_trace_mark_goes_both_ways_and_nothing_else_is_one() {
        for text in ["6b0-1f-1", "6b0-1f-1;again"] {
            assert_eq!(TraceMark::parse(text).map(|mark| mark.to_string()).as_deref(), Some(text));
        }
        for bad in ["", ";again", "a b", "a;Again", "a;again;again", "<x>", &"a".repeat(TRACE_ID_LENGTH_MAX + 1)] {
            assert_eq!(TraceMark::parse(bad), None, "{bad}");
        }
    }
}
