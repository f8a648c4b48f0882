//! Text out of headers and bodies, as UTF-8, for searching and for logs. Lossy by design: what cannot be decoded is
//! replaced, never an error. Not for what is sent on.

use encoding_rs::{Encoding, WINDOWS_1252};
use memchr::memmem;

use crate::mime::{decode_base64, decode_q};

/// A header value with its encoded words decoded (RFC 2047), unfolded.
///
/// White space between two encoded words is dropped (§6.2). Neighbours of one charset are joined before they are decoded,
/// because many programs cut a character in two.
pub fn decode_words(value: &[u8]) -> String {
    let value = crate::header::unfold(value);
    let mut text = String::with_capacity(value.len());
    let mut pending: Option<(Vec<u8>, Vec<u8>)> = None;
    let mut rest = value.as_slice();
    while let Some((plain, word, after)) = next_word(rest) {
        match &mut pending {
            Some((charset, bytes)) if is_blank(plain) && charset.eq_ignore_ascii_case(word.charset) => {
                bytes.extend(word.decoded());
            }
            _ => {
                flush(&mut text, pending.take());
                // Only between two words is white space dropped.
                if !(is_blank(plain) && rest.len() < value.len()) {
                    text.push_str(&raw_text(plain));
                }
                pending = Some((word.charset.to_vec(), word.decoded()));
            }
        }
        rest = after;
    }
    flush(&mut text, pending);
    text.push_str(&raw_text(rest));
    text
}

/// Octets of a charset (its MIME name, case ignored) as text. Unknown charsets are taken for UTF-8, with replacements.
pub fn decode_charset(charset: &[u8], bytes: &[u8]) -> String {
    match Encoding::for_label(charset) {
        Some(encoding) => encoding.decode_with_bom_removal(bytes).0.into_owned(),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The form in which texts are compared without case: search for a folded text within a folded text.
pub fn fold_case(text: &str) -> String {
    crate::casemap::casemap(text)
}

/// The longest encoded word that is recognised, in octets. RFC 2047 §2 allows 75, which many programs exceed.
pub const ENCODED_WORD_LENGTH_MAX: usize = 4096;

struct Word<'a> {
    charset: &'a [u8],
    quoted: bool,
    text: &'a [u8],
}

impl Word<'_> {
    fn decoded(&self) -> Vec<u8> {
        if self.quoted { decode_q(self.text) } else { decode_base64(self.text) }
    }
}

/// The first encoded word, with what stands before and after it.
fn next_word(value: &[u8]) -> Option<(&[u8], Word<'_>, &[u8])> {
    memmem::find_iter(value, b"=?").find_map(|start| {
        let (before, found) = value.split_at_checked(start)?;
        let (word, after) = word_at_start(found)?;
        Some((before, word, after))
    })
}

// RFC 2047 §2: encoded-word = "=?" charset "?" encoding "?" encoded-text "?="; RFC 2231 §5: charset ["*" language]
fn word_at_start(value: &[u8]) -> Option<(Word<'_>, &[u8])> {
    let nearby = value.get(..ENCODED_WORD_LENGTH_MAX).unwrap_or(value);
    let (charset, rest) = split_once(nearby.strip_prefix(b"=?")?, b"?")?;
    let (encoding, rest) = split_once(rest, b"?")?;
    let (text, rest) = split_once(rest, b"?=")?;
    let after = value.get(nearby.len() - rest.len()..)?;
    let charset = charset.split(|&byte| byte == b'*').next()?;
    let quoted = match encoding {
        b"q" | b"Q" => true,
        b"b" | b"B" => false,
        _ => return None,
    };
    let name = !charset.is_empty() && charset.iter().all(u8::is_ascii_graphic);
    name.then_some((Word { charset, quoted, text }, after))
}

fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (before, found) = bytes.split_at_checked(memmem::find(bytes, separator)?)?;
    Some((before, found.get(separator.len()..)?))
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_whitespace)
}

fn flush(text: &mut String, pending: Option<(Vec<u8>, Vec<u8>)>) {
    if let Some((charset, bytes)) = pending {
        text.push_str(&decode_charset(&charset, &bytes));
    }
}

// Raw 8-bit octets in a header are UTF-8 (RFC 6532) or else, nearly always, what Windows used in western Europe.
fn raw_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encoded_words_are_decoded_and_neighbours_joined() {
        for (value, expected) in [
            ("=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("=?utf-8?q?a_b?= \r\n =?ISO-8859-2?B?Yw==?=", "a bc"),
            ("=?utf-8?b?ww==?= =?UTF-8?b?sQ==?=", "ñ"),
            ("x =?utf-8*es?q?=C3=B1?= y", "x ñ y"),
            ("  =?utf-8?q?a?=", "a"),
            ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
            ("=?x-unknown?q?=C3=B1=FF?=", "ñ\u{fffd}"),
            ("=?utf-8?x?a?= =?utf-8?q?", "=?utf-8?x?a?= =?utf-8?q?"),
            ("1 =? 2 =?utf-8?q?a?=", "1 =? 2 a"),
            ("ñandú", "ñandú"),
        ] {
            assert_eq!(decode_words(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(decode_words(b"a\xf1o"), "año");
    }

    #[test]
    fn folded_text_is_found_without_case() {
        assert!(fold_case("ÑANDÚ Ärger").contains(&fold_case("ñandú ä")));
    }

    proptest! {
        #[test]
        fn any_octets_decode(value in prop::collection::vec(any::<u8>(), 0..100), charset in "[a-z0-9-]{0,12}") {
            decode_words(&[b"=?utf-8?q?", value.as_slice(), b"?= =?"].concat());
            decode_charset(charset.as_bytes(), &value);
        }
    }
}
