//! The parts of a message in a row, parents before what is within them: what loops walk over (RFC 5703 §3).

use std::ops::Range;
use std::sync::OnceLock;

use mail::mime::{Children, Media, Part};

use super::message::{Field, read_fields};

/// How many parts there are at most is `mail::mime::PARTS_MAX`, and how deep they lie `mail::mime::DEPTH_MAX`.
#[derive(Debug)]
pub(crate) struct Structure {
    parts: Vec<Node>,
}

/// A part. Its number is its place in the row; the message itself is 0.
#[derive(Debug)]
pub(crate) struct Node {
    /// In the whole message.
    pub header: Range<usize>,
    pub body: Range<usize>,
    pub media: Media,
    pub is_leaf: bool,
    /// The message, or one within it.
    pub is_message: bool,
    /// The number behind the last part within this one.
    pub end: usize,
    block: Vec<u8>,
    fields: OnceLock<Vec<Field>>,
}

impl Node {
    pub fn fields(&self) -> &[Field] {
        self.fields.get_or_init(|| read_fields(&self.block))
    }

    /// The header as it stands, with the empty line after it.
    pub fn block(&self) -> &[u8] {
        &self.block
    }
}

impl Structure {
    pub fn new(message: Part) -> Structure {
        let mut structure = Structure { parts: Vec::new() };
        structure.add(message, true);
        structure
    }

    pub fn len(&self) -> usize {
        self.parts.len()
    }

    pub fn part(&self, number: usize) -> Option<&Node> {
        self.parts.get(number)
    }

    /// The number behind the last part within a part.
    pub fn end_of(&self, number: usize) -> usize {
        self.part(number).map_or(number, |part| part.end)
    }

    /// Recursion ends with `mail::mime::DEPTH_MAX`.
    fn add(&mut self, part: Part, is_message: bool) {
        let number = self.parts.len();
        let place = |range: &Range<u64>| {
            let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
            at(range.start)..at(range.end)
        };
        self.parts.push(Node {
            header: place(&part.header),
            body: place(&part.body),
            media: part.media,
            is_leaf: matches!(part.children, Children::Leaf),
            is_message,
            end: number + 1,
            block: part.fields,
            fields: OnceLock::new(),
        });
        match part.children {
            Children::Leaf => {}
            Children::Multipart(parts) => parts.into_iter().for_each(|part| self.add(part, false)),
            Children::Message(inner) => self.add(*inner, true),
        }
        let end = self.parts.len();
        if let Some(part) = self.parts.get_mut(number) {
            part.end = end;
        }
    }
}
