//! One source of users in the chain: a directory, a password file, or networks whose clients need no password.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;
use std::time::SystemTime;

use mail::Address;
use proto::sasl::{Evidence, Secret, scram};
use tokio::sync::Semaphore;

use super::{Peer, Steps};
use crate::account::{Account, Quota};
use crate::ldap::{LdapDirectory, Listed, Outcome, Person, Refusal, Verdict};
use crate::passwd_file::{self, Coverage, Entry, MadeUp, Network, PasswdFile, ScramSecret};
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
    /// Names of listeners: on all others, its clients are like any.
    pub listeners: Vec<String>,
}

impl Trusted {
    pub(super) fn covers(&self, peer: Peer<'_>) -> bool {
        let on_listener = self.listeners.iter().any(|name| name == peer.listener);
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
    /// Judges a login by its evidence. Networks judge nobody by it.
    pub(super) async fn log_in(&self, login: &str, evidence: &Evidence, peer: Peer<'_>) -> Verdict<Person> {
        self.log_in_telling(login, evidence, peer, &mut Steps::silent()).await
    }

    pub(super) async fn log_in_telling(
        &self,
        login: &str,
        evidence: &Evidence,
        peer: Peer<'_>,
        steps: &mut Steps,
    ) -> Verdict<Person> {
        match (self, evidence) {
            (SourceKind::Ldap(directory), Evidence::Password(password)) => {
                directory.log_in_telling(login, password, SystemTime::now(), steps).await
            }
            (SourceKind::PasswdFile(users), Evidence::Password(password)) => {
                UsersFile::log_in(users, login, password, peer).await
            }
            (SourceKind::PasswdFile(users), Evidence::Scram(outcome)) => users.judge_scram(login, *outcome, peer),
            // Others have proved who they are: the account must be there and may not be closed.
            (SourceKind::PasswdFile(users), Evidence::Token(_) | Evidence::Certificate | Evidence::Ticket(_)) => {
                users.welcome(users.file.entry(login), peer)
            }
            (SourceKind::Ldap(_), Evidence::Token(_) | Evidence::Certificate | Evidence::Ticket(_)) => {
                match self.account(login).await {
                    Outcome::Answer(person) => match person.standing.clone() {
                        Ok(()) => Verdict::Welcome(person),
                        Err(refusal) => Verdict::Refused(refusal),
                    },
                    Outcome::NoSuch => Verdict::Refused(Refusal::NoSuch),
                    Outcome::Unavailable(fault) => Verdict::Unavailable(fault),
                }
            }
            (SourceKind::Trusted(_), _) | (SourceKind::Ldap(_), Evidence::Scram(_)) => {
                Verdict::Refused(Refusal::NoSuch)
            }
        }
    }

    /// What it is, for the operator.
    pub(super) fn shown(&self) -> String {
        match self {
            SourceKind::Ldap(directory) => {
                let urls: Vec<String> = directory.health().into_iter().map(|server| server.url).collect();
                format!("LDAP {}", urls.join(", "))
            }
            SourceKind::PasswdFile(_) => "the password file".to_owned(),
            SourceKind::Trusted(_) => "trusted networks".to_owned(),
        }
    }

    pub(super) fn hashes(&self) -> bool {
        matches!(self, SourceKind::PasswdFile(_))
    }

    /// Takes as long as a wrong password does in a source that hashes, unless it has hashed for this name already.
    pub(super) async fn take_as_long(&self, login: &str, password: &Secret) {
        if let SourceKind::PasswdFile(users) = self
            && users.file.entry(login).is_none()
        {
            let (users, login, password) = (Arc::clone(users), login.to_owned(), password.clone());
            hashing(move || users.file.take_as_long(&login, &password)).await;
        }
    }

    /// Whether a login is judged by the address too, and so is good for that address only.
    pub(super) fn minds_the_address(&self, login: &str) -> bool {
        match self {
            SourceKind::PasswdFile(users) => users.file.entry(login).is_some_and(|entry| !entry.allow_nets.is_empty()),
            SourceKind::Ldap(_) | SourceKind::Trusted(_) => false,
        }
    }

    /// `None` where nobody has a password of their own.
    pub(super) fn scram_coverage(&self) -> Option<Coverage> {
        match self {
            SourceKind::Ldap(_) => Some(Coverage::None),
            SourceKind::PasswdFile(users) => Some(users.file.scram_coverage()),
            SourceKind::Trusted(_) => None,
        }
    }

    pub(super) fn users_file(&self) -> Option<&Arc<UsersFile>> {
        if let SourceKind::PasswdFile(users) = self { Some(users) } else { None }
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
    async fn log_in(users: &Arc<UsersFile>, login: &str, password: &Secret, peer: Peer<'_>) -> Verdict<Person> {
        if users.file.entry(login).is_none() {
            return Verdict::Refused(Refusal::NoSuch);
        }
        let (users, login, password) = (Arc::clone(users), login.to_owned(), password.clone());
        let address = peer.address;
        let judge = move || match users.file.log_in(&login, &password, Some(address)) {
            passwd_file::LogIn::Welcome(entry) => match users.person(entry) {
                Ok(person) => Verdict::Welcome(person),
                Err(refusal) => Verdict::Refused(refusal),
            },
            passwd_file::LogIn::UnknownName => Verdict::Refused(Refusal::NoSuch),
            passwd_file::LogIn::WrongPassword => Verdict::Refused(Refusal::WrongPassword),
            passwd_file::LogIn::WrongNetwork => Verdict::Refused(Refusal::NotHere),
        };
        hashing(judge).await.unwrap_or(Verdict::Unavailable(crate::ldap::Fault::Lost))
    }

    /// On a thread where blocking is allowed, too: keys may have to be computed. `None`: the runtime is going away.
    pub(super) async fn scram_secret(users: &Arc<UsersFile>, login: &str, made_up: &MadeUp) -> Option<ScramSecret> {
        let (users, login, made_up) = (Arc::clone(users), login.to_owned(), made_up.clone());
        hashing(move || users.file.scram_secret(&login, &made_up)).await
    }

    fn judge_scram(&self, login: &str, outcome: Result<(), scram::Fault>, peer: Peer<'_>) -> Verdict<Person> {
        match (self.file.scram_entry(login), outcome) {
            (None, Ok(()) | Err(scram::Fault::Proof)) => Verdict::Refused(Refusal::NoSuch),
            (_, Err(scram::Fault::Proof)) => Verdict::Refused(Refusal::WrongPassword),
            (_, Err(fault)) => Verdict::Refused(Refusal::Scram(fault)),
            (entry, Ok(())) => self.welcome(entry, peer),
        }
    }

    /// Somebody who has proved to be this one.
    fn welcome(&self, entry: Option<&Entry>, peer: Peer<'_>) -> Verdict<Person> {
        let Some(entry) = entry else { return Verdict::Refused(Refusal::NoSuch) };
        if !entry.is_allowed_from(Some(peer.address)) {
            return Verdict::Refused(Refusal::NotHere);
        }
        match self.person(entry) {
            Ok(person) => Verdict::Welcome(person),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// The account that a name's line makes.
    pub fn account_of(&self, name: &str) -> Option<Account> {
        self.file.entry(name).and_then(|entry| self.person(entry).ok()).map(|person| person.account)
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

/// On a thread where blocking is allowed: a good hash is slow on purpose. `None` when it panicked.
async fn hashing<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    // The semaphore is never closed.
    let _turn = TURNS.acquire().await.ok();
    tokio::task::spawn_blocking(work).await.ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_of_another_source_does_not_wait_for_a_hash_and_a_refusal_does() {
        let file = PasswdFile::parse("users", "ana:{PLAIN}secret\n").unwrap();
        let users = Arc::new(UsersFile { file, home: Template::parse("/home/%n").unwrap() });
        let peer = Peer { address: [127, 0, 0, 1].into(), listener: "" };
        let password = Secret::new("secret");
        // Nobody can hash while we have every turn.
        let cores = available_parallelism().map_or(1, usize::from);
        let turns = TURNS.acquire_many(u32::try_from(cores).unwrap()).await.unwrap();
        let soon = Duration::from_secs(1);
        let unknown = timeout(soon, UsersFile::log_in(&users, "bob", &password, peer)).await;
        assert!(matches!(unknown, Ok(Verdict::Refused(Refusal::NoSuch))));
        let source = SourceKind::PasswdFile(users);
        assert!(timeout(soon, source.take_as_long("bob", &password)).await.is_err(), "a refusal costs a hash");
        assert!(timeout(soon, source.take_as_long("ana", &password)).await.is_ok(), "one that was made already");
        drop(turns);
    }
}
