//! The words of a script (RFC 5228 §8.1).
//!
//! ```text
//! identifier = (ALPHA / "_") *(ALPHA / DIGIT / "_")
//! tag        = ":" identifier
//! number     = 1*DIGIT ["K" / "M" / "G"]
//! quoted     = DQUOTE *(any / "\" any) DQUOTE
//! multi-line = "text:" *(SP / HTAB) (hash-comment / CRLF) *line "." CRLF
//! comment    = "/*" … "*/"  /  "#" … CRLF
//! ```
//!
//! Takes CRLF and bare LF as line ends. A mistake is noted and read over, so that the parser can go on after it.

use crate::error::{Position, Problems};

/// The longest string of a script, in octets.
pub const STRING_LENGTH_MAX: usize = 1 << 20;
/// The longest name of a command, a test or a tag.
pub const IDENTIFIER_LENGTH_MAX: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Number(u64),
    Text(String),
    Identifier(String),
    /// Without its colon.
    Tag(String),
    /// One of `; , ( ) { } [ ]` or a colon that starts no tag.
    Punctuation(char),
    /// Characters that mean nothing; the lexer has said so.
    Unknown,
    End,
}

impl Kind {
    /// What it is, for error texts.
    pub fn name(&self) -> String {
        match self {
            Kind::Number(_) => "number".to_owned(),
            Kind::Text(_) => "string".to_owned(),
            Kind::Identifier(_) => "identifier".to_owned(),
            Kind::Tag(_) => "tag".to_owned(),
            Kind::Punctuation(c) => format!("'{c}'"),
            Kind::Unknown => "unknown characters".to_owned(),
            Kind::End => "end of file".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub at: Position,
    pub kind: Kind,
}

pub struct Lexer<'a> {
    rest: &'a str,
    at: Position,
}

impl<'a> Lexer<'a> {
    pub fn new(script: &'a str) -> Lexer<'a> {
        Lexer { rest: script, at: Position { line: 1, column: 1 } }
    }

    pub fn next(&mut self, problems: &mut Problems) -> Token {
        self.skip_blanks(problems);
        let at = self.at;
        let Some(first) = self.peek() else { return Token { at, kind: Kind::End } };
        let kind = match first {
            '0'..='9' => self.number(problems),
            '"' => self.quoted(problems),
            ':' => self.tag(problems),
            ';' | ',' | '(' | ')' | '{' | '}' | '[' | ']' => {
                self.bump();
                Kind::Punctuation(first)
            }
            _ if is_identifier_start(first) => self.identifier_or_text(problems),
            _ => self.unknown(first, problems),
        };
        Token { at, kind }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        if c == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let start = self.rest;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        start.get(..start.len() - self.rest.len()).unwrap_or_default()
    }

    fn skip_blanks(&mut self, problems: &mut Problems) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
            if self.rest.starts_with('#') {
                self.take_while(|c| c != '\n');
            } else if self.rest.starts_with("/*") {
                self.bracket_comment(problems);
            } else {
                return;
            }
        }
    }

    // RFC 5228 §2.3: bracketed comments do not nest.
    fn bracket_comment(&mut self, problems: &mut Problems) {
        let start = self.at.line;
        let length = self.rest.get(2..).and_then(|rest| rest.find("*/")).map(|end| end + 4);
        let text = self.rest.get(..length.unwrap_or(self.rest.len())).unwrap_or_default();
        for _ in text.chars() {
            self.bump();
        }
        if length.is_none() {
            let text = format!("end of file before end of bracket comment ('/* ... */') started at line {start}.");
            problems.error(self.at, text);
        }
    }

    fn number(&mut self, problems: &mut Problems) -> Kind {
        let at = self.at;
        let digits = self.take_while(|c| c.is_ascii_digit());
        // RFC 5228 §2.4.1: the quantifiers are powers of 1024.
        let shift = match self.peek() {
            Some('K' | 'k') => 10,
            Some('M' | 'm') => 20,
            Some('G' | 'g') => 30,
            _ => 0,
        };
        if shift > 0 {
            self.bump();
        }
        let number = digits.parse().ok().and_then(|number: u64| number.checked_mul(1 << shift));
        if number.is_none() {
            problems.error(at, "exceeded the maximum value of a number.");
        }
        Kind::Number(number.unwrap_or(u64::MAX))
    }

    fn tag(&mut self, problems: &mut Problems) -> Kind {
        self.bump();
        match self.peek() {
            Some(c) if is_identifier_start(c) => Kind::Tag(self.identifier("tag identifier", problems)),
            _ => Kind::Punctuation(':'),
        }
    }

    fn identifier(&mut self, what: &str, problems: &mut Problems) -> String {
        let at = self.at;
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.len() > IDENTIFIER_LENGTH_MAX {
            problems.error(at, format!("encountered impossibly long {what} '{name:.32}...'."));
        }
        name.chars().take(IDENTIFIER_LENGTH_MAX).collect()
    }

    fn identifier_or_text(&mut self, problems: &mut Problems) -> Kind {
        let name = self.identifier("identifier", problems);
        if name.eq_ignore_ascii_case("text") && self.peek() == Some(':') {
            self.bump();
            return self.multi_line(problems);
        }
        Kind::Identifier(name)
    }

    fn quoted(&mut self, problems: &mut Problems) -> Kind {
        let start = self.at;
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('"') => break,
                // RFC 5228 §2.4.2: a backslash makes the next character itself, whatever it is.
                Some('\\') => text.extend(self.bump()),
                Some('\0') => {
                    let message = format!("encountered NUL character in quoted string started at line {}.", start.line);
                    problems.error(self.at, message);
                }
                Some(c) => text.push(c),
                None => {
                    let message = format!("end of file before end of quoted string started at line {}.", start.line);
                    problems.error(self.at, message);
                    break;
                }
            }
        }
        self.bounded(text, start, problems)
    }

    fn multi_line(&mut self, problems: &mut Problems) -> Kind {
        let start = self.at;
        self.take_while(|c| c == ' ' || c == '\t');
        if self.rest.starts_with('#') {
            self.take_while(|c| c != '\n');
        }
        self.take_while(|c| c == '\r');
        match self.peek() {
            Some('\n') | None => _ = self.bump(),
            Some(c) => {
                problems.error(self.at, format!("invalid character '{c}' after 'text:' in multiline string."));
                return Kind::Text(String::new());
            }
        }
        let mut text = String::new();
        loop {
            let line = self.take_while(|c| c != '\n');
            if line == "." || line == ".\r" {
                self.bump();
                return self.bounded(text, start, problems);
            }
            if self.rest.is_empty() {
                problems.error(self.at, "end of file before end of multi-line string.");
                return Kind::Text(text);
            }
            self.bump();
            // RFC 5228 §2.4.2: of two dots at its start a line loses one; a single one that was not doubled stays.
            let stuffed = line.strip_prefix('.').filter(|rest| rest.starts_with('.'));
            let line = stuffed.unwrap_or(line);
            // Whatever the file has, the text has CRLF, as the grammar says.
            text.push_str(line.strip_suffix('\r').unwrap_or(line));
            text.push_str("\r\n");
        }
    }

    fn bounded(&self, text: String, start: Position, problems: &mut Problems) -> Kind {
        if text.len() > STRING_LENGTH_MAX {
            problems.error(start, format!("string started at line {} is too long.", start.line));
            return Kind::Text(String::new());
        }
        Kind::Text(text)
    }

    fn unknown(&mut self, first: char, problems: &mut Problems) -> Kind {
        let shown = if first.is_control() { format!("{:#04x}", u32::from(first)) } else { format!("'{first}'") };
        problems.error(self.at, format!("unexpected character(s) starting with {shown}."));
        self.bump();
        self.take_while(|c| !c.is_whitespace() && !c.is_ascii_alphanumeric() && !";,(){}[]\":#_/".contains(c));
        Kind::Unknown
    }
}

fn is_identifier_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(script: &str) -> (Vec<Kind>, Vec<String>) {
        let (mut lexer, mut problems, mut kinds) = (Lexer::new(script), Problems::default(), Vec::new());
        loop {
            match lexer.next(&mut problems).kind {
                Kind::End => break,
                kind => kinds.push(kind),
            }
        }
        (kinds, problems.into_list().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn numbers_have_quantifiers() {
        let (kinds, problems) = tokens("1 2K 3m 4G 5x");
        let numbers = [1, 2 << 10, 3 << 20, 4 << 30, 5].map(Kind::Number);
        assert_eq!(kinds[..5], numbers);
        assert_eq!(kinds[5], Kind::Identifier("x".to_owned()));
        assert!(problems.is_empty());
        assert_eq!(tokens("99999999999999999999").1, ["line 1: error: exceeded the maximum value of a number."]);
    }

    #[test]
    fn quoted_strings_and_text_lose_their_escapes() {
        let (kinds, problems) = tokens("\"a\\\"b\\\\c\\d\" text: # why\r\n..x\r\n.y\r\n.\r\n;");
        assert_eq!(problems, [""; 0]);
        assert_eq!(kinds[0], Kind::Text("a\"b\\cd".to_owned()));
        assert_eq!(kinds[1], Kind::Text(".x\r\n.y\r\n".to_owned()));
        assert_eq!(kinds[2], Kind::Punctuation(';'));
    }

    #[test]
    fn comments_are_no_tokens() {
        let (kinds, problems) = tokens("/* a; * / \n */ keep # b;\n:tag #");
        assert_eq!(kinds, [Kind::Identifier("keep".to_owned()), Kind::Tag("tag".to_owned())]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn what_never_ends_is_said_with_its_start() {
        let quoted = "line 3: error: end of file before end of quoted string started at line 2.";
        assert_eq!(tokens("\n\"a\n").1, [quoted]);
        let comment = "line 1: error: end of file before end of bracket comment ('/* ... */') started at line 1.";
        assert_eq!(tokens("/* a").1, [comment]);
        assert_eq!(tokens("text:\nabc").1, ["line 2: error: end of file before end of multi-line string."]);
        assert_eq!(tokens("@").1, ["line 1: error: unexpected character(s) starting with '@'."]);
        assert_eq!(tokens("\u{1}").1, ["line 1: error: unexpected character(s) starting with 0x01."]);
    }

    #[test]
    fn columns_count_characters() {
        let mut problems = Problems::default();
        let mut lexer = Lexer::new("\"ñ\" x");
        lexer.next(&mut problems);
        assert_eq!(lexer.next(&mut problems).at, Position { line: 1, column: 5 });
    }
}
