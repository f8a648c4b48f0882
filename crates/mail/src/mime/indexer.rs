//! Finds the parts of a message in one pass, line by line, in pieces of any size.
//!
//! What it holds is a stack of parts that are open: the message, the multipart within it, the part within that, … Each line
//! is one of three things: a delimiter of an open multipart (RFC 2046 §5.1.1), which closes all that is open within it; a
//! line of the innermost part's header; or content, of which only the line end is looked at.
//!
//! Memory: the headers (`HEADER_KEPT_MAX` each, `HEADERS_KEPT_MAX` in all, though always `HEADER_ALWAYS_KEPT_MAX` of each) and
//! the beginning of the line which is not complete yet.

use memchr::memchr;

use super::{Children, Media, Part};

/// The most parts of one message, messages within it included; from there on delimiters are content.
pub const PARTS_MAX: usize = 10_000;
/// How many parts may lie within each other; a multipart or message any deeper is a leaf.
pub const DEPTH_MAX: usize = 64;
/// The most octets kept of one part's header. Fields beyond are not seen.
pub const HEADER_KEPT_MAX: usize = 256 * 1024;
/// The most octets kept of all headers of a message together, apart from what is always kept.
pub const HEADERS_KEPT_MAX: usize = 8 * 1024 * 1024;
/// What is kept of a part's header even if the others used up their room.
pub const HEADER_ALWAYS_KEPT_MAX: usize = 2 * 1024;
/// The longest boundary that is looked for. RFC 2046 §5.1.1 allows 70; a multipart with a longer one has no parts.
pub const BOUNDARY_LENGTH_MAX: usize = 512;

/// Takes a message in pieces and gives its structure. The message shall have CRLF line ends; bare LF does as well.
#[derive(Debug)]
pub struct Indexer {
    /// Where the line that is being read starts, and how many line feeds came before it.
    at: Position,
    /// The line so far, when it did not come in one piece.
    line: PartialLine,
    /// Parts not ended yet, the message first. Never empty.
    open: Vec<Open>,
    previous: Previous,
    /// Parts begun.
    parts: usize,
    /// Octets of headers kept.
    kept: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Position {
    offset: u64,
    line_feeds: u64,
}

#[derive(Debug, Default)]
struct PartialLine {
    kept: Vec<u8>,
    length: u64,
    last: Option<u8>,
}

/// A complete line.
struct Line<'a> {
    /// Its octets, or as many of the first as are ever looked at.
    kept: &'a [u8],
    length: u64,
    /// The octets of its line end: 2, 1, or 0 for the last line of a message that lacks one.
    ending: u64,
}

impl Line<'_> {
    fn content(&self) -> &[u8] {
        let length = usize::try_from(self.length - self.ending).unwrap_or(usize::MAX);
        self.kept.get(..length).unwrap_or(self.kept)
    }
}

/// The line before: how long its line end was, and whether that may belong to a delimiter after it.
#[derive(Debug, Clone, Copy)]
struct Previous {
    ending: u64,
    was_delimiter: bool,
}

/// A part that goes on.
#[derive(Debug)]
struct Open {
    header_start: u64,
    fields: Vec<u8>,
    in_digest: bool,
    /// What is known once the header is over.
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    header_end: u64,
    start: Position,
    /// Where the body ends, if that is settled before the part is closed.
    end: Option<Position>,
    media: Media,
    inside: Inside,
}

#[derive(Debug)]
enum Inside {
    Content,
    Multipart { boundary: Option<Vec<u8>>, parts: Vec<Part> },
    Message(Option<Box<Part>>),
}

impl Open {
    fn new(header_start: u64, in_digest: bool) -> Open {
        Open { header_start, fields: Vec::new(), in_digest, body: None }
    }
}

impl Default for Indexer {
    fn default() -> Self {
        Self::new()
    }
}

impl Indexer {
    pub fn new() -> Self {
        Indexer {
            at: Position::default(),
            line: PartialLine::default(),
            open: vec![Open::new(0, false)],
            previous: Previous { ending: 0, was_delimiter: false },
            parts: 1,
            kept: 0,
        }
    }

    /// Takes the next octets of the message.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(feed) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(feed + 1);
            rest = after;
            if self.line.length == 0 {
                let ending = if line.ends_with(b"\r\n") { 2 } else { 1 };
                self.end_line(&Line { kept: line, length: line.len() as u64, ending });
            } else {
                self.keep_partial(line);
                self.end_partial(1);
            }
        }
        self.keep_partial(rest);
    }

    /// The structure, once the whole message was fed.
    pub fn finish(mut self) -> Part {
        self.end_partial(0);
        let end = self.at;
        self.end_headers(end.offset, end);
        self.close_to_depth(1, end);
        match self.open.pop() {
            Some(message) => message.into_part(end),
            None => Open::new(0, false).into_part(end),
        }
    }

    fn keep_partial(&mut self, bytes: &[u8]) {
        // Of content, only what could be a delimiter is looked at.
        let useful = if self.in_header() { HEADER_KEPT_MAX } else { BOUNDARY_LENGTH_MAX + b"----\r\n".len() };
        let room = useful.saturating_sub(self.line.kept.len());
        self.line.kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.line.length += bytes.len() as u64;
        // The octet before a line feed tells CRLF from LF.
        let before_feed = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        self.line.last = before_feed.last().copied().or(self.line.last);
    }

    fn end_partial(&mut self, line_feeds: u64) {
        let line = std::mem::take(&mut self.line);
        if line.length == 0 {
            return;
        }
        let carriage_return = line_feeds == 1 && line.length > 1 && line.last == Some(b'\r');
        let ending = line_feeds + u64::from(carriage_return);
        self.end_line(&Line { kept: &line.kept, length: line.length, ending });
    }

    fn end_line(&mut self, line: &Line<'_>) {
        let next = Position {
            offset: self.at.offset + line.length,
            line_feeds: self.at.line_feeds + u64::from(line.ending > 0),
        };
        let was_delimiter = self.delimiter(line, next);
        if !was_delimiter && self.in_header() {
            self.header_line(line, next);
        }
        self.previous = Previous { ending: line.ending, was_delimiter };
        self.at = next;
    }

    fn in_header(&self) -> bool {
        self.open.last().is_some_and(|part| part.body.is_none())
    }

    fn innermost(&mut self) -> &mut Open {
        if self.open.is_empty() {
            self.open.push(Open::new(self.at.offset, false));
        }
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    fn header_line(&mut self, line: &Line<'_>, next: Position) {
        let left = HEADERS_KEPT_MAX.saturating_sub(self.kept);
        let part = self.innermost();
        let of_part = HEADER_KEPT_MAX.saturating_sub(part.fields.len());
        let always = HEADER_ALWAYS_KEPT_MAX.saturating_sub(part.fields.len());
        let room = of_part.min(left.max(always));
        let kept = line.kept.get(..room).unwrap_or(line.kept);
        part.fields.extend_from_slice(kept);
        self.kept += kept.len();
        if line.length == line.ending {
            self.end_header(next.offset, next);
        }
    }

    /// The innermost part's header is over: sees what the part is, and opens the message within a message.
    fn end_header(&mut self, header_end: u64, body_start: Position) {
        let may_nest = self.open.len() < DEPTH_MAX && self.parts < PARTS_MAX;
        let part = self.innermost();
        let media = Media::read(&part.fields, part.in_digest);
        let inside = if may_nest { Inside::of(&media) } else { Inside::Content };
        let is_message = matches!(inside, Inside::Message(_));
        part.body = Some(Body { header_end, start: body_start, end: None, media, inside });
        if is_message {
            self.parts += 1;
            self.open.push(Open::new(body_start.offset, false));
        }
    }

    /// Ends the innermost part while it is in its header, and with it the empty message within a message.
    fn end_headers(&mut self, header_end: u64, body_start: Position) {
        while self.in_header() {
            self.end_header(header_end, body_start);
        }
    }

    /// Does what a delimiter line does. False if the line is none.
    fn delimiter(&mut self, line: &Line<'_>, next: Position) -> bool {
        let Some((index, closes)) = self.find_boundary(line.content()) else { return false };
        if !closes && self.parts >= PARTS_MAX {
            return false;
        }
        self.end_parts_within(index);
        let in_digest = match self.open.get_mut(index).and_then(|part| part.body.as_mut()) {
            Some(Body { media, inside: Inside::Multipart { boundary, .. }, .. }) => {
                if closes {
                    *boundary = None;
                }
                media.is("multipart", "digest")
            }
            _ => false,
        };
        if !closes {
            self.parts += 1;
            self.open.push(Open::new(next.offset, in_digest));
        }
        true
    }

    // RFC 2046 §5.1.1: delimiter = CRLF "--" boundary; close-delimiter = delimiter "--". It is sufficient that the line
    // begins with the boundary. One boundary may be the beginning of another, so the longest counts; of equal ones the
    // innermost.
    fn find_boundary(&self, content: &[u8]) -> Option<(usize, bool)> {
        let content = content.strip_prefix(b"--")?;
        let boundaries = self.open.iter().enumerate().filter_map(|(index, part)| Some((index, part.boundary()?)));
        let (index, boundary) = boundaries
            .filter(|(_, boundary)| content.starts_with(boundary))
            .max_by_key(|(_, boundary)| boundary.len())?;
        let rest = content.get(boundary.len()..)?;
        Some((index, rest.starts_with(b"--")))
    }

    // The line end before a delimiter belongs to it (RFC 2046 §5.1.1). Where no content comes before the delimiter, only the
    // header of the innermost part loses it and the parts around keep it, as in Dovecot: sizes shall be the same.
    fn end_parts_within(&mut self, index: usize) {
        let depth = index + 1;
        if self.open.len() <= depth {
            return;
        }
        let at = self.at;
        let ending = if self.previous.was_delimiter { 0 } else { self.previous.ending };
        let cut = Position { offset: at.offset - ending, line_feeds: at.line_feeds - u64::from(ending > 0) };
        let has_content = self.innermost().has_content(at.offset);
        if !has_content {
            self.cut_header(cut);
        }
        self.close_to_depth(depth, if has_content { cut } else { at });
    }

    /// Ends the innermost part in its header, or with an empty body: at `cut`, or where it began if that is later.
    fn cut_header(&mut self, cut: Position) {
        let innermost = self.open.len();
        let part = self.innermost();
        let header_end = cut.offset.max(part.header_start);
        let end = Position { offset: header_end, ..cut };
        let kept = usize::try_from(header_end - part.header_start).unwrap_or(usize::MAX);
        part.fields.truncate(kept);
        if let Some(body) = &mut part.body {
            (body.header_end, body.start) = (header_end, end);
        }
        self.end_headers(header_end, end);
        // A message whose header is cut off has an empty message within it, which ends there too.
        for part in self.open.iter_mut().skip(innermost.saturating_sub(1)) {
            part.end_at(end);
        }
    }

    fn close_to_depth(&mut self, depth: usize, end: Position) {
        while self.open.len() > depth {
            let Some(part) = self.open.pop() else { return };
            let part = part.into_part(end);
            match self.open.last_mut().and_then(|parent| parent.body.as_mut()).map(|body| &mut body.inside) {
                Some(Inside::Multipart { parts, .. }) => parts.push(part),
                Some(Inside::Message(inner)) => *inner = Some(Box::new(part)),
                Some(Inside::Content) | None => {}
            }
        }
    }
}

impl Open {
    fn boundary(&self) -> Option<&[u8]> {
        match &self.body.as_ref()?.inside {
            Inside::Multipart { boundary, .. } => boundary.as_deref(),
            _ => None,
        }
    }

    fn has_content(&self, at: u64) -> bool {
        self.body.as_ref().is_some_and(|body| body.start.offset < at)
    }

    fn end_at(&mut self, end: Position) {
        if let Some(body) = &mut self.body {
            body.end = Some(end);
        }
    }

    fn into_part(self, end: Position) -> Part {
        let body = self.body.unwrap_or_else(|| Body {
            header_end: end.offset,
            start: end,
            end: None,
            media: Media::read(&self.fields, self.in_digest),
            inside: Inside::Content,
        });
        let end = body.end.unwrap_or(end);
        let children = match body.inside {
            Inside::Content => Children::Leaf,
            Inside::Multipart { parts, .. } => Children::Multipart(parts),
            Inside::Message(Some(inner)) => Children::Message(inner),
            Inside::Message(None) => Children::Leaf,
        };
        Part {
            header: self.header_start..body.header_end,
            body: body.start.offset..end.offset.max(body.start.offset),
            lines: end.line_feeds.saturating_sub(body.start.line_feeds),
            fields: self.fields,
            media: body.media,
            children,
        }
    }
}

impl Inside {
    fn of(media: &Media) -> Inside {
        if media.is_multipart() {
            let boundary = media.param("boundary").map(<[u8]>::trim_ascii_end);
            let boundary = boundary.filter(|boundary| (1..=BOUNDARY_LENGTH_MAX).contains(&boundary.len()));
            return Inside::Multipart { boundary: boundary.map(<[u8]>::to_vec), parts: Vec::new() };
        }
        // RFC 2046 §5.2.1: only 7bit, 8bit and binary are allowed for a message; what is encoded cannot be looked into.
        let encoded =
            [&b"base64"[..], b"quoted-printable"].iter().any(|name| media.encoding.eq_ignore_ascii_case(name));
        if media.is_message() && !encoded { Inside::Message(None) } else { Inside::Content }
    }
}
