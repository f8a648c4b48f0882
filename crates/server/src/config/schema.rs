//! Every option there is: one row each, with its type, default, unit and sentence.
//!
//! The reader, the defaults and the reference in `docs/reference/configuration.md` all come from these rows.

mod mail;
mod people;
mod platform;
mod protocols;
mod scores;
mod screen;
mod smtp;

/// What may stand behind an option's `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// A file or folder; relative ones are meant from the configuration file's folder.
    Path,
    /// `"500ms"`, `"30s"`, `"5m"`, `"12h"`, `"1d"`.
    Duration,
    /// A number of octets, or `"64K"`, `"25M"`, `"2G"` (powers of 1024).
    Size,
    /// A whole number within bounds.
    Number { min: i64, max: i64 },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of words out of these.
    Choices(&'static [&'static str]),
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub key: &'static str,
    pub kind: Kind,
    /// As it would be written in the file; `None` when there is no substitute for writing it.
    pub default: Option<&'static str>,
    pub required: bool,
    /// What it means.
    pub sentence: &'static str,
}

/// One table of the file, `[name]` or, when it repeats, `[[name]]`.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub repeats: bool,
    pub sentence: &'static str,
    pub rows: &'static [Row],
}

const fn with(key: &'static str, kind: Kind, default: &'static str, sentence: &'static str) -> Row {
    Row { key, kind, default: Some(default), required: false, sentence }
}

const fn must(key: &'static str, kind: Kind, sentence: &'static str) -> Row {
    Row { key, kind, default: None, required: true, sentence }
}

const fn may(key: &'static str, kind: Kind, sentence: &'static str) -> Row {
    Row { key, kind, default: None, required: false, sentence }
}

const fn up_to(max: i64) -> Kind {
    Kind::Number { min: 1, max }
}

/// A number that nought switches off.
const COUNT: Kind = Kind::Number { min: 0, max: 1_000_000 };

pub const PROTOCOLS: &[&str] = &["smtp", "submission", "lmtp", "imap", "pop3", "managesieve", "admin"];
pub const MECHANISMS: &[&str] =
    &["EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "GSSAPI", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"];
pub const AUTH_MODES: &[&str] = &["off", "offered", "required"];
pub const SMTP_KEYWORDS: &[&str] = &[
    "PIPELINING",
    "SIZE",
    "VRFY",
    "ETRN",
    "STARTTLS",
    "AUTH",
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "DSN",
    "SMTPUTF8",
    "CHUNKING",
    "LIMITS",
    "XTRACE",
];
pub const TLS_MODES: &[&str] = &["off", "starttls", "required", "implicit"];

/// The whole file, in the order of the reference.
pub const TABLES: &[Table] = &[
    platform::NODE,
    platform::LISTENER,
    platform::DOMAINS,
    platform::ROUTE,
    smtp::RELAY,
    smtp::SMTP,
    smtp::SENDING_LIMIT,
    smtp::POLICY_SERVICE,
    people::DIRECTORY,
    people::LDAP,
    people::TRUSTED,
    people::LOCKOUT,
    people::OAUTH,
    people::GSSAPI,
    mail::MAILBOXES,
    mail::HINTS,
    mail::MAILBOX,
    mail::SHARED,
    mail::NAMESPACE,
    mail::QUOTA,
    mail::QUOTA_WARNING,
    mail::SIEVE,
    scores::SIEVE_SPAMTEST,
    scores::SIEVE_VIRUSTEST,
    protocols::LMTP,
    protocols::POP3,
    screen::SCAN,
    screen::SCANNER,
    screen::DKIM,
    screen::VERIFY,
    screen::DNS,
    platform::QUEUE,
    platform::TLS,
    platform::LIMITS,
    platform::LOG,
];

/// The table with this name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

impl Table {
    pub fn row(&self, key: &str) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.key == key)
    }
}
