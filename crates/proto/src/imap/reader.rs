//! Cuts the client's input into commands: lines, and the literals announced at their ends.
//!
//! Promises: holds no more than `Limits` allow; a command over a bound is passed over to its end, so that the next one is
//! found; holds no memory between commands. Says when a literal is announced and leaves it to the machine to accept it,
//! to stream it (`APPEND`) or to refuse it. Knows no command.

use crate::input::{Input, Line};

/// A tag may be this long.
pub const TAG_LENGTH_MAX: usize = 256;
/// A literal that a client sends without asking (LITERAL+) is passed over up to this length; beyond it the connection is
/// closed, because nobody can say how long the client would go on.
pub const PASSED_OVER_MAX: u64 = 256 * 1024 * 1024;

/// A literal announced at the end of a line: `{3}` or `{3+}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    pub length: u64,
    /// The client waits for `+` before it sends the literal (RFC 3501 §7.5); with LITERAL+ (RFC 7888) it does not.
    pub synchronizing: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    /// More input is needed.
    Unfinished,
    /// A literal is announced: say `accept`, `hand_over` or `pass_over`, or `forget` the command if it was synchronizing.
    Literal(Announced),
    /// A whole command, its literals in it, without its last CR LF.
    Command(Vec<u8>),
    /// A line was too long. What follows it is the next command. The tag is there if it could be seen.
    TooLong { tag: Option<Vec<u8>> },
    /// The end of a command that was passed over.
    PassedOver,
}

#[derive(Debug, Default)]
pub struct Reader {
    input: Input,
    /// The command so far.
    text: Vec<u8>,
    /// How much of an accepted literal is to come.
    literal: u64,
    /// The command is passed over: nothing of it is kept.
    passing_over: bool,
}

impl Reader {
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.push(bytes);
    }

    /// Forgets all input, as STARTTLS must (RFC 3501 §6.2.1).
    pub fn clear(&mut self) {
        *self = Reader::default();
    }

    /// Takes what was not read yet.
    pub fn take_unread(&mut self) -> Vec<u8> {
        let unread = self.input.unused().to_vec();
        self.clear();
        unread
    }

    /// The command so far, up to a literal's announcement.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The next thing in the input, with lines of at most `line_max` octets.
    pub fn read(&mut self, line_max: usize) -> Got {
        loop {
            if !self.read_literal() {
                return Got::Unfinished;
            }
            if let Some(got) = self.read_line(line_max) {
                return got;
            }
        }
    }

    /// `None` for a line of a command that is passed over, if its literal follows.
    fn read_line(&mut self, line_max: usize) -> Option<Got> {
        let tag = tag_of(if self.text.is_empty() { self.input.unused() } else { &self.text }).map(<[u8]>::to_vec);
        match self.input.line(line_max) {
            Line::Unfinished => Some(Got::Unfinished),
            Line::TooLong => {
                let tag = tag.filter(|_| !self.passing_over);
                self.forget();
                Some(Got::TooLong { tag })
            }
            Line::Whole(line) => self.take_line(line),
        }
    }

    fn take_line(&mut self, line: Vec<u8>) -> Option<Got> {
        let announced = announced(&line);
        if !self.passing_over {
            self.text.extend_from_slice(&line);
        }
        match announced {
            Some(announced) if self.passing_over && !announced.synchronizing => {
                self.literal = announced.length;
                None
            }
            _ if self.passing_over => {
                self.forget();
                Some(Got::PassedOver)
            }
            Some(announced) => Some(Got::Literal(announced)),
            None => Some(Got::Command(std::mem::take(&mut self.text))),
        }
    }

    /// Takes what is there of an accepted literal; true when none is to come.
    fn read_literal(&mut self) -> bool {
        while self.literal > 0 && !self.input.is_empty() {
            let piece = self.take_piece(self.literal);
            if !self.passing_over {
                self.text.extend_from_slice(&piece);
            }
            self.literal -= piece.len() as u64;
        }
        self.literal == 0
    }

    /// The announced literal becomes part of the command.
    pub fn accept(&mut self, announced: Announced) {
        self.text.extend_from_slice(b"\r\n");
        self.literal = announced.length;
    }

    /// The announced literal is not kept, nor anything else of the command; `PassedOver` is said at its end.
    pub fn pass_over(&mut self, announced: Announced) {
        self.text = Vec::new();
        self.passing_over = true;
        self.literal = announced.length;
    }

    /// The machine reads the announced literal itself by `take_piece`, and then the rest of the line by `read`.
    /// Gives what came before it.
    pub fn hand_over(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// Up to `length` octets of what is there.
    pub fn take_piece(&mut self, length: u64) -> Vec<u8> {
        self.input.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// The command ends here: what follows is the next one.
    pub fn forget(&mut self) {
        self.text = Vec::new();
        self.passing_over = false;
        self.literal = 0;
    }
}

// RFC 3501 §9: tag = 1*<any ASTRING-CHAR except "+">
pub fn tag_of(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take(TAG_LENGTH_MAX + 1).position(|byte| *byte == b' ').unwrap_or(text.len());
    let tag = &text[..length];
    let valid = (1..=TAG_LENGTH_MAX).contains(&tag.len());
    (valid && tag.iter().all(|byte| super::parse::is_astring_char(*byte) && *byte != b'+')).then_some(tag)
}

// RFC 3501 §9: literal = "{" number "}" CRLF *CHAR8; RFC 7888 §8 adds ["+"]. A "{" can stand nowhere else at a line's end.
fn announced(line: &[u8]) -> Option<Announced> {
    let inner = line.strip_suffix(b"}")?;
    let (inner, synchronizing) = inner.strip_suffix(b"+").map_or((inner, true), |inner| (inner, false));
    let start = inner.iter().rposition(|byte| *byte == b'{')? + 1;
    let digits = inner.get(start..).filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))?;
    // A number too large to be a number is a literal too large to be taken.
    let length = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    Some(Announced { length, synchronizing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> Reader {
        let mut reader = Reader::default();
        reader.push(bytes);
        reader
    }

    #[test]
    fn literals_become_part_of_the_command() {
        let mut reader = reader(b"a LOGIN {3}\r\nana {4+}\r\ndemo\r\nb NOOP\r\n");
        let Got::Literal(first) = reader.read(100) else { panic!() };
        assert_eq!(first, Announced { length: 3, synchronizing: true });
        reader.accept(first);
        let Got::Literal(second) = reader.read(100) else { panic!() };
        assert!(!second.synchronizing);
        reader.accept(second);
        assert_eq!(reader.read(100), Got::Command(b"a LOGIN {3}\r\nana {4+}\r\ndemo".to_vec()));
        assert_eq!(reader.read(100), Got::Command(b"b NOOP".to_vec()));
        assert!(reader.text().is_empty() && reader.input.is_empty());
    }

    #[test]
    fn a_command_passed_over_takes_its_other_literals_with_it() {
        let mut reader = reader(b"a X {3+}\r\n\r\n\r {2+}\r\n\r\n)\r\nb NOOP\r\n");
        let Got::Literal(announced) = reader.read(100) else { panic!() };
        reader.pass_over(announced);
        assert_eq!(reader.read(100), Got::PassedOver);
        assert_eq!(reader.read(100), Got::Command(b"b NOOP".to_vec()));
    }

    #[test]
    fn a_line_too_long_still_has_its_tag() {
        let mut reader = reader(b"tag NOOP NOOP NOOP\r\nb NOOP\r\n");
        assert_eq!(reader.read(10), Got::TooLong { tag: Some(b"tag".to_vec()) });
        assert_eq!(reader.read(10), Got::Command(b"b NOOP".to_vec()));
    }

    #[test]
    fn only_whole_announcements_announce() {
        assert_eq!(announced(b"x {99999999999999999999}").map(|a| a.length), Some(u64::MAX));
        for none in ["", "}", "{}", "{+}", "{a}", "{1", "{1}x", "{-1}", "{1++}"] {
            assert_eq!(announced(none.as_bytes()), None, "{none}");
        }
    }
}
