//! Content transfer encodings (RFC 2045 §6), decoded leniently: what is no valid encoding stays or is passed over.

/// Decodes a body by the name of its transfer encoding, case ignored. `7bit`, `8bit`, `binary` and unknown ones give the
/// body as it is.
pub fn decode_transfer(encoding: &[u8], body: &[u8]) -> Vec<u8> {
    match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
        b"base64" => decode_base64(body),
        b"quoted-printable" => decode_quoted_printable(body),
        _ => body.to_vec(),
    }
}

/// Decodes base64. Octets outside of the alphabet are passed over (RFC 2045 §6.8); after padding a new text may follow,
/// as where two encoded texts were put one after the other.
pub fn decode_base64(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 3);
    Base64::default().feed(text, &mut decoded);
    decoded
}

/// Base64 under way: the bits that are no octet yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Base64 {
    bits: u32,
    count: u32,
}

impl Base64 {
    pub(super) fn feed(&mut self, text: &[u8], decoded: &mut Vec<u8>) {
        for &byte in text {
            if byte == b'=' {
                *self = Base64::default();
            }
            let Some(six) = base64_value(byte) else { continue };
            self.bits = self.bits << 6 | u32::from(six);
            self.count += 6;
            if self.count >= 8 {
                self.count -= 8;
                decoded.push((self.bits >> self.count) as u8);
            }
        }
    }
}

// RFC 2045 §6.8, table 1.
fn base64_value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Decodes quoted-printable (RFC 2045 §6.7). An equals sign that starts nothing stays.
pub fn decode_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let content = line.trim_ascii_end();
        let end = if line.ends_with(b"\r\n") {
            "\r\n"
        } else if line.ends_with(b"\n") {
            "\n"
        } else {
            ""
        };
        // RFC 2045 §6.7 rule 3: white space at the end of a line was added on the way. Rule 5: a soft line break.
        match content.strip_suffix(b"=") {
            Some(content) => decode_hex(content, &mut decoded),
            None => {
                decode_hex(content, &mut decoded);
                decoded.extend_from_slice(end.as_bytes());
            }
        }
    }
    decoded
}

/// Decodes the Q encoding of encoded words (RFC 2047 §4.2).
pub fn decode_q(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'_' { b' ' } else { byte }).collect();
    let mut decoded = Vec::with_capacity(text.len());
    decode_hex(&spaced, &mut decoded);
    decoded
}

fn decode_hex(text: &[u8], decoded: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'=', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(hex_value(*high) << 4 | hex_value(*low));
                rest = after;
            }
            _ => decoded.push(byte),
        }
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => digit.wrapping_sub(b'0') & 0xf,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    #[test]
    fn broken_encodings_give_what_can_be_read() {
        for (encoding, body, expected) in [
            ("BASE64", "aG\r\nk=", "hi"),
            ("base64", "aGk=aGk=", "hihi"),
            ("base64", "a!G k", "hi"),
            ("base64", "aGkx\r\n--", "hi1"),
            ("Quoted-Printable", "a=3Db=  \r\nc \r\nd=zz=4", "a=bc\r\nd=zz=4"),
            ("quoted-printable", "=c3=B1=\n=", "ñ"),
            ("8bit", "=3D", "=3D"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&decode_transfer(encoding.as_bytes(), body.as_bytes())),
                expected,
                "{body}"
            );
        }
        assert_eq!(decode_q(b"a_b=5F"), b"a b_");
    }

    proptest! {
        #[test]
        fn base64_is_decoded_as_its_crate_encodes_it(bytes in prop::collection::vec(any::<u8>(), 0..100), width in 1_usize..80) {
            let encoded = STANDARD.encode(&bytes);
            let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
            prop_assert_eq!(decode_base64(&lines.join(&b"\r\n"[..])), bytes);
        }

        #[test]
        fn any_octets_decode(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            decode_quoted_printable(&bytes);
            decode_q(&bytes);
        }
    }
}
