//! Text into a header field (RFC 2047): as it is where it is plain ASCII, else as encoded words.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// RFC 2047 §2: an encoded word has at most 75 characters. `=?utf-8?b?` and `?=` take 12, base64 makes four of three.
const OCTETS_MAX: usize = (75 - 12) / 4 * 3;

/// A text on one line, without controls, for an unstructured field (`Subject`). Words are folded onto lines of their own.
pub fn encode_words(text: &str) -> String {
    // What looks like an encoded word would be decoded.
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words: Vec<String> = vec![String::new()];
    for c in text.chars() {
        let full = words.last().is_some_and(|word| word.len() + c.len_utf8() > OCTETS_MAX);
        if full {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    let encoded: Vec<String> = words.iter().map(|word| format!("=?utf-8?b?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

/// The same for an address with a name: `Año <a@example.test>`.
pub fn encode_mailbox(mailbox: &str) -> String {
    match mailbox.rsplit_once('<') {
        Some((name, address)) if !name.is_ascii() => {
            let name = name.trim().trim_matches('"');
            format!("{} <{address}", encode_words(name))
        }
        _ => mailbox.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::decode_words;

    #[test]
    fn any_text_comes_back() {
        for text in ["", "plain", "Año", "=?utf-8?q?x?=", &"日本語 ñ ".repeat(40), "a\u{1f600}".repeat(50).as_str()]
        {
            let encoded = encode_words(text);
            assert!(encoded.is_ascii() && encoded.split("\r\n ").all(|word| word.len() <= 75 || text.is_ascii()));
            assert_eq!(decode_words(encoded.as_bytes()), text);
        }
    }

    #[test]
    fn of_a_mailbox_only_the_name_is_encoded() {
        assert_eq!(encode_mailbox("Ana <ana@example.test>"), "Ana <ana@example.test>");
        let encoded = encode_mailbox("\"Añá\" <ana@example.test>");
        assert!(encoded.ends_with(" <ana@example.test>") && encoded.is_ascii());
        assert_eq!(decode_words(encoded.as_bytes()), "Añá <ana@example.test>");
    }
}
