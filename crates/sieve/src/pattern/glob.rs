//! `:matches` (RFC 5228 §2.7.1): `*` is any number of characters, `?` is one, `\*`, `\?` and `\\` are themselves. Each `*` takes as
//! few as it can (RFC 5229 §3.2), which also makes matching linear in the number of stars: the first place where what follows
//! a star fits is the one, and nothing is ever tried again.

/// A pattern, cut at its stars.
#[derive(Debug, Clone)]
pub struct Glob {
    /// Between the stars: one more than there are stars.
    segments: Vec<Vec<Piece>>,
    /// Of the longest segment, and of all with the stars between them.
    longest: usize,
    length: usize,
    fold: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Char(char),
    AnyChar,
}

impl Glob {
    /// With `fold`, ASCII letters match without regard to case.
    pub fn new(pattern: &str, fold: bool) -> Glob {
        let mut segments = vec![Vec::new()];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let piece = match c {
                '*' => {
                    segments.push(Vec::new());
                    continue;
                }
                '?' => Piece::AnyChar,
                '\\' => Piece::Char(chars.next().unwrap_or('\\')),
                _ => Piece::Char(c),
            };
            if let Some(segment) = segments.last_mut() {
                segment.push(piece);
            }
        }
        let longest = segments.iter().map(Vec::len).max().unwrap_or(0);
        let length = segments.iter().map(|segment| segment.len() + 1).sum();
        Glob { segments, longest, length, fold }
    }

    /// The octets that matching this text may look at, at most.
    pub fn cost(&self, text: &str) -> usize {
        // A segment is given up at its first difference: only texts made for it make it look at all of it each time.
        text.len().saturating_mul(1 + self.longest / 4).saturating_add(self.length)
    }

    /// The memory it holds, in octets.
    pub fn memory(&self) -> usize {
        self.segments.capacity() * size_of::<Vec<Piece>>()
            + self.segments.iter().map(|segment| segment.capacity() * size_of::<Piece>()).sum::<usize>()
    }

    /// What each wildcard stands for, in their order; `None` if the text is another.
    pub fn matched<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let (first, others) = self.segments.split_first()?;
        let mut found = Vec::new();
        let mut rest = self.take(first, text, &mut found)?;
        let Some((last, middle)) = others.split_last() else { return rest.is_empty().then_some(found) };
        for segment in middle {
            rest = self.find(segment, rest, &mut found)?;
        }
        // The last segment must reach the end: its place is counted from there.
        let start = match last.len() {
            0 => rest.len(),
            length => rest.char_indices().rev().nth(length - 1)?.0,
        };
        let (star, tail) = rest.split_at_checked(start)?;
        found.push(star);
        self.take(last, tail, &mut found).filter(|rest| rest.is_empty()).map(|_| found)
    }

    /// The text after the first place of a segment; what stands before it is what the star stands for.
    fn find<'t>(&self, segment: &[Piece], text: &'t str, found: &mut Vec<&'t str>) -> Option<&'t str> {
        let known = found.len();
        for start in text.char_indices().map(|(at, _)| at).chain([text.len()]) {
            let (star, tail) = text.split_at_checked(start)?;
            found.push(star);
            if let Some(rest) = self.take(segment, tail, found) {
                return Some(rest);
            }
            found.truncate(known);
        }
        None
    }

    /// The text after a segment that stands at its start.
    fn take<'t>(&self, segment: &[Piece], text: &'t str, found: &mut Vec<&'t str>) -> Option<&'t str> {
        let mut rest = text;
        for piece in segment {
            let c = rest.chars().next()?;
            let (taken, after) = rest.split_at_checked(c.len_utf8())?;
            match piece {
                Piece::AnyChar => found.push(taken),
                Piece::Char(wanted) if *wanted == c || self.fold && wanted.eq_ignore_ascii_case(&c) => {}
                Piece::Char(_) => return None,
            }
            rest = after;
        }
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(pattern: &str, text: &str) -> Option<Vec<String>> {
        Glob::new(pattern, true).matched(text).map(|found| found.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn stars_take_as_few_as_they_can() {
        assert_eq!(matched("*,*", "a,b,c").unwrap(), ["a", "b,c"]);
        assert_eq!(matched("[*] *", "[list] hi [x] y").unwrap(), ["list", "hi [x] y"]);
        assert_eq!(matched("*a*a", "banana").unwrap(), ["b", "nan"]);
        assert_eq!(matched("a*", "a").unwrap(), [""]);
        assert_eq!(matched("**", "ab").unwrap(), ["", "ab"]);
        assert_eq!(matched("?a?*", "ñAbc").unwrap(), ["ñ", "b", "c"]);
        assert_eq!(matched("*?", "abc").unwrap(), ["ab", "c"]);
    }

    #[test]
    fn what_does_not_fit_does_not_match() {
        for (pattern, text) in
            [("a", "ab"), ("ab", "a"), ("a*b", "a"), ("*ab*ab", "ab"), ("?", ""), ("", "a"), ("\\*", "a")]
        {
            assert_eq!(matched(pattern, text), None, "{pattern} {text}");
        }
        assert!(matched("", "").is_some());
        assert!(matched("\\*\\?\\\\", "*?\\").is_some());
        assert_eq!(Glob::new("A", false).matched("a"), None);
    }
}
