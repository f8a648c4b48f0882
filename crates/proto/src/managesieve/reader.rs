//! Where a command ends, and the words it is made of.
//!
//! A command is a line whose strings may be literals: `{123+}`, a line end, and so many octets, after which the line goes on
//! (RFC 5804 §1.2, §4). A string longer than the caller wants to keep is counted and thrown away as it arrives.

use crate::input::{Input, Line};

/// Octets of one line of a command.
pub const LINE_LENGTH_MAX: usize = 8192;
/// Octets of one literal. What is announced longer is not even waited for.
pub const LITERAL_LENGTH_MAX: u64 = 16 << 20;
/// Literals in one command; PUTSCRIPT has two.
pub const LITERALS_MAX: usize = 8;

/// A command that was read to its end, or a string alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// In upper case; empty before a string that stands alone.
    pub name: String,
    pub strings: Vec<Word>,
}

/// A string or a number.
#[derive(Debug, PartialEq, Eq)]
pub enum Word {
    Kept(Vec<u8>),
    /// It had so many octets, which are gone.
    TooLong(u64),
}

/// What the input holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Words(Words),
    Unfinished,
    /// A line that is no command; the next line is a new one.
    Malformed,
    /// Where the command ends cannot be known, or is too far away.
    Hopeless,
}

/// What is wanted from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// A command, or a string alone: the answer to a challenge (RFC 5804 §2.1).
    pub command: bool,
    /// Octets of a string that are kept.
    pub kept_max: usize,
}

/// Reads commands from the input.
#[derive(Debug, Default)]
pub struct Reader {
    words: Option<Words>,
    literals: usize,
    /// Octets of the current literal that are still to come.
    literal_left: Option<u64>,
    /// How long it is in all.
    literal_length: u64,
    literal: Option<Vec<u8>>,
}

impl Reader {
    pub fn read(&mut self, input: &mut Input, wanted: Wanted) -> Heard {
        loop {
            if self.literal_left.is_some() && !self.read_literal(input) {
                return Heard::Unfinished;
            }
            let line = match input.line(LINE_LENGTH_MAX) {
                Line::Whole(line) => line,
                Line::Unfinished => return Heard::Unfinished,
                Line::TooLong => return Heard::Hopeless,
            };
            match self.read_line(&line, wanted) {
                Some(Ended::Whole(words)) => return Heard::Words(words),
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
            let word = self.literal.take().map_or(Word::TooLong(self.literal_length), Word::Kept);
            self.words.get_or_insert_default().strings.push(word);
        }
        left == 0
    }

    /// Reads one line of a command: its name if it is the first, and strings.
    fn read_line(&mut self, line: &[u8], wanted: Wanted) -> Option<Ended> {
        let mut text = std::str::from_utf8(line).ok().filter(|text| !text.contains(['\r', '\n', '\0']))?;
        let mut words = match self.words.take() {
            Some(words) => words,
            None if wanted.command => {
                let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
                text = rest;
                let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
                Words { name: good.then(|| name.to_ascii_uppercase())?, strings: Vec::new() }
            }
            None => Words::default(),
        };
        loop {
            text = text.trim_start_matches(' ');
            if text.is_empty() {
                *self = Reader::default();
                return Some(Ended::Whole(words));
            }
            if let Some(length) = literal(text) {
                self.words = Some(words);
                return Some(self.begin_literal(length, wanted.kept_max));
            }
            let (word, rest) = quoted(text).or_else(|| number(text))?;
            let length = word.len();
            words.strings.push(if length <= wanted.kept_max { Word::Kept(word) } else { Word::TooLong(length as u64) });
            text = rest;
        }
    }

    fn begin_literal(&mut self, length: u64, kept_max: usize) -> Ended {
        self.literals += 1;
        if length > LITERAL_LENGTH_MAX || self.literals > LITERALS_MAX {
            return Ended::Hopeless;
        }
        self.literal = (length <= kept_max as u64).then(Vec::new);
        self.literal_length = length;
        self.literal_left = Some(length);
        Ended::Literal
    }
}

enum Ended {
    Whole(Words),
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

    const WANTED: Wanted = Wanted { command: true, kept_max: 1024 };

    fn read(text: &str, piece: usize, wanted: Wanted) -> Vec<Heard> {
        let (mut reader, mut input, mut heard) = (Reader::default(), Input::default(), Vec::new());
        for bytes in text.as_bytes().chunks(piece) {
            input.push(bytes);
            loop {
                match reader.read(&mut input, wanted) {
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

    fn words(name: &str, strings: &[&str]) -> Heard {
        let strings = strings.iter().map(|text| Word::Kept(text.as_bytes().to_vec())).collect();
        Heard::Words(Words { name: name.into(), strings })
    }

    #[test]
    fn literals_belong_to_their_command_in_pieces_of_any_size() {
        let text = "putscript \"a\\\"b\" {12+}\r\nLOGOUT\r\nkeep\r\nNOOP {3+}\r\ntag \"x\"\r\n";
        for piece in 1..=text.len() {
            let heard = read(text, piece, WANTED);
            assert_eq!(heard, [words("PUTSCRIPT", &["a\"b", "LOGOUT\r\nkeep"]), words("NOOP", &["tag", "x"])]);
        }
    }

    #[test]
    fn a_brace_within_quotes_is_no_literal() {
        assert_eq!(read("NOOP \"{5+}\"\r\n", 1, WANTED), [words("NOOP", &["{5+}"])]);
        assert_eq!(read("NOOP \"{5+}\r\n", 1, WANTED), [Heard::Malformed]);
    }

    #[test]
    fn an_answer_to_a_challenge_is_a_string_alone() {
        let wanted = Wanted { command: false, ..WANTED };
        for text in ["\"YQ==\"\r\n", "{4+}\r\nYQ==\r\n"] {
            assert_eq!(read(text, 1, wanted), [words("", &["YQ=="])]);
        }
        assert_eq!(read("YQ==\r\n", 1, wanted), [Heard::Malformed]);
    }

    #[test]
    fn what_has_no_end_is_hopeless() {
        let many = format!("X{}", " {0+}\r\n".repeat(LITERALS_MAX + 1));
        for text in ["PUTSCRIPT {16777217+}\r\n".to_owned(), format!("NOOP {}", "x".repeat(9000)), many] {
            assert_eq!(read(&text, 100, WANTED).last(), Some(&Heard::Hopeless), "{text:.40}");
        }
    }

    #[test]
    fn what_is_too_long_to_keep_is_counted() {
        let long = format!("NOOP {{2000+}}\r\n{}\r\n", "x".repeat(2000));
        let heard = Words { name: "NOOP".into(), strings: vec![Word::TooLong(2000)] };
        assert_eq!(read(&long, 100, WANTED), [Heard::Words(heard)]);
    }
}
