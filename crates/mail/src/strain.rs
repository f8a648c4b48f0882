//! Takes whole fields out of a header that streams by, and changes nothing else.
//!
//! One field is held at a time. One that is longer than `FIELD_HELD_MAX` is judged by its name alone: nothing of it passes, or the rest
//! as it comes. So the bound on memory holds, and a long header hides nothing.

use std::borrow::Cow;

use memchr::memchr;

use crate::header::{self, Field};

/// The most of one field that is held to be judged.
pub const FIELD_HELD_MAX: usize = 64 * 1024;

/// A field that only we may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwanted {
    /// All of this name.
    Named(&'static str),
    /// `Authentication-Results` in the name of this server (RFC 8601 §5).
    ResultsOf(String),
}

/// A header on its way.
#[derive(Debug, Default)]
pub struct Strain {
    unwanted: Vec<Unwanted>,
    /// A field that may go on.
    held: Vec<u8>,
    place: Place,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `held` starts with a field.
    #[default]
    Fields,
    /// Within a field too long to be held; the last octet that came was an LF or not.
    Overlong {
        drop: bool,
        line_ended: bool,
    },
    Body,
}

/// What a block starts with.
enum Start {
    /// A field of so many octets, and then something else.
    Whole(usize),
    /// The empty line.
    End,
    /// What is there may go on.
    Open,
}

impl Strain {
    pub fn new(unwanted: Vec<Unwanted>) -> Strain {
        let place = if unwanted.is_empty() { Place::Body } else { Place::Fields };
        Strain { unwanted, held: Vec::new(), place }
    }

    /// What passes now of the next octets of a message.
    pub fn pass<'a>(&mut self, octets: &'a [u8]) -> Cow<'a, [u8]> {
        let mut passed = Vec::new();
        let mut rest = octets;
        while !rest.is_empty() {
            rest = match self.place {
                Place::Body if passed.is_empty() => return Cow::Borrowed(rest),
                Place::Body => {
                    passed.extend_from_slice(rest);
                    break;
                }
                Place::Overlong { drop, line_ended } => self.overlong(rest, drop, line_ended, &mut passed),
                Place::Fields => {
                    self.held.extend_from_slice(rest);
                    self.judge(&mut passed);
                    break;
                }
            };
        }
        Cow::Owned(passed)
    }

    /// The message is whole: the rest of it.
    pub fn end(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        if self.is_unwanted(&held) { Vec::new() } else { held }
    }

    /// Lets the fields pass that are whole.
    fn judge(&mut self, passed: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        loop {
            match start(rest) {
                Start::Whole(length) => {
                    let (field, after) = rest.split_at(length);
                    if !self.is_unwanted(field) {
                        passed.extend_from_slice(field);
                    }
                    rest = after;
                }
                Start::End => {
                    passed.extend_from_slice(rest);
                    self.place = Place::Body;
                    return;
                }
                Start::Open if rest.len() > FIELD_HELD_MAX => {
                    // Its name alone decides.
                    let drop = self.has_unwanted_name(rest);
                    if !drop {
                        passed.extend_from_slice(rest);
                    }
                    self.place = Place::Overlong { drop, line_ended: rest.ends_with(b"\n") };
                    return;
                }
                Start::Open => break,
            }
        }
        self.held = rest.to_vec();
    }

    /// Takes the rest of an overlong field; gives what follows it.
    fn overlong<'a>(&mut self, octets: &'a [u8], drop: bool, line_ended: bool, passed: &mut Vec<u8>) -> &'a [u8] {
        let (mut at, mut line_ended) = (0, line_ended);
        while at < octets.len() {
            if line_ended && !matches!(octets[at], b' ' | b'\t') {
                self.place = Place::Fields;
                break;
            }
            let line = memchr(b'\n', &octets[at..]);
            line_ended = line.is_some();
            at = line.map_or(octets.len(), |length| at + length + 1);
            self.place = Place::Overlong { drop, line_ended };
        }
        let (field, rest) = octets.split_at(at);
        if !drop {
            passed.extend_from_slice(field);
        }
        rest
    }

    fn is_unwanted(&self, octets: &[u8]) -> bool {
        if octets.len() > FIELD_HELD_MAX {
            return self.has_unwanted_name(octets);
        }
        let Some(field) = header::fields(octets).next() else { return false };
        self.unwanted.iter().any(|unwanted| match unwanted {
            Unwanted::Named(name) => field.is(name),
            Unwanted::ResultsOf(server) => field.is(RESULTS) && claims(&field, server),
        })
    }

    fn has_unwanted_name(&self, octets: &[u8]) -> bool {
        let Some(field) = header::fields(octets).next() else { return false };
        self.unwanted.iter().any(|unwanted| match unwanted {
            Unwanted::Named(name) => field.is(name),
            Unwanted::ResultsOf(_) => field.is(RESULTS),
        })
    }
}

const RESULTS: &str = "Authentication-Results";

/// Whether results are told in a server's name. RFC 8601 §2.2: `authres-payload = [CFWS] authserv-id [CFWS authres-version] …`;
/// who is unsure of a field takes it out (§5), so a name that stands anywhere before the first result counts.
fn claims(field: &Field<'_>, server: &str) -> bool {
    let value = header::unfold(field.value);
    let head = value.split(|&octet| octet == b';').next().unwrap_or_default();
    let mut words = head.split(|octet| matches!(octet, b' ' | b'\t' | b'(' | b')' | b'"'));
    words.any(|word| word.eq_ignore_ascii_case(server.as_bytes()))
}

fn start(octets: &[u8]) -> Start {
    let mut length = 0;
    loop {
        let rest = &octets[length..];
        match rest {
            [] => return Start::Open,
            [b' ' | b'\t', ..] if length > 0 => {}
            [b'\n', ..] | [b'\r', b'\n', ..] if length == 0 => return Start::End,
            [b'\r'] if length == 0 => return Start::Open,
            _ if length > 0 => return Start::Whole(length),
            _ => {}
        }
        let Some(end) = memchr(b'\n', rest) else { return Start::Open };
        length += end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unwanted() -> Vec<Unwanted> {
        vec![Unwanted::Named("X-Virus-Status"), Unwanted::ResultsOf("mx.example.test".into())]
    }

    fn strained(message: &[u8], piece: usize) -> Vec<u8> {
        let mut strain = Strain::new(unwanted());
        let mut out = Vec::new();
        message.chunks(piece.max(1)).for_each(|piece| out.extend_from_slice(&strain.pass(piece)));
        out.extend(strain.end());
        out
    }

    const MESSAGE: &[u8] = b"From: a\r\nx-virus-status : Clean\r\n (really)\r\nSubject: b\r\n c\r\n\
        Authentication-Results: other.test; dkim=pass\r\nAUTHENTICATION-RESULTS:\r\n (x) mx.Example.test 1; dkim=pass\r\nTo: d\r\n\r\n\
        X-Virus-Status: in the body\r\n\r\nAuthentication-Results: mx.example.test; none\r\n";
    const STRAINED: &[u8] =
        b"From: a\r\nSubject: b\r\n c\r\nAuthentication-Results: other.test; dkim=pass\r\nTo: d\r\n\r\n\
        X-Virus-Status: in the body\r\n\r\nAuthentication-Results: mx.example.test; none\r\n";

    #[test]
    fn what_only_we_may_write_is_taken_out_whatever_the_pieces() {
        for piece in 1..=MESSAGE.len() {
            assert_eq!(
                String::from_utf8_lossy(&strained(MESSAGE, piece)),
                String::from_utf8_lossy(STRAINED),
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn a_header_without_a_body_is_strained_to_its_end() {
        assert_eq!(strained(b"A: b\r\nX-Virus-Status: Clean", 3), b"A: b\r\n");
        assert_eq!(strained(b"A: b\r\nX-Virus-Status: Clean\r\n", 3), b"A: b\r\n");
        assert_eq!(strained(b"", 1), b"");
    }

    #[test]
    fn an_overlong_field_hides_nothing() {
        let long = "y".repeat(FIELD_HELD_MAX + 10);
        for (field, passes) in [("Subject", true), ("X-Virus-Status", false), ("Authentication-Results", false)] {
            let field = format!("{field}: {long}\r\n {long}\r\n");
            let message = format!("A: b\r\n{field}X-Virus-Status: Clean\r\nC: d\r\n\r\nbody\r\n");
            let expected = format!("A: b\r\n{}C: d\r\n\r\nbody\r\n", if passes { &field } else { "" });
            for piece in [7, 1000, message.len()] {
                assert!(strained(message.as_bytes(), piece) == expected.as_bytes(), "in pieces of {piece}");
            }
        }
    }

    #[test]
    fn with_nothing_unwanted_nothing_is_copied() {
        let mut strain = Strain::new(Vec::new());
        assert!(matches!(strain.pass(MESSAGE), Cow::Borrowed(passed) if passed == MESSAGE));
    }

    proptest! {
        #[test]
        fn other_messages_pass_as_they_are(message in "([A-Wa-w]{0,3}[: \t]{0,2}[a-z]{0,3}(\r\n|\n|\r)?){0,20}", piece in 1_usize..9) {
            prop_assert_eq!(strained(message.as_bytes(), piece), message.as_bytes());
        }

        #[test]
        fn pieces_never_matter(message in "((X-Virus-Status|A)[: \t]{0,2}[a-z]{0,3}(\r\n|\n|\r|\r\n\r\n)?){0,20}", piece in 1_usize..9) {
            prop_assert_eq!(strained(message.as_bytes(), piece), strained(message.as_bytes(), message.len()));
        }
    }
}
