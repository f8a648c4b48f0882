//! What the code uses: the file's values typed, right in themselves and with each other.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mail::Domain;

use super::ldap::LdapSettings;

/// A part that a node plays in the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Outgoing,
    Mailbox,
}

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Smtp,
    Submission,
    Lmtp,
    Imap,
    Pop3,
    ManageSieve,
    Admin,
}

impl Protocol {
    /// The word that stands for it in the configuration and in logs.
    pub fn word(self) -> &'static str {
        PROTOCOLS.iter().find(|(_, protocol)| *protocol == self).map_or("", |(word, _)| word)
    }

    /// The role that a node needs for it.
    pub(super) fn role(self) -> Option<Role> {
        match self {
            Protocol::Submission => Some(Role::Outgoing),
            Protocol::Admin => None,
            _ => Some(Role::Mailbox),
        }
    }
}

pub(super) const PROTOCOLS: [(&str, Protocol); 7] = [
    ("smtp", Protocol::Smtp),
    ("submission", Protocol::Submission),
    ("lmtp", Protocol::Lmtp),
    ("imap", Protocol::Imap),
    ("pop3", Protocol::Pop3),
    ("managesieve", Protocol::ManageSieve),
    ("admin", Protocol::Admin),
];

/// When a listener speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Never; passwords travel in clear, as the administrator wanted.
    Off,
    /// Offered; passwords only after it.
    StartTls,
    /// Nothing of worth before STARTTLS.
    Required,
    /// From the first byte.
    Implicit,
}

/// One address that takes connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listener {
    pub protocol: Protocol,
    pub address: SocketAddr,
    pub tls: TlsMode,
}

/// Whether the queue encrypts on the way to a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteTls {
    Off,
    Opportunistic,
    Required,
}

/// Where the queue sends mail for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `None` stands for `*`: all domains that no other route names.
    pub domain: Option<Domain>,
    pub host: String,
    pub port: u16,
    pub lmtp: bool,
    pub tls: RouteTls,
}

/// Where mail for a domain goes from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextHop<'a> {
    Route(&'a Route),
    Here,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxSettings {
    /// With `%u`, `%n` and `%d` in it.
    pub home: PathBuf,
    pub poll: Duration,
    pub lock_wait: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    pub retry_first: Duration,
    pub retry_max: Duration,
    pub lifetime: Duration,
    pub bounce_lifetime: Duration,
    pub connections_per_destination: usize,
}

/// Who is who, apart from the LDAP directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectorySettings {
    pub password_file: Option<PathBuf>,
    pub remember: Duration,
    pub remember_unknown: Duration,
    pub stale: Duration,
    pub master_users: Option<PathBuf>,
    pub master_separator: char,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Each has its row, with its sentence, in the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub connections: usize,
    pub connections_per_address: usize,
    pub message_size: u64,
    pub recipients: usize,
    pub line: usize,
    pub literal: usize,
    pub errors: usize,
    pub idle_smtp: Duration,
    pub idle_imap: Duration,
    pub idle_pop3: Duration,
    pub login_time: Duration,
    pub login_failure_delay: Duration,
    pub drain_time: Duration,
    pub disk_threads: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    pub format: LogFormat,
    pub level: tracing::Level,
}

/// The whole configuration, right in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub name: String,
    pub roles: Vec<Role>,
    pub state: PathBuf,
    pub listeners: Vec<Listener>,
    pub local_domains: Vec<Domain>,
    pub recipient_delimiter: char,
    pub routes: Vec<Route>,
    pub directory: DirectorySettings,
    pub ldap: Vec<LdapSettings>,
    pub mailboxes: MailboxSettings,
    pub queue: QueueSettings,
    pub tls: Option<TlsFiles>,
    pub limits: Limits,
    pub log: LogSettings,
}

impl Settings {
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    pub fn is_local(&self, domain: &Domain) -> bool {
        self.local_domains.contains(domain)
    }

    /// Where mail for a domain goes from here: its own route, else a mailbox of this node, else the route for all others.
    pub fn next_hop(&self, domain: &Domain) -> NextHop<'_> {
        let route = |wanted: Option<&Domain>| self.routes.iter().find(|route| route.domain.as_ref() == wanted);
        match (route(Some(domain)), self.is_local(domain) && self.has_role(Role::Mailbox), route(None)) {
            (Some(route), _, _) => NextHop::Route(route),
            (None, true, _) => NextHop::Here,
            (None, false, Some(route)) => NextHop::Route(route),
            (None, false, None) => NextHop::Unknown,
        }
    }
}
