//! What an SMTP client session asks the house, what it is answered, and how it is set up.

use std::time::Duration;

use mail::envelope::Body;
use mail::{Outcome, Recipient, ReversePath, TraceMark};

use crate::sasl::Credentials;
use crate::smtp::profile::Dialect;

/// A question. In brackets: the answers that fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// (`Message`, `NoMore`)
    NextMessage,
    /// Content from this octet on, in pieces of at most 64 KiB. (`Bytes`, `ContentEnd`, `ContentFailed`)
    Content { offset: u64 },
    /// What became of the message. (`Go`)
    Report(Report),
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One for each recipient of the job, in its order. Each has the reply that decided it.
    pub outcomes: Vec<Outcome>,
    /// Whether it travelled inside TLS.
    pub tls: bool,
    /// Whether the peer was told whom the sender wants to hear of (RFC 3461 §5.2.1).
    pub dsn: bool,
    /// STARTTLS was offered and its handshake failed.
    pub tls_failed: bool,
    /// The connection was lost before the peer said a word about this message: on a connection that was kept from an
    /// earlier message that says nothing about this one.
    pub unheard: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Message(Job),
    NoMore,
    /// The next octets of the content, not none.
    Bytes(Vec<u8>),
    /// There is no more content.
    ContentEnd,
    /// The content cannot be read now.
    ContentFailed,
    Go,
}

/// A message to be delivered over this connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub reverse_path: ReversePath,
    pub recipients: Vec<Recipient>,
    /// Octets of the content.
    pub size: u64,
    pub body: Body,
    pub smtputf8: bool,
    pub envelope_id: Option<String>,
    pub return_headers_only: bool,
    /// Told to a peer that offers XTRACE.
    pub trace: Option<TraceMark>,
}

/// How a connection uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTls {
    Off,
    /// When it is offered.
    Opportunistic,
    /// Nothing is sent without it.
    Required,
    /// The connection is inside TLS from its first byte.
    On,
}

/// How long to wait for each answer (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// §4.5.3.2.1
    pub greeting: Duration,
    /// §4.5.3.2.2
    pub mail: Duration,
    /// §4.5.3.2.3
    pub rcpt: Duration,
    /// §4.5.3.2.4: for 354.
    pub data: Duration,
    /// §4.5.3.2.6: after the final dot.
    pub content_end: Duration,
    /// EHLO, STARTTLS, RSET.
    pub other: Duration,
    /// Nothing depends on it.
    pub quit: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Patience {
            greeting: minutes(5),
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            content_end: minutes(10),
            other: minutes(5),
            quit: Duration::from_secs(10),
        }
    }
}

/// How a connection is used, shared by all connections of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientProfile {
    /// `Smtp` or `Lmtp`; `Submission` is spoken as SMTP.
    pub dialect: Dialect,
    /// Our own name.
    pub helo: String,
    pub tls: ClientTls,
    /// Who we log in as, by AUTH PLAIN and inside TLS only (RFC 4954 §9).
    pub credentials: Option<Credentials>,
    pub patience: Patience,
}
