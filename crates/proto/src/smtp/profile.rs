//! How an SMTP server is set up: dialect, names, extensions, limits. Given as arguments; nothing here reads settings.

use std::time::Duration;

use crate::sasl::Offers;

/// The three protocols that share one grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 5321: between servers.
    Smtp,
    /// RFC 6409: from users.
    Submission,
    /// RFC 2033: one answer a recipient.
    Lmtp,
}

/// How a listener uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Off,
    /// STARTTLS is offered (RFC 3207).
    Offered,
    /// STARTTLS is offered and nearly nothing is allowed before it.
    Required,
    /// The connection is inside TLS from its first byte (RFC 8314 §3).
    On,
}

/// How a listener uses AUTH (RFC 4954).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    Off,
    Offered,
    /// No mail without it.
    Required,
}

/// What happens to a bare LF or a bare CR in content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareNewline {
    /// The content is read to its true end and refused.
    Refuse,
    /// Each becomes CR LF in the content that is handed on. It never ends the content.
    Mend,
}

/// Bounds of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command line without its CR LF. RFC 5321 §4.5.3.1.4 wants at least 510, and more for extensions.
    pub line_length_max: usize,
    /// Octets of a line that holds an AUTH response (RFC 4954 §4.5: 12288).
    pub auth_line_length_max: usize,
    /// Accepted recipients of one transaction. RFC 5321 §4.5.3.1.8 wants at least 100.
    pub recipients_max: usize,
    /// Octets of one message's content, as SIZE counts them (RFC 1870 §3).
    pub message_size_max: u64,
    /// From this many errors on every command is answered late.
    pub errors_slow_after: u32,
    /// How late.
    pub error_pause: Duration,
    /// After this many errors the next command ends the session.
    pub errors_max: u32,
    /// After more than this many commands that move nothing (EHLO, NOOP, RSET, VRFY, …) each counts as an error.
    pub junk_commands_max: u32,
    /// Silence between commands. RFC 5321 §4.5.3.2.7 wants at least 5 minutes.
    pub command_patience: Duration,
    /// Silence within content.
    pub content_patience: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            line_length_max: 2048,
            auth_line_length_max: crate::sasl::LINE_LENGTH_MAX,
            recipients_max: 1000,
            message_size_max: 26_214_400,
            errors_slow_after: 10,
            error_pause: Duration::from_secs(1),
            errors_max: 20,
            junk_commands_max: 100,
            command_patience: Duration::from_secs(300),
            content_patience: Duration::from_secs(300),
        }
    }
}

/// One listener's manners, shared by all its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub dialect: Dialect,
    /// Our own name, as the greeting and EHLO say it.
    pub hostname: String,
    /// What the greeting says after its code, if not what is usual; RFC 5321 §4.2 wants the name first.
    pub banner: Option<String>,
    pub tls: Tls,
    pub auth: Auth,
    /// AUTH is neither offered nor taken before TLS.
    pub auth_needs_tls: bool,
    /// How one may log in.
    pub offers: Offers,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 3030, without BINARYMIME.
    pub chunking: bool,
    /// Our own XTRACE, for peers of the platform: `MAIL … XTRACE=ID` names the message on its whole way, and `;again` says that
    /// it may have come before.
    pub trace: bool,
    /// VRFY (RFC 5321 §3.5); else it is answered 502.
    pub vrfy: bool,
    /// RFC 1985; else it is answered 502.
    pub etrn: bool,
    /// XCLIENT: the peer may say for whom it speaks.
    pub xclient: bool,
    /// XFORWARD: the peer may say for whom it speaks, for the log.
    pub xforward: bool,
    /// What EHLO does not tell though it is there, by keyword.
    pub hidden: Vec<String>,
    pub bare_newline: BareNewline,
    pub limits: Limits,
}

impl Profile {
    /// A profile that offers every extension, without TLS and AUTH.
    pub fn new(dialect: Dialect, hostname: impl Into<String>) -> Profile {
        Profile {
            dialect,
            hostname: hostname.into(),
            banner: None,
            tls: Tls::Off,
            auth: Auth::Off,
            auth_needs_tls: true,
            offers: Offers::default(),
            smtputf8: true,
            dsn: true,
            chunking: true,
            trace: false,
            vrfy: true,
            etrn: true,
            xclient: false,
            xforward: false,
            hidden: Vec::new(),
            bare_newline: BareNewline::Refuse,
            limits: Limits::default(),
        }
    }
}
