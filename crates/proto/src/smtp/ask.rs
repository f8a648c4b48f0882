//! What an SMTP server session asks the house, and what the house answers.

use mail::envelope::{Body, Notify};
use mail::{Domain, ForwardPath, Reply, ReversePath, TraceMark};

use super::command::Quirk;
use super::profile::Dialect;
use super::xclient::ClientAttributes;
use crate::sasl::{self, Credentials};

/// A question. In brackets: the answers that fit. Any other is taken for a failure of ours (451 4.3.0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// What a mechanism needs before we know who they are. (`Sasl`, `Refused`)
    Sasl(sasl::Ask),
    /// Is it them? (`LoggedIn`, `Refused`)
    LogIn(Credentials),
    /// May this session send from here? (`Go`, `Refused`)
    ReversePath {
        path: ReversePath,
        /// The name the client gave itself, if it did, and whether it said EHLO.
        helo: Option<String>,
        extended: bool,
        /// As announced by SIZE, in octets.
        size: Option<u64>,
        body: Body,
        smtputf8: bool,
        /// Who submitted it first, as a trusted peer claims by AUTH= (RFC 4954 §5); `<>` is `ReversePath::Null`.
        submitter: Option<ReversePath>,
        quirks: Vec<Quirk>,
    },
    /// May it send to there? (`Go`, `Refused`)
    ForwardPath { recipient: ForwardRecipient, quirks: Vec<Quirk> },
    /// XCLIENT: the peer speaks for this client, who begins anew. (`Go`, `LoggedIn`, `Refused`)
    Client(Box<ClientAttributes>),
    /// XFORWARD: the peer has the next message from this client. (`Go`)
    Forwarded(Box<ClientAttributes>),
    /// What VRFY says of this text (RFC 5321 §3.5). (`Reply`, `Refused`)
    Verify(String),
    /// ETRN: mail that waits for this domain shall be tried now (RFC 1985). (`Reply`, `Refused`)
    Flush(Domain),
    /// Content follows. (`Go`, `Refused`)
    ContentBegin(Box<Transaction>),
    /// The content is whole; `size` octets were handed on. (`Replies`: one; for LMTP one for each accepted recipient in order)
    /// After a positive reply the house has taken responsibility (RFC 5321 §4.2.5).
    ContentEnd { size: u64 },
    /// The content that was begun will never be whole: forget it. (`Go`)
    Abandoned,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Go,
    Sasl(sasl::Answer),
    /// Who they are, as the log and the trace line name them.
    LoggedIn {
        account: String,
    },
    Refused(Reply),
    Reply(Reply),
    Replies(Vec<Reply>),
}

/// One recipient as RCPT gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardRecipient {
    pub path: ForwardPath,
    pub notify: Notify,
    /// ORCPT, decoded, as `rfc822;ana@example.test` (RFC 3461 §4.2).
    pub original: Option<String>,
}

/// A mail transaction whose envelope is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub dialect: Dialect,
    /// The name the client gave itself, if it did.
    pub helo: Option<String>,
    /// Whether it said EHLO or LHLO.
    pub extended: bool,
    /// Whether the session is inside TLS.
    pub tls: bool,
    /// Who logged in.
    pub authenticated: Option<String>,
    pub reverse_path: ReversePath,
    /// Those that were answered `Go`, in order. Never empty.
    pub recipients: Vec<ForwardRecipient>,
    pub body: Body,
    pub smtputf8: bool,
    /// ENVID, decoded (RFC 3461 §4.4).
    pub envelope_id: Option<String>,
    /// RET=HDRS (RFC 3461 §4.3).
    pub return_headers_only: bool,
    /// As announced by SIZE, in octets.
    pub size: Option<u64>,
    /// What the hop before us calls the message, where we offered XTRACE.
    pub trace: Option<TraceMark>,
}
