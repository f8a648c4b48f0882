//! What the code uses: the file's values typed, right in themselves and with each other.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use directory::lockout::Rules;
use directory::passwd_file::Network;
use mail::namespace::Namespaces;
use mail::{Domain, Flags, Keyword, Quota};
use proto::pop3::UniqueIdFormat;
use proto::sasl::Mechanism;

use super::dkim::SigningSettings;
use super::domains::SpareRecipients;
use super::ldap::LdapSettings;
use super::relay::RelaySettings;
use super::scan::ScanSettings;
use super::smtp::SmtpSettings;
use super::verify::{DnsSettings, VerifySettings};
use crate::certificate::UserField;

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
            // It takes mail for whatever roles there are.
            Protocol::Smtp | Protocol::Admin => None,
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

/// Where connections come in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAt {
    Ip(SocketAddr),
    /// A unix socket of this name.
    Unix(PathBuf),
}

impl ListenAt {
    /// An IP address and a port, or a whole path.
    pub(super) fn parse(text: &str) -> Option<ListenAt> {
        match text.starts_with('/') {
            true => Some(ListenAt::Unix(text.into())),
            false => text.parse().ok().map(ListenAt::Ip),
        }
    }

    /// `None`: only who is on this machine can come.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            ListenAt::Ip(address) => Some(*address),
            ListenAt::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAt::Ip(address) => address.fmt(f),
            ListenAt::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Whether clients of SMTP log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthMode {
    Off,
    Offered,
    /// Before any mail.
    Required,
}

/// One address that takes connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listener {
    pub protocol: Protocol,
    pub address: ListenAt,
    /// For `[[trusted]]`.
    pub name: Option<String>,
    pub tls: TlsMode,
    /// Load balancers, which say for whom they connect.
    pub proxy: Vec<Network>,
    pub auth: AuthMode,
    /// Keywords of SMTP's extensions.
    pub hide: Vec<String>,
    /// The whole greeting of SMTP.
    pub banner: Option<String>,
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
    pub location: store::Location,
    /// What every account has.
    pub auto: Vec<store::AutoMailbox>,
    pub unique_ids: UniqueIdSettings,
    pub poll: Duration,
    /// Whether a message for several is one file.
    pub single_instance: bool,
    /// How hard new messages are compressed, if at all.
    pub compress: Option<store::ZstdLevel>,
    pub lock_wait: Duration,
    pub index: PathBuf,
    pub index_size: u64,
}

/// What POP3's UIDL tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueIdSettings {
    pub format: Arc<UniqueIdFormat>,
    pub rename_duplicates: bool,
}

/// How mail comes into mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LmtpSettings {
    /// What stands behind the delimiter of an address names a mailbox.
    pub save_to_detail_mailbox: bool,
    /// How long the recipients of one message wait for each other.
    pub answer_within: Duration,
}

/// How POP3 behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pop3Settings {
    /// One session at a time.
    pub lock_session: bool,
    /// Nothing is marked as seen.
    pub no_flag_updates: bool,
    /// What deleted messages get instead of being removed.
    pub deleted_flag: Option<DeletedFlag>,
    /// `X-UIDL` of a header is the unique-id.
    pub reuse_xuidl: bool,
    /// Unique-ids are saved.
    pub save_uidl: bool,
    pub enable_last: bool,
}

/// A flag that hides a message from POP3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletedFlag {
    System(Flags),
    Keyword(Keyword),
}

/// Where nodes tell each other of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintSettings {
    pub listen: SocketAddr,
    /// This node may be among them.
    pub peers: Vec<SocketAddr>,
    pub secret_file: PathBuf,
}

/// How users share mailboxes with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSettings {
    /// Who shares something with whom.
    pub dictionary: PathBuf,
    /// Whether users may share with everybody.
    pub anyone: bool,
}

/// What becomes of a message for somebody who has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    Bounce,
    Defer,
}

/// How much accounts may hold, and who is told when they hold much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaSettings {
    pub storage: store::QuotaFile,
    /// For what an account's own rules do not speak of.
    pub rules: Arc<Quota>,
    /// In percent of the limit.
    pub grace: u32,
    pub when_full: WhenFull,
    pub warnings: Vec<Warning>,
}

/// What happens when an account crosses a threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub threshold: store::Threshold,
    /// A program and its arguments; empty: none.
    pub run: Vec<String>,
    /// Whether the user gets a message.
    pub message: bool,
    pub template: Option<PathBuf>,
}

/// What users' scripts may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SieveSettings {
    pub bounds: store::ScriptBounds,
    pub redirects_max: u32,
    /// Scripts of the platform.
    pub before: Vec<PathBuf>,
    pub default: Option<PathBuf>,
    pub after: Vec<PathBuf>,
    /// A folder of scripts to be included.
    pub global: Option<PathBuf>,
    /// Where the verdicts of filters stand.
    pub spam: Option<sieve::ScoreRule>,
    pub virus: Option<sieve::ScoreRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    pub retry_first: Duration,
    pub retry_max: Duration,
    pub lifetime: Duration,
    pub bounce_lifetime: Duration,
    /// `None`: senders hear of no delay.
    pub delay_warning: Option<Duration>,
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
    /// The same on all nodes.
    pub secret_file: PathBuf,
    /// `None`: all that serve everybody.
    pub mechanisms: Option<Vec<Mechanism>>,
}

/// Clients that need no password on some listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedSettings {
    pub networks: Vec<Network>,
    /// By their names.
    pub listeners: Vec<String>,
    pub domains: Vec<String>,
}

/// How access tokens are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthSettings {
    pub issuer: String,
    pub audience: Vec<String>,
    pub check: OauthCheck,
    pub ca_file: Option<PathBuf>,
    pub user_claim: String,
    pub scope: Option<String>,
    pub leeway: Duration,
    pub timeout: Duration,
    pub keys_pause: Duration,
    pub stale: Duration,
    pub remember: Duration,
}

/// By what they are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OauthCheck {
    KeysUrl(String),
    KeysFile(PathBuf),
    Introspection { url: String, client_id: String, client_secret_file: PathBuf },
}

/// How Kerberos tickets are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GssapiSettings {
    pub keytab: PathBuf,
    pub realms: Vec<String>,
    /// Names of the services' host; at least one.
    pub hosts: Vec<String>,
    /// The login has its realm.
    pub whole_principal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub clients: Option<ClientCertificates>,
}

/// How users' certificates are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    pub authority: PathBuf,
    pub required: bool,
    pub user_field: UserField,
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
    pub spare: SpareRecipients,
    pub relay: RelaySettings,
    pub smtp: SmtpSettings,
    pub routes: Vec<Route>,
    pub directory: DirectorySettings,
    pub ldap: Vec<LdapSettings>,
    pub oauth: Option<OauthSettings>,
    pub gssapi: Option<GssapiSettings>,
    pub trusted: Vec<TrustedSettings>,
    /// `None`: failed logins are not counted.
    pub lockout: Option<Rules>,
    pub mailboxes: MailboxSettings,
    /// `None`: nodes hear of each other's changes by looking again.
    pub hints: Option<HintSettings>,
    pub shared: Option<SharedSettings>,
    pub namespaces: Namespaces,
    /// Where mailboxes lie that are nobody's, by the number that their namespace has.
    pub public: Vec<store::Location>,
    pub quota: QuotaSettings,
    pub sieve: SieveSettings,
    pub lmtp: LmtpSettings,
    pub pop3: Pop3Settings,
    /// `None`: nothing is scanned.
    pub scan: Option<ScanSettings>,
    /// `None`: nothing is signed.
    pub dkim: Option<SigningSettings>,
    /// `None`: signatures are not looked at.
    pub verify: Option<VerifySettings>,
    pub dns: DnsSettings,
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

    /// Whether recipients in a domain must be known to the directory.
    pub fn is_checked(&self, domain: &Domain) -> bool {
        self.is_local(domain) || self.relay.check_recipients && self.relay.domains.contains(domain)
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
