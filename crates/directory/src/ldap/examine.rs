//! One server tried step by step, for an operator who wants to know what is wrong with it and what to do.
//!
//! Promises: every step has a bound; after the first that fails nothing more is tried; no password is told.

use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

use super::ad;
use super::connection::Connection;
use super::description::Description;
use super::dial::Trust;
use super::fault::Fault;
use super::search::{NO_SUCH_OBJECT, Query, REFERRAL, Scope};
use super::settings::{Settings, Transport, Url};
use crate::template::{Template, Variables};

/// The name that is looked up: it need not exist.
const PROBE_NAME: &str = "tepui-check";

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `resolve`, `connect`, `bind`, `base`, or an option with a filter.
    pub name: &'static str,
    pub result: Result<String, Trouble>,
}

/// What is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub what: String,
    pub advice: String,
}

fn trouble(what: impl ToString, advice: impl ToString) -> Trouble {
    Trouble { what: what.to_string(), advice: advice.to_string() }
}

/// Tries one server, up to the first step that fails.
pub async fn examine(url: &Url, settings: &Settings, description: &Description) -> Vec<Step> {
    let mut examination = Examination { settings, description, steps: Vec::new() };
    // What went wrong is the last of the steps.
    let _ = examination.run(url).await;
    examination.steps
}

struct Examination<'a> {
    settings: &'a Settings,
    description: &'a Description,
    steps: Vec<Step>,
}

/// A step failed, and has been noted.
struct Failed;

impl Examination<'_> {
    fn note<T>(&mut self, name: &'static str, result: Result<(T, String), Trouble>) -> Result<T, Failed> {
        let (value, result) = match result {
            Ok((value, said)) => (Ok(value), Ok(said)),
            Err(trouble) => (Err(Failed), Err(trouble)),
        };
        self.steps.push(Step { name, result });
        value
    }

    async fn run(&mut self, url: &Url) -> Result<(), Failed> {
        if url.transport != Transport::Unix {
            let resolved = resolve(url, self.settings.connect_timeout).await;
            self.note("resolve", resolved)?;
        }
        let connected = self.connect(url).await;
        let connection = self.note("connect", connected)?;
        let bound = self.bind(&connection).await;
        self.note("bind", bound)?;
        let base = self.base(&connection).await;
        self.note("base", base)?;
        let description = self.description;
        let filters = [
            ("login_filter", description.login_filter.as_ref()),
            ("account_filter", Some(&description.account_filter)),
            ("recipient_filter", description.recipient_filter.as_ref()),
            ("group_filter", description.groups.as_ref().map(|groups| &groups.filter)),
        ];
        for (name, filter) in filters.into_iter().filter_map(|(name, filter)| Some((name, filter?))) {
            let looked_up = self.look_up(&connection, filter).await;
            self.note(name, looked_up)?;
        }
        Ok(())
    }

    async fn connect(&self, url: &Url) -> Result<(Connection, String), Trouble> {
        let trust = Trust::load(self.settings)
            .map_err(|error| trouble(error, "`ca_file` must be a readable PEM file with the certificate of your CA"))?;
        let deadline = Instant::now() + self.settings.connect_timeout;
        match Connection::open(url, self.settings, &trust, deadline).await {
            Ok(connection) => {
                let how = match (url.transport, self.settings.start_tls) {
                    (Transport::Tls, _) => "with TLS, the certificate is trusted",
                    (Transport::Tcp, true) => "with StartTLS, the certificate is trusted",
                    (Transport::Tcp, false) => "without TLS: passwords travel readable",
                    (Transport::Unix, _) => "over a socket of this machine",
                };
                Ok((connection, how.to_owned()))
            }
            Err(fault) => Err(connect_trouble(url, &fault)),
        }
    }

    async fn bind(&self, connection: &Connection) -> Result<((), String), Trouble> {
        let Some(own) = self.settings.own_bind.as_ref().filter(|own| !own.password.reveal().is_empty()) else {
            return Ok(((), "nobody is bound: strangers must be allowed to search".to_owned()));
        };
        let answer = connection.bind(&own.dn, &own.password, self.deadline()).await;
        let answer = answer.map_err(|fault| trouble(fault, "the server is there and does not speak LDAP in time"))?;
        match ad::judge(&answer) {
            Ok(()) => Ok(((), format!("as {}", own.dn))),
            Err(refusal) => {
                let what = format!("{}: {refusal} (result {} {})", own.dn, answer.code, answer.text.trim());
                let advice = match answer.code {
                    49 => "correct `bind_dn` or what is in `bind_password_file`, or mend this account in the directory",
                    8 | 13 => "the server wants TLS for passwords: set `tls = \"starttls\"` or use ldaps://",
                    _ => "ask the directory's administrator what this result means",
                };
                Err(trouble(what, advice))
            }
        }
    }

    async fn base(&self, connection: &Connection) -> Result<((), String), Trouble> {
        let base = self.base_dn()?;
        let query = Query { scope: Scope::Base, filter: "(objectClass=*)".to_owned(), ..self.query(base.clone()) };
        match connection.search(&query, None, self.deadline()).await {
            Ok(found) if found.entries.is_empty() => {
                Err(trouble(format!("{base} is not shown to us"), "give the account of `bind_dn` the right to read it"))
            }
            Ok(_) => Ok(((), base)),
            Err(Fault::Result { code: NO_SUCH_OBJECT, .. }) => {
                Err(trouble(format!("{base} does not exist (result 32)"), "correct `base`"))
            }
            Err(Fault::Result { code: REFERRAL, .. }) => Err(trouble(
                format!("{base} is kept by another server (result 10)"),
                "correct `base`, or name that server in `servers`",
            )),
            Err(Fault::Result { code: 1 | 50, text }) => Err(trouble(
                format!("strangers may not search here ({})", text.trim()),
                "set `bind_dn` and `bind_password_file`, or give that account the right to read",
            )),
            Err(fault) => Err(trouble(format!("{base}: {fault}"), "correct `base`")),
        }
    }

    async fn look_up(&self, connection: &Connection, filter: &Template) -> Result<((), String), Trouble> {
        let variables = Variables::new(PROBE_NAME);
        let wrong = |why: String| trouble(why, "correct this filter (RFC 4515)");
        let filter = filter.expand_filter(&variables).map_err(|why| wrong(why.to_string()))?;
        let since = Instant::now();
        let query = Query { filter: filter.clone(), ..self.query(self.base_dn()?) };
        match connection.search(&query, None, self.deadline()).await {
            Ok(_) | Err(Fault::TooMany(_)) => {
                Ok(((), format!("{filter} was answered in {} ms", since.elapsed().as_millis())))
            }
            Err(fault @ Fault::TimedOut) => {
                Err(trouble(format!("{filter}: {fault}"), "let the server index the attributes of this filter"))
            }
            Err(fault) => Err(wrong(format!("{filter}: {fault}"))),
        }
    }

    fn query(&self, base: String) -> Query {
        let attributes = vec!["1.1".to_owned()];
        Query { base, scope: self.description.scope, filter: String::new(), attributes, entries_max: 1 }
    }

    fn base_dn(&self) -> Result<String, Trouble> {
        let base = self.description.base.expand_dn(&Variables::new(PROBE_NAME));
        base.map_err(|why| trouble(why, "correct `base`"))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.settings.answer_timeout
    }
}

async fn resolve(url: &Url, bound: Duration) -> Result<((), String), Trouble> {
    let advice = "correct the name in `servers`, or mend this machine's DNS";
    match timeout(bound, lookup_host((url.host.as_str(), url.port))).await {
        Err(_) => Err(trouble(format!("{}: DNS gives no answer in time", url.host), advice)),
        Ok(Err(error)) => Err(trouble(format!("{}: {error}", url.host), advice)),
        Ok(Ok(addresses)) => {
            let addresses: Vec<String> = addresses.map(|address| address.ip().to_string()).collect();
            Ok(((), addresses.join(", ")))
        }
    }
}

/// Words of the TLS library, and what to do about them.
const CERTIFICATE_ADVICE: [(&str, &str); 4] = [
    ("UnknownIssuer", "name the CA that signed the server's certificate in `ca_file`"),
    ("NotValidForName", "write the name in `servers` that stands in the server's certificate"),
    ("Expired", "the server needs a new certificate"),
    ("NotValidYet", "one of the two clocks is wrong"),
];

fn connect_trouble(url: &Url, fault: &Fault) -> Trouble {
    let advice = match fault {
        Fault::Tls(why) => {
            let known = CERTIFICATE_ADVICE.iter().find(|(word, _)| why.contains(word));
            known.map_or("the port and `tls` must be what the server offers there", |(_, advice)| advice)
        }
        Fault::TimedOut => "a firewall may swallow it, or the server hangs",
        Fault::Connect(_) => "nothing listens there: correct host and port, or start the server",
        _ => "something else than an LDAP server listens there",
    };
    trouble(format!("{url}: {fault}"), advice)
}
