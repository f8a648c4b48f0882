//! `addheader` and `deleteheader` (RFC 5293).

use std::borrow::Cow;

use crate::encode::header_value;
use crate::program::{Index, Matching, Text};

use super::fields::indexed;
use super::{Fault, Ran, Run};

/// RFC 5293 §6: what tells the way of a message stays.
///
/// RFC 5703 §5: so does what `replace` has kept of a message.
const PROTECTED: &[&str] = &["received", "auto-submitted", "original-subject", "original-from"];

impl Run<'_, '_> {
    pub(super) fn add_header(&mut self, name: &Text, value: &Text, last: bool) -> Ran<()> {
        let (name, value) = (self.expand(name)?.into_owned(), self.expand(value)?.into_owned());
        if !crate::check::is_field_name(&name) {
            return self
                .fail(Fault::Invalid(format!("addheader action: specified field name `{name:.64}' is invalid")));
        }
        let end = self.line_end();
        let field = format!("{name}: {}{end}", header_value(&value, end));
        let old = self.message.header();
        let mut block = Vec::with_capacity(old.len() + field.len());
        if last {
            let empty_line: &[u8] = if old.ends_with(b"\r\n\r\n") { b"\r\n" } else { b"\n" };
            let fields = old.strip_suffix(empty_line).filter(|fields| fields.ends_with(b"\n")).unwrap_or(old);
            block.extend_from_slice(fields);
            block.extend_from_slice(field.as_bytes());
            block.extend_from_slice(old.get(fields.len()..).unwrap_or_default());
        } else {
            block.extend_from_slice(field.as_bytes());
            block.extend_from_slice(old);
        }
        self.edit(block)
    }

    pub(super) fn delete_header(&mut self, name: &Text, index: Option<Index>, matching: Option<&Matching>) -> Ran<()> {
        let name = self.expand(name)?.into_owned();
        if PROTECTED.iter().any(|protected| protected.eq_ignore_ascii_case(&name)) {
            return Ok(());
        }
        let message = self.message.clone();
        let named: Vec<usize> = (0..)
            .zip(message.all_fields())
            .filter(|(_, field)| field.name.eq_ignore_ascii_case(&name))
            .map(|(number, _)| number)
            .collect();
        let mut chosen = match index {
            None => named,
            Some(index) => indexed(&named, index).into_iter().collect(),
        };
        if let Some(matching) = matching {
            let mut fitting = Vec::new();
            for number in chosen {
                let Some(field) = message.all_fields().get(number) else { continue };
                if self.matches(matching, &[Cow::Borrowed(field.text())])? {
                    fitting.push(number);
                }
            }
            chosen = fitting;
        }
        if chosen.is_empty() {
            return Ok(());
        }
        let mut block = Vec::with_capacity(message.header().len());
        let mut number = 0;
        for field in mail::header::fields(message.header()) {
            let counted = !field.name.is_empty();
            if !(counted && chosen.contains(&number)) {
                block.extend_from_slice(field.whole);
            }
            number += usize::from(counted);
        }
        block.extend_from_slice(self.line_end().as_bytes());
        self.edit(block)
    }

    fn edit(&mut self, block: Vec<u8>) -> Ran<()> {
        self.edits += 1;
        self.made(block.len())?;
        if self.edits > self.limits.edits_max
            || block.len() > self.limits.header_size_max.max(self.message.header().len())
        {
            return self.fail(Fault::TooMuch("header edit"));
        }
        self.message = self.message.with_header(block);
        self.edited = true;
        Ok(())
    }

    pub(super) fn line_end(&self) -> &'static str {
        if self.message.header().windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" }
    }
}
