//! RFC 5703: tests of parts, loops over them, and what changes a message.

use mail::header::{MISSING_DOMAIN, MISSING_MAILBOX, addresses};

use crate::extension::Extension;
use crate::program::{Command, Enclose, ExtractText, MimeAsk, MimeCommand, MimePiece, MimeTest, Replace, Test, Text};
use crate::syntax::{Node, Value};

use super::Checker;
use super::bind::Bound;
use super::commands::{modifiers, next_text, tag_text};
use super::table::Row;

/// How many loops may stand within each other.
pub const LOOPS_NESTED_MAX: usize = 4;

pub fn test(any_child: bool, asks: MimeAsk) -> Test {
    Test::Mime(Box::new(MimeTest { any_child, asks }))
}

fn command(command: MimeCommand) -> Command {
    Command::Mime(Box::new(command))
}

pub fn break_(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let name = loop_name(bound);
    // RFC 5703 §3: the closest loop of that name.
    let found = match &name {
        None => (!checker.loops.is_empty()).then_some(0),
        Some(_) => checker.loops.iter().rev().position(|other| *other == name),
    };
    match (found, name) {
        (Some(loops), _) => Some(command(MimeCommand::Break(loops))),
        (None, None) => checker.error(bound.at, "the break command is not placed inside a foreverypart loop."),
        (None, Some(name)) => {
            let text = format!("the break command is not placed inside a foreverypart loop named `{name}'.");
            checker.error(bound.at, text)
        }
    }
}

pub fn extracttext(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    if checker.loops.is_empty() {
        // RFC 5703 §7: outside of a loop there is no part to take it from.
        return checker.error(bound.at, "the extracttext command is not placed inside a foreverypart loop.");
    }
    let (first, modifiers) = (bound.take_number("first"), modifiers(checker, bound));
    let name = bound.next()?;
    let Value::Text(written) = &name.value else { return None };
    let variable = checker.variable(name.at, written)?;
    Some(command(MimeCommand::ExtractText(ExtractText { variable, modifiers: modifiers?, first })))
}

pub fn replace(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let mime = bound.has("mime");
    // RFC 5703 §5: beside :mime they mean nothing, and whoever writes them shall hear it.
    if mime && (bound.has("subject") || bound.has("from")) {
        let text = "the :subject and :from tags for the replace command cannot be specified with the :mime tag.";
        return checker.error(bound.at, text);
    }
    let (subject, from) = (tag_text(checker, bound, "subject"), tag_text(checker, bound, "from"));
    if let Some(from) = from.as_ref().and_then(Text::constant).filter(|from| parse_mailboxes(from).is_none()) {
        let text = format!("specified :from address '{from}' is invalid for the replace command.");
        return checker.error(bound.at, text);
    }
    let replacement = next_text(checker, bound)?;
    Some(command(MimeCommand::Replace(Replace { mime, subject, from, replacement })))
}

pub fn enclose(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let subject = tag_text(checker, bound, "subject");
    let headers = checker.take_texts(bound, "headers").unwrap_or_default();
    checker.judge_names(bound.at, &headers);
    let text = next_text(checker, bound)?;
    Some(command(MimeCommand::Enclose(Enclose { subject, headers, text })))
}

/// RFC 5322 §3.4: mailboxes, at least one, and nothing else; on one line, as a field of ours holds them.
pub fn parse_mailboxes(text: &str) -> Option<Vec<mail::header::MailAddress>> {
    let found = addresses(text.as_bytes());
    let is_mailbox = |address: &mail::header::MailAddress| {
        let local_part = address.mailbox.as_deref().is_some_and(|local_part| local_part != MISSING_MAILBOX);
        local_part && address.host.as_deref().is_some_and(|host| host != MISSING_DOMAIN && !host.is_empty())
    };
    let good = !found.is_empty() && found.iter().all(is_mailbox) && !text.chars().any(char::is_control);
    good.then_some(found)
}

/// The name of a loop: as written, for it must be known now.
fn loop_name(bound: &mut Bound) -> Option<String> {
    match bound.take("name")?.value {
        Value::Text(name) => Some(name),
        _ => None,
    }
}

impl Checker<'_> {
    pub(super) fn foreverypart(&mut self, row: &'static Row, mut node: Node) -> Option<Command> {
        let at = node.at;
        let mut bound = self.bind(row, &mut node);
        let tests = self.sub_tests(row, &mut node);
        if self.loops.len() >= LOOPS_NESTED_MAX {
            let text =
                format!("the nested foreverypart loop exceeds the nesting limit (<= {LOOPS_NESTED_MAX} levels).");
            return self.error(at, text);
        }
        self.loops.push(bound.as_mut().and_then(loop_name));
        let block = self.inner_block(row, &mut node);
        self.loops.pop();
        bound?;
        tests?;
        Some(command(MimeCommand::ForEveryPart(block?)))
    }

    /// Whether a test is about parts, and then whether about those within, too.
    pub(super) fn mime_scope(&mut self, bound: &Bound) -> Option<Option<bool>> {
        if bound.has("mime") {
            return Some(Some(bound.has("anychild")));
        }
        match ["anychild", "type", "subtype", "contenttype", "param"].into_iter().find(|tag| bound.has(tag)) {
            None => Some(None),
            Some(tag) => {
                let text =
                    format!("the :{tag} tag for the {} cannot be specified without the :mime tag.", bound.name());
                self.error(bound.at, text)
            }
        }
    }

    /// What of a field is compared.
    pub(super) fn mime_piece(&mut self, bound: &mut Bound) -> Option<MimePiece> {
        let tags = [
            ("type", MimePiece::Type),
            ("subtype", MimePiece::Subtype),
            ("contenttype", MimePiece::ContentType),
            ("param", MimePiece::Param(Vec::new())),
        ];
        let chosen = bound.tags.iter().filter(|(tag, _, _)| tags.iter().any(|(name, _)| *name == tag.name)).count();
        if chosen > 1 {
            let text = format!(
                "the :type, :subtype, :contenttype, and :param arguments for the {} are mutually exclusive, but more than one was specified.",
                bound.name()
            );
            return self.error(bound.at, text);
        }
        if let Some(names) = self.take_texts(bound, "param") {
            return Some(MimePiece::Param(names));
        }
        Some(tags.into_iter().find(|(name, _)| bound.has(name)).map_or(MimePiece::Whole, |(_, piece)| piece))
    }

    /// `extracttext` writes variables, in loops.
    pub(super) fn check_extracttext(&mut self) {
        let Some(at) = self.extracttext_required else { return };
        for (needed, name) in [(Extension::Variables, "variables"), (Extension::ForEveryPart, "foreverypart")] {
            if !self.extensions.contains(needed) {
                self.problems.error(at, format!("extracttext extension cannot be used without {name} extension."));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_from_field_holds_mailboxes_only() {
        assert_eq!(parse_mailboxes("A <a@b.test>, c@d.test").unwrap().len(), 2);
        for bad in ["", "a", "group: a@b.test;", "a@b.test\nX: y", "<@b.test>", "a@b.test, c"] {
            assert!(parse_mailboxes(bad).is_none(), "{bad}");
        }
    }
}
