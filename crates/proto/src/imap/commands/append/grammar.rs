//! The grammar of what an APPEND holds after the mailbox's name, read stretch by stretch: a stretch ends where a message's octets
//! come, and what follows them is the next one.
//!
//! Knows nothing of the house, and holds no octets of messages.

use std::collections::VecDeque;

use mail::date::DateTime;
use mail::{Flags, Keyword};

use crate::imap::parse::{Parsed, Parser, syntax, syntax_at};

/// What a stretch asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    /// A message begins.
    Begin(Traits),
    /// The octets that this URL names belong to it.
    Url(Vec<u8>),
    /// A message that was put together is complete.
    Complete,
}

/// What comes with a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Traits {
    pub flags: Flags,
    pub keywords: Vec<Keyword>,
    pub internal_date: Option<DateTime>,
    /// Its octets, as announced; of a message that is put together nobody knows.
    pub size: Option<u64>,
}

/// Why a stretch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Octets of the message come; of a literal8, if `binary`.
    Octets { binary: bool },
    /// A literal comes that belongs to the text: the stretch is read again when it is there.
    Text,
    /// The command is complete.
    End,
}

/// Where a stretch begins, and where the next one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Behind a message, or the mailbox's name.
    Message,
    /// Between the parts of a message that is put together.
    Part { first: bool },
}

/// A stretch that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Stretch {
    pub acts: VecDeque<Act>,
    pub pause: Pause,
    pub next: At,
}

// append = "APPEND" SP mailbox 1*append-message (RFC 3502)
/// Reads what is there, of which the end may be a literal's announcement: of so many octets.
pub fn stretch(args: &mut Parser<'_>, at: At, announced: Option<u64>) -> Parsed<Stretch> {
    let (mut acts, mut next) = (VecDeque::new(), at);
    let pause = loop {
        let pause = match next {
            At::Message if args.at_end() => Some(Pause::End),
            At::Message => message(args, announced, &mut acts, &mut next)?,
            At::Part { first } => part(args, first, &mut acts, &mut next)?,
        };
        if let Some(pause) = pause {
            break pause;
        }
    };
    Ok(Stretch { acts, pause, next })
}

// append-message = [SP flag-list] [SP date-time] SP append-data (RFC 4466 §6)
// append-data = literal / literal8 (RFC 3516) / "CATENATE" SP "(" cat-part *(SP cat-part) ")" (RFC 4469)
fn message(
    args: &mut Parser<'_>,
    announced: Option<u64>,
    acts: &mut VecDeque<Act>,
    next: &mut At,
) -> Parsed<Option<Pause>> {
    args.space()?;
    let traits = traits(args)?;
    if let Some(octets) = octets(args) {
        acts.push_back(Act::Begin(Traits { size: announced, ..traits }));
        return Ok(Some(octets));
    }
    if args.at_end() {
        return syntax("Missing message literal");
    }
    if !args.atom().is_ok_and(|name| name.eq_ignore_ascii_case("CATENATE")) {
        return syntax("Invalid arguments");
    }
    args.space()?;
    args.expect(b'(')?;
    acts.push_back(Act::Begin(traits));
    *next = At::Part { first: true };
    Ok(None)
}

// cat-part = "TEXT" SP literal / "URL" SP astring
fn part(args: &mut Parser<'_>, first: bool, acts: &mut VecDeque<Act>, next: &mut At) -> Parsed<Option<Pause>> {
    if !first {
        if args.take_if(b')') {
            acts.push_back(Act::Complete);
            *next = At::Message;
            return Ok(None);
        }
        args.space()?;
    }
    *next = At::Part { first: false };
    let kind = args.atom()?;
    args.space()?;
    if kind.eq_ignore_ascii_case("TEXT") {
        return octets(args).map_or_else(|| syntax("Missing literal"), |octets| Ok(Some(octets)));
    }
    if !kind.eq_ignore_ascii_case("URL") {
        return syntax_at("Unknown part:", kind.as_bytes());
    }
    if is_announcement(args) {
        return Ok(Some(Pause::Text));
    }
    acts.push_back(Act::Url(args.astring()?));
    Ok(None)
}

/// Whether nothing but a literal's announcement is left: its octets are not there yet.
pub fn is_announcement(args: &Parser<'_>) -> bool {
    args.peek() == Some(b'{') && !args.rest().contains(&b'\n')
}

// literal8 = "~{" number "}" CRLF *OCTET
fn octets(args: &Parser<'_>) -> Option<Pause> {
    let mut args = args.clone();
    let binary = args.take_if(b'~');
    is_announcement(&args).then_some(Pause::Octets { binary })
}

// [flag-list SP] [date-time SP]
fn traits(args: &mut Parser<'_>) -> Parsed<Traits> {
    let (mut flags, mut keywords) = (Flags::NONE, Vec::new());
    if args.peek() == Some(b'(') {
        (flags, keywords) = args.flag_list()?;
        args.space()?;
    }
    let internal_date = date_time(args)?;
    Ok(Traits { flags, keywords, internal_date, size: None })
}

// date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
fn date_time(args: &mut Parser<'_>) -> Parsed<Option<DateTime>> {
    if args.peek() != Some(b'"') {
        return Ok(None);
    }
    let text = args.string()?;
    args.space()?;
    let date = std::str::from_utf8(&text).ok().and_then(DateTime::parse_imap);
    date.map_or_else(|| syntax("Invalid internal date"), |date| Ok(Some(date)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, at: At) -> Option<Stretch> {
        stretch(&mut Parser::new(text.as_bytes()), at, Some(9)).ok()
    }

    #[test]
    fn a_stretch_ends_where_octets_come() {
        let read = |text, at| read(text, at).map(|stretch| (stretch.acts.len(), stretch.pause, stretch.next));
        let (part, octets) = (At::Part { first: false }, Pause::Octets { binary: false });
        for (text, at, expected) in [
            (" {9}", At::Message, (1, octets, At::Message)),
            (" (\\Seen) ~{9+}", At::Message, (1, Pause::Octets { binary: true }, At::Message)),
            ("", At::Message, (0, Pause::End, At::Message)),
            (" CATENATE (TEXT {9}", At::Message, (1, octets, part)),
            (" CATENATE (URL x URL \"y\")", At::Message, (4, Pause::End, At::Message)),
            (" CATENATE (URL {1}", At::Message, (1, Pause::Text, part)),
            (" URL {1}\r\nx TEXT {9}", part, (1, octets, part)),
            (") CATENATE (URL x) {9}", part, (5, octets, At::Message)),
        ] {
            assert_eq!(read(text, at), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bad in [
            " CATENATE ()",
            " CATENATE (FOO x)",
            " CATENATE (URL)",
            " CATENATE TEXT {9}",
            " CATENATE (URL x",
            " x",
            " ",
            "x",
        ] {
            assert_eq!(read(bad, At::Message), None, "{bad}");
        }
    }
}
