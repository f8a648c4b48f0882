//! A MIME structure as octets.
//!
//! ```text
//! part     = 5 numbers (header start, length; body start, length; lines) media fields children
//! media    = kind subtype params id? description? encoding md5? location? languages disposition?
//! children = 0 / 1 count part* / 2 part
//! ```
//!
//! `fields` holds the remembered fields of the message within a message/rfc822, and nothing for other parts: all that is
//! ever asked of those is in `media`. Pure.

use mail::mime::{Children, DEPTH_MAX, Media, Params, Part, Word};

use super::fields::remembered;
use super::octets::{Reader, Writer};

pub(super) fn write(part: &Part, out: &mut Writer) {
    write_part(part, false, out);
}

/// `None` when the octets make no sense.
pub(super) fn read(from: &mut Reader<'_>) -> Option<Part> {
    read_part(from, 0)
}

fn write_part(part: &Part, is_message: bool, out: &mut Writer) {
    for range in [&part.header, &part.body] {
        out.number(range.start);
        out.number(range.end.saturating_sub(range.start));
    }
    out.number(part.lines);
    write_media(&part.media, out);
    out.octets(&if is_message { remembered(&part.fields) } else { Vec::new() });
    match &part.children {
        Children::Leaf => out.number(0),
        Children::Multipart(parts) => {
            out.number(1);
            out.number(parts.len() as u64);
            parts.iter().for_each(|part| write_part(part, false, out));
        }
        Children::Message(inner) => {
            out.number(2);
            write_part(inner, true, out);
        }
    }
}

fn read_part(from: &mut Reader<'_>, depth: usize) -> Option<Part> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (header, body) = (read_range(from)?, read_range(from)?);
    let lines = from.number()?;
    let media = read_media(from)?;
    let fields = from.octets()?.to_vec();
    let children = match from.number()? {
        0 => Children::Leaf,
        1 => {
            let count = from.count()?;
            Children::Multipart((0..count).map(|_| read_part(from, depth + 1)).collect::<Option<_>>()?)
        }
        2 => Children::Message(Box::new(read_part(from, depth + 1)?)),
        _ => return None,
    };
    Some(Part { header, body, lines, fields, media, children })
}

fn read_range(from: &mut Reader<'_>) -> Option<std::ops::Range<u64>> {
    let (start, length) = (from.number()?, from.number()?);
    Some(start..start.checked_add(length)?)
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

fn read_media(from: &mut Reader<'_>) -> Option<Media> {
    let owned = |octets: Option<&[u8]>| octets.map(<[u8]>::to_vec);
    Some(Media {
        kind: from.octets()?.into(),
        subtype: from.octets()?.into(),
        params: read_params(from)?,
        id: owned(from.maybe()?),
        description: owned(from.maybe()?),
        encoding: from.octets()?.into(),
        md5: owned(from.maybe()?),
        location: owned(from.maybe()?),
        language: (0..from.count()?).map(|_| from.octets().map(Word::from)).collect::<Option<_>>()?,
        disposition: match from.maybe()? {
            None => None,
            Some(kind) => Some((kind.into(), read_params(from)?)),
        },
    })
}

fn write_params(params: &Params, out: &mut Writer) {
    out.number(params.len() as u64);
    for (name, value) in params {
        out.octets(name);
        out.octets(value);
    }
}

fn read_params(from: &mut Reader<'_>) -> Option<Params> {
    (0..from.count()?).map(|_| Some((from.octets()?.into(), from.octets()?.into()))).collect()
}
