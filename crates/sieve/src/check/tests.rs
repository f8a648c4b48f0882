//! From bound arguments to compiled tests, one function a row of the table.

use crate::extension::Extension;
use crate::program::*;
use crate::syntax::Value;

use super::Checker;
use super::bind::Bound;

pub fn true_(_: &mut Checker<'_>, _: &mut Bound) -> Option<Test> {
    Some(Test::Constant(true))
}

pub fn false_(_: &mut Checker<'_>, _: &mut Bound) -> Option<Test> {
    Some(Test::Constant(false))
}

pub fn not(_: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    bound.tests.pop().map(|test| Test::Not(Box::new(test)))
}

pub fn allof(_: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    Some(Test::AllOf(std::mem::take(&mut bound.tests)))
}

pub fn anyof(_: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    Some(Test::AnyOf(std::mem::take(&mut bound.tests)))
}

pub fn exists(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let names = checker.next_texts(bound);
    checker.judge_names(bound.at, &names);
    Some(match checker.mime_scope(bound)? {
        None => Test::Exists(names),
        Some(any_child) => super::mime::test(any_child, MimeAsk::Exists(names)),
    })
}

pub fn size(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    match bound.tags.len() {
        1 => Some(Test::Size { over: bound.has("over"), limit: bound.next_number()? }),
        0 => checker.error(bound.at, "the size test requires either the :under or the :over tag to be specified."),
        _ => checker.error(
            bound.at,
            "exactly one of the ':under' or ':over' tags must be specified for the size test, but more were found.",
        ),
    }
}

pub fn header(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let fields = checker.fields(bound);
    let (piece, scope) = (checker.mime_piece(bound), checker.mime_scope(bound));
    let matching = checker.matching(bound);
    let (fields, piece, matching) = (fields?, piece?, matching?);
    Some(match scope? {
        None => Test::Header { fields, matching },
        Some(any_child) => super::mime::test(any_child, MimeAsk::Header { fields, piece, matching }),
    })
}

/// The fields that hold addresses. The test may be asked for no others (RFC 5228 §5.1).
const ADDRESS_FIELDS: &[&str] = &[
    "from",
    "to",
    "cc",
    "bcc",
    "sender",
    "reply-to",
    "resent-from",
    "resent-to",
    "resent-cc",
    "resent-bcc",
    "resent-sender",
    "resent-reply-to",
    "for-approval",
    "for-handling",
    "for-comment",
    "apparently-to",
    "errors-to",
    "delivered-to",
    "return-receipt-to",
    "x-admin",
    "read-receipt-to",
    "x-confirm-reading-to",
    "return-receipt-requested",
    "registered-mail-reply-requested-by",
    "mail-followup-to",
    "mail-reply-to",
    "abuse-reports-to",
    "x-complaints-to",
    "x-report-abuse-to",
    "x-beenthere",
    "x-original-to",
    "disposition-notification-to",
    "envelope-to",
    "return-path",
];

pub fn address(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let fields = checker.fields(bound);
    let part = address_part(bound);
    let scope = checker.mime_scope(bound);
    let matching = checker.matching(bound);
    let (fields, scope) = (fields?, scope?);
    let wrong = fields.names.iter().filter_map(Text::constant).find(|name| !holds_addresses(name, scope.is_some()));
    if let Some(name) = wrong {
        let text = format!("specified header '{name}' is not allowed for the address test.");
        return checker.error(bound.at, text);
    }
    let matching = matching?;
    Some(match scope {
        None => Test::Address { fields, part, matching },
        Some(any_child) => super::mime::test(any_child, MimeAsk::Address { fields, part, matching }),
    })
}

/// RFC 5703 §4.2: fields of a part may hold addresses as well (`content-from`).
fn holds_addresses(name: &str, of_part: bool) -> bool {
    let name = name.to_ascii_lowercase();
    ADDRESS_FIELDS.contains(&name.as_str()) || (of_part && name.starts_with("content-"))
}

fn address_part(bound: &Bound) -> AddressPart {
    let parts = [
        ("localpart", AddressPart::LocalPart),
        ("domain", AddressPart::Domain),
        ("user", AddressPart::User),
        ("detail", AddressPart::Detail),
    ];
    parts.into_iter().find(|(tag, _)| bound.has(tag)).map_or(AddressPart::All, |(_, part)| part)
}

pub fn envelope(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let parts = checker.next_texts(bound);
    let part = address_part(bound);
    let matching = checker.matching(bound);
    let wrong = parts
        .iter()
        .filter_map(Text::constant)
        .find(|name| !["from", "to", "auth"].iter().any(|known| known.eq_ignore_ascii_case(name)));
    if let Some(name) = wrong {
        let text = format!("specified envelope part '{name}' is not supported by the envelope test.");
        return checker.error(bound.at, text);
    }
    Some(Test::Envelope { parts, part, matching: matching? })
}

pub fn body(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let content = match checker.take_texts(bound, "content") {
        Some(types) => BodyContent::Content(types),
        None if bound.has("raw") => BodyContent::Raw,
        None => BodyContent::Text,
    };
    Some(Test::Body { content, matching: checker.matching(bound)? })
}

pub fn date(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let fields = checker.fields(bound)?;
    let zone = zone(checker, bound);
    date_test(checker, bound, DateOf::Field(fields), zone)
}

pub fn currentdate(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let zone = zone(checker, bound);
    date_test(checker, bound, DateOf::Now, zone)
}

fn zone(checker: &mut Checker<'_>, bound: &mut Bound) -> Zone {
    if bound.has("originalzone") {
        return Zone::Original;
    }
    let Some(argument) = bound.take("zone") else { return Zone::Local };
    let at = argument.at;
    let Some(text) = checker.text_of(argument) else { return Zone::Local };
    if let Some(zone) = text.constant().filter(|zone| crate::run::zone_minutes(zone).is_none()) {
        let message = format!("specified :zone argument '{zone}' is not a valid timezone.");
        checker.problems.warning(at, message);
    }
    Zone::Given(text)
}

fn date_test(checker: &mut Checker<'_>, bound: &mut Bound, of: DateOf, zone: Zone) -> Option<Test> {
    let part = bound.next()?;
    let at = part.at;
    let part = checker.text_of(part)?;
    if let Some(name) = part.constant().filter(|name| !crate::run::is_date_part(name)) {
        let message = format!("specified date part `{name}' is not known.");
        checker.problems.warning(at, message);
    }
    Some(Test::Date { of, zone, part, matching: checker.matching(bound)? })
}

pub fn string(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let sources = checker.next_texts(bound);
    // RFC 5229 §5 would have i;ascii-casemap; Pigeonhole compares octets here, and scripts were written for it.
    Some(Test::Text { sources, matching: checker.matching_with(bound, Comparator::Octet)? })
}

pub fn hasflag(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let names = bound.next();
    let mut variables = Vec::new();
    if let Some(names) = names {
        checker.needs_variables(&names, "hasflag test")?;
        for (at, name) in super::bind::strings(names) {
            variables.push(checker.variable(at, &name)?);
        }
    }
    Some(Test::HasFlag { variables, matching: checker.matching(bound)? })
}

pub fn environment(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let name = bound.next()?;
    let name = checker.text_of(name)?;
    Some(Test::Environment { name, matching: checker.matching(bound)? })
}

pub fn duplicate(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    if bound.has("header") && bound.has("uniqueid") {
        let text = "conflicting :header and :uniqueid arguments specified for the duplicate test.";
        return checker.error(bound.at, text);
    }
    let mut text = |bound: &mut Bound, tag| bound.take(tag).and_then(|argument| checker.text_of(argument));
    let handle = text(bound, "handle");
    let of = match (text(bound, "header"), text(bound, "uniqueid")) {
        (Some(name), _) => DuplicateOf::Header(name),
        (None, Some(id)) => DuplicateOf::UniqueId(id),
        (None, None) => DuplicateOf::MessageId,
    };
    let seconds = bound.take_number("seconds");
    Some(Test::Duplicate(Box::new(Duplicate { handle, of, seconds, last: bound.has("last") })))
}

pub fn mailboxexists(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    Some(Test::MailboxExists(checker.next_texts(bound)))
}

pub fn specialuse_exists(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let mailbox = bound.next().and_then(|argument| checker.text_of(argument));
    let at = bound.at;
    let uses = checker.next_texts(bound);
    for use_ in &uses {
        checker.check_special_use(at, use_, "specialuse_exists test")?;
    }
    Some(Test::SpecialUseExists { mailbox, uses })
}

pub fn spamtest(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let of = if bound.has("percent") { ScoreOf::SpamPercent } else { ScoreOf::Spam };
    Some(Test::Score { of, matching: checker.matching(bound)? })
}

pub fn virustest(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    Some(Test::Score { of: ScoreOf::Virus, matching: checker.matching(bound)? })
}

// RFC 5463 §4: what is here may be used from now on, as if it had been required.
pub fn ihave(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let argument = bound.next()?;
    let names: Vec<String> = super::bind::strings(argument).into_iter().map(|(_, name)| name).collect();
    // §4.1: what changes how the script itself is read cannot come in its middle.
    if let Some(name) = names.iter().find(|name| ["variables", "encoded-character"].contains(&name.as_str())) {
        return checker.error(bound.at, format!("extension '{name}' cannot be used with the ihave test."));
    }
    let known: Vec<Extension> = names.iter().filter_map(|name| checker.offered(name)).collect();
    let all = known.len() == names.len();
    if all {
        known.into_iter().for_each(|extension| checker.enable(extension));
    }
    Some(Test::Constant(all))
}

pub fn valid_notify_method(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    Some(Test::ValidNotifyMethod(checker.next_texts(bound)))
}

pub fn notify_method_capability(checker: &mut Checker<'_>, bound: &mut Bound) -> Option<Test> {
    let method = bound.next()?;
    let method = checker.text_of(method)?;
    let capability = bound.next()?;
    let capability = checker.text_of(capability)?;
    Some(Test::NotifyMethodCapability { method, capability, matching: checker.matching(bound)? })
}

impl Checker<'_> {
    /// Names of variables may be given with `variables` only (RFC 5232 §3).
    pub(super) fn needs_variables(&mut self, argument: &crate::syntax::Argument, whose: &str) -> Option<()> {
        if self.extensions.contains(Extension::Variables) {
            return Some(());
        }
        if let Value::Text(name) = &argument.value {
            let text = format!(
                "the {whose} only allows for the specification of a variable name when the variables extension is active, but '{name}' was found."
            );
            return self.error(argument.at, text);
        }
        self.error(argument.at, format!("the {whose} takes variable names with the variables extension only."))
    }
}
