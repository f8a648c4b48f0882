//! The canonical forms of a body (RFC 6376 §3.4.3, §3.4.4), made while it streams by.

use memchr::{memchr, memchr3};

use super::Canon;

/// A body on its way. Empty lines are kept back until something follows them: those at the end do not count.
#[derive(Debug)]
pub struct Body {
    canon: Canon,
    /// Line ends that were read and not given yet.
    lines: u64,
    /// White space was read and not given yet. Relaxed only.
    space: bool,
    /// A CR was read: it may begin a line end.
    carriage_return: bool,
    /// Something was given.
    given: bool,
}

impl Body {
    pub fn new(canon: Canon) -> Body {
        Body { canon, lines: 0, space: false, carriage_return: false, given: false }
    }

    /// Takes the next octets, and gives their canonical form to `take`.
    pub fn feed(&mut self, octets: &[u8], take: &mut impl FnMut(&[u8])) {
        let mut rest = octets;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.carriage_return) {
                if first == b'\n' {
                    // §3.4.4: white space at the end of a line is ignored.
                    self.space = false;
                    self.lines += 1;
                    rest = after;
                    continue;
                }
                self.give(b"\r", take);
            }
            match (first, self.canon) {
                (b'\r', _) => {
                    self.carriage_return = true;
                    rest = after;
                }
                (b' ' | b'\t', Canon::Relaxed) => {
                    self.space = true;
                    rest = after;
                }
                _ => {
                    let end = match self.canon {
                        Canon::Simple => memchr(b'\r', rest),
                        Canon::Relaxed => memchr3(b'\r', b' ', b'\t', rest),
                    };
                    let (run, after) = rest.split_at(end.unwrap_or(rest.len()));
                    self.give(run, take);
                    rest = after;
                }
            }
        }
    }

    /// The body is whole.
    pub fn end(mut self, take: &mut impl FnMut(&[u8])) {
        if self.carriage_return {
            self.give(b"\r", take);
        }
        // §3.4.3: a body without a line is one empty line; §3.4.4: or nothing.
        if self.given || self.canon == Canon::Simple {
            take(b"\r\n");
        }
    }

    fn give(&mut self, octets: &[u8], take: &mut impl FnMut(&[u8])) {
        for _ in 0..std::mem::take(&mut self.lines) {
            take(b"\r\n");
        }
        if std::mem::take(&mut self.space) {
            take(b" ");
        }
        take(octets);
        self.given = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(canon: Canon, body: &[u8], piece: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut take = |octets: &[u8]| out.extend_from_slice(octets);
        let mut state = Body::new(canon);
        body.chunks(piece.max(1)).for_each(|piece| state.feed(piece, &mut take));
        state.end(&mut take);
        out
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6376 §3.4.5.
        let body = b" C \r\nD \t E\r\n\r\n\r\n";
        assert_eq!(canonical(Canon::Relaxed, body, 100), b" C\r\nD E\r\n");
        assert_eq!(canonical(Canon::Simple, body, 100), b" C \r\nD \t E\r\n");
    }

    #[test]
    fn empty_bodies_and_lines_at_the_end() {
        for body in [&b""[..], b"\r\n", b"\r\n\r\n"] {
            assert_eq!(canonical(Canon::Simple, body, 1), b"\r\n");
            assert_eq!(canonical(Canon::Relaxed, body, 1), b"");
        }
        // Lines of white space at the end are empty lines, where white space does not count.
        assert_eq!(canonical(Canon::Relaxed, b"hello\r\n \t\r\n \r\n", 1), b"hello\r\n");
        assert_eq!(canonical(Canon::Relaxed, b" \r\n", 1), b"");
        assert_eq!(canonical(Canon::Relaxed, b"no line end ", 1), b"no line end\r\n");
        assert_eq!(canonical(Canon::Simple, b"a\rb\r", 1), b"a\rb\r\r\n");
    }

    /// Line by line, as the RFC words it.
    fn by_the_letter(canon: Canon, body: &str) -> String {
        let mut lines: Vec<String> = body.split("\r\n").map(str::to_owned).collect();
        if canon == Canon::Relaxed {
            for line in &mut lines {
                let mut words = String::new();
                for c in line.chars() {
                    match c {
                        ' ' | '\t' if words.ends_with(' ') => {}
                        ' ' | '\t' => words.push(' '),
                        c => words.push(c),
                    }
                }
                *line = words.trim_end_matches(' ').to_owned();
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        if lines.is_empty() && canon == Canon::Relaxed { String::new() } else { lines.join("\r\n") + "\r\n" }
    }

    proptest! {
        #[test]
        fn pieces_never_matter_and_it_is_what_the_rfc_says(body in "([a ]|\t|\r\n|\r|\n|\r\n\r\n){0,30}", piece in 1_usize..8) {
            for canon in [Canon::Simple, Canon::Relaxed] {
                let made = canonical(canon, body.as_bytes(), piece);
                prop_assert_eq!(String::from_utf8(made).unwrap(), by_the_letter(canon, &body));
            }
        }
    }
}
