//! `[verify]` and `[dns]`: from their texts to settings.

use std::net::SocketAddr;
use std::time::Duration;

use mail::Domain;

use super::Mistake;
use super::settings::{PROTOCOLS, Protocol};
use super::written::Written;

/// How signatures of what comes in are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifySettings {
    pub protocols: Vec<Protocol>,
    /// `None`: the node's.
    pub name: Option<String>,
    pub minimum_key_bits: usize,
}

/// Who is asked for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSettings {
    /// Empty: those of the system.
    pub servers: Vec<SocketAddr>,
    pub timeout: Duration,
}

/// Reads `[verify]`, if it is there. What is wrong with its texts is added to the mistakes.
pub fn settle(written: &Written, mistakes: &mut Vec<Mistake>) -> Option<VerifySettings> {
    let table = written.table("verify")?;
    table.span.as_ref()?;
    let name = table.text("name").map(str::to_owned);
    if name.as_ref().is_some_and(|name| Domain::parse(name).is_err()) {
        let mistake = Mistake::at(table.place("name").unwrap_or_default(), "expected a host name");
        mistakes.push(mistake.help("as \"mail.example.test\""));
    }
    let named = |word: &str| PROTOCOLS.iter().find(|(known, _)| *known == word).map(|(_, protocol)| *protocol);
    Some(VerifySettings {
        protocols: table.texts("protocols").iter().filter_map(|(word, _)| named(word)).collect(),
        name,
        minimum_key_bits: table.number("minimum_key_bits"),
    })
}

/// Reads `[dns]`.
pub fn settle_dns(written: &Written, mistakes: &mut Vec<Mistake>) -> DnsSettings {
    let table = written.table("dns").unwrap_or_else(|| panic!("the schema has no table `dns`"));
    let mut servers = Vec::new();
    for (text, place) in table.texts("servers") {
        match text.parse() {
            Ok(server) => servers.push(server),
            Err(_) => {
                let mistake = Mistake::at(place.clone(), "expected an IP address and a port");
                mistakes.push(mistake.help("as \"127.0.0.1:53\""));
            }
        }
    }
    DnsSettings { servers, timeout: table.duration("timeout") }
}
