//! The patterns of LIST and LSUB (RFC 3501 §6.3.8): `*` stands for anything, `%` for anything but the separator.
//!
//! Compared in modified UTF-7, as the client writes both. The time is bounded by pattern length times name length.

use mail::MailboxName;
use mail::mailbox_name::SEPARATOR;
use mail::namespace::Separator;

/// A pattern with its reference may be this long.
pub const PATTERN_LENGTH_MAX: usize = 1024;
/// One LIST may have this many.
pub const PATTERNS_MAX: usize = 32;

const INBOX: &[u8] = b"INBOX";

#[derive(Debug)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// The reference is what stands before the pattern (RFC 3501 §6.3.8, "canonical form").
    pub fn new(reference: &[u8], pattern: &[u8], separator: Separator) -> Pattern {
        let mut whole = [reference, pattern].concat();
        if separator == Separator::Dot {
            whole.iter_mut().for_each(|byte| match byte {
                b'.' => *byte = SEPARATOR as u8,
                // In no name of such a client there is a slash; nor, in any, this octet.
                b'/' => *byte = 0,
                _ => {}
            });
        }
        // Wildcards in a row are the strongest of them: no work that a client can multiply.
        whole.dedup_by(|next, before| {
            let both = matches!(next, b'*' | b'%') && matches!(before, b'*' | b'%');
            if both && *next == b'*' {
                *before = b'*';
            }
            both
        });
        Pattern(whole)
    }

    /// Whether this name, or one below it, may match. Asked before work is done for them: a yes may be wrong, a no never is.
    pub fn may_match_below(&self, root: &MailboxName) -> bool {
        let (root, head) = (root.to_mutf7(), self.head());
        let begins_with =
            |whole: &[u8], head: &[u8]| whole.get(..head.len()).is_some_and(|w| w.eq_ignore_ascii_case(head));
        let has_wildcard = head.len() < self.0.len();
        begins_with(head, root.as_bytes()) || (has_wildcard && begins_with(root.as_bytes(), head))
    }

    /// Whether it asks for this name, or names below it, by their beginning.
    pub fn spells(&self, root: &MailboxName) -> bool {
        let (root, head) = (root.to_mutf7(), self.head());
        head.get(..root.len()).is_some_and(|head| head.eq_ignore_ascii_case(root.as_bytes()))
    }

    /// Whether it begins with something else than a wildcard.
    pub fn begins_plainly(&self) -> bool {
        !self.head().is_empty()
    }

    pub fn has_percent(&self) -> bool {
        self.0.contains(&b'%')
    }

    /// What stands before the first wildcard.
    fn head(&self) -> &[u8] {
        let wildcard = self.0.iter().position(|byte| matches!(byte, b'*' | b'%'));
        &self.0[..wildcard.unwrap_or(self.0.len())]
    }

    pub fn matches(&self, name: &MailboxName) -> bool {
        let encoded = name.to_mutf7();
        let name = encoded.as_bytes();
        // RFC 3501 §5.1: INBOX is written in any case, also above other names.
        let any_case = if name.split(|byte| *byte == SEPARATOR as u8).next() == Some(INBOX) { INBOX.len() } else { 0 };
        let same = |at: usize, byte: u8| {
            name.get(at).is_some_and(|have| *have == byte || (at < any_case && have.eq_ignore_ascii_case(&byte)))
        };
        // reached[i]: the pattern so far fits the first i octets of the name.
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        for byte in &self.0 {
            reached = match byte {
                b'*' => spread(&reached, |_| true),
                b'%' => spread(&reached, |at| name[at] != SEPARATOR as u8),
                byte => {
                    let one_on = (0..name.len()).map(|at| reached[at] && same(at, *byte));
                    std::iter::once(false).chain(one_on).collect()
                }
            };
        }
        reached[name.len()]
    }
}

/// What a wildcard reaches that may pass over the octets that `passes` allows.
fn spread(reached: &[bool], passes: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut next = reached.to_vec();
    for at in 1..next.len() {
        next[at] |= next[at - 1] && passes(at - 1);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_for_a_name_only_if_it_may_match() {
        let root = MailboxName::parse("shared").unwrap();
        for (reference, pattern, may) in [
            ("", "*", true),
            ("", "%", true),
            ("", "sh%", true),
            ("shared/", "*", true),
            ("", "shared", true),
            ("", "shared/ana/%", true),
            ("", "INBOX", false),
            ("", "share", false),
            ("", "SHARED/%", true),
            ("", "Work/*", false),
            ("", "", false),
        ] {
            assert_eq!(pattern_of(reference, pattern).may_match_below(&root), may, "{pattern}");
        }
    }

    #[test]
    fn wildcards_stand_for_what_the_rfc_says() {
        for (pattern, name, expected) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%/%", "a/b", true),
            ("a/*", "a", false),
            ("a*", "a", true),
            ("a%c", "abc", true),
            ("a%c", "a/c", false),
            ("*%*", "a/b/c", true),
            ("inbox", "INBOX", true),
            ("In%", "INBOX/x", false),
            ("inbox/X", "INBOX/x", false),
            ("abox", "aBOX", false),
            ("A&APE-os", "Años", true),
            ("", "a", false),
        ] {
            let name = MailboxName::parse(name).unwrap();
            assert_eq!(pattern_of("", pattern).matches(&name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_reference_stands_before_the_pattern() {
        let name = MailboxName::parse("a/b").unwrap();
        assert!(pattern_of("a/", "%").matches(&name));
        assert!(!pattern_of("b/", "%").matches(&name));
    }

    #[test]
    fn who_is_told_a_dot_writes_dots() {
        let name = MailboxName::parse("INBOX/a/b").unwrap();
        for (pattern, expected) in [("inbox.%.b", true), ("INBOX.%", false), ("INBOX.*", true), ("INBOX/a/b", false)] {
            assert_eq!(Pattern::new(b"", pattern.as_bytes(), Separator::Dot).matches(&name), expected, "{pattern}");
        }
    }

    #[test]
    fn a_namespace_is_spelt_by_its_prefix() {
        let root = MailboxName::parse("INBOX").unwrap();
        for (pattern, expected) in [("inbox/%", true), ("INBOX", true), ("%", false), ("IN*", false)] {
            assert_eq!(pattern_of("", pattern).spells(&root), expected, "{pattern}");
        }
    }

    fn pattern_of(reference: &str, pattern: &str) -> Pattern {
        Pattern::new(reference.as_bytes(), pattern.as_bytes(), Separator::Slash)
    }
}
