//! From bound arguments to compiled commands, one function a row of the table.

use mail::envelope::Notify;

use crate::error::Position;
use crate::extension::Extension;
use crate::program::*;
use crate::run::{check_method, check_notify_option, parse_ret};
use crate::syntax::Value;

use super::bind::Bound;
use super::{Checker, parse_mailbox};

/// The longest period of a vacation, in days: what goes beyond is as good as forever.
const VACATION_DAYS_MAX: u64 = 3650;
const SECONDS_PER_DAY: u64 = 86_400;

pub fn stop(_: &mut Checker<'_>, _: &mut Bound) -> Option<Command> {
    Some(Command::Stop)
}

pub fn discard(_: &mut Checker<'_>, _: &mut Bound) -> Option<Command> {
    Some(Command::Discard)
}

pub fn keep(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    Some(Command::Keep { flags: checker.take_texts(bound, "flags") })
}

pub fn fileinto(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let (flags, at) = (checker.take_texts(bound, "flags"), bound.at);
    let special_use = tag_text(checker, bound, "specialuse");
    if let Some(special_use) = &special_use {
        checker.check_special_use(at, special_use, "fileinto command")?;
    }
    let mailbox = next_text(checker, bound)?;
    let known = mailbox.constant().filter(|name| !name.is_empty() && mail::MailboxName::parse(name).is_err());
    if let Some(name) = known {
        let text = format!("invalid folder name '{name}' specified for fileinto command.");
        return checker.error(bound.at, text);
    }
    let (copy, create) = (bound.has("copy"), bound.has("create"));
    Some(Command::FileInto(Box::new(FileInto { mailbox, flags, copy, create, special_use })))
}

pub fn redirect(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let argument = bound.next()?;
    let at = argument.at;
    let address = checker.text_of(argument)?;
    checker.check_address(at, &address, |text| format!("specified redirect address '{text}' is invalid"))?;
    let (notify, ret) = (tag_text(checker, bound, "notify"), tag_text(checker, bound, "ret"));
    for (tag, wrong) in [
        (":notify", notify.as_ref().and_then(Text::constant).filter(|value| Notify::parse(value).is_none())),
        (":ret", ret.as_ref().and_then(Text::constant).filter(|value| parse_ret(value).is_none())),
    ] {
        if let Some(value) = wrong {
            return checker.error(bound.at, format!("invalid {tag} value '{value:.64}' for the redirect command."));
        }
    }
    Some(Command::Redirect(Box::new(Redirect { address, copy: bound.has("copy"), notify, ret })))
}

pub fn reject(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    next_text(checker, bound).map(|reason| Command::Reject { reason, extended: false })
}

pub fn ereject(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    next_text(checker, bound).map(|reason| Command::Reject { reason, extended: true })
}

pub fn vacation(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let days = bound.take_number("days").map(|days| days.min(VACATION_DAYS_MAX) * SECONDS_PER_DAY);
    let seconds = bound.take_number("seconds").map(|seconds| seconds.min(VACATION_DAYS_MAX * SECONDS_PER_DAY)).or(days);
    let subject = tag_text(checker, bound, "subject");
    let from = tag_text(checker, bound, "from");
    if let Some(from) = &from {
        let what = |text: &str| format!("specified :from address '{text}' is invalid for vacation action");
        checker.check_address(bound.at, from, what)?;
    }
    let addresses = checker.take_texts(bound, "addresses").unwrap_or_default();
    let handle = tag_text(checker, bound, "handle");
    let reason = next_text(checker, bound)?;
    let mime = bound.has("mime");
    Some(Command::Vacation(Box::new(Vacation { seconds, subject, from, addresses, mime, handle, reason })))
}

/// The modifiers with their precedence (RFC 5229 §4.1; RFC 5435 §6 for `:encodeurl`; the regex draft for `:quoteregex`).
const MODIFIERS: &[(&str, Modifier, u32)] = &[
    ("lower", Modifier::Lower, 40),
    ("upper", Modifier::Upper, 40),
    ("lowerfirst", Modifier::LowerFirst, 30),
    ("upperfirst", Modifier::UpperFirst, 30),
    ("quotewildcard", Modifier::QuoteWildcard, 20),
    ("quoteregex", Modifier::QuoteRegex, 20),
    ("encodeurl", Modifier::EncodeUrl, 15),
    ("length", Modifier::Length, 10),
];

pub fn set(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let modifiers = modifiers(checker, bound);
    let name = bound.next()?;
    let Value::Text(written) = &name.value else { return None };
    let variable = checker.variable(name.at, written);
    let value = next_text(checker, bound)?;
    Some(Command::Set { variable: variable?, modifiers: modifiers?, value })
}

/// The modifiers among the tags, in the order in which they are applied.
pub(super) fn modifiers(checker: &mut Checker<'_>, bound: &Bound) -> Option<Vec<Modifier>> {
    let mut chosen: Vec<&(&str, Modifier, u32)> = Vec::new();
    for (tag, at, _) in &bound.tags {
        let Some(row) = MODIFIERS.iter().find(|(name, _, _)| *name == tag.name) else { continue };
        if let Some(other) = chosen.iter().find(|(_, _, precedence)| *precedence == row.2) {
            let text = format!(
                "modifiers :{} and :{} specified for the {} conflict having equal precedence.",
                other.0,
                row.0,
                bound.name()
            );
            return checker.error(*at, text);
        }
        chosen.push(row);
    }
    chosen.sort_by_key(|(_, _, precedence)| std::cmp::Reverse(*precedence));
    Some(chosen.into_iter().map(|(_, modifier, _)| *modifier).collect())
}

pub fn setflag(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    flags(checker, bound, FlagChange::Set)
}

pub fn addflag(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    flags(checker, bound, FlagChange::Add)
}

pub fn removeflag(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    flags(checker, bound, FlagChange::Remove)
}

fn flags(checker: &mut Checker<'_>, bound: &mut Bound, change: FlagChange) -> Option<Command> {
    let variable = match bound.next() {
        None => None,
        Some(name) => {
            let Value::Text(written) = &name.value else {
                let text = format!(
                    "if a second argument is specified for the {}, the first must be a string (variable name), but a {} was found.",
                    bound.name(),
                    name.value.kind()
                );
                return checker.error(name.at, text);
            };
            checker.needs_variables(&name, &bound.name())?;
            Some(checker.variable(name.at, written)?)
        }
    };
    Some(Command::Flags { change, variable, flags: checker.next_texts(bound) })
}

pub fn addheader(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let name = next_text(checker, bound)?;
    checker.check_field_name(bound, &name)?;
    Some(Command::AddHeader { name, value: next_text(checker, bound)?, last: bound.has("last") })
}

/// `deleteheader` takes one or two positional arguments: without patterns all fields of the name go (RFC 5293 §5).
pub fn deleteheader(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let index = checker.index(bound)?;
    let name = next_text(checker, bound)?;
    checker.check_field_name(bound, &name)?;
    let matching = checker.matching(bound)?;
    // Left-out patterns are bound as no keys.
    let matching = Some(matching).filter(|matching| !matching.keys.is_empty());
    Some(Command::DeleteHeader { name, index, matching })
}

pub fn include(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let location = if bound.has("global") { Location::Global } else { Location::Personal };
    let name = next_text(checker, bound)?;
    match name.constant() {
        Some(known) if !is_script_name(known) => {
            checker.error(bound.at, format!("include: invalid script name '{known}'."))
        }
        _ => Some(Command::Include { location, name, once: bound.has("once"), optional: bound.has("optional") }),
    }
}

/// A name that stays in its folder.
pub(crate) fn is_script_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && !name.contains("..")
        && !name.starts_with('/')
        && !name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

pub fn return_(_: &mut Checker<'_>, _: &mut Bound) -> Option<Command> {
    Some(Command::Return)
}

pub fn global(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    if !checker.extensions.contains(Extension::Variables) {
        return checker.error(bound.at, "global command requires that variables extension is active.");
    }
    let mut slots = Vec::new();
    for (at, written) in super::bind::strings(bound.next()?) {
        let name = written.to_ascii_lowercase();
        if name.contains('.') || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            checker.problems.error(at, format!("invalid variable identifier '{written}'."));
            continue;
        }
        if checker.variables.contains(&name) && !checker.globals.contains(&name) {
            let text = format!("declaration of new global variable '{written}' conflicts with earlier local use.");
            checker.problems.error(at, text);
            continue;
        }
        slots.extend(checker.slot(at, &name));
        checker.globals.insert(name);
    }
    Some(Command::Global(slots))
}

pub fn notify(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    let from = tag_text(checker, bound, "from");
    let importance = tag_text(checker, bound, "importance");
    if let Some(value) = importance.as_ref().and_then(Text::constant).filter(|value| !["1", "2", "3"].contains(value)) {
        let text = format!("invalid :importance value for notify command: {value}.");
        return checker.error(bound.at, text);
    }
    if let Some(value) = from.as_ref().and_then(Text::constant).filter(|value| parse_mailbox(value).is_none()) {
        return checker.error(bound.at, format!("invalid :from address '{value:.128}' for notify command."));
    }
    let options = checker.take_texts(bound, "options").unwrap_or_default();
    if let Some(Err(reason)) = options.iter().filter_map(Text::constant).map(check_notify_option).find(Result::is_err) {
        return checker.error(bound.at, format!("notify command: {reason}."));
    }
    let message = tag_text(checker, bound, "message");
    let method = next_text(checker, bound)?;
    if let Some(Err(reason)) = method.constant().map(check_method) {
        let text = format!("notify command: {reason}.");
        return checker.error(bound.at, text);
    }
    Some(Command::Notify(Box::new(crate::program::Notify { method, from, importance, options, message })))
}

pub fn error(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    next_text(checker, bound).map(Command::Error)
}

pub fn debug_log(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Command> {
    next_text(checker, bound).map(Command::DebugLog)
}

pub(super) fn next_text(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Text> {
    let argument = bound.next()?;
    checker.text_of(argument)
}

pub(super) fn tag_text(checker: &mut Checker<'_>, bound: &mut Bound, tag: &str) -> Option<Text> {
    let argument = bound.take(tag)?;
    checker.text_of(argument)
}

impl Checker<'_> {
    /// RFC 8579 §3: a special-use attribute, as `\Junk`.
    pub(super) fn check_special_use(&mut self, at: Position, text: &Text, whose: &str) -> Option<()> {
        match text.constant() {
            Some(name) if !crate::run::is_special_use(name) => {
                self.error(at, format!("invalid special-use flag '{name}' specified for the {whose}."))
            }
            _ => Some(()),
        }
    }

    fn check_field_name(&mut self, bound: &Bound, name: &Text) -> Option<()> {
        match name.constant() {
            Some(known) if !super::matching::is_field_name(known) => {
                let text = format!("{}: specified field name `{known}' is invalid.", bound.name());
                self.error(bound.at, text)
            }
            _ => Some(()),
        }
    }
}
