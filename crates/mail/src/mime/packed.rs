//! A MIME structure as octets: how a node remembers it, and how clients are shown it without making a tree of it first, which
//! costs more than all the rest of a list of messages.
//!
//! ```text
//! part     = 5 numbers (header start, length; body start, length; lines) media fields children
//! media    = kind subtype params id? description? encoding md5? location? languages disposition?
//! children = 0 / 1 count part* / 2 part
//! ```
//!
//! `fields` holds the header fields of the message within a message/rfc822, and nothing for other parts: all that is ever
//! asked of those is in `media`. Pure.

use std::ops::Range;

use super::{Children, DEPTH_MAX, Media, Params, Part, Word};
use crate::octets::{Reader, Writer};

/// A message's structure. Its octets make sense: they were made here, or checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

/// The parts of a structure one after the other, parents first: after a part come its children.
#[derive(Debug, Clone)]
pub struct Parts<'a>(Reader<'a>);

/// A part as it stands there.
#[derive(Debug, Clone)]
pub struct PackedPart<'a> {
    pub header: Range<u64>,
    pub body: Range<u64>,
    pub lines: u64,
    pub media: PackedMedia<'a>,
    /// Of a message within the message.
    pub fields: &'a [u8],
    pub children: PackedChildren,
}

/// How many parts that follow are within this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackedChildren {
    Leaf,
    Multipart(usize),
    /// The next is the message within it.
    Message,
}

/// See [`Media`].
#[derive(Debug, Clone)]
pub struct PackedMedia<'a> {
    pub kind: &'a [u8],
    pub subtype: &'a [u8],
    pub params: PackedParams<'a>,
    pub id: Option<&'a [u8]>,
    pub description: Option<&'a [u8]>,
    pub encoding: &'a [u8],
    pub md5: Option<&'a [u8]>,
    pub location: Option<&'a [u8]>,
    pub language: Words<'a>,
    pub disposition: Option<(&'a [u8], PackedParams<'a>)>,
}

/// So many strings, which follow.
#[derive(Debug, Clone)]
pub struct Words<'a> {
    left: usize,
    from: Reader<'a>,
}

/// Names and values.
#[derive(Debug, Clone)]
pub struct PackedParams<'a>(Words<'a>);

impl Packed {
    /// `fields` says what is kept of the headers of messages within the message.
    pub fn of(part: &Part, fields: impl Fn(&[u8]) -> Vec<u8>) -> Packed {
        let mut out = Writer::default();
        write_part(part, false, &fields, &mut out);
        Packed(out.0)
    }

    /// `None` when the octets make no sense.
    pub fn from_octets(octets: &[u8]) -> Option<Packed> {
        let mut parts = Parts(Reader(octets));
        parts.pass(0)?;
        parts.0.0.is_empty().then(|| Packed(octets.to_vec()))
    }

    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }

    /// The message, and then what is within it.
    pub fn parts(&self) -> Parts<'_> {
        Parts(Reader(&self.0))
    }

    /// As a tree.
    pub fn part(&self) -> Option<Part> {
        self.parts().tree(0)
    }
}

impl<'a> Parts<'a> {
    fn read(&mut self) -> Option<PackedPart<'a>> {
        let from = &mut self.0;
        Some(PackedPart {
            header: read_range(from)?,
            body: read_range(from)?,
            lines: from.number()?,
            media: PackedMedia::read(from)?,
            fields: from.octets()?,
            children: match from.number()? {
                0 => PackedChildren::Leaf,
                1 => PackedChildren::Multipart(from.count()?),
                2 => PackedChildren::Message,
                _ => return None,
            },
        })
    }

    fn pass(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.read()?.children {
            PackedChildren::Leaf => Some(()),
            PackedChildren::Multipart(count) => (0..count).try_for_each(|_| self.pass(depth + 1)),
            PackedChildren::Message => self.pass(depth + 1),
        }
    }

    fn tree(&mut self, depth: usize) -> Option<Part> {
        if depth > DEPTH_MAX {
            return None;
        }
        let PackedPart { header, body, lines, media, fields, children } = self.read()?;
        let children = match children {
            PackedChildren::Leaf => Children::Leaf,
            PackedChildren::Multipart(count) => {
                Children::Multipart((0..count).map(|_| self.tree(depth + 1)).collect::<Option<_>>()?)
            }
            PackedChildren::Message => Children::Message(Box::new(self.tree(depth + 1)?)),
        };
        Some(Part { header, body, lines, fields: fields.to_vec(), media: media.unpacked(), children })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = PackedPart<'a>;

    fn next(&mut self) -> Option<PackedPart<'a>> {
        self.read()
    }
}

impl PackedPart<'_> {
    /// As [`Part::shown_type`].
    pub fn shown_type(&self) -> (&[u8], &[u8]) {
        super::shown_type(self.children == PackedChildren::Leaf, self.media.kind, self.media.subtype)
    }
}

impl<'a> PackedMedia<'a> {
    fn read(from: &mut Reader<'a>) -> Option<PackedMedia<'a>> {
        Some(PackedMedia {
            kind: from.octets()?,
            subtype: from.octets()?,
            params: PackedParams::read(from)?,
            id: from.maybe()?,
            description: from.maybe()?,
            encoding: from.octets()?,
            md5: from.maybe()?,
            location: from.maybe()?,
            language: Words::read(from, 1)?,
            disposition: match from.maybe()? {
                None => None,
                Some(kind) => Some((kind, PackedParams::read(from)?)),
            },
        })
    }

    fn unpacked(self) -> Media {
        let owned = |octets: Option<&[u8]>| octets.map(<[u8]>::to_vec);
        let params = |params: PackedParams<'_>| params.map(|(name, value)| (name.into(), value.into())).collect();
        Media {
            kind: self.kind.into(),
            subtype: self.subtype.into(),
            params: params(self.params),
            id: owned(self.id),
            description: owned(self.description),
            encoding: self.encoding.into(),
            md5: owned(self.md5),
            location: owned(self.location),
            language: self.language.map(Word::from).collect(),
            disposition: self.disposition.map(|(kind, values)| (kind.into(), params(values))),
        }
    }
}

impl<'a> Words<'a> {
    /// A count of things of so many strings each, and the strings.
    fn read(from: &mut Reader<'a>, each: usize) -> Option<Words<'a>> {
        let left = from.count()?.checked_mul(each)?;
        let words = Words { left, from: from.clone() };
        for _ in 0..left {
            from.octets()?;
        }
        Some(words)
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        self.from.octets()
    }
}

impl<'a> PackedParams<'a> {
    fn read(from: &mut Reader<'a>) -> Option<PackedParams<'a>> {
        Words::read(from, 2).map(PackedParams)
    }
}

impl<'a> Iterator for PackedParams<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        Some((self.0.next()?, self.0.next()?))
    }
}

fn read_range(from: &mut Reader<'_>) -> Option<Range<u64>> {
    let (start, length) = (from.number()?, from.number()?);
    Some(start..start.checked_add(length)?)
}

fn write_part(part: &Part, is_message: bool, fields: &impl Fn(&[u8]) -> Vec<u8>, out: &mut Writer) {
    for range in [&part.header, &part.body] {
        out.number(range.start);
        out.number(range.end.saturating_sub(range.start));
    }
    out.number(part.lines);
    write_media(&part.media, out);
    out.octets(&if is_message { fields(&part.fields) } else { Vec::new() });
    match &part.children {
        Children::Leaf => out.number(0),
        Children::Multipart(parts) => {
            out.number(1);
            out.number(parts.len() as u64);
            parts.iter().for_each(|part| write_part(part, false, fields, out));
        }
        Children::Message(inner) => {
            out.number(2);
            write_part(inner, true, fields, out);
        }
    }
}

fn write_media(media: &Media, out: &mut Writer) {
    out.octets(&media.kind);
    out.octets(&media.subtype);
    write_params(&media.params, out);
    out.maybe(media.id.as_deref());
    out.maybe(media.description.as_deref());
    out.octets(&media.encoding);
    out.maybe(media.md5.as_deref());
    out.maybe(media.location.as_deref());
    out.number(media.language.len() as u64);
    media.language.iter().for_each(|language| out.octets(language));
    match &media.disposition {
        None => out.maybe(None),
        Some((kind, params)) => {
            out.maybe(Some(kind));
            write_params(params, out);
        }
    }
}

fn write_params(params: &Params, out: &mut Writer) {
    out.number(params.len() as u64);
    for (name, value) in params {
        out.octets(name);
        out.octets(value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Indexer;
    use super::*;

    const MESSAGE: &[u8] = b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/plain; charset=utf-8; name=\"a b\"\r\nContent-Language: es, en\r\n\
        Content-Disposition: attachment; filename=x\r\nContent-ID: <1>\r\nContent-Location: here\r\n\r\none\r\n--b\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nX-More: y\r\n\r\ntwo\r\n--b--\r\n";

    fn structure() -> Part {
        let mut indexer = Indexer::new();
        indexer.feed(MESSAGE);
        indexer.finish()
    }

    /// Headers that are not kept are empty.
    fn without_fields(mut part: Part, is_message: bool) -> Part {
        if !is_message {
            part.fields = Vec::new();
        }
        part.children = match part.children {
            Children::Leaf => Children::Leaf,
            Children::Multipart(parts) => {
                Children::Multipart(parts.into_iter().map(|part| without_fields(part, false)).collect())
            }
            Children::Message(inner) => Children::Message(Box::new(without_fields(*inner, true))),
        };
        part
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let packed = Packed::of(&structure(), <[u8]>::to_vec);
        assert_eq!(packed.part(), Some(without_fields(structure(), false)));
        assert_eq!(Packed::from_octets(packed.as_octets()), Some(packed.clone()));
        let types: Vec<_> = packed.parts().map(|part| part.media.subtype).collect();
        assert_eq!(types, [&b"mixed"[..], b"plain", b"rfc822", b"plain"]);
    }

    #[test]
    fn octets_that_make_no_sense_are_refused() {
        let packed = Packed::of(&structure(), |_| Vec::new());
        let octets = packed.as_octets();
        for length in 0..octets.len() {
            assert_eq!(Packed::from_octets(&octets[..length]), None, "{length}");
        }
        assert_eq!(Packed::from_octets(&[octets, b"x"].concat()), None);
        // A message in a message in a message, without end.
        let one = Packed::of(&Part { children: Children::Leaf, ..structure() }, |_| Vec::new());
        let (last, rest) = one.as_octets().split_last().unwrap();
        assert_eq!(*last, 0);
        let deep = [rest, &[2]].concat().repeat(DEPTH_MAX + 2);
        assert_eq!(Packed::from_octets(&[deep.as_slice(), one.as_octets()].concat()), None);
    }
}
