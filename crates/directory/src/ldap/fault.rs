//! What may go wrong between us and a directory server, in words for the log. Nothing of it is ever told to a client.

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection was lost")]
    Lost,
    #[error("what it says is not LDAP: {0}")]
    Garbage(&'static str),
    /// The account that this node searches with is refused: wrong for every user, so never a reason to refuse one.
    #[error("it refuses this node's own account: result {code} {text}")]
    OwnBind { code: u32, text: String },
    /// A result that neither answers nor denies (RFC 4511 §4.1.9).
    #[error("it answers with result {code} {text}")]
    Result { code: u32, text: String },
    #[error("the answer has more than {0} entries")]
    TooMany(usize),
    #[error("the answer is larger than {0} octets")]
    TooLarge(usize),
    /// What is there of the members is not all of them, so it is no answer.
    #[error("a member list ends before its last part")]
    PartMissing,
    #[error("a member list has more than {0} parts")]
    TooManyParts(usize),
    #[error("groups lie more than {0} deep in each other")]
    TooDeep(usize),
    /// Whose fault it is can only be said by the operator; until it is mended, mail waits.
    #[error("the entry makes no account: {0}")]
    Entry(String),
    #[error("the filter is malformed")]
    Filter,
    /// More work is under way than is allowed, and waiting for a place took too long.
    #[error("too much is under way already")]
    Busy,
    #[error("every server is down{0}")]
    AllDown(String),
}

impl Fault {
    /// Whether the server is to blame, so that it is left alone for a while and another one is asked.
    pub fn is_the_servers(&self) -> bool {
        match self {
            Fault::Connect(_) | Fault::Tls(_) | Fault::TimedOut | Fault::Lost | Fault::Garbage(_) => true,
            Fault::OwnBind { .. } => true,
            // RFC 4511 appendix A: 51 busy, 52 unavailable.
            Fault::Result { code, .. } => matches!(code, 51 | 52),
            _ => false,
        }
    }

    /// Whether another server may do better.
    pub fn may_pass_elsewhere(&self) -> bool {
        self.is_the_servers() || *self == Fault::Busy
    }
}

/// What the directory says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    Answer(T),
    /// It was asked, and there is none.
    NoSuch,
    /// Nobody could say. This never bounces mail and never lets anyone in.
    Unavailable(Fault),
}
