//! Arguments brought together with the row that says what they should be.

use crate::error::Position;
use crate::program::{Test, Texts};
use crate::syntax::{Argument, Node, Value};

use super::Checker;
use super::table::{Make, Optional, Row, Shape, Tag};

/// Arguments that fit their row, for a maker to take.
pub struct Bound {
    pub row: &'static Row,
    pub at: Position,
    pub tags: Vec<(&'static Tag, Position, Option<Argument>)>,
    /// As many as the row has slots; `None` for a first one that was left out.
    values: std::vec::IntoIter<Option<Argument>>,
    pub tests: Vec<Test>,
}

impl Bound {
    pub fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|(row, _, _)| row.name == tag)
    }

    /// The place and the value of a tag.
    pub fn take(&mut self, tag: &str) -> Option<Argument> {
        let (_, _, value) = self.tags.iter_mut().find(|(row, _, _)| row.name == tag)?;
        value.take()
    }

    pub fn take_number(&mut self, tag: &str) -> Option<u64> {
        match self.take(tag)?.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The next positional argument.
    pub fn next(&mut self) -> Option<Argument> {
        self.values.next().flatten()
    }

    pub fn next_number(&mut self) -> Option<u64> {
        match self.next()?.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// How it is called in error texts: `header test`.
    pub fn name(&self) -> String {
        display_name(self.row)
    }
}

pub fn display_name(row: &Row) -> String {
    let kind = if is_test(row) { "test" } else { "command" };
    format!("{} {kind}", row.name)
}

pub fn is_test(row: &Row) -> bool {
    matches!(row.make, Make::Test(_))
}

/// The strings of an argument that is a list or a single string.
pub fn strings(argument: Argument) -> Vec<(Position, String)> {
    match argument.value {
        Value::List(list) => list,
        Value::Text(text) => vec![(argument.at, text)],
        _ => Vec::new(),
    }
}

impl Checker<'_> {
    /// The arguments of a command or test, if they fit.
    pub(super) fn bind(&mut self, row: &'static Row, node: &mut Node) -> Option<Bound> {
        let mut fits = true;
        let (mut tags, mut values) = (Vec::new(), Vec::new());
        let mut arguments = std::mem::take(&mut node.arguments).into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let Value::Tag(name) = &argument.value else {
                values.push(argument);
                continue;
            };
            let Some(tag) = self.tag_named(row, name) else {
                self.unknown_tag(row, argument.at, name);
                fits = false;
                continue;
            };
            fits &= self.may_stand_beside(row, tag, argument.at, &tags);
            let value = match tag.value {
                None => None,
                Some(shape) => match arguments.next_if(|next| fits_shape(shape, &next.value)) {
                    Some(value) => Some(value),
                    None => {
                        self.wrong_tag_value(row, tag, shape, argument.at, arguments.peek());
                        arguments.next_if(|next| !matches!(next.value, Value::Tag(_)));
                        fits = false;
                        continue;
                    }
                },
            };
            tags.push((tag, argument.at, value));
        }
        let values = self.positional(row, node.at, values)?;
        fits.then(|| Bound { row, at: node.at, tags, values: values.into_iter(), tests: Vec::new() })
    }

    fn tag_named(&self, row: &Row, name: &str) -> Option<&'static Tag> {
        let available = |tag: &&Tag| tag.extension.is_none_or(|extension| self.extensions.contains(extension));
        row.tags.iter().flat_map(|tags| tags.iter()).filter(available).find(|tag| tag.name.eq_ignore_ascii_case(name))
    }

    fn unknown_tag(&mut self, row: &Row, at: Position, name: &str) {
        if self.unknown.insert(format!("{} :{name}", display_name(row))) {
            let text = format!(
                "unknown tagged argument ':{name}' for the {} (reported only once at first occurrence).",
                display_name(row)
            );
            self.problems.error(at, text);
        }
    }

    fn may_stand_beside(
        &mut self,
        row: &Row,
        tag: &Tag,
        at: Position,
        before: &[(&'static Tag, Position, Option<Argument>)],
    ) -> bool {
        let twice = !tag.group.is_empty() && before.iter().any(|(other, _, _)| other.group == tag.group);
        if twice {
            let what = match tag.group.starts_with(|c: char| c.is_ascii_uppercase()) {
                true => format!("{} argument (:{})", tag.group, tag.name),
                false => format!(":{} argument", tag.name),
            };
            self.problems.error(at, format!("encountered duplicate {what} for the {}.", display_name(row)));
        }
        !twice
    }

    fn wrong_tag_value(&mut self, row: &Row, tag: &Tag, shape: Shape, at: Position, found: Option<&Argument>) {
        let found = match found {
            Some(argument) => format!("a {} was found", argument.value.kind()),
            None => "no parameters were found".to_owned(),
        };
        let text = format!(
            "the :{} tag for the {} requires a {} as parameter, but {found}.",
            tag.name,
            display_name(row),
            shape.name()
        );
        self.problems.error(at, text);
    }

    fn positional(&mut self, row: &Row, at: Position, values: Vec<Argument>) -> Option<Vec<Option<Argument>>> {
        let wanted = row.slots.len();
        let left_out = row.optional != Optional::None && values.len() + 1 == wanted;
        if values.len() != wanted && !left_out {
            let text = format!(
                "the {} requires {wanted} positional argument(s), but {} is/are specified.",
                display_name(row),
                values.len()
            );
            self.problems.error(at, text);
            return None;
        }
        let mut fits = true;
        let first_left_out = left_out && row.optional == Optional::First;
        let slots = row.slots.iter().enumerate().skip(usize::from(first_left_out));
        for ((number, slot), value) in slots.zip(&values) {
            if !fits_shape(slot.shape, &value.value) {
                let text = format!(
                    "the {} expects a {} as argument {} ({}), but a {} was found.",
                    display_name(row),
                    slot.shape.name(),
                    number + 1,
                    slot.name,
                    value.value.kind()
                );
                self.problems.error(value.at, text);
                fits = false;
            }
        }
        let first = first_left_out.then_some(None);
        fits.then(|| first.into_iter().chain(values.into_iter().map(Some)).collect())
    }

    /// The next positional argument as texts.
    pub(super) fn next_texts(&mut self, bound: &mut Bound) -> Texts {
        let argument = bound.next();
        self.texts(argument)
    }

    pub(super) fn take_texts(&mut self, bound: &mut Bound, tag: &str) -> Option<Texts> {
        let argument = bound.take(tag)?;
        Some(self.texts(Some(argument)))
    }
}

fn fits_shape(shape: Shape, value: &Value) -> bool {
    match shape {
        Shape::Number => matches!(value, Value::Number(_)),
        Shape::Text => matches!(value, Value::Text(_)),
        Shape::Texts => matches!(value, Value::Text(_) | Value::List(_)),
        Shape::Any => !matches!(value, Value::Tag(_)),
    }
}
