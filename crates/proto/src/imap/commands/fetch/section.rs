//! Sections of a message's body: their grammar, and where they lie in a message whose structure or header is known.

use std::fmt;
use std::ops::Range;

use mail::digest::Fields;
use mail::header;
use mail::mime::{Children, Part};

use crate::imap::parse::{Parsed, Parser, syntax};

/// How many numbers a part's number may have.
pub const PATH_LENGTH_MAX: usize = 64;

/// `[1.2.HEADER.FIELDS (FROM)]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The part's number; empty for the message itself.
    pub path: Vec<u32>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    All,
    Header,
    Text,
    Mime,
    /// The fields of these names, or with `not` all others.
    Fields {
        names: Vec<Vec<u8>>,
        not: bool,
    },
}

/// `<offset.length>`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    pub offset: u64,
    pub length: u64,
}

/// Where the octets of a section are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the message.
    Range(Range<u64>),
    /// Here.
    Bytes(Vec<u8>),
}

/// What is known of a message.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub size: u64,
    /// A header block with the fields that were needed.
    pub fields: &'a [u8],
    /// With the empty line; zero unless it was needed and there is no structure.
    pub header_length: u64,
    pub structure: Option<&'a Part>,
}

impl Place {
    const NOWHERE: Place = Place::Range(0..0);

    /// Only the octets that were asked for (RFC 3501 §6.4.5, "partial"): nothing, if it begins behind the end.
    pub fn cut(self, partial: Option<Partial>) -> Place {
        let Some(Partial { offset, length }) = partial else { return self };
        let clip = |from: u64, to: u64| {
            let start = from.saturating_add(offset).min(to);
            start..start.saturating_add(length).min(to)
        };
        match self {
            Place::Range(range) => Place::Range(clip(range.start, range.end)),
            Place::Bytes(bytes) => {
                let range = clip(0, bytes.len() as u64);
                Place::Bytes(bytes.get(range.start as usize..range.end as usize).unwrap_or_default().to_vec())
            }
        }
    }
}

impl Section {
    pub fn whole() -> Section {
        Section { path: Vec::new(), what: What::All }
    }

    pub fn header() -> Section {
        Section { path: Vec::new(), what: What::Header }
    }

    pub fn text() -> Section {
        Section { path: Vec::new(), what: What::Text }
    }

    /// Which fields of the message, or of a message within it, must be known.
    pub fn needed_fields(&self) -> Fields {
        match &self.what {
            What::Fields { names, not: false } => Fields::Named(names.clone()),
            What::Fields { not: true, .. } => Fields::All,
            _ => Fields::None,
        }
    }

    /// Whether the MIME structure must be known.
    pub fn needs_structure(&self) -> bool {
        !self.path.is_empty()
    }

    /// Whether octets of the message must be read.
    pub fn needs_octets(&self) -> bool {
        !matches!(self.what, What::Fields { .. })
    }

    /// Whether it must be known where the message's own header ends.
    pub fn needs_header(&self) -> bool {
        self.path.is_empty() && matches!(self.what, What::Header | What::Text | What::Mime)
    }

    /// Where it lies in a message. What was needed must be known.
    pub fn place(&self, known: &Known<'_>) -> Place {
        match (&self.what, known.structure) {
            (What::All, _) if self.path.is_empty() => Place::Range(0..known.size),
            (What::Fields { names, not }, _) if self.path.is_empty() => Place::Bytes(choose(known.fields, names, *not)),
            (_, Some(root)) => self.place_in(root),
            (What::Text, None) => Place::Range(known.header_length..known.size.max(known.header_length)),
            (_, None) => Place::Range(0..known.header_length),
        }
    }

    /// Parts that are not there are empty, as with Dovecot.
    fn place_in(&self, root: &Part) -> Place {
        let Some(part) = root.section(&self.path) else { return Place::NOWHERE };
        match &self.what {
            What::All => return Place::Range(part.body.clone()),
            What::Mime => return Place::Range(part.header.clone()),
            _ => {}
        }
        // RFC 3501 §6.4.5: HEADER and TEXT of a part are those of the message in a message/rfc822.
        let message = match (&part.children, self.path.is_empty()) {
            (_, true) => part,
            (Children::Message(inner), false) => inner,
            _ => return Place::NOWHERE,
        };
        match &self.what {
            What::Text => Place::Range(message.body.clone()),
            What::Fields { names, not } => Place::Bytes(choose(&message.fields, names, *not)),
            _ => Place::Range(message.header.clone()),
        }
    }
}

// RFC 3501 §6.4.5: a subset of the header has its empty line too.
fn choose(head: &[u8], names: &[Vec<u8>], not: bool) -> Vec<u8> {
    let named = |name: &[u8]| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
    let chosen = header::fields(head).filter(|field| named(field.name) != not);
    let mut bytes: Vec<u8> = chosen.flat_map(|field| field.whole.iter().copied()).collect();
    bytes.extend_from_slice(b"\r\n");
    bytes
}

// section = "[" [section-spec] "]"
// section-spec = section-msgtext / (section-part ["." section-text])
// section-part = nz-number *("." nz-number)
pub fn parse(args: &mut Parser<'_>) -> Parsed<Section> {
    args.expect(b'[')?;
    let mut path = Vec::new();
    let mut text_follows = true;
    while text_follows && args.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        match args.number()? {
            0 => return invalid(),
            _ if path.len() == PATH_LENGTH_MAX => return invalid(),
            number => path.push(number),
        }
        text_follows = args.take_if(b'.');
    }
    let what = if path.is_empty() || text_follows { what(args, !path.is_empty())? } else { What::All };
    if !args.take_if(b']') {
        return invalid();
    }
    Ok(Section { path, what })
}

fn invalid<T>() -> Parsed<T> {
    syntax("Invalid BODY[..] section")
}

// section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
// section-text = section-msgtext / "MIME"
fn what(args: &mut Parser<'_>, in_part: bool) -> Parsed<What> {
    let name = args.take_while(|byte| byte.is_ascii_alphabetic() || byte == b'.').to_ascii_uppercase();
    match name.as_slice() {
        b"" if !in_part => Ok(What::All),
        b"HEADER" => Ok(What::Header),
        b"TEXT" => Ok(What::Text),
        b"MIME" if in_part => Ok(What::Mime),
        b"HEADER.FIELDS" => fields(args, false),
        b"HEADER.FIELDS.NOT" => fields(args, true),
        _ => invalid(),
    }
}

// header-list = "(" header-fld-name *(SP header-fld-name) ")"
fn fields(args: &mut Parser<'_>, not: bool) -> Parsed<What> {
    args.space()?;
    let names = args.list(1, |args| {
        let name = args.astring()?;
        // RFC 5322 §2.2: printable US-ASCII without a colon.
        let valid = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':');
        if valid { Ok(name.to_ascii_uppercase()) } else { syntax("Invalid header field name") }
    })?;
    Ok(What::Fields { names, not })
}

// "<" number "." nz-number ">"
pub fn parse_partial(args: &mut Parser<'_>) -> Parsed<Option<Partial>> {
    if !args.take_if(b'<') {
        return Ok(None);
    }
    let offset = args.number()?.into();
    args.expect(b'.')?;
    let length = args.number()?.into();
    args.expect(b'>')?;
    Ok(Some(Partial { offset, length }))
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path: Vec<String> = self.path.iter().map(u32::to_string).collect();
        let path = path.join(".");
        let dot = if path.is_empty() || self.what == What::All { "" } else { "." };
        let what = match &self.what {
            What::All => String::new(),
            What::Header => "HEADER".to_owned(),
            What::Text => "TEXT".to_owned(),
            What::Mime => "MIME".to_owned(),
            What::Fields { names, not } => {
                let mut out = crate::Outbox::default();
                for (index, name) in names.iter().enumerate() {
                    out.push(if index > 0 { b" " } else { b"" });
                    crate::imap::response::astring(name, &mut out);
                }
                let names = String::from_utf8_lossy(&out.take()).into_owned();
                format!("HEADER.FIELDS{} ({names})", if *not { ".NOT" } else { "" })
            }
        };
        write!(f, "[{path}{dot}{what}]")
    }
}
