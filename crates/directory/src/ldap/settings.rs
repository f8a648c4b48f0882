//! How to reach the servers and how long to wait for them: plain values, given as arguments.

use std::path::PathBuf;
use std::time::Duration;

use mail::uri::percent_decoded;
use proto::sasl::Secret;

/// RFC 4516 §2: what is meant by no port; `ldaps` by custom (IANA).
const LDAP_PORT: u16 = 389;
const LDAPS_PORT: u16 = 636;

/// How the octets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `ldap://`, made safe by StartTLS if `Settings::start_tls` says so.
    Tcp,
    /// `ldaps://`
    Tls,
    /// `ldapi://`, a socket of this machine.
    Unix,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub transport: Transport,
    /// A name, an address without brackets, or the path of a socket.
    pub host: String,
    pub port: u16,
}

/// Why a text is no server's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("expected ldap://, ldaps:// or ldapi://")]
    Scheme,
    #[error("the host is missing")]
    Host,
    #[error("the port is no number between 1 and 65535")]
    Port,
    #[error("base, filter and attributes do not belong into a server's URL")]
    Path,
}

impl Url {
    /// Parses `ldap://host[:port][/]`, `ldaps://…` or `ldapi://%2Frun%2Fslapd%2Fldapi` (RFC 4516 §2).
    ///
    /// # Errors
    /// Another scheme, no host, a bad port, or something after the host.
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let transport = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => Transport::Tcp,
            "ldaps" => Transport::Tls,
            "ldapi" => Transport::Unix,
            _ => return Err(UrlError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?']) {
            return Err(UrlError::Path);
        }
        let (host, port) = match transport {
            Transport::Unix => (percent_decoded(rest).ok_or(UrlError::Host)?, None),
            _ => split_port(rest)?,
        };
        if host.is_empty() {
            return Err(UrlError::Host);
        }
        let default = if transport == Transport::Tls { LDAPS_PORT } else { LDAP_PORT };
        Ok(Url { transport, host, port: port.unwrap_or(default) })
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.transport {
            Transport::Tcp => write!(f, "ldap://{host}:{}", self.port),
            Transport::Tls => write!(f, "ldaps://{host}:{}", self.port),
            Transport::Unix => write!(f, "ldapi://{}", self.host),
        }
    }
}

fn split_port(text: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, rest))) => (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))),
        Some(None) => return Err(UrlError::Host),
        None => text.split_once(':').map_or((text, Some("")), |(host, port)| (host, Some(port))),
    };
    match port.ok_or(UrlError::Port)? {
        "" => Ok((host.to_owned(), None)),
        port => match port.parse() {
            Ok(0) | Err(_) => Err(UrlError::Port),
            Ok(port) => Ok((host.to_owned(), Some(port))),
        },
    }
}

/// As whom this node searches.
#[derive(Debug, Clone)]
pub struct OwnBind {
    /// A DN; against Active Directory a user principal name will do.
    pub dn: String,
    pub password: Secret,
}

/// The servers of one directory and our manners with them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// In order of preference.
    pub urls: Vec<Url>,
    /// Make `ldap://` safe by StartTLS (RFC 4513 §3). Without it, passwords travel readable there.
    pub start_tls: bool,
    /// Certificates in PEM that vouch for the servers. Without it: the system's bundle.
    pub ca_file: Option<PathBuf>,
    /// Without it: nothing is bound, and the server must let strangers search.
    pub own_bind: Option<OwnBind>,
    /// For TCP, TLS and our own bind together.
    pub connect_timeout: Duration,
    /// For one server's answer, before the next one is asked.
    pub answer_timeout: Duration,
    /// For an answer at all, over all servers, waiting for a place included: nobody waits longer.
    pub operation_timeout: Duration,
    /// For a place, when `in_flight_max` or `bind_connections` are taken.
    pub waiting_timeout: Duration,
    /// A connection a server carries many searches at once, so few are enough.
    pub lookup_connections: usize,
    /// Connections a server on which users are bound, one at a time each.
    pub bind_connections: usize,
    /// Searches under way at once, a server.
    pub in_flight_max: usize,
    /// Entries a page (RFC 2696); Active Directory gives no more than 1,000 without. `None`: no paging.
    pub page_size: Option<u16>,
    /// Follow a referral or a search reference to the server it names (RFC 4511 §4.1.10). Active Directory sends them
    /// with every search of a domain's root, naming itself, so they are best ignored. Followed, the server that is
    /// named sees this node's own name and password.
    pub follow_referrals: bool,
    /// How long a server that failed is left alone before it is probed; doubled each time, up to `rest_max`.
    pub rest_min: Duration,
    pub rest_max: Duration,
    /// How often a server that is not asked anything is looked after.
    pub health_interval: Duration,
    /// A connection that was not used for so long is not trusted any more (a firewall may have forgotten it).
    pub idle_max: Duration,
}

impl Settings {
    /// Good defaults for these servers.
    pub fn new(urls: Vec<Url>) -> Settings {
        Settings {
            urls,
            start_tls: false,
            ca_file: None,
            own_bind: None,
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(15),
            waiting_timeout: Duration::from_secs(5),
            lookup_connections: 2,
            bind_connections: 8,
            in_flight_max: 256,
            page_size: Some(500),
            follow_referrals: false,
            rest_min: Duration::from_secs(1),
            rest_max: Duration::from_secs(30),
            health_interval: Duration::from_secs(30),
            idle_max: Duration::from_secs(120),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_every_kind_are_read() {
        for (text, shown) in [
            ("ldap://172.16.11.63:389/", "ldap://172.16.11.63:389"),
            ("LDAPS://dc.example.test", "ldaps://dc.example.test:636"),
            ("ldap://[::1]:3890", "ldap://[::1]:3890"),
            ("ldap://[::1]", "ldap://[::1]:389"),
            ("ldapi://%2Frun%2Fldapi", "ldapi:///run/ldapi"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (text, why) in [
            ("dc.example.test:389", UrlError::Scheme),
            ("http://dc", UrlError::Scheme),
            ("ldap://", UrlError::Host),
            ("ldap://[::1", UrlError::Host),
            ("ldap://dc:0", UrlError::Port),
            ("ldap://[::1]x", UrlError::Port),
            ("ldap://dc/dc=x??sub", UrlError::Path),
        ] {
            assert_eq!(Url::parse(text), Err(why), "{text}");
        }
    }
}
