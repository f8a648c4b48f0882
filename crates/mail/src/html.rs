//! The text of an HTML document, for looking at and for searching: tags are blanks, what is no text is left out, entities are
//! characters. No parser of HTML: it takes anything, in one pass.

/// Elements whose content nobody reads.
const SILENT: &[&str] = &["script", "style"];
/// The longest name between `&` and `;` that is looked up.
const ENTITY_LENGTH_MAX: usize = 12;

/// Entities that are met in mail.
const ENTITIES: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("euro", '€'),
    ("pound", '£'),
    ("cent", '¢'),
    ("yen", '¥'),
    ("sect", '§'),
    ("deg", '°'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("hellip", '…'),
    ("bull", '•'),
    ("middot", '·'),
    ("iexcl", '¡'),
    ("iquest", '¿'),
    ("szlig", 'ß'),
];

/// Letters with a mark: the name of the mark follows the letter in the entity's (`&eacute;`).
const MARKS: &[(&str, &str, &str)] = &[
    ("grave", "aeiouAEIOU", "àèìòùÀÈÌÒÙ"),
    ("acute", "aeiouyAEIOUY", "áéíóúýÁÉÍÓÚÝ"),
    ("circ", "aeiouAEIOU", "âêîôûÂÊÎÔÛ"),
    ("uml", "aeiouyAEIOU", "äëïöüÿÄËÏÖÜ"),
    ("tilde", "anoANO", "ãñõÃÑÕ"),
    ("cedil", "cC", "çÇ"),
    ("ring", "aA", "åÅ"),
    ("slash", "oO", "øØ"),
];

/// The text of a document.
pub fn to_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut quotes: usize = 0;
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&', '\n']) {
        let (before, found) = rest.split_at(at);
        text.push_str(before);
        rest = match found.as_bytes().first() {
            Some(b'<') => tag(found, &mut text, &mut quotes),
            Some(b'&') => entity(found, &mut text),
            _ => {
                line_end(&mut text, quotes);
                found.get(1..).unwrap_or_default()
            }
        };
    }
    text.push_str(rest);
    text
}

/// What a tag at the start leaves of itself, and what comes after it.
fn tag<'h>(html: &'h str, text: &mut String, quotes: &mut usize) -> &'h str {
    if let Some(comment) = html.strip_prefix("<!--") {
        return comment.split_once("-->").map_or("", |(_, after)| after);
    }
    let inside = html.get(1..).unwrap_or_default();
    let is_tag = inside.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
    if !is_tag {
        text.push('<');
        return inside;
    }
    let length = tag_length(inside);
    let (inside, after) = inside.split_at(length);
    let name = inside.trim_end_matches('>').split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
    let name = name.trim_end_matches('/').to_ascii_lowercase();
    match name.as_str() {
        "blockquote" => {
            *quotes += 1;
            line_end(text, *quotes);
        }
        "/blockquote" => {
            *quotes = quotes.saturating_sub(1);
            line_end(text, *quotes);
        }
        _ => blank(text),
    }
    match SILENT.iter().find(|silent| **silent == name) {
        Some(silent) => after_element(after, silent),
        None => after,
    }
}

/// Up to the `>` that ends the tag: one within quotes is part of a value.
fn tag_length(inside: &str) -> usize {
    let mut quote = None;
    for (at, byte) in inside.bytes().enumerate() {
        match (byte, quote) {
            (b'>', None) => return at + 1,
            (b'"' | b'\'', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            _ => {}
        }
    }
    inside.len()
}

fn after_element<'h>(html: &'h str, name: &str) -> &'h str {
    let mut rest = html;
    while let Some((_, found)) = rest.split_once("</") {
        if found.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return found.split_once('>').map_or("", |(_, after)| after);
        }
        rest = found;
    }
    ""
}

fn entity<'h>(html: &'h str, text: &mut String) -> &'h str {
    let inside = html.get(1..).unwrap_or_default();
    let nearby = inside.get(..inside.floor_char_boundary(ENTITY_LENGTH_MAX)).unwrap_or_default();
    let named = nearby.find(';').map(|end| inside.split_at(end));
    let Some((name, after)) =
        named.filter(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#'))
    else {
        text.push('&');
        return inside;
    };
    text.extend(character(name));
    after.get(1..).unwrap_or_default()
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return code.ok().and_then(char::from_u32).filter(|c| *c != '\0');
    }
    let known = ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, character)| *character);
    known.or_else(|| {
        let letter = name.chars().next()?;
        let (_, letters, marked) = MARKS.iter().find(|(mark, _, _)| name.get(1..) == Some(mark))?;
        marked.chars().nth(letters.find(letter)?)
    })
}

/// One blank between what stood before and after a tag.
fn blank(text: &mut String) {
    if text.ends_with(|c: char| !c.is_whitespace()) {
        text.push(' ');
    }
}

fn line_end(text: &mut String, quotes: usize) {
    while text.ends_with([' ', '\t', '\r']) {
        text.pop();
    }
    if text.is_empty() && quotes == 0 {
        return;
    }
    text.push('\n');
    text.extend(std::iter::repeat_n("> ", quotes.min(QUOTES_MAX)));
}

/// How many quotations within each other are shown as such.
const QUOTES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_read_is_left() {
        for (html, expected) in [
            ("<b>bold</b> words", "bold  words"),
            ("<p>text &amp; more</p>", "text & more "),
            ("<title>t</title><style>p {}</style><SCRIPT a='>'>if (a</b) x</script ><p>a", "t a"),
            (
                "a<!-- <b> -->b 1 < 2 &lt;x&gt; &unknown; & &#233;&#xE9;&eacute;&Ntilde;&oslash;",
                "ab 1 < 2 <x>  & éééÑø",
            ),
            ("said<blockquote>q</blockquote>yes", "said\n> q\nyes"),
            ("a<br>\nb", "a\nb"),
            ("<a title=\"a > b\">c", "c"),
            ("<script>never ended", ""),
            ("a&nbsp;b", "a\u{a0}b"),
            ("<", "<"),
        ] {
            assert_eq!(to_text(html), expected, "{html}");
        }
    }

    #[test]
    fn quotations_in_quotations_stay_small() {
        let deep = to_text(&"<blockquote>".repeat(10_000));
        assert!(deep.len() < 10_000 * (1 + 2 * QUOTES_MAX) + 1);
    }

    proptest! {
        #[test]
        fn anything_has_a_text(html in "[ -~ñ\n<>&;/#\"']{0,200}") {
            to_text(&html);
        }
    }
}
