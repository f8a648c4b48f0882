//! `:regex` (draft-murchison-sieve-regex): POSIX extended regular expressions, run by an engine whose time is linear in the text
//! whatever the expression is. Of several ways to match it takes the leftmost and of those the first, not the longest; this shows
//! in match variables of alternatives only.

use regex::{Regex, RegexBuilder};

/// The longest expression, in octets.
pub const REGEX_LENGTH_MAX: usize = 4096;
/// The most memory of one compiled expression, in octets.
pub const REGEX_SIZE_MAX: usize = 1 << 20;
const REGEX_NESTING_MAX: u32 = 64;

/// An expression ready to be used, or what is wrong with it.
pub fn compile(expression: &str, fold: bool) -> Result<Regex, String> {
    if expression.len() > REGEX_LENGTH_MAX {
        return Err("the expression is too long".to_owned());
    }
    RegexBuilder::new(&from_posix(expression))
        .case_insensitive(fold)
        .size_limit(REGEX_SIZE_MAX)
        .dfa_size_limit(REGEX_SIZE_MAX)
        .nest_limit(REGEX_NESTING_MAX)
        .build()
        .map_err(reason)
}

/// One line of what the engine says, which is the one with the reason.
fn reason(error: regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "the expression is too big".to_owned(),
        error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    }
}

/// The same in the syntax of the engine: between brackets a backslash and what the engine gives a meaning there are plain.
fn from_posix(expression: &str) -> String {
    let mut translated = String::with_capacity(expression.len());
    let mut chars = expression.chars().peekable();
    while let Some(c) = chars.next() {
        translated.push(c);
        match c {
            '\\' => translated.extend(chars.next()),
            '[' => {
                // POSIX: a bracket that comes first, or after the circumflex, is one of the characters.
                translated.extend(chars.next_if_eq(&'^'));
                if chars.next_if_eq(&']').is_some() {
                    translated.push_str("\\]");
                }
                bracket(&mut chars, &mut translated);
            }
            _ => {}
        }
    }
    translated
}

fn bracket(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, translated: &mut String) {
    while let Some(c) = chars.next() {
        match c {
            ']' => return translated.push(']'),
            '[' if chars.next_if_eq(&':').is_some() => {
                translated.push_str("[:");
                // The name of a class, up to its own end.
                while let Some(c) = chars.next() {
                    translated.push(c);
                    if c == ':' && chars.next_if_eq(&']').is_some() {
                        translated.push(']');
                        break;
                    }
                }
            }
            '[' | '\\' | '&' | '~' => translated.extend(['\\', c]),
            _ => translated.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posix_brackets_mean_what_posix_says() {
        for (expression, text, matches) in [
            ("^[]a]+$", "]a]", true),
            ("^[^]]$", "]", false),
            ("^[[:digit:]x]+$", "12x", true),
            (r"^[\.]+$", r"\.", true),
            (r"^a\.b$", "a.b", true),
            (r"^a\.b$", "axb", false),
            ("^[a&&b]+$", "a&b", true),
        ] {
            assert_eq!(compile(expression, false).unwrap().is_match(text), matches, "{expression}");
        }
    }

    #[test]
    fn case_is_the_comparators_matter() {
        assert!(compile("abc", true).unwrap().is_match("xABC"));
        assert!(!compile("abc", false).unwrap().is_match("xABC"));
    }

    #[test]
    fn expressions_are_bounded() {
        assert_eq!(compile(&"a".repeat(REGEX_LENGTH_MAX + 1), false).unwrap_err(), "the expression is too long");
        assert_eq!(compile("((a{100}){100}){100}", false).unwrap_err(), "the expression is too big");
        assert!(compile(&"(".repeat(1000), false).is_err());
        assert!(compile("(", false).unwrap_err().contains("unclosed group"));
    }
}
