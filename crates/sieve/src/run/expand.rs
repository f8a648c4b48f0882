//! Strings and variables while a script runs (RFC 5229).

use std::borrow::Cow;

use crate::check::VARIABLES_MAX;
use crate::program::{Modifier, Piece, Text, Variable};

use super::{Fault, Ran, Run};

/// The longest string made of variables, in octets.
pub const EXPANDED_LENGTH_MAX: usize = 1 << 20;

impl Run<'_, '_> {
    pub(super) fn expand<'p>(&mut self, text: &'p Text) -> Ran<Cow<'p, str>> {
        let pieces = match text {
            Text::Constant(text) => return Ok(Cow::Borrowed(text)),
            Text::Pieces(pieces) => pieces,
        };
        let mut expanded = String::new();
        for piece in pieces {
            let value: Cow<'_, str> = match piece {
                Piece::Literal(text) => Cow::Borrowed(text),
                Piece::Variable(slot) => Cow::Borrowed(self.slot(*slot)),
                Piece::Match(number) => Cow::Borrowed(self.matched.get(*number).map_or("", String::as_str)),
                Piece::Global(name) => Cow::Borrowed(self.globals.get(name).map_or("", String::as_str)),
                Piece::Environment(name) => Cow::Owned(self.world.environment(name).unwrap_or_default()),
                Piece::SuitePath => Cow::Owned(self.world.environment("tst.path").unwrap_or_default()),
            };
            push_within(&mut expanded, &value, EXPANDED_LENGTH_MAX);
        }
        self.made(expanded.len() + pieces.len())?;
        Ok(Cow::Owned(expanded))
    }

    pub(super) fn expand_all(&mut self, texts: &[Text]) -> Ran<Vec<String>> {
        texts.iter().map(|text| self.expand(text).map(Cow::into_owned)).collect()
    }

    pub(super) fn expand_some(&mut self, text: Option<&Text>) -> Ran<Option<String>> {
        text.map(|text| self.expand(text).map(Cow::into_owned)).transpose()
    }

    fn slot(&self, slot: usize) -> &str {
        let Some(frame) = self.frames.last() else { return "" };
        if frame.global.get(slot) == Some(&true) {
            let name = frame.program.variables.get(slot);
            return name.and_then(|name| self.globals.get(name)).map_or("", String::as_str);
        }
        frame.values.get(slot).map_or("", String::as_str)
    }

    pub(super) fn variable(&self, variable: &Variable) -> &str {
        match variable {
            Variable::Own(slot) => self.slot(*slot),
            Variable::Global(name) => self.globals.get(name).map_or("", String::as_str),
        }
    }

    pub(super) fn assign(&mut self, variable: &Variable, value: String) -> Ran<()> {
        // RFC 5229 §6: a value that is too long is cut.
        let value = within(value, self.limits.variable_size_max);
        let name = match variable {
            Variable::Global(name) => name.clone(),
            Variable::Own(slot) => {
                let Some(frame) = self.frames.last_mut() else { return Ok(()) };
                if frame.global.get(*slot) != Some(&true) {
                    if let Some(place) = frame.values.get_mut(*slot) {
                        *place = value;
                    }
                    return Ok(());
                }
                frame.program.variables.get(*slot).cloned().unwrap_or_default()
            }
        };
        if self.globals.len() >= VARIABLES_MAX && !self.globals.contains_key(&name) {
            return self.fail(Fault::TooMuch("global variable"));
        }
        self.globals.insert(name, value);
        Ok(())
    }

    pub(super) fn set(&mut self, variable: &Variable, modifiers: &[Modifier], value: &Text) -> Ran<()> {
        let mut value = self.expand(value)?.into_owned();
        for modifier in modifiers {
            self.made(value.len())?;
            value = modified(&value, *modifier);
        }
        self.assign(variable, value)
    }
}

// RFC 5229 §4.1
pub(super) fn modified(value: &str, modifier: Modifier) -> String {
    let first = |change: fn(&char) -> char| {
        let mut chars = value.chars();
        chars.next().map(|c| change(&c)).into_iter().chain(chars).collect()
    };
    let quoted = |special: &str| {
        value.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c])).collect()
    };
    match modifier {
        Modifier::Lower => value.to_ascii_lowercase(),
        Modifier::Upper => value.to_ascii_uppercase(),
        Modifier::LowerFirst => first(char::to_ascii_lowercase),
        Modifier::UpperFirst => first(char::to_ascii_uppercase),
        Modifier::QuoteWildcard => quoted("*?\\"),
        Modifier::QuoteRegex => quoted("\\^$.|?*+()[]{}"),
        Modifier::EncodeUrl => encoded_url(value),
        Modifier::Length => value.chars().count().to_string(),
    }
}

// RFC 5435 §6, RFC 3986 §2.3: all but the unreserved characters.
fn encoded_url(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn within(mut text: String, length_max: usize) -> String {
    text.truncate(text.floor_char_boundary(length_max));
    text
}

fn push_within(text: &mut String, more: &str, length_max: usize) {
    let room = length_max.saturating_sub(text.len());
    text.push_str(more.get(..more.floor_char_boundary(room)).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_change_values() {
        for (modifier, expected) in [
            (Modifier::Lower, "a*b ñ"),
            (Modifier::Upper, "A*B ñ"),
            (Modifier::LowerFirst, "a*B ñ"),
            (Modifier::QuoteWildcard, "A\\*B ñ"),
            (Modifier::QuoteRegex, "A\\*B ñ"),
            (Modifier::EncodeUrl, "A%2AB%20%C3%B1"),
            (Modifier::Length, "5"),
        ] {
            assert_eq!(modified("A*B ñ", modifier), expected);
        }
        assert_eq!(modified("", Modifier::UpperFirst), "");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(within("aññ".to_owned(), 4), "añ");
        let mut text = "ab".to_owned();
        push_within(&mut text, "ñc", 3);
        assert_eq!(text, "ab");
    }
}
