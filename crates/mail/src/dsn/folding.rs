//! Lines of a report: texts of any origin, cleaned and folded. No line is longer than 998 octets (RFC 5322 §2.1.1).

/// Where a line is folded, in octets.
const WIDTH: usize = 76;
/// The longest word that is not cut, in octets; with indentation and a field's name it stays below 998.
const WORD_LENGTH_MAX: usize = 900;
/// The most of one text that is repeated, in octets: a reply of many lines tells enough in its beginning.
const TEXT_LENGTH_MAX: usize = 4000;

/// What may stand in a report's own lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Ascii,
    Utf8,
}

impl Charset {
    pub(super) fn name(self) -> &'static str {
        match self {
            Charset::Ascii => "us-ascii",
            Charset::Utf8 => "utf-8",
        }
    }

    // Controls (line ends first of all) become spaces; what the charset lacks becomes a question mark.
    fn clean(self, c: char) -> char {
        match c {
            _ if c.is_control() => ' ',
            '\u{2028}' | '\u{2029}' => ' ',
            _ if self == Charset::Ascii && !c.is_ascii() => '?',
            _ => c,
        }
    }
}

/// A header field, folded (RFC 5322 §2.2.3).
pub(super) fn field(out: &mut String, charset: Charset, name: &str, value: &str) {
    let start = out.len();
    out.push_str(name);
    out.push(':');
    fill(out, start, "\r\n\t", charset, value);
    out.push_str("\r\n");
}

/// A paragraph of the part for persons, with an empty line after it.
pub(super) fn paragraph(out: &mut String, charset: Charset, text: &str) {
    let start = out.len();
    fill(out, start, "\r\n  ", charset, text);
    // The first word of a paragraph needs no space before it.
    if out[start..].starts_with(' ') {
        out.remove(start);
    }
    out.push_str("\r\n\r\n");
}

fn fill(out: &mut String, line_start: usize, fold: &str, charset: Charset, text: &str) {
    let (mut line_start, text_start) = (line_start, out.len());
    let clean: String = text.chars().map(|c| charset.clean(c)).collect();
    for word in clean.split(' ').filter(|word| !word.is_empty()).flat_map(pieces).scan(0, within_bound).flatten() {
        // The first word stays behind the field's name, however long it is.
        if out.len() > text_start && out.len() - line_start + 1 + word.len() > WIDTH {
            line_start = out.len() + "\r\n".len();
            out.push_str(fold);
        } else {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// Ends the words where the text would get too long.
fn within_bound<'a>(length: &mut usize, word: &'a str) -> Option<Option<&'a str>> {
    *length += word.len() + 1;
    (*length <= TEXT_LENGTH_MAX).then_some(Some(word))
}

/// A word that fits a line, or the pieces of one that does not.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let piece = &rest[..rest.floor_char_boundary(WORD_LENGTH_MAX)];
        rest = &rest[piece.len()..];
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_a_colon_at_its_end_does_not_stop_the_folding() {
        let mut out = String::new();
        field(&mut out, Charset::Ascii, "Diagnostic-Code", &format!("{}: {}", "x".repeat(800), "y".repeat(800)));
        assert!(out.split("\r\n").all(|line| line.len() <= 998), "{out}");
    }
}
