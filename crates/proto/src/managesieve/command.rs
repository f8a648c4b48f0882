//! What a ManageSieve client may say, and the reader that finds where a command ends.
//!
//! A command is a line whose strings may be literals: `{123+}`, a line end, and so many octets, after which the line goes on
//! (RFC 5804 §1.2, §4). Octets of literals are never kept beyond a short bound: there is nothing to do with a script yet.

use crate::input::{Input, Line};

/// Octets of one line of a command.
pub const LINE_LENGTH_MAX: usize = 8192;
/// Octets of one literal. Scripts are smaller.
pub const LITERAL_LENGTH_MAX: u64 = 1 << 20;
/// Literals in one command; PUTSCRIPT has two.
pub const LITERALS_MAX: usize = 8;
/// A string as long as this is kept, a longer one only counted.
pub const STRING_KEPT_MAX: usize = 1024;

/// A command that was read to its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// In upper case.
    pub name: String,
    /// Its strings; `None` for one that was too long to keep.
    pub strings: Vec<Option<Vec<u8>>>,
}

/// What the input holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Command(Command),
    Unfinished,
    /// A line that is no command; the next line is a new one.
    Malformed,
    /// Where the command ends cannot be known, or is too far away.
    Hopeless,
}

/// Reads commands from the input.
#[derive(Debug, Default)]
pub struct Reader {
    command: Option<Command>,
    literals: usize,
    /// Octets of the current literal that are still to come.
    literal_left: Option<u64>,
    literal: Option<Vec<u8>>,
}

impl Reader {
    pub fn read(&mut self, input: &mut Input) -> Heard {
        loop {
            if self.literal_left.is_some() && !self.read_literal(input) {
                return Heard::Unfinished;
            }
            let line = match input.line(LINE_LENGTH_MAX) {
                Line::Whole(line) => line,
                Line::Unfinished => return Heard::Unfinished,
                Line::TooLong => return Heard::Hopeless,
            };
            match self.read_line(&line) {
                Some(Ended::Whole(command)) => return Heard::Command(command),
                Some(Ended::Literal) => {}
                Some(Ended::Hopeless) => return Heard::Hopeless,
                None => {
                    *self = Reader::default();
                    return Heard::Malformed;
                }
            }
        }
    }

    /// Takes what is there of a literal; true when it is whole.
    fn read_literal(&mut self, input: &mut Input) -> bool {
        let left = self.literal_left.unwrap_or(0);
        let taken = input.take(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - taken.len() as u64;
        if let Some(kept) = &mut self.literal {
            kept.extend_from_slice(&taken);
        }
        self.literal_left = Some(left).filter(|left| *left > 0);
        if left == 0 {
            let literal = self.literal.take();
            self.command.get_or_insert_default().strings.push(literal);
        }
        left == 0
    }

    /// Reads one line of a command: its name if it is the first, and strings.
    fn read_line(&mut self, line: &[u8]) -> Option<Ended> {
        let mut text = std::str::from_utf8(line).ok().filter(|text| !text.contains(['\r', '\n', '\0']))?;
        let mut command = match self.command.take() {
            Some(command) => command,
            None => {
                let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
                text = rest;
                let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
                Command { name: good.then(|| name.to_ascii_uppercase())?, strings: Vec::new() }
            }
        };
        loop {
            text = text.trim_start_matches(' ');
            if text.is_empty() {
                *self = Reader::default();
                return Some(Ended::Whole(command));
            }
            if let Some(length) = literal(text) {
                self.command = Some(command);
                return Some(self.begin_literal(length));
            }
            let (word, rest) = quoted(text).or_else(|| number(text))?;
            command.strings.push((word.len() <= STRING_KEPT_MAX).then_some(word));
            text = rest;
        }
    }

    fn begin_literal(&mut self, length: u64) -> Ended {
        self.literals += 1;
        if length > LITERAL_LENGTH_MAX || self.literals > LITERALS_MAX {
            return Ended::Hopeless;
        }
        self.literal = (length <= STRING_KEPT_MAX as u64).then(Vec::new);
        self.literal_left = Some(length);
        Ended::Literal
    }
}

enum Ended {
    Whole(Command),
    Literal,
    Hopeless,
}

// RFC 5804 §4: literal-c2s = "{" number "+}" CRLF *OCTET
fn literal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('{')?.strip_suffix("+}")?;
    let good = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| digits.parse().ok())?
}

// RFC 5804 §4: quoted = <"> *1024QUOTED-CHAR <">, with `\` before `"` and `\`.
fn quoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut word = String::new();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => word.push(chars.next()?),
            c => word.push(c),
        }
    }
    let rest = chars.as_str();
    (rest.is_empty() || rest.starts_with(' ')).then_some((word.into_bytes(), rest))
}

/// HAVESPACE has a number.
fn number(text: &str) -> Option<(Vec<u8>, &str)> {
    let (word, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| (word.as_bytes().to_vec(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, piece: usize) -> Vec<Heard> {
        let (mut reader, mut input, mut heard) = (Reader::default(), Input::default(), Vec::new());
        for bytes in text.as_bytes().chunks(piece) {
            input.push(bytes);
            loop {
                match reader.read(&mut input) {
                    Heard::Unfinished => break,
                    Heard::Hopeless => {
                        heard.push(Heard::Hopeless);
                        return heard;
                    }
                    other => heard.push(other),
                }
            }
        }
        heard
    }

    #[test]
    fn literals_belong_to_their_command_in_pieces_of_any_size() {
        let text = "putscript \"a\\\"b\" {12+}\r\nLOGOUT\r\nkeep\r\nNOOP {3+}\r\ntag \"x\"\r\n";
        for piece in 1..=text.len() {
            let heard = read(text, piece);
            let put = Command {
                name: "PUTSCRIPT".into(),
                strings: vec![Some(b"a\"b".to_vec()), Some(b"LOGOUT\r\nkeep".to_vec())],
            };
            let noop = Command { name: "NOOP".into(), strings: vec![Some(b"tag".to_vec()), Some(b"x".to_vec())] };
            assert_eq!(heard, [Heard::Command(put), Heard::Command(noop)]);
        }
    }

    #[test]
    fn a_brace_within_quotes_is_no_literal() {
        let strings = vec![Some(b"{5+}".to_vec())];
        assert_eq!(read("NOOP \"{5+}\"\r\n", 1), [Heard::Command(Command { name: "NOOP".into(), strings })]);
        assert_eq!(read("NOOP \"{5+}\r\n", 1), [Heard::Malformed]);
    }

    #[test]
    fn what_has_no_end_is_hopeless() {
        let many = format!("X{}", " {0+}\r\n".repeat(LITERALS_MAX + 1));
        for text in ["PUTSCRIPT {1048577+}\r\n".to_owned(), format!("NOOP {}", "x".repeat(9000)), many] {
            assert_eq!(read(&text, 100).last(), Some(&Heard::Hopeless), "{text:.40}");
        }
        let long = format!("NOOP {{2000+}}\r\n{}\r\n", "x".repeat(2000));
        assert_eq!(read(&long, 100), [Heard::Command(Command { name: "NOOP".into(), strings: vec![None] })]);
    }
}
