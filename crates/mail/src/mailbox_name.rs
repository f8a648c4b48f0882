//! Mailbox names: UTF-8 inside, with `/` between levels; modified UTF-7 on the wire of IMAP4rev1 and on disk.

use std::fmt;

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// The longest name accepted, in bytes of UTF-8: what still fits a file name once it is encoded.
pub const NAME_LENGTH_MAX: usize = 240;
/// The deepest hierarchy accepted.
pub const LEVELS_MAX: usize = 32;
/// The separator between levels, as clients see it.
pub const SEPARATOR: char = '/';

/// Why a name is no mailbox name. The text is fit for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("mailbox name is empty")]
    Empty,
    #[error("mailbox name is too long")]
    TooLong,
    #[error("mailbox name begins or ends with the hierarchy separator, or has two in a row")]
    EmptyLevel,
    #[error("mailbox name has too many levels")]
    TooDeep,
    #[error("character not allowed in mailbox name")]
    Character,
    #[error("mailbox name is not valid modified UTF-7")]
    Encoding,
}

/// The name of a mailbox. `INBOX` is always spelt in capitals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

impl MailboxName {
    pub fn inbox() -> MailboxName {
        MailboxName("INBOX".to_owned())
    }

    /// From UTF-8.
    pub fn parse(name: &str) -> Result<MailboxName, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > NAME_LENGTH_MAX || encode_mutf7(name).len() > NAME_LENGTH_MAX {
            return Err(NameError::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(NameError::Character);
        }
        if name.split(SEPARATOR).any(str::is_empty) {
            return Err(NameError::EmptyLevel);
        }
        if name.split(SEPARATOR).count() > LEVELS_MAX {
            return Err(NameError::TooDeep);
        }
        Ok(MailboxName(capital_inbox(name)))
    }

    /// From modified UTF-7 (RFC 3501 §5.1.3).
    pub fn from_mutf7(encoded: &str) -> Result<MailboxName, NameError> {
        MailboxName::parse(&decode_mutf7(encoded).ok_or(NameError::Encoding)?)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In modified UTF-7, as IMAP4rev1 and the disk want it.
    pub fn to_mutf7(&self) -> String {
        encode_mutf7(&self.0)
    }

    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }

    /// The name one level up; `None` at the top.
    pub fn parent(&self) -> Option<MailboxName> {
        self.0.rsplit_once(SEPARATOR).map(|(parent, _)| MailboxName(parent.to_owned()))
    }

    /// Whether this mailbox lies below another one.
    pub fn is_below(&self, other: &MailboxName) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }

    /// The name after `from`, a mailbox above this one or itself, was renamed to `to`.
    pub fn moved(&self, from: &MailboxName, to: &MailboxName) -> Result<MailboxName, NameError> {
        let rest = self.0.strip_prefix(&from.0).ok_or(NameError::EmptyLevel)?;
        MailboxName::parse(&format!("{}{rest}", to.0))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// RFC 3501 §5.1: INBOX is case-insensitive, also as the first level of another name.
fn capital_inbox(name: &str) -> String {
    let (first, rest) = name.split_at(name.find(SEPARATOR).unwrap_or(name.len()));
    if first.eq_ignore_ascii_case("INBOX") { format!("INBOX{rest}") } else { name.to_owned() }
}

const MUTF7: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// Modified UTF-7 (RFC 3501 §5.1.3): printable ASCII stands for itself, `&-` for `&`, the rest is `&` base64 of UTF-16 `-`.
pub fn encode_mutf7(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let mut pending: Vec<u8> = Vec::new();
    for c in text.chars() {
        if !(' '..='~').contains(&c) {
            let mut units = [0; 2];
            pending.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        flush(&mut pending, &mut encoded);
        match c {
            '&' => encoded.push_str("&-"),
            _ => encoded.push(c),
        }
    }
    flush(&mut pending, &mut encoded);
    encoded
}

fn flush(pending: &mut Vec<u8>, encoded: &mut String) {
    if !pending.is_empty() {
        encoded.push('&');
        MUTF7.encode_string(&*pending, encoded);
        encoded.push('-');
        pending.clear();
    }
}

/// The inverse of `encode_mutf7`. `None` for anything that it would not have made, so that a name has one encoding only.
pub fn decode_mutf7(encoded: &str) -> Option<String> {
    let mut text = String::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((plain, shifted)) = rest.split_once('&') {
        let (base64, after) = shifted.split_once('-')?;
        text.push_str(plain);
        text.push_str(&decode_shift(base64)?);
        rest = after;
    }
    text.push_str(rest);
    (encode_mutf7(&text) == encoded).then_some(text)
}

fn decode_shift(base64: &str) -> Option<String> {
    if base64.is_empty() {
        return Some("&".to_owned());
    }
    let bytes = MUTF7.decode(base64).ok()?;
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    if bytes.len() % 2 != 0 {
        return None;
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modified_utf7_goes_both_ways() {
        for (text, encoded) in [("Años", "A&APE-os"), ("a&b", "a&-b"), ("日本語", "&ZeVnLIqe-"), ("x/😀", "x/&2D3eAA-")]
        {
            assert_eq!(encode_mutf7(text), encoded);
            assert_eq!(decode_mutf7(encoded).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_name_has_one_encoding_only() {
        for bad in ["A&APE", "&", "&AGE-", "&APE-&APE-", "Años", "&2D0-", "&A-"] {
            assert_eq!(decode_mutf7(bad), None, "{bad}");
        }
    }

    #[test]
    fn inbox_is_spelt_in_capitals() {
        assert_eq!(MailboxName::parse("inBox").unwrap(), MailboxName::inbox());
        assert_eq!(MailboxName::parse("inbox/Sub").unwrap().as_str(), "INBOX/Sub");
        assert_eq!(MailboxName::parse("inboxes").unwrap().as_str(), "inboxes");
    }

    #[test]
    fn bad_names_are_refused() {
        for bad in ["", "/x", "x/", "a//b", "a\nb", "a\0", &"x".repeat(NAME_LENGTH_MAX + 1), &"ñ".repeat(119)] {
            assert!(MailboxName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
