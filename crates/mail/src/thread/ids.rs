//! Message-IDs, normalized: quotes and white space do not tell one from another (RFC 5256, THREAD=REFERENCES).

use crate::header::{fields, find};

/// So many references of a message are looked at: the last, which are the nearest.
pub const REFERENCES_MAX: usize = 1_000;

/// By which name a message is known, and which it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MessageIds {
    pub(super) own: Option<Vec<u8>>,
    /// The oldest first.
    pub(super) references: Vec<Vec<u8>>,
}

impl MessageIds {
    pub(super) fn of(header: &[u8]) -> MessageIds {
        let first = |name: &str| find(header, name).and_then(|field| ids(field.value).next());
        let mut references: Vec<Vec<u8>> =
            fields(header).filter(|field| field.is("references")).flat_map(|field| ids(field.value)).collect();
        if references.is_empty() {
            // "then use the first (if any) valid Message ID found in the In-Reply-To header line as the only reference".
            references.extend(first("in-reply-to"));
        }
        references.drain(..references.len().saturating_sub(REFERENCES_MAX));
        MessageIds { own: first("message-id"), references }
    }
}

/// The first message that a message names, or else its own name.
pub(super) fn first(header: &[u8]) -> Option<Vec<u8>> {
    ["references", "in-reply-to", "message-id"]
        .iter()
        .find_map(|name| fields(header).filter(|field| field.is(name)).find_map(|field| ids(field.value).next()))
}

/// The valid ones in a value, in their order.
fn ids(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let start = memchr::memchr(b'<', rest)?;
            rest = rest.get(start + 1..)?;
            if let Some((id, after)) = id(rest) {
                rest = after;
                return Some(id);
            }
        }
    })
}

// msg-id = "<" id-left "@" id-right ">", where id-left may be a quoted-string
fn id(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut id, mut at, mut quoted) = (Vec::new(), None, false);
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'\\' if quoted => {
                let (&escaped, after) = rest.split_first()?;
                rest = after;
                id.push(escaped);
            }
            b'"' => quoted = !quoted,
            b'>' if !quoted => break,
            b'<' if !quoted => return None,
            b'@' if !quoted => {
                at = Some(id.len());
                id.push(byte);
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => id.push(byte),
        }
    }
    let valid = at.is_some_and(|at| at > 0 && at + 1 < id.len());
    valid.then_some((id, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: &str) -> Vec<String> {
        ids(value.as_bytes()).map(|id| String::from_utf8(id).unwrap()).collect()
    }

    #[test]
    fn ids_are_found_among_anything_and_normalized() {
        assert_eq!(told(" <a@b>\r\n\t<\"c d\"@e> x <f @ g>"), ["a@b", "cd@e", "f@g"]);
        assert_eq!(told("<01KF@x> <\"01KF\"@x>"), ["01KF@x", "01KF@x"]);
        assert_eq!(told("<a> <@b> <c@> <<d@e> <f@g"), ["d@e"]);
        assert_eq!(told("<\"a\\\"b@c\"@d>"), ["a\"b@c@d"]);
    }

    #[test]
    fn a_thread_begins_with_the_first_that_is_named() {
        let of = |header: &str| first(header.as_bytes()).map(|id| String::from_utf8(id).unwrap());
        let all = "Message-ID: <m@x>\r\nIn-Reply-To: <b@x>\r\nReferences: <a@x> <b@x>\r\n";
        assert_eq!(of(all).as_deref(), Some("a@x"));
        assert_eq!(of("Message-ID: <m@x>\r\nIn-Reply-To: <b@x>\r\nReferences: none\r\n").as_deref(), Some("b@x"));
        assert_eq!(of("Message-ID: <a@x>\r\nReferences:\r\n").as_deref(), Some("a@x"));
        assert_eq!(of("Subject: x\r\n"), None);
    }

    #[test]
    fn references_count_before_in_reply_to() {
        let of = |header: &str| MessageIds::of(header.as_bytes());
        let both = of("Message-ID: <m@x>\r\nReferences: <a@x> <b@x>\r\nIn-Reply-To: <c@x> <d@x>\r\n");
        assert_eq!((both.own, both.references), (Some(b"m@x".to_vec()), vec![b"a@x".to_vec(), b"b@x".to_vec()]));
        let one = of("References: none\r\nIn-Reply-To: somebody's <c@x> <d@x>\r\n");
        assert_eq!((one.own, one.references), (None, vec![b"c@x".to_vec()]));
    }
}
