//! The lexical tokens of structured header fields (RFC 5322 §3.2), for addresses and for MIME's fields.
//!
//! Line ends count as white space, so that a folded value can be read as it is. Each octet is looked at once: comments are
//! counted, not recursed into.

/// What is left of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lexer<'a> {
    rest: &'a [u8],
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Lexer<'a> {
        Lexer { rest: value }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// Takes this octet if it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        if next {
            self.next();
        }
        next
    }

    /// Takes octets as long as they fit.
    pub(crate) fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|&byte| !fits(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Skips white space and comments (RFC 5322 §3.2.2). Gives the text of the last comment.
    pub(crate) fn skip_cfws(&mut self) -> Option<Vec<u8>> {
        let mut last = None;
        loop {
            self.take_while(|byte| byte.is_ascii_whitespace());
            if !self.eat(b'(') {
                return last;
            }
            last = Some(self.comment());
        }
    }

    // RFC 5322 §3.2.2: comment = "(" *([FWS] (ctext / quoted-pair / comment)) [FWS] ")"; the first "(" is taken already.
    fn comment(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut depth = 1_usize;
        while let Some(byte) = self.next() {
            match byte {
                b'(' => depth += 1,
                b')' if depth == 1 => break,
                b')' => depth -= 1,
                b'\\' => text.extend(self.next()),
                _ => {}
            }
            if !matches!(byte, b'\\' | b'\r' | b'\n') {
                text.push(byte);
            }
        }
        text.trim_ascii().to_vec()
    }

    /// The content of a quoted string (RFC 5322 §3.2.4) whose first quote is taken already. Ends with the value if the
    /// last quote is missing.
    pub(crate) fn quoted(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n')));
            match self.next() {
                Some(b'"') | None => return text,
                Some(b'\\') => text.extend(self.next()),
                Some(_) => {}
            }
        }
    }
}
