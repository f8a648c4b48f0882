//! The comparators (RFC 4790, RFC 5051): which texts are the same, which is part of which, which comes first.

use std::borrow::Cow;
use std::cmp::Ordering;

use unicode_normalization::UnicodeNormalization;

use crate::program::Comparator;

/// The form of a text in which this comparator matches patterns: for `i;unicode-casemap` the folded one.
pub(crate) fn prepared(text: &str, comparator: Comparator) -> Cow<'_, str> {
    match comparator {
        Comparator::UnicodeCasemap => Cow::Owned(unicode_fold(text)),
        _ => Cow::Borrowed(text),
    }
}

pub(crate) fn equal(a: &str, b: &str, comparator: Comparator) -> bool {
    match comparator {
        Comparator::Octet => a == b,
        Comparator::AsciiCasemap => a.eq_ignore_ascii_case(b),
        Comparator::AsciiNumeric | Comparator::UnicodeCasemap => compare(a, b, comparator).is_eq(),
    }
}

pub(crate) fn contains(text: &str, part: &str, comparator: Comparator) -> bool {
    match comparator {
        Comparator::AsciiCasemap => contains_ascii(text.as_bytes(), part.as_bytes()),
        Comparator::UnicodeCasemap => unicode_fold(text).contains(&unicode_fold(part)),
        Comparator::Octet | Comparator::AsciiNumeric => text.contains(part),
    }
}

pub(crate) fn compare(a: &str, b: &str, comparator: Comparator) -> Ordering {
    match comparator {
        Comparator::Octet => a.cmp(b),
        Comparator::AsciiCasemap => {
            let fold = |text: &str| text.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>();
            fold(a).cmp(&fold(b))
        }
        Comparator::AsciiNumeric => numeric(a).cmp(&numeric(b)),
        Comparator::UnicodeCasemap => unicode_fold(a).cmp(&unicode_fold(b)),
    }
}

fn contains_ascii(text: &[u8], part: &[u8]) -> bool {
    let Some((&first, rest)) = part.split_first() else { return true };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(lower, upper, text)
        .any(|at| text.get(at + 1..at + 1 + rest.len()).is_some_and(|found| found.eq_ignore_ascii_case(rest)))
}

// RFC 4790 §9.1: the digits a text starts with; a text without is infinitely great, and equal to others without.
fn numeric(text: &str) -> (bool, usize, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = text.get(..end).unwrap_or_default();
    let significant = digits.trim_start_matches('0');
    (digits.is_empty(), significant.len(), significant)
}

// RFC 5051 §2: title case, decomposed. Upper and then lower case makes the same classes.
fn unicode_fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_ignored_where_the_comparator_says_so() {
        assert!(contains("Hello World", "O wO", Comparator::AsciiCasemap));
        assert!(!contains("Hello World", "O wO", Comparator::Octet));
        assert!(!contains("ÑANDÚ", "ñ", Comparator::AsciiCasemap));
        assert!(contains("ÑANDÚ", "nan\u{303}dú".trim_start_matches("nan\u{303}d"), Comparator::UnicodeCasemap));
        assert!(equal("ÑANDÚ", "n\u{303}andú", Comparator::UnicodeCasemap));
        assert!(!equal("aB", "ab", Comparator::Octet) && equal("aB", "Ab", Comparator::AsciiCasemap));
        assert!(contains("aab", "AB", Comparator::AsciiCasemap) && contains("", "", Comparator::AsciiCasemap));
    }

    #[test]
    fn numbers_compare_by_value() {
        let compare = |a, b| compare(a, b, Comparator::AsciiNumeric);
        assert_eq!(compare("10", "9"), Ordering::Greater);
        assert_eq!(compare("007x", "7"), Ordering::Equal);
        assert_eq!(compare("x", "99999999999999999999999"), Ordering::Greater);
        assert_eq!(compare("x", "y"), Ordering::Equal);
    }
}
