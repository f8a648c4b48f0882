//! Header blocks as they come from the wild: fields, folding, addresses and what IMAP's ENVELOPE wants.
//!
//! Works on octets, takes CRLF and bare LF as line ends (the block may come from disk), never fails and never panics:
//! what makes no sense is passed over or kept as it is. Encoded words (RFC 2047) stay encoded; `text` decodes them.
//!
//! A field (RFC 5322 §2.2, with the white space before the colon of §4.5):
//!
//! ```text
//! field    = name *WSP ":" value line-end
//! value    = *(octet / line-end WSP)          ; folded, §2.2.3
//! line-end = CRLF / LF
//! ```

mod address;
pub(crate) mod lexer;

pub use address::{ADDRESSES_MAX, MISSING_DOMAIN, MISSING_MAILBOX, MailAddress, addresses};

use memchr::memchr;

/// One field of a header block, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name without white space before the colon. Empty for a line which is no field (it has no colon).
    pub name: &'a [u8],
    /// What follows the colon, still folded, without the last line end.
    pub value: &'a [u8],
    /// The whole field with its line ends.
    pub whole: &'a [u8],
}

impl Field<'_> {
    /// Whether this is the field of that name; names never mind case (RFC 5322 §1.2.2).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a header block in their order, up to its empty line. Nothing is left out: put together again, the
/// `whole` of each give the block.
pub fn fields(block: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let whole = first_field(rest)?;
        rest = rest.get(whole.len()..)?;
        Some(split_name(whole))
    })
}

/// The first field of a name, case ignored.
pub fn find<'a>(block: &'a [u8], name: &str) -> Option<Field<'a>> {
    fields(block).find(|field| field.is(name))
}

/// The value on one line: line ends taken out (RFC 5322 §2.2.3), white space cut from both ends.
pub fn unfold(value: &[u8]) -> Vec<u8> {
    if memchr(b'\n', value).is_none() {
        return value.trim_ascii().to_vec();
    }
    let mut plain = Vec::with_capacity(value.len());
    for line in value.split_inclusive(|&byte| byte == b'\n') {
        plain.extend_from_slice(without_line_end(line));
    }
    plain.trim_ascii().to_vec()
}

/// Where the body starts: the offset after the empty line. `None` when there is no empty line.
pub fn header_end(bytes: &[u8]) -> Option<usize> {
    let mut end = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        end += line.len();
        if is_empty_line(line) {
            return Some(end);
        }
    }
    None
}

fn first_field(block: &[u8]) -> Option<&[u8]> {
    let first = first_line(block)?;
    if is_empty_line(first) {
        return None;
    }
    let mut length = first.len();
    while let Some(line) = first_line(block.get(length..)?) {
        // RFC 5322 §2.2.3: a line which begins with white space continues the one before.
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            break;
        }
        length += line.len();
    }
    block.get(..length)
}

fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let length = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    bytes.get(..length).filter(|line| !line.is_empty())
}

fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let Some(line) = line.strip_suffix(b"\n") else { return line };
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn split_name(whole: &[u8]) -> Field<'_> {
    let field = without_line_end(whole);
    let first = first_line(field).unwrap_or_default();
    match memchr(b':', first) {
        Some(colon) if !first.starts_with(b" ") && !first.starts_with(b"\t") => {
            let (name, value) = field.split_at(colon);
            Field { name: name.trim_ascii_end(), value: value.strip_prefix(b":").unwrap_or(value), whole }
        }
        _ => Field { name: b"", value: field, whole },
    }
}

/// What IMAP's ENVELOPE tells of a message (RFC 3501 §7.4.2). Strings are unfolded, encoded words kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvelopeFields {
    pub date: Option<Vec<u8>>,
    pub subject: Option<Vec<u8>>,
    pub from: Vec<MailAddress>,
    sender: Vec<MailAddress>,
    reply_to: Vec<MailAddress>,
    pub to: Vec<MailAddress>,
    pub cc: Vec<MailAddress>,
    pub bcc: Vec<MailAddress>,
    pub in_reply_to: Option<Vec<u8>>,
    pub message_id: Option<Vec<u8>>,
}

impl EnvelopeFields {
    // RFC 3501 §7.4.2: the server puts From where Sender or Reply-To are absent or empty.
    pub fn sender(&self) -> &[MailAddress] {
        if self.sender.is_empty() { &self.from } else { &self.sender }
    }

    pub fn reply_to(&self) -> &[MailAddress] {
        if self.reply_to.is_empty() { &self.from } else { &self.reply_to }
    }
}

/// Reads the envelope out of a header block. Where a field that should be single comes twice, Dovecot's rule holds, so that
/// a mailbox looks the same from both: of strings the last, of addresses all.
pub fn envelope(block: &[u8]) -> EnvelopeFields {
    let mut envelope = EnvelopeFields::default();
    for field in fields(block) {
        take(&mut envelope, &field);
    }
    envelope
}

/// No name of an envelope's field is longer.
const NAME_LENGTH_MAX: usize = 11;

fn take(envelope: &mut EnvelopeFields, field: &Field<'_>) {
    let mut lower = [0; NAME_LENGTH_MAX];
    let Some(name) = lower.get_mut(..field.name.len()) else { return };
    name.copy_from_slice(field.name);
    name.make_ascii_lowercase();
    let list = match &*name {
        b"date" => return envelope.date = Some(unfold(field.value)),
        b"subject" => return envelope.subject = Some(unfold(field.value)),
        b"in-reply-to" => return envelope.in_reply_to = Some(unfold(field.value)),
        b"message-id" => return envelope.message_id = Some(unfold(field.value)),
        b"from" => &mut envelope.from,
        b"sender" => &mut envelope.sender,
        b"reply-to" => &mut envelope.reply_to,
        b"to" => &mut envelope.to,
        b"cc" => &mut envelope.cc,
        b"bcc" => &mut envelope.bcc,
        _ => return,
    };
    let room = ADDRESSES_MAX.saturating_sub(list.len());
    list.extend(addresses(field.value).into_iter().take(room));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCK: &[u8] =
        b"Subject: a\r\n  b\r\nX-Empty:\nFrom : x@y\njunk\r\n more: junk\r\nsubject: c\r\n\r\nTo: body\r\n";

    #[test]
    fn fields_keep_what_was_written() {
        let names: Vec<_> = fields(BLOCK).map(|field| field.name).collect();
        assert_eq!(names, [&b"Subject"[..], b"X-Empty", b"From", b"", b"subject"]);
        let subject = find(BLOCK, "SUBJECT").unwrap();
        assert_eq!((subject.value, subject.whole), (&b" a\r\n  b"[..], &b"Subject: a\r\n  b\r\n"[..]));
        assert_eq!(unfold(subject.value), b"a  b");
        assert_eq!(find(BLOCK, "to"), None, "the body is not searched");
    }

    #[test]
    fn the_body_starts_after_the_empty_line() {
        assert_eq!(header_end(BLOCK), Some(BLOCK.len() - b"To: body\r\n".len()));
        assert_eq!(header_end(b"\r\nx"), Some(2));
        assert_eq!(header_end(b"a: b\n\nx"), Some(6));
        assert_eq!(header_end(b"a: b\r\n"), None);
    }

    #[test]
    fn the_last_string_and_all_addresses_win() {
        let envelope =
            envelope(b"To: a@b\r\nSubject: one\r\nSubject: two\r\nTo: c@d\r\nFrom: f@g\r\nReply-To:\r\n\r\n");
        assert_eq!(envelope.subject.as_deref(), Some(&b"two"[..]));
        assert_eq!(envelope.to.len(), 2);
        assert_eq!((envelope.sender(), envelope.reply_to()), (&*envelope.from, &*envelope.from));
    }

    proptest! {
        #[test]
        fn fields_together_are_the_block(block in "([A-Za-z]{0,3}[: \t]{0,2}[a-z]{0,3}(\r\n|\n|\r)?){0,12}") {
            let end = header_end(block.as_bytes()).unwrap_or(block.len());
            let whole: Vec<u8> = fields(block.as_bytes()).flat_map(|field| field.whole.to_vec()).collect();
            let empty_line = &block.as_bytes()[whole.len()..end];
            prop_assert!(block.as_bytes().starts_with(&whole));
            prop_assert!(matches!(empty_line, b"" | b"\n" | b"\r\n"));
        }

        #[test]
        fn any_octets_make_an_envelope(block in prop::collection::vec(any::<u8>(), 0..200)) {
            envelope(&[b"From: ", block.as_slice()].concat());
        }
    }
}
