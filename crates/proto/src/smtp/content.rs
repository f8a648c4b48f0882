//! Where content begins and ends, and what it may not hold: the reader behind DATA and BDAT.
//!
//! Promises: only CR LF . CR LF ends what DATA sends. A bare LF or bare CR never ends a line, so a dot after one is a dot;
//! two servers that disagree about that let mail be smuggled. It is noticed, and refused or mended as the profile says.
//! Keeps one byte of state between pieces, and nothing of the content.

use memchr::memchr2;

use super::profile::BareNewline;

/// How the end of content is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// DATA: by a line of one dot; other lines that begin with a dot have lost one (RFC 5321 §4.5.2).
    Dots,
    /// BDAT: by counting (RFC 3030 §2); dots mean nothing.
    Counted,
}

/// A lone half of a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    Lf,
    Cr,
}

/// Where in a line the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After CR LF, or at the very start.
    LineStart,
    /// After a dot at the start of a line. It is not handed on.
    Dot,
    /// After a dot and a CR at the start of a line. Neither is handed on yet.
    DotCr,
    /// Within a line.
    Text,
    /// After a CR within a line. It is not handed on yet.
    Cr,
}

/// Reads content in pieces of any size.
#[derive(Debug)]
pub struct Reader {
    framing: Framing,
    bare_newline: BareNewline,
    place: Place,
    bare: Option<Bare>,
    size: u64,
}

/// What one call of `read` made of its input.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Content, without the dots that were added for the journey.
    pub content: Vec<u8>,
    /// Octets of the input that are used up. Less than all only at the end.
    pub used: usize,
    pub ended: bool,
}

impl Reader {
    pub fn new(framing: Framing, bare_newline: BareNewline) -> Reader {
        Reader { framing, bare_newline, place: Place::LineStart, bare: None, size: 0 }
    }

    /// Octets of content so far (RFC 1870 §3: as sent, without the added dots and without the end).
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The first bare LF or CR that was met, unless they are mended.
    pub fn refused(&self) -> Option<Bare> {
        self.bare.filter(|_| self.bare_newline == BareNewline::Refuse)
    }

    /// Reads on. With `Framing::Counted` it never ends by itself.
    pub fn read(&mut self, input: &[u8]) -> Piece {
        let mut content = Vec::with_capacity(input.len());
        let mut used = 0;
        let mut ended = false;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty() && !ended) {
            if self.place == Place::Text {
                let plain = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                content.extend_from_slice(rest.get(..plain).unwrap_or(rest));
                used += plain;
            }
            if let Some(byte) = input.get(used) {
                used += 1;
                ended = self.step(*byte, &mut content);
            }
        }
        self.size += content.len() as u64;
        Piece { content, used, ended }
    }

    /// The counted content is over: a CR that waited for its LF waits in vain.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut content = Vec::new();
        if self.place == Place::Cr {
            self.meet_bare(Bare::Cr, &mut content);
        }
        self.size += content.len() as u64;
        content
    }

    /// Takes one byte. True when it ended the content.
    fn step(&mut self, byte: u8, content: &mut Vec<u8>) -> bool {
        self.place = match (self.place, byte) {
            // RFC 5321 §4.5.2: a line which begins with a dot loses it; a line holding only a dot ends the content.
            (Place::LineStart, b'.') if self.framing == Framing::Dots => Place::Dot,
            (Place::Dot, b'\r') => Place::DotCr,
            (Place::DotCr, b'\n') => return true,
            (Place::Cr, b'\n') => {
                content.extend_from_slice(b"\r\n");
                Place::LineStart
            }
            // That CR was bare; whatever follows it, the line goes on.
            (Place::DotCr | Place::Cr, _) => {
                self.meet_bare(Bare::Cr, content);
                self.within_line(byte, content)
            }
            (Place::LineStart | Place::Dot | Place::Text, _) => self.within_line(byte, content),
        };
        false
    }

    fn within_line(&mut self, byte: u8, content: &mut Vec<u8>) -> Place {
        match byte {
            b'\r' => return Place::Cr,
            b'\n' => self.meet_bare(Bare::Lf, content),
            _ => content.push(byte),
        }
        Place::Text
    }

    fn meet_bare(&mut self, bare: Bare, content: &mut Vec<u8>) {
        self.bare.get_or_insert(bare);
        self.place = Place::Text;
        match (self.bare_newline, bare) {
            (BareNewline::Mend, _) => content.extend_from_slice(b"\r\n"),
            (BareNewline::Refuse, Bare::Lf) => content.push(b'\n'),
            (BareNewline::Refuse, Bare::Cr) => content.push(b'\r'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `input` in pieces of `length`; gives the content, whether it ended, and what was left.
    fn read(input: &[u8], length: usize, bare_newline: BareNewline) -> (Vec<u8>, bool, Vec<u8>, Option<Bare>) {
        let mut reader = Reader::new(Framing::Dots, bare_newline);
        let (mut content, mut left) = (Vec::new(), input);
        while !left.is_empty() {
            let piece = reader.read(&left[..length.min(left.len())]);
            content.extend_from_slice(&piece.content);
            left = &left[piece.used..];
            if piece.ended {
                return (content, true, left.to_vec(), reader.refused());
            }
        }
        (content, false, Vec::new(), reader.refused())
    }

    #[test]
    fn added_dots_are_taken_away_in_pieces_of_any_size() {
        let input = b"a\r\n..b\r\n...\r\n.c\r\n\r\n.\r\nNOOP\r\n";
        for length in 1..=input.len() {
            let (content, ended, left, bare) = read(input, length, BareNewline::Refuse);
            assert_eq!(content, b"a\r\n.b\r\n..\r\nc\r\n\r\n");
            assert_eq!((ended, left.as_slice(), bare), (true, b"NOOP\r\n".as_slice(), None));
        }
    }

    #[test]
    fn empty_content_ends_at_once() {
        assert_eq!(read(b".\r\n", 1, BareNewline::Refuse), (Vec::new(), true, Vec::new(), None));
    }

    /// Every way to write a dot between line ends of which at least one is not CR LF.
    #[test]
    fn nothing_but_crlf_dot_crlf_ends_content() {
        let ends = ["\r\n", "\n", "\r", "\r\r\n", "\n\r\n", "\r\n\r", "\n\r", "\0\r\n", "\r\0\n"];
        for before in ends {
            for after in ends {
                let ends_by_law = before.ends_with("\r\n") && after.starts_with("\r\n");
                let input = format!("x{before}.{after}MAIL FROM:<a@x.test>\r\n");
                for mode in [BareNewline::Refuse, BareNewline::Mend] {
                    for length in 1..=input.len() {
                        let (_, ended, _, _) = read(input.as_bytes(), length, mode);
                        assert_eq!(ended, ends_by_law, "{input:?} in pieces of {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_bare_newline_is_noticed_wherever_it_stands() {
        for (input, bare) in [
            ("a\nb\r\n.\r\n", Bare::Lf),
            ("a\rb\r\n.\r\n", Bare::Cr),
            ("\n.\r\n\r\n.\r\n", Bare::Lf),
            (".\rx\r\n.\r\n", Bare::Cr),
            (".\r\r\n.\r\n", Bare::Cr),
            ("a\r\r\n.\r\n", Bare::Cr),
            (".\n\r\n.\r\n", Bare::Lf),
        ] {
            for length in 1..=input.len() {
                let (_, ended, left, refused) = read(input.as_bytes(), length, BareNewline::Refuse);
                assert_eq!((ended, left.as_slice(), refused), (true, b"".as_slice(), Some(bare)), "{input:?}");
            }
        }
    }

    #[test]
    fn mended_newlines_become_crlf() {
        let (content, ended, _, refused) = read(b"a\nb\rc\n.\n.d\r\n.\r\n", 3, BareNewline::Mend);
        assert_eq!(content, b"a\r\nb\r\nc\r\n.\r\n.d\r\n");
        assert_eq!((ended, refused), (true, None));
    }

    #[test]
    fn counted_content_keeps_its_dots_and_notices_a_last_cr() {
        let mut reader = Reader::new(Framing::Counted, BareNewline::Refuse);
        assert_eq!(reader.read(b".\r\n.a\r").content, b".\r\n.a");
        assert_eq!(reader.read(b"\n").content, b"\r\n");
        assert_eq!((reader.finish(), reader.refused()), (Vec::new(), None));
        reader.read(b"b\r");
        assert_eq!((reader.finish(), reader.refused()), (b"\r".to_vec(), Some(Bare::Cr)));
    }
}
