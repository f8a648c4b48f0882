//! The door of this crate: who may log in, who somebody is, whom an address means. Sources are asked in order; answers
//! are remembered; master users log in as others.
//!
//! Promises: when a source could not be asked and no other one said yes, the answer is `Unavailable`, never "unknown"
//! and never "refused"; why somebody is refused is text for the log and for nobody else.

mod known;
mod masters;
mod remembered;
mod scram;
mod source;
mod steps;
mod token;

use std::net::IpAddr;
use std::sync::Arc;

use mail::Address;
use proto::sasl::{Credentials, Evidence};

use crate::account::Account;
use crate::cache::{Cache, Lifetimes};
use crate::digest::Algorithm;
use crate::ldap::{Person, Refusal, Verdict};
use crate::oauth::Bearer;
use crate::passwd_file::MadeUp;

use known::{Found, Meant};
pub use masters::Masters;
use masters::Vouched;
pub use remembered::PasswordMemory;
use remembered::{Remembered, Tried};
pub use source::{Source, SourceKind, Trusted, UsersFile};
pub use steps::Steps;

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
        /// Nobody asked for a password: a trusted network. That belongs into the log too.
        trusted: bool,
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
    /// Who verifies access tokens; `None`: they are not taken.
    pub bearer: Option<Bearer>,
    /// What SCRAM shows for names that nobody has; `None`: a random one, good for this process.
    pub made_up: Option<MadeUp>,
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
    passwords: Remembered<Account>,
    bearer: Option<Bearer>,
    made_up: MadeUp,
    master_passwords: Remembered<Vouched>,
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
            bearer: settings.bearer,
            made_up: settings.made_up.or_else(MadeUp::random).ok_or(NoRandomNumbers)?,
            master_passwords: Remembered::new(settings.passwords).ok_or(NoRandomNumbers)?,
        })))
    }

    /// Judges credentials, whatever their mechanism: the only place where somebody is let in.
    pub async fn log_in<'a>(&self, credentials: &Credentials, peer: impl Into<Peer<'a>>) -> LogIn {
        self.log_in_telling(credentials, peer, &mut Steps::silent()).await
    }

    /// The same, with every step told.
    pub async fn log_in_telling<'a>(
        &self,
        credentials: &Credentials,
        peer: impl Into<Peer<'a>>,
        steps: &mut Steps,
    ) -> LogIn {
        let (inner, peer) = (&self.0, peer.into());
        if let Evidence::Token(token) = &credentials.evidence {
            return inner.log_in_by_token(&credentials.login, token, &credentials.evidence, peer).await;
        }
        if let Evidence::Ticket(Err(reason)) = &credentials.evidence {
            return LogIn::Refused(format!("ticket: {reason}"));
        }
        let masters = inner.masters.as_ref();
        if let Some((user, master)) =
            masters.and_then(|masters| masters.split(credentials.authorization.as_deref(), &credentials.login))
        {
            steps.tell(|| format!("{master} logs in as {user}, if a master user's source says so"));
            return inner.log_in_as(user, master, &credentials.evidence, peer).await;
        }
        // RFC 4616 §2: only who may act for others may name another one; here these are the master users.
        if credentials.authorization.is_some() {
            return LogIn::Refused("asks to act for somebody else and is no master user".to_owned());
        }
        inner.log_in(&credentials.login.to_lowercase(), &credentials.evidence, peer, steps).await
    }

    /// Whose password credentials are to prove, as it was typed, in lower case: an account, or a master user (`*admin`).
    /// Asks nobody.
    pub fn claimed_name(&self, credentials: &Credentials) -> String {
        // A token is not guessed at: who sends bad ones is counted by them and by the address, and locks nobody out.
        if let Evidence::Token(token) = &credentials.evidence {
            let hash = Algorithm::Sha256.digest(&[token.reveal().as_bytes()]);
            return hash.iter().take(8).fold("token ".to_owned(), |name, octet| format!("{name}{octet:02x}"));
        }
        let masters = self.0.masters.as_ref();
        let split = |masters: &'_ Masters| {
            let split = masters.split(credentials.authorization.as_deref(), &credentials.login);
            split.map(|(_, master)| master.to_owned())
        };
        match masters.and_then(split) {
            Some(master) => self.master_name(&master),
            None => credentials.login.to_lowercase(),
        }
    }

    /// The one name of the account that a claimed name means, however it was typed; the name itself if nobody has it.
    pub async fn one_name(&self, claimed: &str) -> String {
        // A ticket that is not good names nobody.
        if claimed.is_empty() {
            return String::new();
        }
        let is_master = self.0.masters.as_ref().is_some_and(|masters| claimed.starts_with(masters.separator));
        match self.account(claimed).await {
            Lookup::Account(account) if !is_master => account.name,
            _ => claimed.to_owned(),
        }
    }

    /// A master user's name where it stands beside accounts' names: `*admin`.
    pub fn master_name(&self, master: &str) -> String {
        let separator = self.0.masters.as_ref().map_or('*', |masters| masters.separator);
        format!("{separator}{}", master.to_lowercase())
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

    /// The sources, in order.
    pub fn sources(&self) -> &[Source] {
        &self.0.sources
    }

    /// Forgets what is remembered of a name or an address, because an operator changed it in the directory.
    pub fn forget(&self, name: &str) {
        self.0.accounts.forget(&name.to_lowercase());
        self.0.recipients.forget(&name.to_lowercase());
    }
}

impl Inner {
    /// The sources whose business a name is.
    fn asked_about(&self, login: &str) -> impl Iterator<Item = &Source> {
        let domain = login.split_once('@').map(|(_, domain)| domain.to_owned());
        self.sources.iter().filter(move |source| source.covers(domain.as_deref()))
    }

    async fn log_in(&self, login: &str, evidence: &Evidence, peer: Peer<'_>, steps: &mut Steps) -> LogIn {
        let tried = Tried::of(login, evidence, peer);
        if let Some(account) = tried.and_then(|tried| self.passwords.fresh(tried)) {
            return LogIn::Welcome { account, master: None, trusted: false };
        }
        let (mut refusals, mut unavailable) = (Vec::new(), None);
        for source in self.asked_about(login) {
            let trusted = matches!(source.kind, SourceKind::Trusted(_));
            let verdict = match &source.kind {
                SourceKind::Trusted(trusted) if tried.is_some() => self.trust(trusted, login, peer).await,
                other => {
                    steps.tell(|| format!("{} is asked", source.kind.shown()));
                    other.log_in_telling(login, evidence, peer, steps).await
                }
            };
            steps.tell(|| match &verdict {
                Verdict::Welcome(_) => format!("{}: welcome", source.kind.shown()),
                Verdict::Refused(refusal) => format!("{}: {refusal}", source.kind.shown()),
                Verdict::Unavailable(fault) => format!("{}: {fault}", source.kind.shown()),
            });
            match verdict {
                Verdict::Welcome(person) => {
                    if let Some(tried) = tried.filter(|_| !trusted) {
                        self.passwords.remember(tried, &person.account, source.kind.minds_the_address(login));
                    }
                    return LogIn::Welcome { account: person.account, master: None, trusted };
                }
                // Said of every client that is not trusted, it would only hide what the others say.
                Verdict::Refused(Refusal::NotHere) if trusted => {}
                Verdict::Refused(refusal) => refusals.push(refusal.to_string()),
                Verdict::Unavailable(fault) => unavailable = Some(fault.to_string()),
            }
        }
        // Whatever was wrong, wherever the name is known: one hash, so that time tells neither. Those who are let in by
        // another source than the password file never wait for it.
        let hashes = self.asked_about(login).find(|source| source.kind.hashes());
        if let (Some(hashes), Some(tried)) = (hashes, tried) {
            hashes.kind.take_as_long(login, tried.password).await;
        }
        self.nobody_said_yes(tried, refusals, unavailable)
    }

    fn nobody_said_yes(&self, tried: Option<Tried<'_>>, refusals: Vec<String>, unavailable: Option<String>) -> LogIn {
        let Some(why) = unavailable else {
            tried.into_iter().for_each(|tried| self.passwords.forget(tried));
            return LogIn::Refused(refusals.join("; "));
        };
        match tried.and_then(|tried| Some((tried, self.passwords.stale(tried)?))) {
            Some((tried, account)) => {
                tracing::warn!(login = tried.login, reason = why, "let in by the last known answer");
                LogIn::Welcome { account, master: None, trusted: false }
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
    async fn log_in_as(&self, user: &str, master: &str, evidence: &Evidence, peer: Peer<'_>) -> LogIn {
        let Some(masters) = &self.masters else { return LogIn::Refused("there are no master users".to_owned()) };
        let vouched = match self.vouched(masters, &master.to_lowercase(), evidence, peer).await {
            Verdict::Welcome(vouched) => vouched,
            Verdict::Refused(refusal) => return LogIn::Refused(format!("master user {master}: {refusal}")),
            Verdict::Unavailable(fault) => return LogIn::Unavailable(format!("master user {master}: {fault}")),
        };
        let account = match self.find(&user.to_lowercase()).await {
            Found::Person(person) => person.account,
            Found::Unknown => return LogIn::Refused(format!("master user {master}: no such account {user}")),
            Found::Unavailable(why) => return LogIn::Unavailable(why),
        };
        match masters.may_open(vouched, master, user, &account).await {
            Verdict::Welcome(()) => LogIn::Welcome { account, master: Some(master.to_lowercase()), trusted: false },
            Verdict::Refused(refusal) => LogIn::Refused(format!("master user {master}, account {user}: {refusal}")),
            Verdict::Unavailable(fault) => LogIn::Unavailable(format!("master user {master}: {fault}")),
        }
    }

    /// Only what a file vouched for is remembered: its hash is slow on purpose. A directory is asked each time, so that
    /// nobody is a master while it cannot say so.
    async fn vouched(&self, masters: &Masters, name: &str, evidence: &Evidence, peer: Peer<'_>) -> Verdict<Vouched> {
        let tried = Tried::of(name, evidence, peer);
        if let Some(vouched) = tried.and_then(|tried| self.master_passwords.fresh(tried)) {
            return Verdict::Welcome(vouched);
        }
        let verdict = masters.judge(name, evidence, peer).await;
        if let (Verdict::Welcome(vouched), Some(tried)) = (&verdict, tried)
            && masters.hashes(*vouched)
        {
            self.master_passwords.remember(tried, vouched, true);
        }
        verdict
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
