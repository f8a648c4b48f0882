//! What a run decides: values, which the caller carries out.

use mail::Address;
use mail::envelope::Notify;

/// The names of flags and keywords, each once.
pub type Flags = Vec<String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Into the mailbox where mail goes.
    Keep {
        flags: Flags,
    },
    FileInto(FileInto),
    Redirect {
        address: Address,
        copy: bool,
        reports: Reports,
    },
    /// Refuse the message: with a report, or, if `extended`, in the protocol where that is possible (RFC 5429).
    Reject {
        reason: String,
        extended: bool,
    },
    /// Said so; it shows in that there is no implicit keep.
    Discard,
    Vacation(Box<Vacation>),
    Notify(Box<Notification>),
}

impl Action {
    /// The name that logs and test suites know it by.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Keep { .. } => "keep",
            Action::FileInto(_) => "store",
            Action::Redirect { .. } => "redirect",
            Action::Reject { .. } => "reject",
            Action::Discard => "discard",
            Action::Vacation(_) => "vacation",
            Action::Notify(_) => "notify",
        }
    }
}

/// What shall be reported about a message that is sent on (RFC 6009 §6), where the script says so. Then the owner of the script
/// hears it (§6.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reports {
    pub notify: Option<Notify>,
    pub headers_only: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInto {
    pub mailbox: String,
    pub flags: Flags,
    /// It did not cancel the implicit keep (RFC 3894).
    pub copy: bool,
    /// Make the mailbox if it is missing (RFC 5490 §3.2).
    pub create: bool,
    /// Prefer the mailbox with this use (RFC 8579 §5).
    pub special_use: Option<String>,
}

/// An answer to be given if the rules of RFC 5230 §4 and RFC 3834 allow it: see `vacation::judge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vacation {
    /// What tells this answer from others to the same sender: the handle, or all that would make it another text.
    pub handle: String,
    /// How long the same sender gets no second one; `None` for the default. 0 only with `:seconds`.
    pub seconds: Option<u64>,
    pub subject: Option<String>,
    pub from: Option<String>,
    /// More addresses of the recipient.
    pub addresses: Vec<String>,
    /// The reason is a MIME part with its header.
    pub mime: bool,
    pub reason: String,
}

/// RFC 5435.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// A URI, `mailto:`.
    pub method: String,
    pub from: Option<String>,
    /// 1 urgent, 2 normal, 3 low.
    pub importance: u8,
    pub options: Vec<String>,
    pub message: Option<String>,
}

/// What `duplicate` has asked for, to be remembered once the actions are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub handle: String,
    pub id: String,
    pub seconds: u64,
}

/// Why a script ended before its end. All actions are then void and the message is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: error: {fault}")]
pub struct RunError {
    pub line: u32,
    pub fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{0} limit exceeded.")]
    TooMuch(&'static str),
    #[error("{0}.")]
    Conflict(String),
    /// A value made of variables does not fit where it is used.
    #[error("{0}.")]
    Invalid(String),
    #[error("include: {0}.")]
    Include(String),
    /// By `error` (RFC 5463).
    #[error("{0}")]
    Stated(String),
    #[error("{0}")]
    Suite(String),
}

/// What has become of a message: `None` for what is as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// With the empty line after it.
    pub header: Option<Vec<u8>>,
    pub body: Option<Vec<u8>>,
}

impl Rewritten {
    /// The message, in two pieces.
    pub fn pieces<'a>(&'a self, content: &'a [u8]) -> [&'a [u8]; 2] {
        let end = mail::header::header_end(content).unwrap_or(content.len());
        let (header, body) = content.split_at_checked(end).unwrap_or((content, &[]));
        [self.header.as_deref().unwrap_or(header), self.body.as_deref().unwrap_or(body)]
    }
}

/// What a run has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the script asked for, in order; empty after an error.
    pub actions: Vec<Action>,
    /// The message goes into the mailbox all the same, with these flags (RFC 5228 §2.10.2). Also after an error.
    pub implicit_keep: Option<Flags>,
    /// The new header if the script has changed it, with the empty line after it.
    pub header: Option<Vec<u8>>,
    /// The new body if the script has changed it (RFC 5703).
    pub body: Option<Vec<u8>>,
    /// What `redirect` sends if that is not what is kept: `enclose` is not for it (RFC 5703 §6).
    pub redirected: Option<Rewritten>,
    pub seen: Vec<Seen>,
    pub error: Option<RunError>,
}

impl Outcome {
    /// What has become of the message, if the script has changed it.
    pub fn rewritten(&self) -> Option<Rewritten> {
        let changed = self.header.is_some() || self.body.is_some();
        changed.then(|| Rewritten { header: self.header.clone(), body: self.body.clone() })
    }

    /// Whether the message is kept, by the script or without it: then a script that comes after this one runs, too.
    pub fn keeps(&self) -> bool {
        self.implicit_keep.is_some() || self.actions.iter().any(|action| matches!(action, Action::Keep { .. }))
    }
}
