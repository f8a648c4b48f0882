//! The bytes a peer has sent and the session has not used yet, and the lines in them.
//!
//! Only CR LF ends a line. A bare LF or a bare CR is part of the line, and the protocols refuse lines that hold one: what
//! one server takes for the end of a line and another does not is how messages are smuggled.

use memchr::memmem;

/// Unused input. Holds no memory when it is empty.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    /// Everything before is used.
    start: usize,
    /// Everything before is known to hold no line end.
    searched: usize,
    /// The line that arrives was too long and is thrown away up to its end.
    discarding: bool,
}

/// What a search for a line found.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line without its CR LF.
    Whole(Vec<u8>),
    /// No line end yet.
    Unfinished,
    /// The line is longer than the bound. Its rest, up to its CR LF, is thrown away as it arrives; then the next line is
    /// found as usual. Said once for each such line.
    TooLong,
}

impl Input {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What is there and not used.
    pub fn unused(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub fn is_empty(&self) -> bool {
        self.unused().is_empty()
    }

    /// Marks the first `count` unused bytes as used.
    pub fn consume(&mut self, count: usize) {
        self.start += count.min(self.unused().len());
        self.searched = self.searched.max(self.start);
        if self.start == self.bytes.len() {
            *self = Input { discarding: self.discarding, ..Input::default() };
        }
    }

    /// Takes up to `count` bytes.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.unused().len());
        let taken = self.unused()[..count].to_vec();
        self.consume(count);
        taken
    }

    /// Forgets everything, as STARTTLS must.
    pub fn clear(&mut self) {
        *self = Input::default();
    }

    /// The next line of at most `length_max` bytes, its end not counted.
    pub fn line(&mut self, length_max: usize) -> Line {
        let Some(length) = self.find_line_end() else {
            if self.discarding || self.unused().len() > length_max + 1 {
                return self.discard_line_so_far();
            }
            self.searched = self.bytes.len();
            return Line::Unfinished;
        };
        let line = self.unused()[..length].to_vec();
        self.consume(length + 2);
        if std::mem::take(&mut self.discarding) {
            return self.line(length_max);
        }
        if line.len() > length_max { Line::TooLong } else { Line::Whole(line) }
    }

    fn find_line_end(&self) -> Option<usize> {
        // A CR that ended the last search may now have its LF.
        let from = self.searched.saturating_sub(1).max(self.start);
        memmem::find(&self.bytes[from..], b"\r\n").map(|found| from + found - self.start)
    }

    /// Throws away a line that is too long before its end is there, so that it cannot fill memory. A last CR stays.
    fn discard_line_so_far(&mut self) -> Line {
        let keep = usize::from(self.unused().last() == Some(&b'\r'));
        self.consume(self.unused().len() - keep);
        if std::mem::replace(&mut self.discarding, true) { Line::Unfinished } else { Line::TooLong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        let mut input = Input::default();
        input.push(b"a\nb\rc\r");
        assert_eq!(input.line(100), Line::Unfinished);
        input.push(b"\nd\r\n");
        assert_eq!(input.line(100), Line::Whole(b"a\nb\rc".to_vec()));
        assert_eq!(input.line(100), Line::Whole(b"d".to_vec()));
        assert!(input.is_empty());
    }

    #[test]
    fn a_line_over_the_bound_is_said_once_and_the_next_is_found() {
        let mut input = Input::default();
        input.push(b"abcdef\r\nok\r\n");
        assert_eq!(input.line(5), Line::TooLong);
        assert_eq!(input.line(5), Line::Whole(b"ok".to_vec()));
    }

    #[test]
    fn an_endless_line_fills_no_memory() {
        let mut input = Input::default();
        input.push(b"abcdefgh");
        assert_eq!(input.line(5), Line::TooLong);
        for _ in 0..100 {
            input.push(b"xxxxxxxxxx\r");
            assert_eq!(input.line(5), Line::Unfinished);
            assert!(input.unused().len() <= 1);
        }
        input.push(b"\nok\r\n");
        assert_eq!(input.line(5), Line::Whole(b"ok".to_vec()));
    }
}
