//! How values are compared: match type, comparator and keys (RFC 5228 §2.7, RFC 5231).

use crate::extension::Extension;
use crate::pattern::{self, Glob, Pattern};
use crate::program::{Comparator, Fields, Index, Key, MatchKind, Matching, Relation, Texts};
use crate::syntax::{Argument, Value};

use super::Checker;
use super::bind::{Bound, strings};

/// Comparators, with the extension that brings them; the first two are always there (RFC 5228 §2.7.3).
const COMPARATORS: &[(&str, Comparator, Option<Extension>)] = &[
    ("i;octet", Comparator::Octet, None),
    ("i;ascii-casemap", Comparator::AsciiCasemap, None),
    ("i;ascii-numeric", Comparator::AsciiNumeric, Some(Extension::AsciiNumeric)),
    ("i;unicode-casemap", Comparator::UnicodeCasemap, Some(Extension::UnicodeCasemap)),
];

impl Checker<'_> {
    /// Comparator and match type of the tags, with the next positional argument as keys.
    pub(super) fn matching(&mut self, bound: &mut Bound) -> Option<Matching> {
        self.matching_with(bound, Comparator::AsciiCasemap)
    }

    /// The same where the comparator is another unless one is given.
    pub(super) fn matching_with(&mut self, bound: &mut Bound, default: Comparator) -> Option<Matching> {
        let comparator = self.comparator(bound, default);
        let kind = self.match_kind(bound);
        let (comparator, kind) = (comparator?, kind?);
        let tag = match kind {
            MatchKind::Contains => "contains",
            MatchKind::Matches => "matches",
            MatchKind::Regex => "regex",
            _ => "",
        };
        if comparator == Comparator::AsciiNumeric && !tag.is_empty() {
            let text = format!(
                "the specified i;ascii-numeric comparator does not support sub-string matching as required by the :{tag} match type."
            );
            return self.error(bound.at, text);
        }
        let keys = bound.next();
        Some(Matching { comparator, kind, keys: self.keys(keys, kind, comparator)? })
    }

    /// `:index` and `:last` (RFC 5260 §6).
    pub(super) fn index(&mut self, bound: &mut Bound) -> Option<Option<Index>> {
        let name = bound.name();
        match (bound.take_number("index"), bound.has("last")) {
            (Some(0), _) => self.error(bound.at, format!("the :index tag for the {name} cannot be zero.")),
            (Some(number), from_last) => Some(Some(Index { number, from_last })),
            (None, false) => Some(None),
            (None, true) => {
                let text = format!("the :last tag for the {name} cannot be specified without the :index tag.");
                self.error(bound.at, text)
            }
        }
    }

    /// Header names, the next positional argument, with the index of the tags.
    pub(super) fn fields(&mut self, bound: &mut Bound) -> Option<Fields> {
        let index = self.index(bound);
        let at = bound.at;
        let names = self.next_texts(bound);
        self.judge_names(at, &names);
        Some(Fields { names, index: index? })
    }

    pub(super) fn judge_names(&mut self, at: crate::Position, names: &Texts) {
        for name in names.iter().filter_map(|name| name.constant()).filter(|name| !is_field_name(name)) {
            self.problems.warning(at, format!("specified header field name '{name}' is invalid."));
        }
    }

    fn comparator(&mut self, bound: &mut Bound, default: Comparator) -> Option<Comparator> {
        let Some(argument) = bound.take("comparator") else { return Some(default) };
        let Value::Text(name) = argument.value else { return None };
        let known = COMPARATORS
            .iter()
            .find(|(known, _, _)| *known == name)
            .filter(|(_, _, extension)| extension.is_none_or(|extension| self.extensions.contains(extension)));
        match known {
            Some((_, comparator, _)) => Some(*comparator),
            None => self.error(argument.at, format!("unknown comparator '{name}'.")),
        }
    }

    fn match_kind(&mut self, bound: &mut Bound) -> Option<MatchKind> {
        for (tag, kind) in [
            ("is", MatchKind::Is),
            ("contains", MatchKind::Contains),
            ("matches", MatchKind::Matches),
            ("regex", MatchKind::Regex),
        ] {
            if bound.has(tag) {
                return Some(kind);
            }
        }
        for (tag, kind) in [("count", MatchKind::Count as fn(Relation) -> MatchKind), ("value", MatchKind::Value)] {
            if bound.has(tag) {
                let relation = bound.take(tag)?;
                return self.relation(tag, relation).map(kind);
            }
        }
        Some(MatchKind::Is)
    }

    // RFC 5231 §3.1
    fn relation(&mut self, tag: &str, argument: Argument) -> Option<Relation> {
        let found = match &argument.value {
            Value::Text(name) => match Relation::named(&name.to_ascii_lowercase()) {
                Some(relation) => return Some(relation),
                None => format!("\"{name}\" was found"),
            },
            other => format!("a {} was found", other.kind()),
        };
        let text = format!(
            "the :{tag} match-type requires a constant string argument being one of \"gt\", \"ge\", \"lt\", \"le\", \"eq\" or \"ne\", but {found}."
        );
        self.error(argument.at, text)
    }

    fn keys(&mut self, argument: Option<Argument>, kind: MatchKind, comparator: Comparator) -> Option<Vec<Key>> {
        let mut keys = Vec::new();
        let mut good = true;
        for (at, written) in argument.map(strings).unwrap_or_default() {
            match self.key(at, &written, kind, comparator) {
                Some(key) => keys.push(key),
                None => good = false,
            }
        }
        good.then_some(keys)
    }
}

/// What a match type needs of a key, made ready.
pub(crate) fn ready(key: &str, kind: MatchKind, comparator: Comparator) -> Result<Option<Pattern>, String> {
    let fold = matches!(comparator, Comparator::AsciiCasemap | Comparator::UnicodeCasemap);
    Ok(match kind {
        MatchKind::Matches => Some(Pattern::Glob(Glob::new(&crate::compare::prepared(key, comparator), fold))),
        MatchKind::Regex => Some(Pattern::Regex(pattern::compile(key, fold)?)),
        _ => None,
    })
}

/// RFC 5322 §2.2: printable ASCII but the colon.
pub(crate) fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}
