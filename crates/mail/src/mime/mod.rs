//! The MIME structure of a message: where its parts lie, what they are, and the octets inside their transfer encoding.
//!
//! `Indexer` walks over a message once, in pieces of any size, and keeps only headers; a `Part` holds offsets into the
//! message, never content. Works on octets; whatever is fed is some structure, nothing is an error.
//! Knows nothing of how IMAP prints it.

mod decoder;
mod indexer;
mod media;
mod packed;
mod parameter;
mod transfer;

use std::ops::Range;

pub use decoder::{Decoder, LINE_HELD_MAX};
pub use indexer::{
    BOUNDARY_LENGTH_MAX, DEPTH_MAX, HEADER_ALWAYS_KEPT_MAX, HEADER_KEPT_MAX, HEADERS_KEPT_MAX, Indexer, PARTS_MAX,
};
pub use media::{Disposition, LANGUAGES_MAX, Media, PARAMS_MAX, Params, Word, content_type, disposition};
pub use packed::{Packed, PackedChildren, PackedMedia, PackedParams, PackedPart, Parts, Words};
pub use parameter::decode_params;
pub use transfer::{decode_base64, decode_q, decode_quoted_printable, decode_transfer};

/// A message, or a part of one. Offsets count octets of the indexed message, from its first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The header with the empty line that ends it.
    pub header: Range<u64>,
    /// The body, without the line end before the boundary that ends it.
    pub body: Range<u64>,
    /// The line feeds in the body.
    pub lines: u64,
    /// The raw header, as far as it was kept (see `HEADER_KEPT_MAX`); `header` is right in any case.
    pub fields: Vec<u8>,
    pub media: Media,
    pub children: Children,
}

/// What is inside a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Children {
    /// Content. The media type may still claim a multipart or a message which is not looked into: see `Part::shown_type`.
    Leaf,
    /// The parts of a multipart, in order; there may be none.
    Multipart(Vec<Part>),
    /// The message within a message/rfc822.
    Message(Box<Part>),
}

impl Part {
    /// The part with an IMAP part number, this one being a whole message (RFC 3501 §6.4.5).
    ///
    /// An empty path is the message itself. Part 1 of a message that is no multipart is its own body, so that the same
    /// `Part` is given. Below a message/rfc822, numbers go on inside the message within it.
    pub fn section(&self, path: &[u32]) -> Option<&Part> {
        let whole_message = (self, true);
        path.iter()
            .try_fold(whole_message, |(part, is_message), &number| part.step(is_message, number))
            .map(|(part, _)| part)
    }

    // The flag says whether the part stands for a whole message, whose body has a number of its own.
    fn step(&self, is_message: bool, number: u32) -> Option<(&Part, bool)> {
        match &self.children {
            Children::Multipart(parts) => {
                let index = usize::try_from(number.checked_sub(1)?).ok()?;
                parts.get(index).map(|part| (part, false))
            }
            _ if is_message => (number == 1).then_some((self, false)),
            Children::Message(inner) => inner.step(true, number),
            Children::Leaf => None,
        }
    }

    /// Type and subtype to tell to clients. A leaf that claims to be a multipart or a message (because it is nested too
    /// deep, or encoded against RFC 2045 §6.4) is told as application/octet-stream: IMAP promises children for the others.
    pub fn shown_type(&self) -> (&[u8], &[u8]) {
        shown_type(matches!(self.children, Children::Leaf), &self.media.kind, &self.media.subtype)
    }

    /// This part and all within it, parents first.
    pub fn walk(&self) -> impl Iterator<Item = &Part> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let part = waiting.pop()?;
            match &part.children {
                Children::Leaf => {}
                Children::Multipart(parts) => waiting.extend(parts.iter().rev()),
                Children::Message(inner) => waiting.push(inner),
            }
            Some(part)
        })
    }
}

fn shown_type<'a>(is_leaf: bool, kind: &'a [u8], subtype: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let is_multipart = kind.eq_ignore_ascii_case(b"multipart");
    let is_message = kind.eq_ignore_ascii_case(b"message") && subtype.eq_ignore_ascii_case(b"rfc822");
    if is_leaf && (is_multipart || is_message) { (b"application", b"octet-stream") } else { (kind, subtype) }
}
