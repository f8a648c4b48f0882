//! By what SORT sorts (RFC 5256, RFC 5957).

use mail::sort::{By, Criterion};

use crate::imap::parse::{Parsed, Parser, syntax, syntax_at};

/// More make no difference that anybody sees.
const CRITERIA_MAX: usize = 20;

const KEYS: [(&str, By); 9] = [
    ("ARRIVAL", By::Arrival),
    ("CC", By::Cc),
    ("DATE", By::Date),
    ("DISPLAYFROM", By::DisplayFrom),
    ("DISPLAYTO", By::DisplayTo),
    ("FROM", By::From),
    ("SIZE", By::Size),
    ("SUBJECT", By::Subject),
    ("TO", By::To),
];

// sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"
pub fn parse(args: &mut Parser<'_>) -> Parsed<Vec<Criterion>> {
    let criteria = args.list(1, criterion)?;
    if criteria.len() > CRITERIA_MAX { syntax("Too many sort criteria") } else { Ok(criteria) }
}

// sort-criterion = ["REVERSE" SP] sort-key
fn criterion(args: &mut Parser<'_>) -> Parsed<Criterion> {
    let mut name = args.atom()?;
    let reverse = name.eq_ignore_ascii_case("REVERSE");
    if reverse {
        args.space()?;
        name = args.atom()?;
    }
    let key = KEYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    key.map_or_else(|| syntax_at("Unknown sort key", name.as_bytes()), |(_, by)| Ok(Criterion { by: *by, reverse }))
}
