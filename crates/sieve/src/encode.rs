//! Texts as header fields have them (RFC 2047).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The octets of one encoded word before they are encoded: with its frame within the 75 of RFC 2047 §2.
const WORD_OCTETS_MAX: usize = 45;

/// A text without line ends: an encoded word may hold one, which must not begin another field of ours.
pub(crate) fn on_one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// A value fit for a header: on one line, or folded between encoded words.
pub(crate) fn header_value(value: &str, line_end: &str) -> String {
    let clean = on_one_line(value.trim());
    if clean.is_ascii() {
        return clean;
    }
    let mut words: Vec<String> = Vec::new();
    let mut rest = clean.as_str();
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_OCTETS_MAX));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words.join(&format!("{line_end} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_field() {
        assert_eq!(header_value(" a\r\nBcc: x ", "\n"), "a  Bcc: x");
        let long = header_value(&"ñ".repeat(40), "\r\n");
        assert_eq!(mail::text::decode_words(long.as_bytes()), "ñ".repeat(40));
        assert!(long.lines().all(|line| line.len() <= 76), "{long}");
    }
}
