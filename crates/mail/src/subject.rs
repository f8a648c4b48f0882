//! The base subject, by which messages are sorted and threaded (RFC 5256 §2.1 and §5), exactly as its algorithm has it.

use crate::text::decode_words;

/// What is left of a subject, and whether what was taken off says that it is a reply or a forward.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseSubject {
    pub text: String,
    pub is_reply: bool,
}

/// Characters that are looked at: what a stranger makes of `[][][]…` shall not be long work.
const SUBJECT_LENGTH_MAX: usize = 4096;

/// Of a Subject field's value.
pub fn base_subject(value: &[u8]) -> BaseSubject {
    // Step 1.
    let decoded = decode_words(value);
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut text = String::with_capacity(decoded.len());
    for c in decoded.chars().take(SUBJECT_LENGTH_MAX) {
        match blank(c) {
            false => text.push(c),
            true if text.ends_with(' ') => {}
            true => text.push(' '),
        }
    }
    let mut is_reply = false;
    let base = strip(&text, &mut is_reply);
    if base.len() == text.len() {
        return BaseSubject { text, is_reply };
    }
    BaseSubject { text: base.to_owned(), is_reply }
}

/// Steps 2 to 7.
fn strip<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        text = without_trailers(text, is_reply);
        loop {
            let before = text.len();
            while let Some(rest) = text.strip_prefix(' ').or_else(|| without_leader(text, is_reply)) {
                text = rest;
            }
            if let Some(rest) = without_blob(text).filter(|rest| !rest.is_empty()) {
                text = rest;
            }
            if text.len() == before {
                break;
            }
        }
        let Some(inner) = strip_start(text, "[fwd:").and_then(|rest| rest.strip_suffix(']')) else { return text };
        *is_reply = true;
        text = inner;
    }
}

// subj-trailer = "(fwd)" / WSP
fn without_trailers<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    const FORWARDED: &str = "(fwd)";
    loop {
        text = text.trim_end_matches(' ');
        let cut = text.len().checked_sub(FORWARDED.len());
        let parts = cut.and_then(|cut| text.split_at_checked(cut));
        match parts {
            Some((rest, end)) if end.eq_ignore_ascii_case(FORWARDED) => {
                *is_reply = true;
                text = rest;
            }
            _ => return text,
        }
    }
}

// subj-leader = (*subj-blob subj-refwd) / WSP
fn without_leader<'a>(mut text: &'a str, is_reply: &mut bool) -> Option<&'a str> {
    while let Some(rest) = without_blob(text) {
        text = rest;
    }
    let rest = without_reply(text)?;
    *is_reply = true;
    Some(rest)
}

// subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
fn without_reply(text: &str) -> Option<&str> {
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| strip_start(text, word))?;
    let rest = rest.trim_start_matches(' ');
    without_blob(rest).unwrap_or(rest).strip_prefix(':')
}

// subj-blob = "[" *BLOBCHAR "]" *WSP ; BLOBCHAR = any but "[" and "]"
fn without_blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    Some(inner.get(end..)?.strip_prefix(']')?.trim_start_matches(' '))
}

fn strip_start<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_programs_add_is_taken_off() {
        for (subject, base, is_reply) in [
            (" hola", "hola", false),
            ("", "", false),
            ("Re: hola", "hola", true),
            ("RE : hola", "hola", true),
            ("re[2]: hola", "hola", true),
            ("Re [2] : hola", "hola", true),
            ("Fwd: Re: fw: hola (fwd) (FWD) ", "hola", true),
            ("[list] Re: [list] hola", "hola", true),
            ("[list] hola", "hola", false),
            ("[list]", "[list]", false),
            ("[a] [b]", "[b]", false),
            ("[a][b]Re: x", "x", true),
            ("[fwd: hola]", "hola", true),
            ("[Fwd: [Fwd: Re: hola]] (fwd)", "hola", true),
            ("[Fwd: hola] x", "x", false),
            ("Rex: hola", "Rex: hola", false),
            ("Re:", "", true),
            ("a\t b\r\n  c", "a b c", false),
            ("=?utf-8?q?Re=3A_A=C3=B1o?= =?utf-8?q?_nuevo?=", "Año nuevo", true),
            ("[x", "[x", false),
            ("(fwd)", "", true),
            ("re[a[: b", "re[a[: b", false),
        ] {
            let expected = BaseSubject { text: base.to_owned(), is_reply };
            assert_eq!(base_subject(subject.as_bytes()), expected, "{subject:?}");
        }
    }

    proptest! {
        #[test]
        fn a_base_subject_is_its_own(subject in "(Re:|fwd?|\\[|\\]|:|\\(fwd\\)| |a|é){0,12}") {
            let once = base_subject(subject.as_bytes()).text;
            prop_assert_eq!(&base_subject(once.as_bytes()).text, &once);
        }
    }

    #[test]
    fn of_a_subject_without_end_the_beginning_counts() {
        let endless = "[]".repeat(200_000);
        assert!(base_subject(endless.as_bytes()).text.len() <= SUBJECT_LENGTH_MAX);
    }
}
