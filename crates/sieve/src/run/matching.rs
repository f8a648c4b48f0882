//! Values against keys (RFC 5228 §2.7), and what wildcards leave in match variables (RFC 5229 §3.2).

use std::borrow::Cow;
use std::sync::Arc;

use crate::Extension;
use crate::check::ready;
use crate::compare::{compare, fold_cost, folded, prepared};
use crate::pattern::{Pattern, REGEX_SIZE_MAX};
use crate::program::{Comparator, Key, MatchKind, Matching};

use super::work::COMPARISON_COST;
use super::{Ran, Run};

/// Regular expressions made at run time that are kept for the rest of the run.
const REGEXES_KEPT_MAX: usize = 16;

impl Run<'_, '_> {
    /// Whether a value fits a key.
    pub(super) fn matches(&mut self, matching: &Matching, values: &[Cow<'_, str>]) -> Ran<bool> {
        if let MatchKind::Count(_) = matching.kind {
            // RFC 5231 §3.2: how many there are, compared as a string by the comparator.
            return self.any_key(matching, &values.len().to_string());
        }
        for value in values {
            let fits = match matching.kind {
                MatchKind::Matches | MatchKind::Regex => self.any_pattern(matching, value)?,
                _ => self.any_key(matching, value)?,
            };
            if fits {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a value fits a key that is compared as it is.
    fn any_key(&mut self, matching: &Matching, value: &str) -> Ran<bool> {
        let comparator = matching.comparator;
        self.work(value.len() * fold_cost(comparator))?;
        let value = folded(value, comparator);
        for key in &matching.keys {
            let key = self.expand(&key.text)?;
            // Where one is looked for within the other, or numbers in both, both are read; else no more than the shorter one.
            let reads_both = matching.kind == MatchKind::Contains || comparator == Comparator::AsciiNumeric;
            let looked_at = if reads_both { value.len() + key.len() } else { value.len().min(key.len()) };
            self.work(COMPARISON_COST + looked_at + key.len() * fold_cost(comparator))?;
            let key = folded(&key, comparator);
            let fits = match matching.kind {
                MatchKind::Contains => value.contains(&*key),
                MatchKind::Value(relation) | MatchKind::Count(relation) => {
                    relation.holds(compare(&value, &key, comparator))
                }
                _ => compare(&value, &key, comparator).is_eq(),
            };
            if fits {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn any_pattern(&mut self, matching: &Matching, value: &str) -> Ran<bool> {
        self.work(value.len() * fold_cost(matching.comparator))?;
        let value = prepared(value, matching.comparator);
        for key in &matching.keys {
            let pattern = self.pattern(key, matching.kind, matching.comparator)?;
            let Some(pattern) = pattern.as_deref() else { continue };
            if self.pattern_matches(pattern, &value)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn pattern<'p>(&mut self, key: &'p Key, kind: MatchKind, comparator: Comparator) -> Ran<Option<CowPattern<'p>>> {
        if let Some(pattern) = &key.pattern {
            return Ok(Some(CowPattern::Ready(pattern)));
        }
        let text = self.expand(&key.text)?.into_owned();
        if kind != MatchKind::Regex {
            // What it holds is a few times as long as the text.
            self.made(text.len() * 4)?;
            return Ok(ready(&text, kind, comparator)
                .ok()
                .flatten()
                .map(|pattern| CowPattern::Made(Arc::new(pattern))));
        }
        let made = match self.regexes.get(&(text.clone(), comparator)) {
            Some(made) => made.clone(),
            None => self.compiled(text, comparator)?,
        };
        Ok(made.map(CowPattern::Made))
    }

    /// A regular expression made now. One that is used again in this run is not made again.
    fn compiled(&mut self, text: String, comparator: Comparator) -> Ran<Option<Arc<Pattern>>> {
        self.work(REGEX_SIZE_MAX)?;
        let made = match ready(&text, MatchKind::Regex, comparator) {
            Ok(pattern) => pattern.map(Arc::new),
            // One made of variables may come from the message: it matches nothing, and the script goes on.
            Err(reason) => {
                let text = format!("invalid regular expression '{text:.64}' for regex match: {reason}");
                self.world.log(self.line, &text);
                None
            }
        };
        if self.regexes.len() >= REGEXES_KEPT_MAX {
            self.regexes.clear();
        }
        self.regexes.insert((text, comparator), made.clone());
        Ok(made)
    }

    fn pattern_matches(&mut self, pattern: &Pattern, value: &str) -> Ran<bool> {
        match pattern {
            Pattern::Glob(glob) => {
                self.work(COMPARISON_COST + glob.cost(value))?;
                let Some(found) = glob.matched(value) else { return Ok(false) };
                self.remember(std::iter::once(value).chain(found))?;
            }
            Pattern::Regex(regex) => {
                self.work(regex.cost(value))?;
                if !self.has(Extension::Variables) {
                    return Ok(regex.is_match(value));
                }
                let Some(found) = regex.captures(value) else { return Ok(false) };
                self.remember(found.into_iter())?;
            }
        }
        Ok(true)
    }

    fn remember<'v>(&mut self, values: impl Iterator<Item = &'v str>) -> Ran<()> {
        if self.has(Extension::Variables) {
            let length_max = self.limits.variable_size_max;
            let cut =
                |value: &'v str| value.get(..value.floor_char_boundary(length_max)).unwrap_or_default().to_owned();
            self.matched = values.take(crate::check::MATCH_VARIABLE_MAX + 1).map(cut).collect();
            self.made(self.matched.iter().map(String::len).sum())?;
        }
        Ok(())
    }
}

/// A pattern made with the script, or just now.
enum CowPattern<'p> {
    Ready(&'p Pattern),
    Made(Arc<Pattern>),
}

impl std::ops::Deref for CowPattern<'_> {
    type Target = Pattern;

    fn deref(&self) -> &Pattern {
        match self {
            CowPattern::Ready(pattern) => pattern,
            CowPattern::Made(pattern) => pattern,
        }
    }
}
