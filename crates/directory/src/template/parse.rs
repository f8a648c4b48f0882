//! From the text of a template to its pieces. Every mistake gets its place; nothing is guessed.

use super::pipeline::{self, HashCall};
use super::{
    Field, MODIFIERS_MAX, Mistake, Modifier, PADDING_MAX, Piece, Shape, TEMPLATE_LENGTH_MAX, TemplateError, Variable,
};

/// Digits of a width or an offset: Dovecot's overflow, ours are refused.
const DIGITS_MAX: usize = 9;

/// The rest of a template, and where in it we are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, position: usize) -> Cursor<'a> {
        Cursor { rest: text, position }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn mistake(&self, mistake: Mistake) -> TemplateError {
        TemplateError { position: self.position, mistake }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Steps over a character if it comes next.
    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest.starts_with(wanted);
        if found {
            self.take(wanted.len_utf8());
        }
        found
    }

    /// Takes what comes before the first character that is not wanted.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len()))
    }

    pub(super) fn skip_spaces(&mut self) {
        self.take_while(|c| c == ' ' || c == '\t');
    }

    fn take(&mut self, octets: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(octets).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.position += taken.len();
        taken
    }
}

pub(super) fn template(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut cursor = Cursor::new(text, 0);
    if text.len() > TEMPLATE_LENGTH_MAX {
        return Err(cursor.mistake(Mistake::TooLong));
    }
    let mut pieces = Vec::new();
    while cursor.peek().is_some() {
        let text = cursor.take_while(|c| c != '%');
        push_text(&mut pieces, text);
        if cursor.eat('%') {
            if cursor.eat('%') {
                push_text(&mut pieces, "%");
            } else {
                pieces.push(Piece::Field(field(&mut cursor)?));
            }
        }
    }
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// What follows the `%`.
fn field(cursor: &mut Cursor<'_>) -> Result<Field, TemplateError> {
    let shape = shape(cursor)?;
    let start = *cursor;
    let letter = cursor.peek().ok_or_else(|| start.mistake(Mistake::Incomplete))?;
    cursor.eat(letter);
    match letter {
        '{' => long(cursor, shape, start),
        'w' => Err(start.mistake(Mistake::Password)),
        letter => {
            let variable = Variable::by_letter(letter);
            let variable = variable.ok_or_else(|| start.mistake(Mistake::UnknownVariable(letter.to_string())))?;
            Ok(Field { variable, hash: None, shape, filters: Vec::new() })
        }
    }
}

/// `[-offset.][0]width` and the letters.
fn shape(cursor: &mut Cursor<'_>) -> Result<Shape, TemplateError> {
    let mut shape = Shape::default();
    let negative = cursor.eat('-');
    shape.zero_padded = cursor.eat('0');
    shape.width = number(cursor)?;
    if cursor.eat('.') {
        shape.offset = if negative { -shape.width } else { shape.width };
        let negative = cursor.eat('-');
        shape.zero_padded = cursor.eat('0');
        let width = number(cursor)?;
        shape.width = if negative { -width } else { width };
    }
    while let Some(modifier) = cursor.peek().and_then(Modifier::parse) {
        if shape.modifiers.len() == MODIFIERS_MAX {
            return Err(cursor.mistake(Mistake::TooManyModifiers));
        }
        cursor.take(1);
        shape.modifiers.push(modifier);
    }
    // A hash uses the width up as its modulus and the offset as its number of digits; else zeros are filled in.
    let hashed = shape.modifiers.iter().any(|modifier| matches!(modifier, Modifier::NewHash | Modifier::OldHash));
    let padding = if hashed { shape.offset } else { shape.width * i64::from(shape.zero_padded) };
    if padding > PADDING_MAX {
        return Err(cursor.mistake(Mistake::Number(padding.to_string())));
    }
    Ok(shape)
}

/// Digits, which may be none.
fn number(cursor: &mut Cursor<'_>) -> Result<i64, TemplateError> {
    let start = *cursor;
    let digits = cursor.take_while(|c| c.is_ascii_digit());
    if digits.is_empty() {
        return Ok(0);
    }
    let number = digits.parse().ok().filter(|_| digits.len() <= DIGITS_MAX);
    number.ok_or_else(|| start.mistake(Mistake::Number(digits.to_owned())))
}

/// What follows the `{`.
fn long(cursor: &mut Cursor<'_>, shape: Shape, start: Cursor<'_>) -> Result<Field, TemplateError> {
    // 2.4 allows spaces around a name, and a name of 2.3 has none in it.
    cursor.skip_spaces();
    let inside = *cursor;
    let name = cursor.take_while(|c| !matches!(c, '}' | '|' | ' ' | '\t'));
    let filters = pipeline::parse(cursor)?;
    if !cursor.eat('}') {
        return Err(start.mistake(Mistake::Unclosed));
    }
    let (hash, variable) = HashCall::parse(name, inside)?;
    if variable == "password" {
        return Err(inside.mistake(Mistake::Password));
    }
    let unknown = || inside.mistake(Mistake::UnknownVariable(variable.to_owned()));
    let variable = Variable::by_name(variable).ok_or_else(unknown)?;
    Ok(Field { variable, hash, shape, filters })
}

#[cfg(test)]
mod tests {
    use super::super::Template;
    use super::*;

    fn mistake(text: &str) -> (usize, Mistake) {
        let error = Template::parse(text).unwrap_err();
        (error.position, error.mistake)
    }

    #[test]
    fn a_mistake_names_its_place() {
        assert_eq!(mistake("/mail/%q"), (7, Mistake::UnknownVariable("q".to_owned())));
        assert_eq!(mistake("/mail/%{usr}/x"), (8, Mistake::UnknownVariable("usr".to_owned())));
        assert_eq!(mistake("/mail/%"), (7, Mistake::Incomplete));
        assert_eq!(mistake("/mail/%1.2ML"), (12, Mistake::Incomplete));
        assert_eq!(mistake("/mail/%{user"), (7, Mistake::Unclosed));
        assert_eq!(mistake("ñ%{user | lowr}"), (11, Mistake::UnknownFilter("lowr".to_owned())));
        assert_eq!(mistake("%w"), (1, Mistake::Password));
        assert_eq!(mistake("%{password}"), (2, Mistake::Password));
        assert_eq!(mistake("%99999999999u"), (1, Mistake::Number("99999999999".to_owned())));
        assert_eq!(mistake("%0300u"), (5, Mistake::Number("300".to_owned())));
        assert_eq!(mistake("%LLLLLLLLLLLu"), (11, Mistake::TooManyModifiers));
        assert_eq!(mistake("%{if;%u;eq;x;a;b}"), (2, Mistake::UnknownVariable("if;%u;eq;x;a;b".to_owned())));
        assert_eq!(mistake(&"x".repeat(TEMPLATE_LENGTH_MAX + 1)), (0, Mistake::TooLong));
    }

    #[test]
    fn a_mistake_reads_as_a_sentence() {
        let error = Template::parse("/mail/%q").unwrap_err().to_string();
        assert_eq!(error, "at octet 7 of the template: there is no variable `q`");
    }
}
