//! Content transfer encodings decoded piece by piece, with the same result as `decode_transfer` on the whole.
//!
//! Promises: holds no more than a line of `LINE_HELD_MAX` octets, wherever the pieces are cut.

use super::transfer::{Base64, decode_quoted_printable};

/// A line of quoted-printable is held up to this length (RFC 2045 §6.7 allows 76); of a longer one all but its end is
/// decoded before it is over.
pub const LINE_HELD_MAX: usize = 8 * 1024;

/// Decodes one body.
#[derive(Debug, Clone)]
pub struct Decoder(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Identity,
    Base64(Base64),
    QuotedPrintable { line: Vec<u8> },
}

impl Decoder {
    /// For a transfer encoding by its name, case ignored. `None` for one that is not known.
    pub fn new(encoding: &[u8]) -> Option<Decoder> {
        Some(Decoder(match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
            b"7bit" | b"8bit" | b"binary" => Kind::Identity,
            b"base64" => Kind::Base64(Base64::default()),
            b"quoted-printable" => Kind::QuotedPrintable { line: Vec::new() },
            _ => return None,
        }))
    }

    /// Gives octets as they are.
    pub fn identity() -> Decoder {
        Decoder(Kind::Identity)
    }

    /// The next octets of the body; what they decode to is added to `decoded`.
    pub fn feed(&mut self, bytes: &[u8], decoded: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Identity => decoded.extend_from_slice(bytes),
            Kind::Base64(state) => state.feed(bytes, decoded),
            Kind::QuotedPrintable { line } => {
                for piece in bytes.split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(LINE_HELD_MAX)) {
                    line.extend_from_slice(piece);
                    if line.ends_with(b"\n") {
                        decoded.extend(decode_quoted_printable(line));
                        line.clear();
                    } else if line.len() > LINE_HELD_MAX {
                        let decodable = decodable(line);
                        decoded.extend(decode_quoted_printable(&line[..decodable]));
                        line.drain(..decodable);
                    }
                }
            }
        }
    }

    /// The body is over.
    pub fn finish(&mut self, decoded: &mut Vec<u8>) {
        if let Kind::QuotedPrintable { line } = &mut self.0 {
            decoded.extend(decode_quoted_printable(&std::mem::take(line)));
        }
    }
}

/// How much of a line that goes on can be decoded already: not white space that may be its end, nor an escape that is not
/// complete, nor an equals sign that may end it.
fn decodable(line: &[u8]) -> usize {
    let end = line.trim_ascii_end().len();
    let escape = line[..end].iter().rposition(|byte| *byte == b'=').filter(|at| end - at <= 2);
    match escape.unwrap_or(end) {
        // White space without end: nobody can tell it from text.
        0 => line.len(),
        end => end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode_transfer;
    use super::*;

    fn decoded(encoding: &str, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut decoder, mut decoded) = (Decoder::new(encoding.as_bytes()).unwrap(), Vec::new());
        pieces.iter().for_each(|piece| decoder.feed(piece, &mut decoded));
        decoder.finish(&mut decoded);
        decoded
    }

    #[test]
    fn an_encoding_that_is_not_known_has_no_decoder() {
        for (known, encoding) in [(true, "BASE64"), (true, " 8bit"), (false, "x-uuencode"), (false, "")] {
            assert_eq!(Decoder::new(encoding.as_bytes()).is_some(), known, "{encoding}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_held() {
        let text = [b"x".repeat(3 * LINE_HELD_MAX), b"=3D=".to_vec(), b" ".repeat(9), b"\r\nend".to_vec()].concat();
        let pieces: Vec<&[u8]> = text.chunks(1000).collect();
        assert!(decoded("quoted-printable", &pieces) == decode_transfer(b"quoted-printable", &text));
        let mut decoder = Decoder::new(b"quoted-printable").unwrap();
        decoder.feed(&b" ".repeat(10 * LINE_HELD_MAX), &mut Vec::new());
        let Kind::QuotedPrintable { line } = decoder.0 else { panic!() };
        assert!(line.len() <= 2 * LINE_HELD_MAX);
    }

    proptest! {
        #[test]
        fn however_a_body_is_cut_it_decodes_to_the_same(
            text in prop::collection::vec(prop::sample::select(b"aZ3=\r\n \t+/D".to_vec()), 0..80),
            size in 1_usize..20,
        ) {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            for encoding in ["base64", "quoted-printable", "binary"] {
                prop_assert_eq!(decoded(encoding, &pieces), decode_transfer(encoding.as_bytes(), &text));
            }
        }
    }
}
