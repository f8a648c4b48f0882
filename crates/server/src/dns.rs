//! What the DNS says, behind a trait of ours: so that its library is known here only, and has a twin in tests.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{Resolver, TokioResolver};

/// The most octets of all texts of one name that are given.
const TEXTS_LENGTH_MAX: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The name, or such a record of it, does not exist.
    #[error("no record")]
    NoRecord,
    /// Nobody knows now.
    #[error("{0}")]
    Temporary(String),
}

/// An answer that comes later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, DnsError>> + Send + 'a>>;

/// Somebody to ask.
pub trait Dns: fmt::Debug + Send + Sync {
    /// The texts of a name, the strings of each put together.
    fn texts<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Vec<u8>>>;
}

/// What was written down of the DNS, and nothing else: `NAME TEXT` on each line, as OpenDKIM's `TestPublicKeys`.
#[derive(Debug, Clone, Default)]
pub struct Written(HashMap<String, Vec<Vec<u8>>>);

impl Written {
    pub fn parse(text: &str) -> Written {
        let mut names = HashMap::<String, Vec<Vec<u8>>>::new();
        for (name, text) in text.lines().filter_map(|line| line.trim().split_once(char::is_whitespace)) {
            names.entry(name.to_ascii_lowercase()).or_default().push(text.trim().as_bytes().to_vec());
        }
        Written(names)
    }
}

impl Dns for Written {
    fn texts<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Vec<u8>>> {
        let texts = self.0.get(&name.to_ascii_lowercase()).cloned();
        Box::pin(async move { texts.ok_or(DnsError::NoRecord) })
    }
}

/// The servers of the configuration, or those of the system.
pub struct Servers(TokioResolver);

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Servers")
    }
}

impl Servers {
    /// Without `servers` the system's file says whom to ask.
    ///
    /// # Errors
    /// That the system's file cannot be used.
    pub fn new(servers: &[SocketAddr], timeout: Duration) -> Result<Servers, String> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = match servers {
            [] => Resolver::builder(provider).map_err(|error| error.to_string())?,
            servers => {
                let servers = servers.iter().map(|server| name_server(*server)).collect();
                Resolver::builder_with_config(ResolverConfig::from_parts(None, Vec::new(), servers), provider)
            }
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts) = (timeout, 2);
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Servers(builder.build().map_err(|error| error.to_string())?))
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
    server
}

impl Dns for Servers {
    fn texts<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Vec<u8>>> {
        Box::pin(async move {
            // A dot at the end: no search list.
            let lookup = match self.0.txt_lookup(format!("{}.", name.trim_end_matches('.'))).await {
                Ok(lookup) => lookup,
                Err(error) if error.is_no_records_found() => return Err(DnsError::NoRecord),
                Err(error) => return Err(DnsError::Temporary(error.to_string())),
            };
            let texts = lookup.answers().iter().filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            });
            let mut room = TEXTS_LENGTH_MAX;
            let texts: Vec<Vec<u8>> = texts
                .take_while(|text| {
                    let fits = text.len() <= room;
                    room = room.saturating_sub(text.len());
                    fits
                })
                .collect();
            if texts.is_empty() { Err(DnsError::NoRecord) } else { Ok(texts) }
        })
    }
}
