//! Strings: `encoded-character` (RFC 5228 §2.4.2.4) and references to variables (RFC 5229 §3).
//!
//! ```text
//! encoded    = "${hex:" *blank hex-pair *(1*blank hex-pair) *blank "}" / "${unicode:" … "}"
//! reference  = "${" [namespace "."] name "}"
//! name       = digits / identifier
//! ```
//!
//! What looks like neither stays as it is.

use std::sync::Arc;

use crate::error::Position;
use crate::extension::Extension;
use crate::program::{Piece, Slot, Text, Texts, Variable};
use crate::syntax::{Argument, Value};

use super::Checker;
use super::bind::strings;

/// The most variables of one script.
pub const VARIABLES_MAX: usize = 255;
/// The longest name of a variable.
pub const VARIABLE_NAME_LENGTH_MAX: usize = 64;
/// The highest match variable.
pub const MATCH_VARIABLE_MAX: usize = 32;

impl Checker<'_> {
    pub(super) fn texts(&mut self, argument: Option<Argument>) -> Texts {
        argument.map(strings).unwrap_or_default().into_iter().map(|(at, text)| self.text(at, &text)).collect()
    }

    /// The next positional argument, or a tag's value, as a text.
    pub(super) fn text_of(&mut self, argument: Argument) -> Option<Text> {
        match argument.value {
            Value::Text(text) => Some(self.text(argument.at, &text)),
            _ => None,
        }
    }

    pub(super) fn text(&mut self, at: Position, written: &str) -> Text {
        let text = self.made_text(at, written);
        self.memory.hold_text(&text);
        text
    }

    fn made_text(&mut self, at: Position, written: &str) -> Text {
        if !written.contains("${") {
            return Text::Constant(Arc::from(written));
        }
        let decoded = if self.extensions.contains(Extension::EncodedCharacter) {
            self.decode_characters(at, written)
        } else {
            written.to_owned()
        };
        if self.extensions.contains(Extension::Variables) {
            self.references(at, &decoded)
        } else {
            Text::Constant(Arc::from(decoded))
        }
    }

    fn decode_characters(&mut self, at: Position, text: &str) -> String {
        let mut decoded: Vec<u8> = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, found) = rest.split_at(start);
            decoded.extend_from_slice(before.as_bytes());
            match encoded(found) {
                Some((Ok(octets), after)) => {
                    decoded.extend(octets);
                    rest = after;
                }
                Some((Err(text), after)) => {
                    self.problems.error(at, text);
                    rest = after;
                }
                None => {
                    decoded.extend_from_slice(b"${");
                    rest = found.get(2..).unwrap_or_default();
                }
            }
        }
        decoded.extend_from_slice(rest.as_bytes());
        match String::from_utf8(decoded) {
            Ok(decoded) => decoded,
            Err(broken) => String::from_utf8_lossy(broken.as_bytes()).into_owned(),
        }
    }

    fn references(&mut self, at: Position, text: &str) -> Text {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, found) = rest.split_at(start);
            literal.push_str(before);
            let inside = found.get(2..).unwrap_or_default();
            let reference = inside.split_once('}').filter(|(name, _)| is_name(name));
            let Some((name, after)) = reference else {
                literal.push_str("${");
                rest = inside;
                continue;
            };
            rest = after;
            if let Some(piece) = self.reference(at, name) {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(Arc::from(std::mem::take(&mut literal))));
                }
                pieces.push(piece);
            }
        }
        literal.push_str(rest);
        if pieces.is_empty() {
            return Text::Constant(Arc::from(literal));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(Arc::from(literal)));
        }
        Text::Pieces(pieces)
    }

    fn reference(&mut self, at: Position, name: &str) -> Option<Piece> {
        let name = name.to_ascii_lowercase();
        if let Ok(number) = name.parse::<usize>() {
            if number > MATCH_VARIABLE_MAX {
                let text = format!("match value index {number} out of range (max: {MATCH_VARIABLE_MAX}).");
                self.problems.error(at, text);
                return None;
            }
            return Some(Piece::Match(number));
        }
        match name.split_once('.') {
            None => self.slot(at, &name).map(Piece::Variable),
            Some(("global", name)) if self.extensions.contains(Extension::Include) => {
                Some(Piece::Global(name.to_owned()))
            }
            Some(("env", name)) if self.extensions.contains(Extension::EnvironmentVariables) => {
                Some(Piece::Environment(name.to_owned()))
            }
            Some(("tst", "path")) if self.extensions.contains(Extension::TestSuite) => Some(Piece::SuitePath),
            Some((namespace, _)) => {
                self.problems.error(at, format!("referring to variable in unknown namespace '{namespace}'."));
                None
            }
        }
    }

    /// The place of a variable of this script; a new one gets a new place.
    pub(super) fn slot(&mut self, at: Position, name: &str) -> Option<Slot> {
        if let Some(slot) = self.variables.iter().position(|known| known == name) {
            return Some(slot);
        }
        if self.variables.len() >= VARIABLES_MAX {
            self.problems.error(at, format!("(implicit) declaration of new variable '{name}' exceeds the limit (max variables: {VARIABLES_MAX})."));
            return None;
        }
        self.memory.hold(size_of::<String>() + name.len());
        self.variables.push(name.to_owned());
        Some(self.variables.len() - 1)
    }

    /// A variable to write to, by a name that must be known now.
    pub(super) fn variable(&mut self, at: Position, name: &str) -> Option<Variable> {
        if !is_name(name) {
            self.problems.error(at, format!("invalid variable name '{name}'."));
            return None;
        }
        let name = name.to_ascii_lowercase();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            self.problems.error(at, "cannot assign to match variable.");
            return None;
        }
        match name.split_once('.') {
            None => self.slot(at, &name).map(Variable::Own),
            Some(("global", name)) if self.extensions.contains(Extension::Include) => {
                Some(Variable::Global(name.to_owned()))
            }
            Some(("env" | "tst", _)) => {
                self.problems.error(at, format!("cannot assign to read-only variable '{name}'."));
                None
            }
            Some((namespace, _)) => {
                self.problems.error(at, format!("referring to variable in unknown namespace '{namespace}'."));
                None
            }
        }
    }
}

/// Digits, or identifiers with dots between them.
fn is_name(name: &str) -> bool {
    let is_identifier = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    name.len() <= VARIABLE_NAME_LENGTH_MAX && (is_number(name) || name.split('.').all(is_identifier))
}

/// The octets of an encoded character at the start of a text, or what is wrong with it, and what comes after.
fn encoded(text: &str) -> Option<(Result<Vec<u8>, String>, &str)> {
    let (inside, after) = text.strip_prefix("${")?.split_once('}')?;
    let (kind, numbers) = inside.split_once(':')?;
    let mut numbers = numbers.split_ascii_whitespace().peekable();
    numbers.peek()?;
    let is_hex = |word: &&str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let octets: Result<Vec<u8>, String> = if kind.eq_ignore_ascii_case("hex") {
        let octets: Option<Vec<u8>> = numbers
            .map(|word| {
                Some(word)
                    .filter(is_hex)
                    .filter(|word| word.len() <= 2)
                    .and_then(|word| u8::from_str_radix(word, 16).ok())
            })
            .collect();
        Ok(octets?)
    } else if kind.eq_ignore_ascii_case("unicode") {
        // RFC 5228 §2.4.2.4: a number that is no character is an error; what is no number is text.
        let codes: Option<Vec<&str>> = numbers.map(|word| Some(word).filter(is_hex)).collect();
        codes?.into_iter().map(character).collect::<Result<String, String>>().map(String::into_bytes)
    } else {
        return None;
    };
    Some((octets, after))
}

fn character(hex: &str) -> Result<char, String> {
    u32::from_str_radix(hex, 16)
        .ok()
        .and_then(char::from_u32)
        .ok_or_else(|| format!("invalid unicode character 0x{hex} in encoded character substitution."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_or_numbers() {
        for good in ["a", "_1", "12", "a.b", "global.x"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "a-b", "a.", ".a", "a b", "-1"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn encoded_characters_are_read_or_left() {
        assert_eq!(encoded("${hex: 24 24}x"), Some((Ok(b"$$".to_vec()), "x")));
        assert_eq!(encoded("${UNICODE:20ac 41}"), Some((Ok("€A".as_bytes().to_vec()), "")));
        assert_eq!(encoded("${hex:}"), None);
        assert_eq!(encoded("${hex: 123}"), None);
        assert_eq!(encoded("${hex:zz}"), None);
        assert_eq!(encoded("${other: 12}"), None);
        assert!(matches!(encoded("${unicode:110000}"), Some((Err(_), ""))));
        assert!(matches!(encoded("${unicode:d800}"), Some((Err(_), ""))));
    }
}
