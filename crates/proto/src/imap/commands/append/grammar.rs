//! The grammar of what an APPEND holds after the mailbox's name, read stretch by stretch: a stretch ends where a message's octets
//! come, and what follows them is the next one.
//!
//! Knows nothing of the house, and holds no octets of messages.

use std::collections::VecDeque;

use mail::date::DateTime;
use mail::{Flags, Keyword};

use crate::imap::parse::{Parsed, Parser, syntax};

/// What a stretch asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    /// A message begins.
    Begin(Traits),
}

/// What comes with a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Traits {
    pub flags: Flags,
    pub keywords: Vec<Keyword>,
    pub internal_date: Option<DateTime>,
    /// Its octets, as announced.
    pub size: Option<u64>,
}

/// Why a stretch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Octets of the message come.
    Octets,
    /// The command is complete.
    End,
}

/// A stretch that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Stretch {
    pub acts: VecDeque<Act>,
    pub pause: Pause,
}

// append = "APPEND" SP mailbox 1*append-message (RFC 3502)
// append-message = [SP flag-list] [SP date-time] SP literal
/// Reads what is there, of which the end may be a literal's announcement: of so many octets.
pub fn stretch(args: &mut Parser<'_>, announced: Option<u64>) -> Parsed<Stretch> {
    let acts = VecDeque::new();
    if args.at_end() {
        return Ok(Stretch { acts, pause: Pause::End });
    }
    args.space()?;
    let traits = traits(args)?;
    if !is_announcement(args) {
        return syntax(if args.at_end() { "Missing message literal" } else { "Invalid arguments" });
    }
    let acts = VecDeque::from([Act::Begin(Traits { size: announced, ..traits })]);
    Ok(Stretch { acts, pause: Pause::Octets })
}

/// Whether nothing but a literal's announcement is left: its octets are not there yet.
pub fn is_announcement(args: &Parser<'_>) -> bool {
    args.peek() == Some(b'{') && !args.rest().contains(&b'\n')
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
