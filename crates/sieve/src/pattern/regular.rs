//! `:regex` (draft-murchison-sieve-regex): POSIX extended regular expressions, run by an engine whose time is linear in the text
//! whatever the expression is. Of several ways to match it takes the leftmost and of those the first, not the longest; this shows
//! in match variables of alternatives only.

use regex_automata::meta::{BuildError, Cache, Config, Regex as Engine};
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax;
use regex_automata::{Input, Span};

/// The longest expression, in octets.
pub const REGEX_LENGTH_MAX: usize = 4096;
/// The most memory of one compiled expression as a machine, in octets. The engine holds a second machine, which reads backwards.
pub const REGEX_SIZE_MAX: usize = 256 << 10;
const REGEX_NESTING_MAX: u32 = 64;
/// The most groups that leave something in match variables; the others only group. While it searches, the engine holds a place for
/// each in each state.
const GROUPS_MAX: usize = crate::check::MATCH_VARIABLE_MAX;
/// What an octet of the text costs beside a plain comparison, for the smallest expression.
const REGEX_COST: usize = 8;
/// So many octets of the compiled expression make each octet of the text cost one more.
const MEMORY_PER_COST: usize = 128;

/// An expression ready to be used. It holds no memory of earlier searches.
#[derive(Debug, Clone)]
pub struct Regex(Engine);

/// Compiles an expression.
///
/// # Errors
/// What is wrong with it.
pub fn compile(expression: &str, fold: bool) -> Result<Regex, String> {
    if expression.len() > REGEX_LENGTH_MAX {
        return Err("the expression is too long".to_owned());
    }
    let bounds = Config::new()
        .nfa_size_limit(Some(REGEX_SIZE_MAX))
        .hybrid_cache_capacity(REGEX_SIZE_MAX)
        // Its table may be many times as large as the machine.
        .onepass(false);
    let syntax = syntax::Config::new().case_insensitive(fold).nest_limit(REGEX_NESTING_MAX);
    let engine = Engine::builder().configure(bounds).syntax(syntax).build(&from_posix(expression)).map_err(reason)?;
    let regex = Regex(engine);
    if regex.groups() > GROUPS_MAX {
        return Err("the expression has too many groups".to_owned());
    }
    Ok(regex)
}

impl Regex {
    /// The memory it holds, in octets.
    pub fn memory(&self) -> usize {
        self.0.memory_usage()
    }

    /// How many groups leave something.
    pub fn groups(&self) -> usize {
        // The first is the whole match.
        self.0.captures_len() - 1
    }

    /// What searching in a text costs, as octets of a plain comparison. A step may lead into all states of the machine.
    pub fn cost(&self, text: &str) -> usize {
        text.len().saturating_add(1).saturating_mul(REGEX_COST + self.memory() / MEMORY_PER_COST)
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.0.search_half_with(&mut self.cache(), &Input::new(text).earliest(true)).is_some()
    }

    /// What the whole and each group stand for, empty where a group is not part of the match.
    pub fn captures<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut found: Captures = self.0.create_captures();
        self.0.search_captures_with(&mut self.cache(), &Input::new(text), &mut found);
        let part = |span: Option<Span>| span.and_then(|span| text.get(span.start..span.end)).unwrap_or_default();
        found.is_match().then(|| found.iter().map(part).collect())
    }

    // Not the engine's own pool, which keeps one for each thread as long as the expression lives.
    fn cache(&self) -> Cache {
        self.0.create_cache()
    }
}

/// One line of what the engine says, which is the one with the reason.
fn reason(error: BuildError) -> String {
    match error.syntax_error() {
        Some(wrong) => wrong.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        None => "the expression is too big".to_owned(),
    }
}

/// The same in the syntax of the engine: between brackets a backslash and what the engine gives a meaning there are plain.
fn from_posix(expression: &str) -> String {
    let mut translated = String::with_capacity(expression.len());
    let mut groups = 0;
    let mut chars = expression.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => escaped(&mut chars, &mut translated),
            '[' => {
                translated.push('[');
                // POSIX: a bracket that comes first, or after the circumflex, is one of the characters.
                translated.extend(chars.next_if_eq(&'^'));
                if chars.next_if_eq(&']').is_some() {
                    translated.push_str("\\]");
                }
                bracket(&mut chars, &mut translated);
            }
            '(' => {
                groups += 1;
                let only_groups = groups > GROUPS_MAX && chars.peek() != Some(&'?');
                translated.push_str(if only_groups { "(?:" } else { "(" });
            }
            _ => translated.push(c),
        }
    }
    translated
}

/// What follows a backslash. The classes that POSIX does not have are of ASCII, as glibc has them for Pigeonhole; the engine's own
/// are of Unicode, with tables of many kilobytes for each.
fn escaped(chars: &mut impl Iterator<Item = char>, translated: &mut String) {
    let Some(c) = chars.next() else { return translated.push('\\') };
    match c {
        'w' => translated.push_str("[[:alnum:]_]"),
        'W' => translated.push_str("[^[:alnum:]_]"),
        's' => translated.push_str("[[:space:]]"),
        'S' => translated.push_str("[^[:space:]]"),
        'd' => translated.push_str("[0-9]"),
        'D' => translated.push_str("[^0-9]"),
        'b' => translated.push_str("(?-u:\\b)"),
        '<' => translated.push_str("(?-u:\\b{start})"),
        '>' => translated.push_str("(?-u:\\b{end})"),
        _ => translated.extend(['\\', c]),
    }
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
    fn classes_are_of_ascii() {
        for (expression, text, matches) in [
            (r"^\w+\s\d\S\D\W$", "a_1 2xy!", true),
            (r"^\w$", "ñ", false),
            (r"^\W$", "ñ", true),
            (r"\bcat\b", "a cat!", true),
            (r"\bcat\b", "concat", false),
            (r"\<cat\>", "a cat", true),
            (r"\<cat\>", "cats", false),
            (r"a\\", r"a\", true),
        ] {
            assert_eq!(compile(expression, false).unwrap().is_match(text), matches, "{expression}");
        }
        assert!(compile("a\\", false).is_err());
    }

    #[test]
    fn case_is_the_comparators_matter() {
        assert!(compile("abc", true).unwrap().is_match("xABC"));
        assert!(!compile("abc", false).unwrap().is_match("xABC"));
    }

    #[test]
    fn usual_expressions_are_small_enough() {
        for expression in [
            r"^\[[^]]+\] (.*)$",
            r"^.*[[:alpha:]]+@([[:alnum:]-]+\.)+example\.com$",
            r"\w+@\w+\.\w{2,}",
            r"(\$|€|EUR|USD) ?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]{2})?",
            r"^(Re|RE|re|Fwd|FW|AW|WG|TR)(\[[0-9]+\])?: *",
            r"\bviagra\b|\bcialis\b|\blevitra\b|v[i1!|]agra",
            r"^[^@]{1,64}@[^@.]{1,63}(\.[^@.]{1,63})+$",
            r"(\+?[0-9]{1,3}[ .-]?)?(\([0-9]{1,4}\)[ .-]?)?[0-9]{3,4}[ .-]?[0-9]{3,4}",
        ] {
            for fold in [false, true] {
                let compiled = compile(expression, fold);
                assert!(compiled.is_ok(), "{expression}: {compiled:?}");
            }
        }
    }

    #[test]
    fn expressions_are_bounded() {
        let regex = compile(&"(a)".repeat(GROUPS_MAX + 2), false).unwrap();
        assert_eq!(regex.captures(&"a".repeat(GROUPS_MAX + 2)).unwrap().len(), GROUPS_MAX + 1);
        assert!(compile(&"(?P<a>x)".repeat(GROUPS_MAX + 2), false).is_err());
        let named: String = (0..=GROUPS_MAX).map(|number| format!("(?P<a{number}>x)")).collect();
        assert_eq!(compile(&named, false).unwrap_err(), "the expression has too many groups");
        assert_eq!(compile(&"a".repeat(REGEX_LENGTH_MAX + 1), false).unwrap_err(), "the expression is too long");
        assert_eq!(compile("((a{100}){100}){100}", false).unwrap_err(), "the expression is too big");
        assert!(compile(&"(".repeat(1000), false).is_err());
        assert!(compile("(", false).unwrap_err().contains("unclosed group"));
    }
}
