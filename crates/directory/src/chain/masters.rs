//! Master users: who may log in as somebody else, with their own password (`ana*admin`), and as whom.
//!
//! They are lines of a password file, with its `allow_nets` and `opens`, or people of a directory that says who of them
//! is one (`ldap::MasterUsers`). Promises: a directory that does not answer makes nobody one, and opens no account.

use proto::sasl::Evidence;

use super::Peer;
use super::source::{SourceKind, UsersFile};
use crate::account::Account;
use crate::cache::{Answer, Cache, Kind, Lifetimes};
use crate::ldap::{Fault, LdapDirectory, Outcome, Refusal, Verdict};

/// The extra field of a line that says which accounts this master user may open: names, and domains as `@example.test`,
/// with commas between them.
const OPENS: &str = "opens";

/// Who they are, and how a login names them.
#[derive(Debug)]
pub struct Masters {
    /// Between the account and the master user.
    pub separator: char,
    pub(super) sources: Vec<SourceKind>,
    memberships: Cache<Membership>,
}

/// The source that proved who a master user is. Its limits count and no other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vouched(usize);

#[derive(Debug, Clone)]
enum Membership {
    Master,
    None,
    Unavailable(Fault),
}

impl Answer for Membership {
    fn kind(&self) -> Kind {
        match self {
            Membership::Master => Kind::Yes,
            Membership::None => Kind::No,
            Membership::Unavailable(_) => Kind::Unavailable,
        }
    }

    fn unavailable() -> Membership {
        Membership::Unavailable(Fault::Lost)
    }
}

impl Masters {
    /// `lifetimes` are those of memberships; an old one is never served.
    pub fn new(separator: char, sources: Vec<SourceKind>, lifetimes: Lifetimes) -> Masters {
        let never_stale = Lifetimes { stale_max: std::time::Duration::ZERO, ..lifetimes };
        Masters { separator, sources, memberships: Cache::new(never_stale) }
    }

    /// As whom, and who it is: `ana*admin`, or `admin` with the authorization identity `ana` (RFC 4616 §2).
    pub(super) fn split<'a>(&self, authorization: Option<&'a str>, login: &'a str) -> Option<(&'a str, &'a str)> {
        match (authorization, login.split_once(self.separator)) {
            (Some(user), _) => Some((user, login)),
            // Without a name on either side it is somebody's odd name.
            (None, Some((user, master))) if !user.is_empty() && !master.is_empty() => Some((user, master)),
            _ => None,
        }
    }

    /// Who vouches for the master user.
    pub(super) async fn judge(&self, master: &str, evidence: &Evidence, peer: Peer<'_>) -> Verdict<Vouched> {
        let mut last = Verdict::Refused(Refusal::NoSuch);
        for (index, source) in self.sources.iter().enumerate() {
            let mut verdict = match source.log_in(master, evidence, peer).await {
                Verdict::Welcome(_) => Verdict::Welcome(Vouched(index)),
                Verdict::Refused(refusal) => Verdict::Refused(refusal),
                Verdict::Unavailable(fault) => Verdict::Unavailable(fault),
            };
            if let (Verdict::Welcome(_), SourceKind::Ldap(directory)) = (&verdict, source) {
                verdict = self.membership(index, directory, master).await;
            }
            match verdict {
                Verdict::Welcome(vouched) => return Verdict::Welcome(vouched),
                Verdict::Refused(_) if matches!(last, Verdict::Unavailable(_)) => {}
                // Who is known elsewhere, and yet not let in, tells more than "no such account".
                Verdict::Refused(Refusal::NoSuch) => {}
                other => last = other,
            }
        }
        last
    }

    pub(super) fn hashes(&self, Vouched(index): Vouched) -> bool {
        self.sources.get(index).is_some_and(SourceKind::hashes)
    }

    async fn membership(&self, index: usize, directory: &LdapDirectory, master: &str) -> Verdict<Vouched> {
        let (directory, name) = (directory.clone(), master.to_lowercase());
        let question = || async move {
            match directory.is_master(&name).await {
                Outcome::Answer(()) => Membership::Master,
                Outcome::NoSuch => Membership::None,
                Outcome::Unavailable(fault) => Membership::Unavailable(fault),
            }
        };
        match self.memberships.ask(&format!("{index} {}", master.to_lowercase()), question).await {
            Membership::Master => Verdict::Welcome(Vouched(index)),
            Membership::None => Verdict::Refused(Refusal::NoMaster),
            Membership::Unavailable(fault) => Verdict::Unavailable(fault),
        }
    }

    /// Whether a master user may open an account, which was found by the name `user`.
    pub(super) async fn may_open(
        &self,
        Vouched(index): Vouched,
        master: &str,
        user: &str,
        account: &Account,
    ) -> Verdict<()> {
        let opened = match self.sources.get(index) {
            Some(SourceKind::PasswdFile(users)) if opens(users, master, account) => Outcome::Answer(()),
            Some(SourceKind::Ldap(directory)) => directory.may_be_opened(user, &account.name).await,
            _ => Outcome::NoSuch,
        };
        match opened {
            Outcome::Answer(()) => Verdict::Welcome(()),
            Outcome::NoSuch => Verdict::Refused(Refusal::MayNotOpen),
            Outcome::Unavailable(fault) => Verdict::Unavailable(fault),
        }
    }
}

/// What the line of the master user says. The account's own name counts, not what was typed.
fn opens(users: &UsersFile, master: &str, account: &Account) -> bool {
    let Some(entry) = users.file.entry(master) else { return false };
    let Some(opens) = entry.passdb.get(OPENS) else { return true };
    let domain = account.name.split_once('@').map(|(_, domain)| domain);
    opens.split(',').any(|allowed| match allowed.strip_prefix('@') {
        Some(allowed) => domain.is_some_and(|domain| domain.eq_ignore_ascii_case(allowed)),
        None => account.name == allowed.to_lowercase(),
    })
}
