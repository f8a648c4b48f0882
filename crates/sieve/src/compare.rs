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

/// The form of a text in which this comparator compares: made once for a value that many keys are held against.
pub(crate) fn folded(text: &str, comparator: Comparator) -> Cow<'_, str> {
    match comparator {
        Comparator::Octet | Comparator::AsciiNumeric => Cow::Borrowed(text),
        Comparator::AsciiCasemap if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Cow::Owned(text.to_ascii_lowercase())
        }
        Comparator::AsciiCasemap => Cow::Borrowed(text),
        Comparator::UnicodeCasemap => Cow::Owned(unicode_fold(text)),
    }
}

/// What folding an octet costs beside looking at it.
pub(crate) fn fold_cost(comparator: Comparator) -> usize {
    match comparator {
        Comparator::Octet | Comparator::AsciiNumeric => 0,
        Comparator::AsciiCasemap => 1,
        Comparator::UnicodeCasemap => UNICODE_FOLD_COST,
    }
}

/// Letters are decomposed, which may make several of one.
const UNICODE_FOLD_COST: usize = 32;

/// The order of two texts that are folded.
pub(crate) fn compare(a: &str, b: &str, comparator: Comparator) -> Ordering {
    match comparator {
        Comparator::AsciiNumeric => numeric(a).cmp(&numeric(b)),
        _ => a.cmp(b),
    }
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
        let contains = |text, part, comparator| folded(text, comparator).contains(&*folded(part, comparator));
        let equal = |a, b, comparator| compare(&folded(a, comparator), &folded(b, comparator), comparator).is_eq();
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
