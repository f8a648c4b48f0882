//! The door of this crate: who may log in, who somebody is, whom an address means. Sources are asked in order; answers
//! are remembered; master users log in as others.
//!
//! Promises: when a source could not be asked and no other one said yes, the answer is `Unavailable`, never "unknown"
//! and never "refused"; why somebody is refused is text for the log and for nobody else.

mod known;
mod masters;
mod remembered;
mod source;

use std::net::IpAddr;
use std::sync::Arc;

use mail::Address;
use proto::sasl::{Credentials, Secret};

use crate::account::Account;
use crate::cache::{Cache, Lifetimes};
use crate::ldap::{Person, Refusal, Verdict};

use known::{Found, Meant};
pub use masters::Masters;
pub use remembered::PasswordMemory;
use remembered::Remembered;
pub use source::{Source, SourceKind, Trusted, UsersFile};

/// Who connects, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer<'a> {
    pub address: IpAddr,
    /// The listener's name, for networks that are trusted on some listeners only.
    pub listener: &'a str,
}

impl From<IpAddr> for Peer<'_> {
    fn from(address: IpAddr) -> Self {
        Peer { address, listener: "" }
    }
}

/// What the directory says to a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogIn {
    Welcome {
        account: Account,
        /// Who it really is, when a master user logs in as somebody: both names belong into the log.
        master: Option<String>,
    },
    /// The reason is for the log; whoever asks hears the same whatever it is.
    Refused(String),
    /// Nobody could say; the reason is for the log.
    Unavailable(String),
}

/// What the directory says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Account(Account),
    Unknown,
    Unavailable(String),
}

/// What the directory says of an address in a domain of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    Account(Account),
    Forward {
        /// Each once, with the detail of the address that was asked for.
        to: Vec<Address>,
        /// Who hears of failures instead of the sender.
        owner: Option<Address>,
    },
    Unknown,
    /// A temporary answer: the mail waits.
    Unavailable(String),
    /// A group beyond its limits, which trying again does not mend: a permanent answer.
    TooMany(String),
}

/// How the chain is set up.
#[derive(Debug)]
pub struct ChainSettings {
    pub sources: Vec<Source>,
    pub masters: Option<Masters>,
    /// Between a user's name and a detail (`ana+lists`); `None`: there are no details.
    pub delimiter: Option<char>,
    pub accounts: Lifetimes,
    pub recipients: Lifetimes,
    pub passwords: PasswordMemory,
}

/// Answers for all roles. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sources: Arc<Vec<Source>>,
    masters: Option<Masters>,
    delimiter: Option<char>,
    accounts: Cache<Found>,
    recipients: Cache<Meant>,
    passwords: Remembered,
}

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomNumbers;

impl Directory {
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(settings: ChainSettings) -> Result<Directory, NoRandomNumbers> {
        Ok(Directory(Arc::new(Inner {
            sources: Arc::new(settings.sources),
            masters: settings.masters,
            delimiter: settings.delimiter,
            accounts: Cache::new(settings.accounts),
            recipients: Cache::new(settings.recipients),
            passwords: Remembered::new(settings.passwords).ok_or(NoRandomNumbers)?,
        })))
    }

    /// Judges credentials.
    pub async fn log_in<'a>(&self, credentials: &Credentials, peer: impl Into<Peer<'a>>) -> LogIn {
        let (inner, peer) = (&self.0, peer.into());
        let masters = inner.masters.as_ref();
        if let Some((user, master)) = masters.and_then(|masters| masters.split(credentials)) {
            return inner.log_in_as(user, master, &credentials.password, peer).await;
        }
        // RFC 4616 §2: only who may act for others may name another one; here these are the master users.
        if credentials.authorization.is_some() {
            return LogIn::Refused("asks to act for somebody else and is no master user".to_owned());
        }
        inner.log_in(&credentials.login.to_lowercase(), &credentials.password, peer).await
    }

    /// The account of a name, as deliveries and administrators know it.
    pub async fn account(&self, name: &str) -> Lookup {
        match self.0.find(&name.to_lowercase()).await {
            Found::Person(person) => Lookup::Account(person.account.clone()),
            Found::Unknown => Lookup::Unknown,
            Found::Unavailable(why) => Lookup::Unavailable(why),
        }
    }

    /// Whom an address means: first as it stands, then without its detail (as Postfix does).
    pub async fn recipient(&self, address: &Address) -> Recipient {
        let whole = self.0.meant(address).await;
        let Some(delimiter) = self.0.delimiter.filter(|_| matches!(whole, Meant::Unknown)) else {
            return whole.into_recipient(None);
        };
        match address.split_detail(delimiter) {
            (plain, Some(detail)) => self.0.meant(&plain).await.into_recipient(Some((delimiter, detail))),
            _ => Recipient::Unknown,
        }
    }

    /// Forgets what is remembered of a name or an address, because an operator changed it in the directory.
    pub fn forget(&self, name: &str) {
        self.0.accounts.forget(&name.to_lowercase());
        self.0.recipients.forget(&name.to_lowercase());
    }
}

impl Inner {
    async fn log_in(&self, login: &str, password: &Secret, peer: Peer<'_>) -> LogIn {
        if let Some(account) = self.passwords.fresh(login, password) {
            return LogIn::Welcome { account, master: None };
        }
        let domain = login.split_once('@').map(|(_, domain)| domain);
        let (mut refusals, mut unavailable) = (Vec::new(), None);
        for source in self.sources.iter().filter(|source| source.covers(domain)) {
            let verdict = match &source.kind {
                SourceKind::Trusted(trusted) => self.trust(trusted, login, peer).await,
                other => other.log_in(login, password, peer).await,
            };
            match verdict {
                Verdict::Welcome(person) => {
                    if !matches!(source.kind, SourceKind::Trusted(_)) {
                        self.passwords.remember(login, password, &person.account);
                    }
                    return LogIn::Welcome { account: person.account, master: None };
                }
                Verdict::Refused(refusal) => refusals.push(refusal.to_string()),
                Verdict::Unavailable(fault) => unavailable = Some(fault.to_string()),
            }
        }
        self.nobody_said_yes(login, password, refusals, unavailable)
    }

    fn nobody_said_yes(
        &self,
        login: &str,
        password: &Secret,
        refusals: Vec<String>,
        unavailable: Option<String>,
    ) -> LogIn {
        let Some(why) = unavailable else {
            self.passwords.forget(login, password);
            return LogIn::Refused(refusals.join("; "));
        };
        match self.passwords.stale(login, password) {
            Some(account) => {
                tracing::warn!(login, reason = why, "let in by the last known answer");
                LogIn::Welcome { account, master: None }
            }
            None => LogIn::Unavailable(why),
        }
    }

    /// A client that needs no password still names an account that is there and may log in.
    async fn trust(&self, trusted: &Trusted, login: &str, peer: Peer<'_>) -> Verdict<Person> {
        if !trusted.covers(peer) {
            return Verdict::Refused(Refusal::NotHere);
        }
        match self.find(login).await {
            Found::Person(person) => match person.standing.clone() {
                Ok(()) => Verdict::Welcome(*person),
                Err(refusal) => Verdict::Refused(refusal),
            },
            Found::Unknown => Verdict::Refused(Refusal::NoSuch),
            Found::Unavailable(why) => Verdict::Unavailable(crate::ldap::Fault::AllDown(format!("; {why}"))),
        }
    }

    /// The master's password is proved, then the account is looked up: it may be one that is disabled, whose mailbox an
    /// administrator has to look into.
    async fn log_in_as(&self, user: &str, master: &str, password: &Secret, peer: Peer<'_>) -> LogIn {
        let Some(masters) = &self.masters else { return LogIn::Refused("there are no master users".to_owned()) };
        match masters.judge(master, password, peer).await {
            Verdict::Welcome(()) => {}
            Verdict::Refused(refusal) => return LogIn::Refused(format!("master user {master}: {refusal}")),
            Verdict::Unavailable(fault) => return LogIn::Unavailable(format!("master user {master}: {fault}")),
        }
        match self.find(&user.to_lowercase()).await {
            Found::Person(person) => LogIn::Welcome { account: person.account, master: Some(master.to_lowercase()) },
            Found::Unknown => LogIn::Refused(format!("master user {master}: no such account {user}")),
            Found::Unavailable(why) => LogIn::Unavailable(why),
        }
    }

    async fn find(&self, name: &str) -> Found {
        let (sources, name) = (Arc::clone(&self.sources), name.to_owned());
        self.accounts.ask(&name.clone(), || async move { known::find(&sources, &name).await }).await
    }

    async fn meant(&self, address: &Address) -> Meant {
        let (sources, address) = (Arc::clone(&self.sources), address.clone());
        self.recipients.ask(&address.key(), || async move { known::meant(&sources, &address).await }).await
    }
}
