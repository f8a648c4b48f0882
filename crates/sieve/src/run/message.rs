//! The message a script looks at: its header fields, decoded when they are first asked for, and its body.
//!
//! Cloning is cheap. An edited header is a new one; the body is shared.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use mail::header::{self, MailAddress, addresses};
use mail::html;
use mail::mime::{Children, Indexer, Media, Part, decode_transfer};
use mail::text::{decode_charset, decode_words};

use super::structure::Structure;

/// A message: content with CRLF or LF.
#[derive(Debug, Clone)]
pub struct Message<'m> {
    header: Arc<Header>,
    body: Body<'m>,
    /// Of the body.
    bare_line_feeds: usize,
    /// Read when the body is first looked at, and once for all clones.
    parts: Arc<OnceLock<Vec<TextPart>>>,
    /// Likewise.
    structure: Arc<OnceLock<Structure>>,
}

#[derive(Debug, Clone)]
enum Body<'m> {
    Borrowed(&'m [u8]),
    Shared(Arc<[u8]>),
}

#[derive(Debug)]
struct Header {
    block: Vec<u8>,
    bare_line_feeds: usize,
    fields: Vec<Field>,
}

/// A header field.
#[derive(Debug)]
pub(crate) struct Field {
    pub name: String,
    /// Still folded and encoded.
    pub value: Vec<u8>,
    decoded: OnceLock<String>,
    addresses: OnceLock<Vec<MailAddress>>,
}

impl Field {
    /// The value on one line, encoded words decoded.
    pub fn text(&self) -> &str {
        self.decoded.get_or_init(|| decode_words(&self.value))
    }

    /// The addresses of the value, read once: scripts ask for the sender again and again.
    pub fn addresses(&self) -> &[MailAddress] {
        self.addresses.get_or_init(|| addresses(&self.value))
    }
}

/// The decoded content of a part that has some.
#[derive(Debug)]
pub(crate) struct TextPart {
    /// `text/html`, lower case.
    pub media_type: String,
    pub text: String,
    /// What people see of it, where that is something else.
    readable: OnceLock<String>,
}

impl TextPart {
    /// The text without the tags of HTML.
    pub fn readable(&self) -> &str {
        if is_html(&self.media_type) { self.readable.get_or_init(|| html::to_text(&self.text)) } else { &self.text }
    }

    /// What making the readable text costs: octets, once.
    pub fn readable_cost(&self) -> usize {
        let is_made = is_html(&self.media_type) && self.readable.get().is_none();
        if is_made { self.text.len() } else { 0 }
    }
}

/// Whether the text of a media type, in lower case, has tags.
pub(super) fn is_html(media_type: &str) -> bool {
    matches!(media_type, "text/html" | "application/xhtml+xml")
}

/// The most header fields looked at.
pub const FIELDS_MAX: usize = 4096;
/// The most octets of a message's body that `body` decodes, over all parts.
pub const BODY_LENGTH_MAX: usize = 16 << 20;

impl<'m> Message<'m> {
    pub fn new(content: &'m [u8]) -> Message<'m> {
        let (header, body) = split(content);
        Message {
            header: Arc::new(Header::new(header.to_vec())),
            body: Body::Borrowed(body),
            bare_line_feeds: bare_line_feeds(body),
            parts: Arc::default(),
            structure: Arc::default(),
        }
    }

    /// A message that owns its content.
    pub fn owned(content: &[u8]) -> Message<'static> {
        let (header, body) = split(content);
        Message {
            header: Arc::new(Header::new(header.to_vec())),
            body: Body::Shared(Arc::from(body)),
            bare_line_feeds: bare_line_feeds(body),
            parts: Arc::default(),
            structure: Arc::default(),
        }
    }

    /// The same of a header with its empty line, and a body.
    pub(crate) fn owned_pieces(header: Vec<u8>, body: &[u8]) -> Message<'static> {
        let bare_line_feeds = bare_line_feeds(body);
        let (parts, structure) = (Arc::default(), Arc::default());
        let body = Body::Shared(Arc::from(body));
        Message { header: Arc::new(Header::new(header)), body, bare_line_feeds, parts, structure }
    }

    /// The header with the empty line after it.
    pub fn header(&self) -> &[u8] {
        &self.header.block
    }

    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Borrowed(body) => body,
            Body::Shared(body) => body,
        }
    }

    /// In octets, each line end counted as CRLF: so it came, and so it is told by IMAP.
    pub fn size(&self) -> u64 {
        let length = self.header().len() + self.body().len();
        (length + self.header.bare_line_feeds + self.bare_line_feeds) as u64
    }

    /// The fields of a name, in their order.
    pub(crate) fn fields<'f>(&'f self, name: &'f str) -> impl DoubleEndedIterator<Item = &'f Field> {
        self.header.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn all_fields(&self) -> &[Field] {
        &self.header.fields
    }

    /// The same message with another header.
    pub(crate) fn with_header(&self, block: Vec<u8>) -> Message<'m> {
        let (header, body) = (Arc::new(Header::new(block)), self.body.clone());
        let (parts, structure) = (Arc::default(), Arc::default());
        Message { header, body, bare_line_feeds: self.bare_line_feeds, parts, structure }
    }

    /// Whether the parts were read before.
    pub(crate) fn has_parts(&self) -> bool {
        self.parts.get().is_some()
    }

    /// The parts of the message (RFC 5703).
    pub(crate) fn structure(&self) -> &Structure {
        self.structure.get_or_init(|| Structure::new(self.indexed()))
    }

    pub(crate) fn is_structure_known(&self) -> bool {
        self.structure.get().is_some()
    }

    /// The header fields of a part, the message itself being 0.
    pub(crate) fn part_fields(&self, part: usize) -> &[Field] {
        match part {
            0 => self.all_fields(),
            part => self.structure().part(part).map_or(&[], |part| part.fields()),
        }
    }

    /// What stands at a place of the body, counted from the start of the message.
    pub(crate) fn part_octets(&self, place: &Range<usize>) -> &[u8] {
        let header = self.header().len();
        let (start, end) = (place.start.checked_sub(header), place.end.checked_sub(header));
        start.zip(end).and_then(|(start, end)| self.body().get(start..end)).unwrap_or_default()
    }

    fn indexed(&self) -> Part {
        let mut indexer = Indexer::new();
        indexer.feed(self.header());
        indexer.feed(self.body());
        indexer.finish()
    }

    /// The leaves of the MIME structure, decoded.
    pub(crate) fn parts(&self) -> &[TextPart] {
        self.parts.get_or_init(|| {
            let content = [self.header(), self.body()].concat();
            let mut budget = BODY_LENGTH_MAX;
            self.indexed().walk().filter_map(|part| decoded(part, &content, &mut budget)).collect()
        })
    }
}

fn bare_line_feeds(content: &[u8]) -> usize {
    let ends = memchr::memchr_iter(b'\n', content);
    ends.filter(|end| end.checked_sub(1).and_then(|before| content.get(before)) != Some(&b'\r')).count()
}

fn split(content: &[u8]) -> (&[u8], &[u8]) {
    content.split_at_checked(header::header_end(content).unwrap_or(content.len())).unwrap_or((content, &[]))
}

impl Header {
    fn new(block: Vec<u8>) -> Header {
        Header { bare_line_feeds: bare_line_feeds(&block), fields: read_fields(&block), block }
    }
}

/// The fields of a header block, as many as are looked at.
pub(super) fn read_fields(block: &[u8]) -> Vec<Field> {
    let fields = header::fields(block).filter(|field| !field.name.is_empty()).take(FIELDS_MAX);
    let field = |field: header::Field<'_>| Field {
        name: String::from_utf8_lossy(field.name).into_owned(),
        value: field.value.to_vec(),
        decoded: OnceLock::new(),
        addresses: OnceLock::new(),
    };
    fields.map(field).collect()
}

/// In lower case.
pub(super) fn media_type(media: &Media) -> String {
    let media_type = [&media.kind[..], b"/", &media.subtype[..]].concat();
    String::from_utf8_lossy(&media_type).to_ascii_lowercase()
}

fn decoded(part: &Part, content: &[u8], budget: &mut usize) -> Option<TextPart> {
    let media_type = media_type(&part.media);
    let range = |range: &std::ops::Range<u64>| {
        let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        content.get(start..end)
    };
    let octets = match &part.children {
        Children::Leaf => decode_transfer(&part.media.encoding, range(&part.body)?),
        // RFC 5173 §5.2: of a message within a message, its header.
        Children::Message(inner) => range(&inner.header)?.to_vec(),
        // Of a multipart, what stands before its first part and after its last.
        Children::Multipart(parts) => {
            let inside = (parts.first().map(|part| part.header.start), parts.last().map(|part| part.body.end));
            let (Some(start), Some(end)) = inside else { return None };
            let prologue = range(&(part.body.start..start))?;
            [prologue, range(&(end..part.body.end)).unwrap_or_default()].concat()
        }
    };
    if octets.len() > *budget {
        return None;
    }
    *budget -= octets.len();
    let text = match part.media.kind.eq_ignore_ascii_case(b"text") {
        true => decode_charset(part.media.param("charset").unwrap_or(b"utf-8"), &octets),
        false => String::from_utf8_lossy(&octets).into_owned(),
    };
    Some(TextPart { media_type, text, readable: OnceLock::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_names_do_not_mind_case() {
        let message = Message::new(b"Subject: =?utf-8?q?a=C3=B1o?=\r\n nuevo\r\nX: 1\r\nx: 2\r\n\r\nbody");
        assert_eq!(message.fields("SUBJECT").next().unwrap().text(), "año nuevo");
        assert_eq!(message.fields("x").count(), 2);
        assert_eq!((message.body(), message.size()), (&b"body"[..], 57));
    }

    #[test]
    fn parts_are_decoded() {
        let content = b"Content-Type: multipart/mixed; boundary=b\n\nbefore\n--b\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\na=F1o\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\nhi\n--b--\nafter\n";
        let message = Message::new(content);
        let parts: Vec<_> = message.parts().iter().map(|part| (part.media_type.as_str(), part.text.trim())).collect();
        assert!(parts[0].1.contains("before") && parts[0].1.contains("after"), "{parts:?}");
        assert_eq!(parts[1..], [("text/html", "año"), ("message/rfc822", "Subject: inner"), ("text/plain", "hi")]);
    }
}
