//! One source of users in the chain: a directory, a password file, or networks whose clients need no password.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;
use std::time::{Instant, SystemTime};

use mail::Address;
use proto::sasl::Secret;
use tokio::sync::Semaphore;

use super::Peer;
use crate::account::{Account, Quota};
use crate::ldap::{LdapDirectory, Listed, Outcome, Person, Refusal, Verdict};
use crate::passwd_file::{self, Entry, Network, PasswdFile};
use crate::template::{Template, Variables};

/// Password hashes are slow and take megabytes each: so many are worked on at once as there are cores.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// A source, and whose names it is asked about.
#[derive(Debug, Clone)]
pub struct Source {
    /// Empty: every domain. Every source is asked about names without a domain.
    pub domains: Vec<String>,
    pub kind: SourceKind,
}

#[derive(Debug, Clone)]
pub enum SourceKind {
    Ldap(LdapDirectory),
    PasswdFile(Arc<UsersFile>),
    Trusted(Trusted),
}

/// A password file, and where homes are that it does not name.
#[derive(Debug)]
pub struct UsersFile {
    pub file: PasswdFile,
    pub home: Template,
}

/// Clients that need no password (`nopassword` with `allow_nets`). They name an account, which another source of the
/// chain must know, and which must not be disabled: there the original lets too many in.
#[derive(Debug, Clone)]
pub struct Trusted {
    pub networks: Vec<Network>,
    /// Names of listeners; empty: every one, as in the original.
    pub listeners: Vec<String>,
}

impl Trusted {
    pub(super) fn covers(&self, peer: Peer<'_>) -> bool {
        let on_listener = self.listeners.is_empty() || self.listeners.iter().any(|name| name == peer.listener);
        on_listener && self.networks.iter().any(|network| network.contains(peer.address))
    }
}

impl Source {
    /// Whether it is asked about names of this domain.
    pub(super) fn covers(&self, domain: Option<&str>) -> bool {
        let named = |domain: &str| self.domains.iter().any(|own| own.eq_ignore_ascii_case(domain));
        self.domains.is_empty() || domain.is_none_or(named)
    }
}

impl SourceKind {
    /// Judges login and password. Networks judge nobody by a password.
    pub(super) async fn log_in(&self, login: &str, password: &Secret, peer: Peer<'_>) -> Verdict<Person> {
        match self {
            SourceKind::Ldap(directory) => directory.log_in(login, password, SystemTime::now()).await,
            SourceKind::PasswdFile(users) => UsersFile::log_in(users, login, password, peer).await,
            SourceKind::Trusted(_) => Verdict::Refused(Refusal::NoSuch),
        }
    }

    pub(super) async fn account(&self, name: &str) -> Outcome<Person> {
        match self {
            SourceKind::Ldap(directory) => directory.account(name, SystemTime::now()).await,
            SourceKind::PasswdFile(users) => users.account(name),
            SourceKind::Trusted(_) => Outcome::NoSuch,
        }
    }

    pub(super) async fn recipient(&self, address: &Address) -> Outcome<Listed> {
        match self {
            SourceKind::Ldap(directory) => directory.recipient(address, SystemTime::now()).await,
            SourceKind::PasswdFile(users) => match users.account(&address.key()) {
                Outcome::Answer(person) => Outcome::Answer(Listed::Account(person.account)),
                _ => Outcome::NoSuch,
            },
            SourceKind::Trusted(_) => Outcome::NoSuch,
        }
    }
}

impl UsersFile {
    /// On a thread where blocking is allowed: a good hash is slow on purpose.
    async fn log_in(users: &Arc<UsersFile>, login: &str, password: &Secret, peer: Peer<'_>) -> Verdict<Person> {
        let (users, login, password) = (Arc::clone(users), login.to_owned(), password.clone());
        let address = peer.address;
        let judge = move || match users.file.log_in(&login, &password, Some(address), Instant::now()) {
            passwd_file::LogIn::Welcome(entry) => match users.person(entry) {
                Ok(person) => Verdict::Welcome(person),
                Err(refusal) => Verdict::Refused(refusal),
            },
            passwd_file::LogIn::UnknownName => Verdict::Refused(Refusal::NoSuch),
            passwd_file::LogIn::WrongPassword => Verdict::Refused(Refusal::WrongPassword),
            passwd_file::LogIn::WrongNetwork => Verdict::Refused(Refusal::NotHere),
        };
        // The semaphore is never closed.
        let turn = TURNS.acquire().await.ok();
        let judged = tokio::task::spawn_blocking(judge).await;
        drop(turn);
        judged.unwrap_or(Verdict::Unavailable(crate::ldap::Fault::Lost))
    }

    fn account(&self, name: &str) -> Outcome<Person> {
        let Some(entry) = self.file.entry(name) else { return Outcome::NoSuch };
        match self.person(entry) {
            Ok(person) => Outcome::Answer(person),
            Err(refusal) => {
                tracing::error!(name, reason = %refusal, "a line of the password file makes no account");
                Outcome::NoSuch
            }
        }
    }

    fn person(&self, entry: &Entry) -> Result<Person, Refusal> {
        let quota =
            entry.quota_rules().fold(None, |quota: Option<Quota>, rule| Some(quota.unwrap_or_default().with(rule)));
        let is_text = |(key, _): &(&String, &String)| !key.starts_with("quota_rule");
        let fields: BTreeMap<String, String> =
            entry.userdb.iter().filter(is_text).map(|(key, value)| (key.clone(), value.clone())).collect();
        let home = entry.home.clone().map_or_else(|| self.home_of(&entry.name), Ok)?;
        let account = Account { name: entry.name.clone(), home, quota, uid: entry.uid, gid: entry.gid, fields };
        Ok(Person { account, standing: Ok(()) })
    }

    fn home_of(&self, name: &str) -> Result<PathBuf, Refusal> {
        self.home.expand_path(&Variables::new(name)).map_err(|why| Refusal::Unusable(why.to_string()))
    }
}
