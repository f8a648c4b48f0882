//! The commands and tests of the `.svtest` language, all made alike: whoever runs the suite knows them by name.

use crate::program::{Command, Comparator, SuiteCall, Test};
use crate::syntax::Value;

use super::Checker;
use super::bind::Bound;
use super::table::Shape;

pub fn command(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    call(checker, bound).map(|call| Command::Suite(Box::new(call)))
}

pub fn test(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    call(checker, bound).map(|call| Test::Suite(Box::new(call)))
}

fn call(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<SuiteCall> {
    let row = bound.row;
    let is_match = row.tags.iter().any(|tags| tags.iter().any(|tag| tag.name == "is"));
    let (mut numbers, mut texts, mut matching) = (Vec::new(), Vec::new(), None);
    if is_match {
        numbers.extend(bound.take_number("index"));
        matching = Some(checker.matching_with(bound, Comparator::Octet)?);
    } else {
        for slot in row.slots {
            match slot.shape {
                Shape::Number => numbers.push(bound.next_number()?),
                _ => texts.push(checker.next_texts(bound)),
            }
        }
    }
    let mut tags = Vec::new();
    for (tag, _, value) in std::mem::take(&mut bound.tags) {
        let text = match value.map(|value| (value.at, value.value)) {
            Some((at, Value::Text(text))) => Some(checker.text(at, &text)),
            _ => None,
        };
        tags.push((tag.name, text));
    }
    if row.name == "test_set" {
        check_object(checker, bound, &texts)?;
    }
    Some(SuiteCall { name: row.name, tags, numbers, texts, matching, block: None })
}

/// What `test_set` may set.
const OBJECTS: &[&str] = &["message", "envelope.from", "envelope.to", "envelope.orig_to", "envelope.auth"];

fn check_object(checker: &mut Checker<'_>, bound: &Bound, texts: &[crate::program::Texts]) -> Option<()> {
    let object = texts.first()?.first()?.constant();
    match object {
        Some(object) if OBJECTS.iter().any(|known| known.eq_ignore_ascii_case(object)) => Some(()),
        Some(object) => checker.error(bound.at, format!("unknown testsuite object '{object}'.")),
        None => checker.error(bound.at, "the test_set command requires a constant object name."),
    }
}
