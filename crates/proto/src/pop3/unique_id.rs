//! The unique-ids that UIDL tells (RFC 1939 §7), in the forms of Dovecot's `pop3_uidl_format`, so that clients which keep
//! their mail on the server do not fetch all of it again after a change of server.
//!
//! ```text
//! format   = *(text / "%%" / "%" [offset "."] [width] *modifier variable)
//! offset   = ["-"] *DIGIT                       ; from the end of the value when negative
//! width    = ["0"] ["-"] *DIGIT                 ; 0: at least so wide, filled with zeros; else at most; negative: all but so many
//! modifier = "L" / "U" / "X" / "R" / "M" / "T"  ; lower, upper, hexadecimal, reversed, MD5, without spaces behind; from the left
//! variable = "v" / "u" / "f" / "g"              ; UIDVALIDITY, UID, the base of the file's name, GUID
//! ```
//!
//! `%m` is refused, as Dovecot does with a Maildir. The golden values below are what Dovecot 2.3.19 said.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::str::FromStr;
use std::sync::Arc;

use mail::{Uid, UidValidity};
use md5::{Digest, Md5};

/// The largest offset and width. A unique-id has at most 70 characters (RFC 1939 §7).
const NUMBER_MAX: i32 = 999;
/// Dovecot takes no more.
const MODIFIERS_MAX: usize = 10;
/// A unique-id that somebody saved is told up to this length; RFC 1939 §7 wants 70, some servers made longer ones.
const SAVED_LENGTH_MAX: usize = 255;

/// How unique-ids are made of what is known of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueIdFormat(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Value),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    variable: Variable,
    modifiers: Vec<Modifier>,
    offset: i32,
    width: i32,
    zeros: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    UidValidity,
    Uid,
    FileName,
    Guid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Modifier {
    Lower,
    Upper,
    Hexadecimal,
    Reverse,
    Md5,
    Trim,
}

const VARIABLES: [(char, Variable); 4] =
    [('v', Variable::UidValidity), ('u', Variable::Uid), ('f', Variable::FileName), ('g', Variable::Guid)];

const MODIFIERS: [(char, Modifier); 6] = [
    ('L', Modifier::Lower),
    ('U', Modifier::Upper),
    ('X', Modifier::Hexadecimal),
    ('R', Modifier::Reverse),
    ('M', Modifier::Md5),
    ('T', Modifier::Trim),
];

/// Why a format is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFormat {
    #[error("has no variable in it: all messages would have one unique-id")]
    Constant,
    #[error("`%m` is of mboxes only; for a Maildir Dovecot knows none either")]
    HeaderSum,
    #[error("`%{0}` is no variable")]
    Unknown(char),
    #[error("ends within a variable")]
    Unfinished,
    #[error("has a number above {NUMBER_MAX} in it")]
    TooWide,
    #[error("has a character in it that cannot be told: only printable ones of ASCII, no space (RFC 1939 §7)")]
    Unprintable,
}

/// What a format can be made of.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub uid: Uid,
    pub uid_validity: UidValidity,
    pub file_name: &'a str,
    pub guid: &'a str,
}

/// Which unique-id each message of a maildrop has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueIds {
    format: Arc<UniqueIdFormat>,
    uid_validity: UidValidity,
    /// Of messages whose unique-id is not made of the UID alone.
    given: BTreeMap<Uid, Box<str>>,
}

impl Default for UniqueIdFormat {
    /// `%08Xu%08Xv`
    fn default() -> UniqueIdFormat {
        let value = |variable| {
            Piece::Value(Value { variable, modifiers: vec![Modifier::Hexadecimal], offset: 0, width: 8, zeros: true })
        };
        UniqueIdFormat(vec![value(Variable::Uid), value(Variable::UidValidity)])
    }
}

impl FromStr for UniqueIdFormat {
    type Err = BadFormat;

    fn from_str(text: &str) -> Result<UniqueIdFormat, BadFormat> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadFormat::Unprintable);
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find('%') {
            let (before, behind) = rest.split_at(at);
            pieces.push(Piece::Text(before.to_owned()));
            let (piece, left) = piece(behind.get(1..).unwrap_or_default())?;
            pieces.push(piece);
            rest = left;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        let varies = |piece: &Piece| matches!(piece, Piece::Value(value) if value.variable != Variable::UidValidity);
        if !pieces.iter().any(varies) {
            return Err(BadFormat::Constant);
        }
        Ok(UniqueIdFormat(pieces))
    }
}

/// What stands behind a percent sign, and the rest.
fn piece(text: &str) -> Result<(Piece, &str), BadFormat> {
    if let Some(rest) = text.strip_prefix('%') {
        return Ok((Piece::Text("%".to_owned()), rest));
    }
    let minus = text.starts_with('-');
    let (mut zeros, mut width, mut rest) = number(text.strip_prefix('-').unwrap_or(text))?;
    let mut offset = 0;
    if let Some(behind) = rest.strip_prefix('.') {
        offset = if minus { -width } else { width };
        zeros = behind.starts_with('0');
        let behind = behind.strip_prefix('0').unwrap_or(behind);
        let negative = behind.starts_with('-');
        (_, width, rest) = number(behind.strip_prefix('-').unwrap_or(behind))?;
        if negative {
            width = -width;
        }
    }
    let mut modifiers = Vec::new();
    loop {
        let letter = rest.chars().next().ok_or(BadFormat::Unfinished)?;
        // Only ASCII is here.
        rest = rest.get(1..).unwrap_or_default();
        if let Some((_, variable)) = VARIABLES.iter().find(|(known, _)| *known == letter) {
            let value = Value { variable: *variable, modifiers, offset, width, zeros };
            return Ok((Piece::Value(value), rest));
        }
        match MODIFIERS.iter().find(|(known, _)| *known == letter) {
            Some((_, modifier)) if modifiers.len() < MODIFIERS_MAX => modifiers.push(*modifier),
            _ if letter == 'm' => return Err(BadFormat::HeaderSum),
            _ => return Err(BadFormat::Unknown(letter)),
        }
    }
}

/// Digits at the beginning, whether there is a nought before them, and the rest.
fn number(text: &str) -> Result<(bool, i32, &str), BadFormat> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(i32::MAX) };
    if number > NUMBER_MAX {
        return Err(BadFormat::TooWide);
    }
    Ok((digits.starts_with('0'), number, rest))
}

impl UniqueIdFormat {
    /// Whether it wants more than UID and UIDVALIDITY.
    pub fn wants_names(&self) -> bool {
        let wants = |piece: &Piece| matches!(piece, Piece::Value(value) if matches!(value.variable, Variable::FileName | Variable::Guid));
        self.0.iter().any(wants)
    }

    pub fn make(&self, known: &Known<'_>) -> String {
        let mut unique_id = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => unique_id.push_str(text),
                Piece::Value(value) => value.write(known, &mut unique_id),
            }
        }
        unique_id
    }
}

impl Value {
    fn write(&self, known: &Known<'_>, to: &mut String) {
        let value = match self.variable {
            Variable::UidValidity => known.uid_validity.to_string(),
            Variable::Uid => known.uid.to_string(),
            Variable::FileName => known.file_name.to_owned(),
            Variable::Guid => known.guid.to_owned(),
        };
        let value = self.modifiers.iter().fold(value, |value, modifier| modifier.apply(value));
        let length = value.chars().count();
        let distance = self.offset.unsigned_abs() as usize;
        let skipped = if self.offset < 0 { length.saturating_sub(distance) } else { distance.min(length) };
        let value: String = value.chars().skip(skipped).collect();
        let (length, width) = (length - skipped, self.width.unsigned_abs() as usize);
        let taken = match self.width {
            0 => length,
            _ if self.zeros => length,
            ..0 => length.saturating_sub(width),
            _ => width,
        };
        if self.zeros && self.width > 0 {
            to.extend(std::iter::repeat_n('0', width.saturating_sub(length)));
        }
        to.extend(value.chars().take(taken));
    }
}

impl Modifier {
    fn apply(self, value: String) -> String {
        match self {
            Modifier::Lower => value.to_ascii_lowercase(),
            Modifier::Upper => value.to_ascii_uppercase(),
            // What is no number counts as nought.
            Modifier::Hexadecimal => format!("{:x}", value.parse::<u64>().unwrap_or(0)),
            Modifier::Reverse => value.chars().rev().collect(),
            Modifier::Md5 => Md5::digest(value.as_bytes()).iter().fold(String::new(), |mut digits, octet| {
                // Writing to a String cannot fail.
                let _ = write!(digits, "{octet:02x}");
                digits
            }),
            Modifier::Trim => value.trim_end().to_owned(),
        }
    }
}

impl UniqueIds {
    pub fn new(format: Arc<UniqueIdFormat>, uid_validity: UidValidity) -> UniqueIds {
        UniqueIds { format, uid_validity, given: BTreeMap::new() }
    }

    /// This message has this one, whatever the format says. False when it cannot be told to a client.
    pub fn give(&mut self, uid: Uid, unique_id: &str) -> bool {
        let tells =
            (1..=SAVED_LENGTH_MAX).contains(&unique_id.len()) && unique_id.bytes().all(|b| b.is_ascii_graphic());
        if tells {
            self.given.insert(uid, unique_id.into());
        }
        tells
    }

    /// Whether this message has one that is not made of its UID.
    pub fn is_given(&self, uid: Uid) -> bool {
        self.given.contains_key(&uid)
    }

    /// The one that the format makes, of more than the UID.
    pub fn make(&mut self, uid: Uid, file_name: &str, guid: &str) {
        let known = Known { uid, uid_validity: self.uid_validity, file_name, guid };
        let unique_id = self.format.make(&known);
        self.give(uid, &unique_id);
    }

    /// Whether the format wants more than the UID.
    pub fn wants_names(&self) -> bool {
        self.format.wants_names()
    }

    pub fn of(&self, uid: Uid) -> String {
        let known = Known { uid, uid_validity: self.uid_validity, file_name: "", guid: "" };
        match self.given.get(&uid) {
            Some(given) => given.to_string(),
            None if self.wants_names() => UniqueIdFormat::default().make(&known),
            None => self.format.make(&known),
        }
    }

    /// Of messages with one unique-id all but the first get `-2`, `-3` and so on behind it, as Dovecot's
    /// `pop3_uidl_duplicates = rename` has it.
    pub fn rename_duplicates(&mut self, uids: impl IntoIterator<Item = Uid>) {
        let mut seen: HashMap<String, u32> = HashMap::new();
        for uid in uids {
            let mut unique_id = self.of(uid);
            let mut renamed = false;
            while let Some(count) = seen.get_mut(&unique_id) {
                *count += 1;
                // Writing to a String cannot fail.
                let _ = write!(unique_id, "-{count}");
                renamed = true;
            }
            if renamed {
                self.given.insert(uid, unique_id.as_str().into());
            }
            seen.insert(unique_id, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "1795275461.M204180P2644.vm,S=18,W=21";

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn validity() -> UidValidity {
        UidValidity::new(1_795_275_461).unwrap()
    }

    fn made(format: &str, number: u32) -> String {
        let known = Known { uid: uid(number), uid_validity: validity(), file_name: NAME, guid: "9f" };
        format.parse::<UniqueIdFormat>().unwrap().make(&known)
    }

    #[test]
    fn each_format_makes_what_dovecot_makes() {
        for (format, expected) in [
            ("%08Xu%08Xv", "000000036b01bac5"),
            ("%f", NAME),
            ("%u.%v", "3.1795275461"),
            ("%-3Xu", "3"),
            ("%2.5f", "95275"),
            ("%-4.2f%u", "W=3"),
            ("%04u", "0003"),
            ("%3v%u", "1793"),
            ("%Mf", "ceea1ee4269e46268983580331bc82f7"),
            ("%XUv%u", "6B01BAC53"),
            ("100%%%u", "100%3"),
            ("%UXv.%u", "6b01bac5.3"),
            ("%Rf", "12=W,81=S,mv.4462P081402M.1645725971"),
            ("%0.-3v-%u", "1795275-3"),
            ("%2.-3v-%u", "95275-3"),
            ("%g", "9f"),
        ] {
            assert_eq!(made(format, 3), expected, "{format}");
        }
        assert_eq!("%08Xu%08Xv".parse(), Ok(UniqueIdFormat::default()));
    }

    #[test]
    fn what_dovecot_refuses_is_refused() {
        for (format, error) in [
            ("abc", BadFormat::Constant),
            ("", BadFormat::Constant),
            ("%v", BadFormat::Constant),
            ("%m", BadFormat::HeaderSum),
            ("%q%u", BadFormat::Unknown('q')),
            ("%{uid}%u", BadFormat::Unknown('{')),
            ("%5", BadFormat::Unfinished),
            ("%u%", BadFormat::Unfinished),
            ("%99999999999u", BadFormat::TooWide),
            ("%u %v", BadFormat::Unprintable),
        ] {
            assert_eq!(format.parse::<UniqueIdFormat>(), Err(error), "{format}");
        }
    }

    #[test]
    fn a_saved_unique_id_comes_first_unless_it_cannot_be_told() {
        let mut ids = UniqueIds::new(Arc::new(UniqueIdFormat::default()), validity());
        assert!(ids.give(uid(1), "UID17-0001"));
        for bad in ["", "a b", "a\r\n.", "\u{e9}", &"x".repeat(SAVED_LENGTH_MAX + 1)] {
            assert!(!ids.give(uid(2), bad), "{bad:?}");
        }
        assert_eq!([ids.of(uid(1)), ids.of(uid(2))], ["UID17-0001", "000000026b01bac5"]);
    }

    #[test]
    fn a_file_name_that_cannot_be_told_gives_way_to_the_uid() {
        let mut ids = UniqueIds::new(Arc::new("%f".parse().unwrap()), validity());
        ids.make(uid(1), NAME, NAME);
        ids.make(uid(2), "na\u{ef}ve", "");
        assert_eq!([ids.of(uid(1)), ids.of(uid(2))], [NAME, "000000026b01bac5"]);
    }

    #[test]
    fn renamed_duplicates_are_counted_as_dovecot_counts_them() {
        let mut ids = UniqueIds::new(Arc::new(UniqueIdFormat::default()), validity());
        for (number, saved) in (1..).zip(["a", "b", "a", "a", "a-2"]) {
            assert!(ids.give(uid(number), saved));
        }
        ids.rename_duplicates((1..=5).map(uid));
        assert_eq!((1..=5).map(|number| ids.of(uid(number))).collect::<Vec<_>>(), ["a", "b", "a-2", "a-3", "a-2-2"]);
    }
}
