//! The compiled form: what a checked script does, with nothing left to look up. Made by `check`, run by `run`.

mod mime;

use std::sync::Arc;

pub use mime::{Enclose, ExtractText, MimeAsk, MimeCommand, MimePiece, MimeTest, Replace};

use crate::extension::Extensions;
use crate::pattern::Pattern;

/// A whole script.
#[derive(Debug)]
pub struct Program {
    pub block: Block,
    /// The names of its variables, lower case; their places are what `Slot` counts.
    pub variables: Vec<String>,
    pub extensions: Extensions,
    /// What all this holds, in octets, about.
    pub memory: usize,
}

pub type Block = Vec<Step>;
/// The place of a variable in its script.
pub type Slot = usize;

#[derive(Debug)]
pub struct Step {
    pub line: u32,
    pub command: Command,
}

/// A string as it is known before the script runs.
#[derive(Debug, Clone)]
pub enum Text {
    Constant(Arc<str>),
    /// Made of variables (RFC 5229 §3).
    Pieces(Vec<Piece>),
}

#[derive(Debug, Clone)]
pub enum Piece {
    Literal(Arc<str>),
    Variable(Slot),
    /// `${1}`: what a wildcard matched last.
    Match(usize),
    /// `${global.name}` (RFC 6609 §3.4.2).
    Global(String),
    /// `${env.name}`.
    Environment(String),
    /// `${tst.path}`.
    SuitePath,
}

impl Text {
    pub fn constant(&self) -> Option<&str> {
        match self {
            Text::Constant(text) => Some(text),
            Text::Pieces(_) => None,
        }
    }
}

pub type Texts = Vec<Text>;

#[derive(Debug)]
pub enum Command {
    /// `if`, `elsif` and `else`: the first whose test is true.
    If(Vec<(Test, Block)>),
    Stop,
    Discard,
    Keep {
        flags: Option<Texts>,
    },
    FileInto(Box<FileInto>),
    Redirect(Box<Redirect>),
    Reject {
        reason: Text,
        extended: bool,
    },
    Vacation(Box<Vacation>),
    Set {
        variable: Variable,
        modifiers: Vec<Modifier>,
        value: Text,
    },
    Flags {
        change: FlagChange,
        variable: Option<Variable>,
        flags: Texts,
    },
    AddHeader {
        name: Text,
        value: Text,
        last: bool,
    },
    DeleteHeader {
        name: Text,
        index: Option<Index>,
        matching: Option<Matching>,
    },
    Include {
        location: Location,
        name: Text,
        once: bool,
        optional: bool,
    },
    Return,
    Global(Vec<Slot>),
    Notify(Box<Notify>),
    /// `error` of RFC 5463: the script fails.
    Error(Text),
    DebugLog(Text),
    /// RFC 5703.
    Mime(Box<MimeCommand>),
    Suite(Box<SuiteCall>),
}

/// Where `set` and the flag commands write.
#[derive(Debug, Clone)]
pub enum Variable {
    Own(Slot),
    Global(String),
}

#[derive(Debug)]
pub struct FileInto {
    pub mailbox: Text,
    pub flags: Option<Texts>,
    pub copy: bool,
    pub create: bool,
    pub special_use: Option<Text>,
}

#[derive(Debug)]
pub struct Redirect {
    pub address: Text,
    pub copy: bool,
    /// Which reports are wanted, and how much of the message they shall hold (RFC 6009 §6).
    pub notify: Option<Text>,
    pub ret: Option<Text>,
}

/// The arguments of `vacation` (RFC 5230 §4, RFC 6131).
#[derive(Debug)]
pub struct Vacation {
    /// As written; `None` for the default.
    pub seconds: Option<u64>,
    pub subject: Option<Text>,
    pub from: Option<Text>,
    pub addresses: Texts,
    pub mime: bool,
    pub handle: Option<Text>,
    pub reason: Text,
}

/// The arguments of `notify` (RFC 5435 §3).
#[derive(Debug)]
pub struct Notify {
    pub method: Text,
    pub from: Option<Text>,
    pub importance: Option<Text>,
    pub options: Texts,
    pub message: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagChange {
    Set,
    Add,
    Remove,
}

/// What `set` does with a value, in the order of RFC 5229 §4.1's precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modifier {
    Lower,
    Upper,
    LowerFirst,
    UpperFirst,
    QuoteWildcard,
    QuoteRegex,
    EncodeUrl,
    Length,
}

/// Which of several occurrences (RFC 5260 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Counted from 1.
    pub number: u64,
    pub from_last: bool,
}

/// Where an included script lies (RFC 6609 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    Personal,
    Global,
}

#[derive(Debug)]
pub enum Test {
    Constant(bool),
    Not(Box<Test>),
    AllOf(Vec<Test>),
    AnyOf(Vec<Test>),
    Exists(Texts),
    Size { over: bool, limit: u64 },
    Header { fields: Fields, matching: Matching },
    Address { fields: Fields, part: AddressPart, matching: Matching },
    Envelope { parts: Texts, part: AddressPart, matching: Matching },
    Body { content: BodyContent, matching: Matching },
    Date { of: DateOf, zone: Zone, part: Text, matching: Matching },
    Text { sources: Texts, matching: Matching },
    HasFlag { variables: Vec<Variable>, matching: Matching },
    Environment { name: Text, matching: Matching },
    Duplicate(Box<Duplicate>),
    MailboxExists(Texts),
    SpecialUseExists { mailbox: Option<Text>, uses: Texts },
    Score { of: ScoreOf, matching: Matching },
    ValidNotifyMethod(Texts),
    NotifyMethodCapability { method: Text, capability: Text, matching: Matching },
    Mime(Box<MimeTest>),
    Suite(Box<SuiteCall>),
}

impl Test {
    /// What it is, if that is known before the script runs.
    pub fn constant(&self) -> Option<bool> {
        match self {
            Test::Constant(value) => Some(*value),
            Test::Not(test) => test.constant().map(|value| !value),
            Test::AllOf(tests) => all_of(tests.iter().map(Test::constant), false),
            Test::AnyOf(tests) => all_of(tests.iter().map(Test::constant), true),
            _ => None,
        }
    }
}

/// One that decides decides; else all must be known.
fn all_of(values: impl Iterator<Item = Option<bool>> + Clone, deciding: bool) -> Option<bool> {
    if values.clone().any(|value| value == Some(deciding)) {
        return Some(deciding);
    }
    values.clone().all(|value| value.is_some()).then_some(!deciding)
}

/// Header fields to look at.
#[derive(Debug)]
pub struct Fields {
    pub names: Texts,
    pub index: Option<Index>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPart {
    All,
    LocalPart,
    Domain,
    /// RFC 5233.
    User,
    Detail,
}

#[derive(Debug)]
pub enum BodyContent {
    Raw,
    Text,
    /// The decoded parts of these media types.
    Content(Texts),
}

#[derive(Debug)]
pub enum DateOf {
    Now,
    Field(Fields),
}

#[derive(Debug)]
pub enum Zone {
    /// The server's own.
    Local,
    Original,
    Given(Text),
}

/// The arguments of `duplicate` (RFC 7352 §3).
#[derive(Debug)]
pub struct Duplicate {
    pub handle: Option<Text>,
    pub of: DuplicateOf,
    pub seconds: Option<u64>,
    pub last: bool,
}

#[derive(Debug)]
pub enum DuplicateOf {
    MessageId,
    Header(Text),
    UniqueId(Text),
}

/// RFC 5235.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreOf {
    Spam,
    SpamPercent,
    Virus,
}

/// How values are compared with keys.
#[derive(Debug)]
pub struct Matching {
    pub comparator: Comparator,
    pub kind: MatchKind,
    pub keys: Vec<Key>,
}

#[derive(Debug)]
pub struct Key {
    pub text: Text,
    /// Made once, of a text without variables, where the match type needs one.
    pub pattern: Option<Pattern>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparator {
    Octet,
    AsciiCasemap,
    AsciiNumeric,
    UnicodeCasemap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchKind {
    Is,
    Contains,
    Matches,
    Regex,
    /// RFC 5231.
    Count(Relation),
    Value(Relation),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

impl Relation {
    pub fn named(name: &str) -> Option<Relation> {
        Some(match name {
            "gt" => Relation::Greater,
            "ge" => Relation::GreaterOrEqual,
            "lt" => Relation::Less,
            "le" => Relation::LessOrEqual,
            "eq" => Relation::Equal,
            "ne" => Relation::NotEqual,
            _ => return None,
        })
    }

    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Relation::Greater => order.is_gt(),
            Relation::GreaterOrEqual => order.is_ge(),
            Relation::Less => order.is_lt(),
            Relation::LessOrEqual => order.is_le(),
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
        }
    }
}

/// A command or test of the `.svtest` language, which the one who runs the suite carries out.
#[derive(Debug)]
pub struct SuiteCall {
    pub name: &'static str,
    pub tags: Vec<(&'static str, Option<Text>)>,
    pub numbers: Vec<u64>,
    pub texts: Vec<Texts>,
    pub matching: Option<Matching>,
    /// The block of `test`.
    pub block: Option<Block>,
}
