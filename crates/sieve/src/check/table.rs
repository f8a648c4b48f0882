//! The commands and tests, one row each: what they are called, which extension brings them, what they take.

use crate::extension::Extension::{self, *};
use crate::program::{Command, Test};

use super::bind::Bound;
use super::{Checker, commands, mime, suite, tests};

pub struct Row {
    pub name: &'static str,
    pub extension: Option<Extension>,
    pub tags: &'static [&'static [Tag]],
    pub slots: &'static [Slot],
    /// The slot that may be left out.
    pub optional: Optional,
    pub tests: SubTests,
    pub block: bool,
    pub make: Make,
}

/// A tagged argument.
pub struct Tag {
    pub name: &'static str,
    pub extension: Option<Extension>,
    pub value: Option<Shape>,
    /// Of one group only one may be given. A tag alone is its own group; `""` forbids nothing.
    pub group: &'static str,
}

/// A positional argument, with its name for error texts.
pub struct Slot {
    pub name: &'static str,
    pub shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Number,
    Text,
    /// A list, or a string that stands for a list of one (RFC 5228 §2.4.2.1).
    Texts,
    /// What the maker judges by itself.
    Any,
}

impl Shape {
    pub fn name(self) -> &'static str {
        match self {
            Shape::Number => "number",
            Shape::Text => "string",
            Shape::Texts => "string list",
            Shape::Any => "argument",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optional {
    None,
    First,
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubTests {
    None,
    One,
    List,
}

/// Makes the compiled form out of arguments that fit the row. `None`: an error has been noted.
pub enum Make {
    Command(fn(&mut Checker<'_>, &mut Bound) -> Option<Command>),
    Test(fn(&mut Checker<'_>, &mut Bound) -> Option<Test>),
    /// `require`, `if`, `elsif`, `else`, `foreverypart`: the checker's own.
    Control,
}

const fn slot(name: &'static str, shape: Shape) -> Slot {
    Slot { name, shape }
}

const fn flag(name: &'static str, extension: Option<Extension>, group: &'static str) -> Tag {
    Tag { name, extension, value: None, group }
}

const fn valued(name: &'static str, extension: Option<Extension>, value: Shape) -> Tag {
    Tag { name, extension, value: Some(value), group: name }
}

const fn row(name: &'static str, extension: Option<Extension>, make: Make) -> Row {
    Row { name, extension, tags: &[], slots: &[], optional: Optional::None, tests: SubTests::None, block: false, make }
}

const fn command(
    name: &'static str,
    extension: Option<Extension>,
    make: fn(&mut Checker<'_>, &mut Bound) -> Option<Command>,
) -> Row {
    row(name, extension, Make::Command(make))
}

const fn test(
    name: &'static str,
    extension: Option<Extension>,
    make: fn(&mut Checker<'_>, &mut Bound) -> Option<Test>,
) -> Row {
    row(name, extension, Make::Test(make))
}

/// The label under which match types exclude each other.
const MATCH_TYPE: &str = "MATCH-TYPE";
const ADDRESS_PART: &str = "ADDRESS-PART";

const MATCH: &[Tag] = &[
    flag("is", None, MATCH_TYPE),
    flag("contains", None, MATCH_TYPE),
    flag("matches", None, MATCH_TYPE),
    flag("regex", Some(Regex), MATCH_TYPE),
    Tag { name: "count", extension: Some(Relational), value: Some(Shape::Any), group: MATCH_TYPE },
    Tag { name: "value", extension: Some(Relational), value: Some(Shape::Any), group: MATCH_TYPE },
    valued("comparator", None, Shape::Text),
];
const PART: &[Tag] = &[
    flag("all", None, ADDRESS_PART),
    flag("localpart", None, ADDRESS_PART),
    flag("domain", None, ADDRESS_PART),
    flag("user", Some(Subaddress), ADDRESS_PART),
    flag("detail", Some(Subaddress), ADDRESS_PART),
];
const INDEX: &[Tag] = &[valued("index", Some(Index), Shape::Number), flag("last", Some(Index), "last")];
const FLAGS: &[Tag] = &[valued("flags", Some(Imap4Flags), Shape::Texts)];
const REPORTS: &[Tag] =
    &[valued("notify", Some(RedirectDsn), Shape::Text), valued("ret", Some(RedirectDsn), Shape::Text)];
const COPY: &[Tag] = &[flag("copy", Some(Copy), "copy")];
const SIZE: &[Tag] = &[flag("over", None, ""), flag("under", None, "")];
const BODY: &[Tag] = &[
    flag("raw", None, "transform"),
    flag("text", None, "transform"),
    Tag { name: "content", extension: None, value: Some(Shape::Texts), group: "transform" },
];
const ZONE: &[Tag] = &[Tag { name: "zone", extension: None, value: Some(Shape::Text), group: "zone" }];
const ORIGINAL_ZONE: &[Tag] = &[flag("originalzone", None, "zone")];
const MAILBOX_TAGS: &[Tag] =
    &[flag("create", Some(Mailbox), "create"), valued("specialuse", Some(SpecialUse), Shape::Text)];
const SET: &[Tag] = &[
    flag("lower", None, ""),
    flag("upper", None, ""),
    flag("lowerfirst", None, ""),
    flag("upperfirst", None, ""),
    flag("quotewildcard", None, ""),
    flag("quoteregex", Some(Regex), ""),
    flag("encodeurl", Some(ENotify), ""),
    flag("length", None, ""),
];
const VACATION: &[Tag] = &[
    Tag { name: "days", extension: None, value: Some(Shape::Number), group: "days" },
    Tag { name: "seconds", extension: Some(VacationSeconds), value: Some(Shape::Number), group: "days" },
    valued("subject", None, Shape::Text),
    valued("from", None, Shape::Text),
    valued("addresses", None, Shape::Texts),
    flag("mime", None, "mime"),
    valued("handle", None, Shape::Text),
];
const INCLUDE: &[Tag] = &[
    flag("personal", None, "LOCATION"),
    flag("global", None, "LOCATION"),
    flag("once", None, "once"),
    flag("optional", None, "optional"),
];
const DUPLICATE: &[Tag] = &[
    valued("handle", None, Shape::Text),
    Tag { name: "header", extension: None, value: Some(Shape::Text), group: "" },
    Tag { name: "uniqueid", extension: None, value: Some(Shape::Text), group: "" },
    valued("seconds", None, Shape::Number),
    flag("last", None, "last"),
];
const NOTIFY: &[Tag] = &[
    valued("from", None, Shape::Text),
    valued("importance", None, Shape::Text),
    valued("options", None, Shape::Texts),
    valued("message", None, Shape::Text),
];
const EDIT_INDEX: &[Tag] = &[valued("index", None, Shape::Number), flag("last", None, "last")];
const LAST: &[Tag] = &[flag("last", None, "last")];
const MIME: &[Tag] = &[flag("mime", Some(Mime), "mime"), flag("anychild", Some(Mime), "anychild")];
/// Which of them exclude each other is said in Pigeonhole's words.
const MIME_PIECE: &[Tag] = &[
    flag("type", Some(Mime), ""),
    flag("subtype", Some(Mime), ""),
    flag("contenttype", Some(Mime), ""),
    Tag { name: "param", extension: Some(Mime), value: Some(Shape::Texts), group: "" },
];
const LOOP_NAME: &[Tag] = &[valued("name", None, Shape::Text)];
const FIRST: &[Tag] = &[valued("first", None, Shape::Number)];
const REPLACE: &[Tag] =
    &[flag("mime", None, "mime"), valued("subject", None, Shape::Text), valued("from", None, Shape::Text)];
const ENCLOSE: &[Tag] = &[valued("subject", None, Shape::Text), valued("headers", None, Shape::Texts)];
const PERCENT: &[Tag] = &[flag("percent", Some(SpamTestPlus), "percent")];

const KEYS: Slot = slot("key list", Shape::Texts);
const HEADERS: Slot = slot("header names", Shape::Texts);
const REASON: Slot = slot("reason", Shape::Text);
const MAILBOXES: Slot = slot("mailbox-names", Shape::Texts);
const FLAG_SLOTS: &[Slot] = &[slot("variable name", Shape::Any), slot("list of flags", Shape::Texts)];

#[rustfmt::skip]
pub const COMMANDS: &[Row] = &[
    Row { slots: &[slot("capabilities", Shape::Any)], ..row("require", None, Make::Control) },
    Row { tests: SubTests::One, block: true, ..row("if", None, Make::Control) },
    Row { tests: SubTests::One, block: true, ..row("elsif", None, Make::Control) },
    Row { block: true, ..row("else", None, Make::Control) },
    command("stop", None, commands::stop),
    command("discard", None, commands::discard),
    Row { tags: &[FLAGS], ..command("keep", None, commands::keep) },
    Row { tags: &[FLAGS, COPY, MAILBOX_TAGS], slots: &[slot("folder", Shape::Text)], ..command("fileinto", Some(FileInto), commands::fileinto) },
    Row { tags: &[COPY, REPORTS], slots: &[slot("address", Shape::Text)], ..command("redirect", None, commands::redirect) },
    Row { slots: &[REASON], ..command("reject", Some(Reject), commands::reject) },
    Row { slots: &[REASON], ..command("ereject", Some(EReject), commands::ereject) },
    Row { tags: &[VACATION], slots: &[REASON], ..command("vacation", Some(Vacation), commands::vacation) },
    Row { tags: &[SET], slots: &[slot("name", Shape::Text), slot("value", Shape::Text)], ..command("set", Some(Variables), commands::set) },
    Row { slots: FLAG_SLOTS, optional: Optional::First, ..command("setflag", Some(Imap4Flags), commands::setflag) },
    Row { slots: FLAG_SLOTS, optional: Optional::First, ..command("addflag", Some(Imap4Flags), commands::addflag) },
    Row { slots: FLAG_SLOTS, optional: Optional::First, ..command("removeflag", Some(Imap4Flags), commands::removeflag) },
    Row { tags: &[LAST], slots: &[slot("field-name", Shape::Text), slot("value", Shape::Text)], ..command("addheader", Some(EditHeader), commands::addheader) },
    Row { tags: &[EDIT_INDEX, MATCH], slots: &[slot("field-name", Shape::Text), slot("value-patterns", Shape::Texts)], optional: Optional::Last, ..command("deleteheader", Some(EditHeader), commands::deleteheader) },
    Row { tags: &[INCLUDE], slots: &[slot("value", Shape::Text)], ..command("include", Some(Include), commands::include) },
    command("return", Some(Include), commands::return_),
    Row { slots: &[slot("variable names", Shape::Texts)], ..command("global", Some(Include), commands::global) },
    Row { tags: &[NOTIFY], slots: &[slot("method", Shape::Text)], ..command("notify", Some(ENotify), commands::notify) },
    Row { slots: &[slot("message", Shape::Text)], ..command("error", Some(IHave), commands::error) },
    Row { slots: &[slot("message", Shape::Text)], ..command("debug_log", Some(Debug), commands::debug_log) },
    Row { tags: &[LOOP_NAME], block: true, ..row("foreverypart", Some(ForEveryPart), Make::Control) },
    Row { tags: &[LOOP_NAME], ..command("break", Some(ForEveryPart), mime::break_) },
    Row { tags: &[SET, FIRST], slots: &[slot("varname", Shape::Text)], ..command("extracttext", Some(ExtractText), mime::extracttext) },
    Row { tags: &[REPLACE], slots: &[slot("replacement", Shape::Text)], ..command("replace", Some(Replace), mime::replace) },
    Row { tags: &[ENCLOSE], slots: &[slot("text", Shape::Text)], ..command("enclose", Some(Enclose), mime::enclose) },
];

#[rustfmt::skip]
pub const TESTS: &[Row] = &[
    test("true", None, tests::true_),
    test("false", None, tests::false_),
    Row { tests: SubTests::One, ..test("not", None, tests::not) },
    Row { tests: SubTests::List, ..test("allof", None, tests::allof) },
    Row { tests: SubTests::List, ..test("anyof", None, tests::anyof) },
    Row { tags: &[MIME], slots: &[HEADERS], ..test("exists", None, tests::exists) },
    Row { tags: &[SIZE], slots: &[slot("limit", Shape::Number)], ..test("size", None, tests::size) },
    Row { tags: &[MATCH, INDEX, MIME, MIME_PIECE], slots: &[HEADERS, KEYS], ..test("header", None, tests::header) },
    Row { tags: &[MATCH, PART, INDEX, MIME], slots: &[HEADERS, KEYS], ..test("address", None, tests::address) },
    Row { tags: &[MATCH, PART], slots: &[slot("envelope parts", Shape::Texts), KEYS], ..test("envelope", Some(Envelope), tests::envelope) },
    Row { tags: &[MATCH, BODY], slots: &[KEYS], ..test("body", Some(Body), tests::body) },
    Row { tags: &[MATCH, ZONE, ORIGINAL_ZONE, INDEX], slots: &[slot("header name", Shape::Text), slot("date part", Shape::Text), KEYS], ..test("date", Some(Date), tests::date) },
    Row { tags: &[MATCH, ZONE], slots: &[slot("date part", Shape::Text), KEYS], ..test("currentdate", Some(Date), tests::currentdate) },
    Row { tags: &[MATCH], slots: &[slot("source", Shape::Texts), KEYS], ..test("string", Some(Variables), tests::string) },
    Row { tags: &[MATCH], slots: &[slot("variable list", Shape::Texts), slot("list of flags", Shape::Texts)], optional: Optional::First, ..test("hasflag", Some(Imap4Flags), tests::hasflag) },
    Row { tags: &[MATCH], slots: &[slot("name", Shape::Text), KEYS], ..test("environment", Some(Environment), tests::environment) },
    Row { tags: &[DUPLICATE], ..test("duplicate", Some(Duplicate), tests::duplicate) },
    Row { slots: &[MAILBOXES], ..test("mailboxexists", Some(Mailbox), tests::mailboxexists) },
    Row { slots: &[slot("mailbox", Shape::Text), slot("special-use flags", Shape::Texts)], optional: Optional::First, ..test("specialuse_exists", Some(SpecialUse), tests::specialuse_exists) },
    Row { tags: &[MATCH, PERCENT], slots: &[slot("value", Shape::Text)], ..test("spamtest", Some(SpamTest), tests::spamtest) },
    Row { tags: &[MATCH], slots: &[slot("value", Shape::Text)], ..test("virustest", Some(VirusTest), tests::virustest) },
    Row { slots: &[slot("capabilities", Shape::Texts)], ..test("ihave", Some(IHave), tests::ihave) },
    Row { slots: &[slot("notification-uris", Shape::Texts)], ..test("valid_notify_method", Some(ENotify), tests::valid_notify_method) },
    Row { tags: &[MATCH], slots: &[slot("notification-uri", Shape::Text), slot("notification-capability", Shape::Text), KEYS], ..test("notify_method_capability", Some(ENotify), tests::notify_method_capability) },
];

const SUITE_MESSAGE: &[Tag] =
    &[flag("smtp", None, "source"), Tag { name: "folder", extension: None, value: Some(Shape::Text), group: "source" }];
const TEXT: &[Slot] = &[slot("value", Shape::Text)];
const TWO_TEXTS: &[Slot] = &[slot("name", Shape::Text), slot("value", Shape::Text)];

const fn suite_command(name: &'static str, slots: &'static [Slot]) -> Row {
    Row { slots, ..command(name, Some(TestSuite), suite::command) }
}

const fn suite_test(name: &'static str, slots: &'static [Slot]) -> Row {
    Row { slots, ..test(name, Some(TestSuite), suite::test) }
}

/// The `.svtest` language.
#[rustfmt::skip]
pub const SUITE_COMMANDS: &[Row] = &[
    Row { block: true, ..suite_command("test", TEXT) },
    suite_command("test_fail", TEXT),
    suite_command("test_set", TWO_TEXTS),
    Row { tags: &[SUITE_MESSAGE], ..suite_command("test_message", &[slot("index", Shape::Number)]) },
    suite_command("test_message_print", &[]),
    suite_command("test_result_print", &[]),
    suite_command("test_result_reset", &[]),
    suite_command("test_config_set", TWO_TEXTS),
    suite_command("test_config_unset", TEXT),
    Row { tags: &[&[valued("extension", None, Shape::Text)]], ..suite_command("test_config_reload", &[]) },
    suite_command("test_mailbox_create", TEXT),
    suite_command("test_mailbox_delete", TEXT),
    Row { tags: &[&[valued("mailbox", None, Shape::Text)]], ..suite_command("test_imap_metadata_set", TWO_TEXTS) },
    suite_command("test_binary_save", TEXT),
    suite_command("test_binary_load", TEXT),
];

#[rustfmt::skip]
pub const SUITE_TESTS: &[Row] = &[
    Row { tags: &[SUITE_MESSAGE], ..suite_test("test_message", &[slot("index", Shape::Number)]) },
    suite_test("test_script_compile", TEXT),
    Row { tags: &[&[flag("append_result", None, "append_result")]], ..suite_test("test_script_run", &[]) },
    suite_test("test_multiscript", &[slot("scripts", Shape::Texts)]),
    suite_test("test_result_execute", &[]),
    Row { tags: &[MATCH, EDIT_INDEX], ..suite_test("test_result_action", &[KEYS]) },
    Row { tags: &[MATCH, EDIT_INDEX], ..suite_test("test_error", &[KEYS]) },
];

/// The row of a command, case ignored (RFC 5228 §2.9).
pub fn command_named(name: &str) -> Option<&'static Row> {
    COMMANDS.iter().chain(SUITE_COMMANDS).find(|row| row.name.eq_ignore_ascii_case(name))
}

pub fn test_named(name: &str) -> Option<&'static Row> {
    TESTS.iter().chain(SUITE_TESTS).find(|row| row.name.eq_ignore_ascii_case(name))
}
