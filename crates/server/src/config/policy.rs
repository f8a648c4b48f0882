//! `[[policy_service]]`: from its texts to settings.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Mistake;
use super::written::{Written, WrittenTable};

/// Somebody who is asked about what clients of SMTP want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyService {
    pub address: ServiceAddress,
    pub at: PolicyStage,
    /// Whether it is not asked about clients in our own networks, and about users who logged in.
    pub skip_networks: bool,
    pub skip_authenticated: bool,
    pub timeout: Duration,
    pub accept_on_failure: bool,
}

/// When it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyStage {
    Recipient,
    Data,
    EndOfMessage,
}

/// Where a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAddress {
    /// Host and port.
    Inet(String),
    Unix(PathBuf),
}

impl ServiceAddress {
    /// `unix:/path`, `inet:host:port`, `host:port`.
    fn parse(text: &str) -> Option<ServiceAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| ServiceAddress::Unix(path.into()));
        }
        let inet = text.strip_prefix("inet:").unwrap_or(text);
        let (host, port) = inet.rsplit_once(':')?;
        let is_good = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0);
        is_good.then(|| ServiceAddress::Inet(inet.to_owned()))
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceAddress::Inet(address) => write!(f, "inet:{address}"),
            ServiceAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

pub fn settle(written: &Written, mistakes: &mut Vec<Mistake>) -> Vec<PolicyService> {
    written.tables("policy_service").iter().filter_map(|table| service(table, mistakes)).collect()
}

fn service(table: &WrittenTable, mistakes: &mut Vec<Mistake>) -> Option<PolicyService> {
    let Some(address) = ServiceAddress::parse(table.text("address")?) else {
        let place = table.place("address").unwrap_or_default();
        let help = "as \"127.0.0.1:10031\" or \"unix:/run/policy.sock\"";
        mistakes.push(Mistake::at(place, "expected a host and a port, or a socket").help(help));
        return None;
    };
    let skips = |whom: &str| table.texts("skip").iter().any(|(word, _)| word == whom);
    Some(PolicyService {
        address,
        at: match table.text("at") {
            Some("data") => PolicyStage::Data,
            Some("end") => PolicyStage::EndOfMessage,
            _ => PolicyStage::Recipient,
        },
        skip_networks: skips("networks"),
        skip_authenticated: skips("authenticated"),
        timeout: table.duration("timeout"),
        accept_on_failure: table.text("on_failure") == Some("accept"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_or_a_host_with_a_port() {
        for (text, shown) in [
            ("127.0.0.1:10031", "inet:127.0.0.1:10031"),
            ("inet:policy.test:1", "inet:policy.test:1"),
            ("unix:/run/p", "unix:/run/p"),
        ] {
            assert_eq!(ServiceAddress::parse(text).unwrap().to_string(), shown);
        }
        for bad in ["127.0.0.1", "unix:run/p", ":5", "host:0", "host:70000", ""] {
            assert_eq!(ServiceAddress::parse(bad), None, "{bad}");
        }
    }
}
