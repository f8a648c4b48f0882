//! Texts as header fields have them (RFC 2047).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// RFC 5322 §2.1.1: as long as a line should be, without what the field's name takes of the first.
const LINE_LENGTH: usize = 66;
/// No word on a line of its own may be longer.
const WORD_LENGTH_MAX: usize = 900;
/// The octets of one encoded word before they are encoded: with its frame within the 75 of RFC 2047 §2.
const WORD_OCTETS_MAX: usize = 45;

/// A text without line ends: an encoded word may hold one, which must not begin another field of ours.
pub(crate) fn on_one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// A display name and an address as a field has them: what is not ASCII is encoded.
pub(crate) fn mailbox(text: &str, line_end: &str) -> String {
    match text.rsplit_once('<') {
        Some((name, address)) if !name.is_ascii() => {
            let name = name.trim();
            let plain =
                name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).map(|name| name.replace('\\', ""));
            format!("{} <{}", header_value(plain.as_deref().unwrap_or(name), line_end), on_one_line(address))
        }
        _ => on_one_line(text),
    }
}

/// A value fit for a header, folded between words or encoded words.
pub(crate) fn header_value(value: &str, line_end: &str) -> String {
    let clean = on_one_line(value.trim());
    if clean.is_ascii() && clean.split(' ').all(|word| word.len() <= WORD_LENGTH_MAX) {
        return folded(&clean, line_end);
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

fn folded(value: &str, line_end: &str) -> String {
    let (mut lines, mut length) = (String::with_capacity(value.len()), 0);
    for (number, word) in value.split(' ').enumerate() {
        // Never in a run of spaces: a line with nothing else on it is none.
        if number > 0 && !word.is_empty() && length + word.len() > LINE_LENGTH {
            lines.push_str(line_end);
            length = 0;
        }
        if number > 0 {
            lines.push(' ');
        }
        lines.push_str(word);
        length += word.len() + 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_folded_at_a_space() {
        let words = "word ".repeat(60);
        let long = header_value(&words, "\r\n");
        assert!(long.lines().count() > 3 && long.lines().all(|line| line.len() <= 78), "{long}");
        assert_eq!(long.replace("\r\n", ""), words.trim_end());
        let word = "x".repeat(2000);
        let encoded = header_value(&word, "\r\n");
        assert_eq!(mail::text::decode_words(encoded.as_bytes()), word);
        assert!(encoded.lines().all(|line| line.len() <= 78));
        let spaces = format!("a{}b", " ".repeat(200));
        assert!(header_value(&spaces, "\r\n").lines().all(|line| !line.trim().is_empty()));
    }

    #[test]
    fn names_that_are_not_ascii_are_encoded() {
        assert_eq!(mailbox("\"Ana\" <a@b.test>", "\r\n"), "\"Ana\" <a@b.test>");
        let encoded = mailbox("\"Ana \\\"la\\\" Núñez\" <a@b.test>", "\r\n");
        assert!(encoded.is_ascii() && encoded.ends_with(" <a@b.test>"), "{encoded}");
        assert_eq!(mail::text::decode_words(encoded.as_bytes()), "Ana \"la\" Núñez <a@b.test>");
    }

    #[test]
    fn values_cannot_leave_their_field() {
        assert_eq!(header_value(" a\r\nBcc: x ", "\n"), "a  Bcc: x");
        let long = header_value(&"ñ".repeat(40), "\r\n");
        assert_eq!(mail::text::decode_words(long.as_bytes()), "ñ".repeat(40));
        assert!(long.lines().all(|line| line.len() <= 76), "{long}");
    }
}
