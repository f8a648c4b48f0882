//! Parameters as people mean them (RFC 2231): pieces of one value put together, charsets decoded.
//!
//! ```text
//! name        = attribute ["*" section] ["*"]         ; RFC 2231 §7; the last star: the value is percent-encoded
//! section     = "0" / (%x31-39 *DIGIT)
//! first value = [charset] "'" [language] "'" text     ; where the last star stands
//! ```
//!
//! A value without any of this may hold encoded words, which RFC 2047 §5 forbids and many programs write.

use super::{Params, Word};
use crate::text::{decode_charset, decode_words};

/// A piece of a value, with its number.
struct Piece<'p> {
    section: usize,
    is_encoded: bool,
    value: &'p [u8],
}

/// The parameters with their names in lower case and their values decoded, each at the place of its first piece. Where a name
/// stands in both forms, both are given.
pub fn decode_params(params: &Params) -> Vec<(String, String)> {
    let mut found: Vec<(String, Vec<Piece<'_>>)> = Vec::new();
    for (written, value) in params {
        let (name, section, is_encoded) = read_name(written);
        let piece = Piece { section: section.unwrap_or(0), is_encoded, value };
        let is_piece = section.is_some();
        // A number that came before begins no second value, and what is not numbered stands alone.
        let known = found.iter_mut().find(|(other, pieces)| {
            is_piece && *other == name && !pieces.iter().any(|other| other.section == piece.section)
        });
        match known {
            Some((_, pieces)) => pieces.push(piece),
            None => found.push((name, vec![piece])),
        }
    }
    found.into_iter().map(|(name, pieces)| (name, joined(pieces))).collect()
}

/// The name, the number of the piece, and whether the value is percent-encoded.
fn read_name(written: &Word) -> (String, Option<usize>, bool) {
    let name = String::from_utf8_lossy(written).to_ascii_lowercase();
    let (name, is_encoded) = name.strip_suffix('*').map_or((name.as_str(), false), |name| (name, true));
    match name.rsplit_once('*').map(|(name, number)| (name, number.parse())) {
        Some((name, Ok(section))) => (name.to_owned(), Some(section), is_encoded),
        _ => (name.to_owned(), None, is_encoded),
    }
}

fn joined(mut pieces: Vec<Piece<'_>>) -> String {
    pieces.sort_by_key(|piece| piece.section);
    let Some(first) = pieces.first() else { return String::new() };
    if !pieces.iter().any(|piece| piece.is_encoded) {
        let whole: Vec<u8> = pieces.iter().flat_map(|piece| piece.value).copied().collect();
        return decode_words(&whole);
    }
    // RFC 2231 §4.1: charset and language stand in the first piece only.
    let (charset, rest) = if first.is_encoded { without_charset(first.value) } else { (&b""[..], first.value) };
    let mut octets = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let value = if number == 0 { rest } else { piece.value };
        if piece.is_encoded { decode_percent(value, &mut octets) } else { octets.extend_from_slice(value) }
    }
    decode_charset(charset, &octets)
}

fn without_charset(value: &[u8]) -> (&[u8], &[u8]) {
    let mut quotes = value.splitn(3, |&byte| byte == b'\'');
    match (quotes.next(), quotes.next(), quotes.next()) {
        (Some(charset), Some(_language), Some(text)) => (charset, text),
        _ => (b"", value),
    }
}

fn decode_percent(value: &[u8], octets: &mut Vec<u8>) {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let pair = match after {
            [high, low, ..] if byte == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match pair {
            Some((high, low)) => {
                octets.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            None => octets.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::content_type;

    fn decoded(field: &str) -> Vec<String> {
        let (_, _, params) = content_type(field.as_bytes()).unwrap();
        decode_params(&params).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn pieces_become_one_value_in_its_charset() {
        for (written, expected) in [
            ("a/b; URL*0=\"ftp://\"; url*1=\"cs.example\"", vec!["url=ftp://cs.example"]),
            ("a/b; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", vec!["title=This is ***fun***"]),
            ("a/b; t*1*=%20b; t*0*=iso-8859-1'es'a%F1o; t*2=\" c%20\"", vec!["t=año b c%20"]),
            ("a/b; name=\"=?utf-8?q?=C3=B1?=.exe\"; NAME=x", vec!["name=ñ.exe", "name=x"]),
            ("a/b; n=plain; n*=utf-8''%c3%b1", vec!["n=plain", "n=ñ"]),
            ("a/b; n*=utf-8'%4z; m*0*=%; m*1*=1", vec!["n=utf-8'%4z", "m=%1"]),
        ] {
            assert_eq!(decoded(written), expected, "{written}");
        }
    }
}
