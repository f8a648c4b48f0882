//! Content made ready for the journey: dots added, line ends mended, the end marked (RFC 5321 §4.5.2, RFC 1939 §3).
//!
//! Promises: what comes out has no bare CR and no bare LF, so no peer can find an end in it that we did not write; it ends
//! with CR LF. SMTP clients and POP3 servers share it. Works on pieces of any size and keeps one byte of state.

/// Where in a line the last piece ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    Text,
    /// After a CR that was not sent yet.
    Cr,
}

/// Prepares one message's content.
#[derive(Debug)]
pub struct Stuffer {
    place: Place,
}

impl Default for Stuffer {
    fn default() -> Stuffer {
        Stuffer { place: Place::LineStart }
    }
}

impl Stuffer {
    /// Takes the next piece of content; gives what to send of it.
    pub fn push(&mut self, content: &[u8]) -> Vec<u8> {
        let mut sent = Vec::with_capacity(content.len() + content.len() / 32);
        for byte in content {
            match (self.place, byte) {
                (Place::Cr, b'\n') => self.end_line(&mut sent),
                // That CR was bare, and so is this LF: each ends a line, as most readers of mail see it.
                (Place::Cr, _) => {
                    self.end_line(&mut sent);
                    self.begin(*byte, &mut sent);
                }
                _ => self.begin(*byte, &mut sent),
            }
        }
        sent
    }

    /// What to send after the last piece: the missing end of the last line, and the dot.
    pub fn finish(self) -> &'static [u8] {
        match self.place {
            Place::LineStart => b".\r\n",
            Place::Text | Place::Cr => b"\r\n.\r\n",
        }
    }

    fn begin(&mut self, byte: u8, sent: &mut Vec<u8>) {
        match (self.place, byte) {
            (_, b'\r') => self.place = Place::Cr,
            (_, b'\n') => self.end_line(sent),
            (Place::LineStart, b'.') => {
                sent.extend_from_slice(b"..");
                self.place = Place::Text;
            }
            _ => {
                sent.push(byte);
                self.place = Place::Text;
            }
        }
    }

    fn end_line(&mut self, sent: &mut Vec<u8>) {
        sent.extend_from_slice(b"\r\n");
        self.place = Place::LineStart;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuffed(content: &[u8], length: usize) -> Vec<u8> {
        let mut stuffer = Stuffer::default();
        let mut sent: Vec<u8> = content.chunks(length).flat_map(|piece| stuffer.push(piece)).collect();
        sent.extend_from_slice(stuffer.finish());
        sent
    }

    #[test]
    fn a_dot_is_added_wherever_pieces_are_cut() {
        let content = b".a\r\n..\r\nb.\r\n.\r\n";
        for length in 1..=content.len() {
            assert_eq!(stuffed(content, length), b"..a\r\n...\r\nb.\r\n..\r\n.\r\n");
        }
    }

    #[test]
    fn a_missing_last_line_end_is_added() {
        assert_eq!(stuffed(b"a", 1), b"a\r\n.\r\n");
        assert_eq!(stuffed(b"a\r", 1), b"a\r\n.\r\n");
        assert_eq!(stuffed(b"", 1), b".\r\n");
    }

    #[test]
    fn nothing_inside_can_end_the_content() {
        for evil in ["a\n.\nb", "a\n.\r\nb", "a\r\n.\nb", "a\r.\rb", "a\r\n.\rb", "a\r.\r\nb", "a\r\r\n.\r\nb"] {
            for length in 1..=evil.len() {
                let sent = String::from_utf8(stuffed(evil.as_bytes(), length)).unwrap();
                assert!(!sent.replace("\r\n", "").contains(['\r', '\n']), "{sent:?}");
                assert_eq!(sent.find("\r\n.\r\n"), Some(sent.len() - 5), "{sent:?}");
            }
        }
    }
}
