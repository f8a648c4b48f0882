//! A preview of a message (RFC 8970): the first words of its text, as a list of messages shows them. Pure and lossy: what
//! cannot be read is no preview.

use std::borrow::Cow;
use std::ops::Range;

use crate::html;
use crate::mime::{Children, Part, decode_transfer};
use crate::text::decode_charset;

/// Characters of a preview (RFC 8970 §3.3: 200, at most 256).
pub const PREVIEW_CHARS_MAX: usize = 200;
/// No more of a part than its first octets is looked at, as they are encoded.
pub const PREVIEW_OCTETS_MAX: u64 = 32 << 10;

/// Whether a preview is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wanted {
    #[default]
    No,
    /// If it costs no reading of the message (RFC 8970 §4.1).
    Lazy,
    Yes,
}

/// Of which octets of a message a preview is made. `None`: there is nothing to show.
pub fn place(message: &Part) -> Option<Range<u64>> {
    let part = first_text(message)?;
    Some(part.body.start..part.body.end.min(part.body.start.saturating_add(PREVIEW_OCTETS_MAX)))
}

/// The preview, out of the octets at [`place`].
pub fn preview(message: &Part, octets: &[u8]) -> String {
    let Some(part) = first_text(message) else { return String::new() };
    let decoded = decode_transfer(&part.media.encoding, octets);
    let text = decode(charset(part), &decoded);
    // A character that was cut at the end.
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    match part.media.subtype.eq_ignore_ascii_case(b"html") {
        true => shortened(&own_words(&html::to_text(body(text)))),
        false => shortened(&own_words(text)),
    }
}

/// The text that is shown first: of alternatives the plain one.
fn first_text(part: &Part) -> Option<&Part> {
    match &part.children {
        Children::Message(inner) => first_text(inner),
        Children::Leaf => is_shown_text(part).then_some(part),
        Children::Multipart(parts) if part.media.subtype.eq_ignore_ascii_case(b"alternative") => {
            let plain = parts.iter().find(|part| is_shown_text(part) && is_plain(part));
            plain.or_else(|| parts.iter().find_map(first_text))
        }
        // What encrypted parts say of themselves is nothing to show.
        Children::Multipart(_) if part.media.subtype.eq_ignore_ascii_case(b"encrypted") => None,
        Children::Multipart(parts) => parts.iter().find_map(first_text),
    }
}

fn is_plain(part: &Part) -> bool {
    part.media.subtype.eq_ignore_ascii_case(b"plain")
}

fn is_shown_text(part: &Part) -> bool {
    let attached = part.media.disposition.as_ref().is_some_and(|(kind, _)| kind.eq_ignore_ascii_case(b"attachment"));
    let is_text = part.media.kind.eq_ignore_ascii_case(b"text");
    is_text && !attached && (is_plain(part) || part.media.subtype.eq_ignore_ascii_case(b"html"))
}

/// The charset of a text; what names none is told as US-ASCII.
pub fn charset(part: &Part) -> &[u8] {
    let named = part.media.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"charset"));
    named.map_or(b"us-ascii", |(_, charset)| charset)
}

/// Text that calls itself US-ASCII, or nothing, and is not, is most often UTF-8.
pub fn decode<'a>(charset: &[u8], octets: &'a [u8]) -> Cow<'a, str> {
    if !charset.eq_ignore_ascii_case(b"us-ascii") {
        return decode_charset(charset, octets).into();
    }
    match std::str::from_utf8(octets) {
        Ok(text) => text.into(),
        // It was cut within its last character.
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(octets),
        Err(_) => decode_charset(charset, octets).into(),
    }
}

/// A document without its head, which names a title that the subject says better.
fn body(html: &str) -> &str {
    let tag = b"<body";
    let start = html.as_bytes().windows(tag.len()).position(|here| here.eq_ignore_ascii_case(tag));
    start.and_then(|start| html.get(start..)).unwrap_or(html)
}

/// A text without what it quotes and without its signature; where nothing is left, all of it.
fn own_words(text: &str) -> Cow<'_, str> {
    // RFC 3676 §4.3: the line before a signature.
    let lines = text.lines().take_while(|line| *line != "-- ");
    let own: Vec<&str> = lines.filter(|line| !line.starts_with('>')).collect();
    if own.iter().all(|line| line.trim().is_empty()) { text.into() } else { own.join("\n").into() }
}

/// One line: white space and control characters are one space.
fn shortened(text: &str) -> String {
    let (mut short, mut left, mut gap) = (String::new(), PREVIEW_CHARS_MAX, false);
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = !short.is_empty();
            continue;
        }
        // These only steer how others are shown; many senders fill previews with them.
        if matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
        {
            continue;
        }
        let needed = if gap { 2 } else { 1 };
        if left < needed {
            break;
        }
        if gap {
            short.push(' ');
        }
        short.push(c);
        left -= needed;
        gap = false;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::Indexer;

    fn of(message: &str) -> String {
        let mut indexer = Indexer::new();
        indexer.feed(message.as_bytes());
        let part = indexer.finish();
        let place = place(&part).unwrap_or_default();
        preview(&part, &message.as_bytes()[place.start as usize..place.end as usize])
    }

    #[test]
    fn the_first_words_are_one_line_of_at_most_two_hundred_characters() {
        assert_eq!(of("Subject: x\r\n\r\nHello,\r\n\r\n  this is\ta test.\r\n"), "Hello, this is a test.");
        let long = of(&format!("\r\n{}", "año ".repeat(100)));
        assert_eq!((long.chars().count(), long.ends_with("añ")), (PREVIEW_CHARS_MAX - 1, false));
        assert_eq!(of("\r\n"), "");
    }

    #[test]
    fn what_was_written_comes_before_what_is_quoted() {
        assert_eq!(of("\r\n> you said\r\nI say\r\n-- \r\nAna\r\n"), "I say");
        assert_eq!(of("\r\n> only this\r\n"), "> only this");
    }

    #[test]
    fn encodings_and_charsets_are_taken_off() {
        let head = "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n";
        assert_eq!(of(&format!("{head}\r\nFeliz a=F1o =3D =\r\ntodo")), "Feliz año = todo");
        assert_eq!(of("Content-Transfer-Encoding: base64\r\n\r\nYcOxbw==\r\n"), "año");
        assert_eq!(of("\r\naño"), "año");
    }

    #[test]
    fn the_text_is_found_among_parts_and_not_among_attachments() {
        let multipart = |kind: &str, parts: &[&str]| {
            let parts: String = parts.iter().map(|part| format!("--b\r\nContent-Type: {part}\r\n")).collect();
            format!("Content-Type: multipart/{kind}; boundary=b\r\n\r\n{parts}--b--\r\n")
        };
        let plain = "text/plain\r\n\r\nplain";
        let html = "text/html\r\n\r\n<b>html</b>";
        let attached = "text/plain\r\nContent-Disposition: attachment\r\n\r\nattached";
        assert_eq!(of(&multipart("alternative", &[html, plain])), "plain");
        assert_eq!(of(&multipart("mixed", &[attached, html, plain])), "html");
        assert_eq!(of(&multipart("mixed", &[attached])), "");
        assert_eq!(of(&multipart("encrypted", &["text/plain\r\n\r\nVersion: 1"])), "");
        let page = "<html><head><title>News</title></head><BODY><blockquote>you said</blockquote>I &amp; you</body>";
        assert_eq!(of(&format!("Content-Type: text/html\r\n\r\n{page}")), "I & you");
        assert_eq!(of("Content-Type: image/png\r\n\r\nxyz"), "");
    }
}
