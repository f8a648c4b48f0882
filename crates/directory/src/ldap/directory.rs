//! Finding one entry, and what an entry means: the common ground of logins, accounts and recipients.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::timeout;

use super::ad::{self, Refusal};
use super::attributes::variables;
use super::description::Description;
use super::dial::TrustError;
use super::fault::{Fault, Outcome};
use super::person::account;
use super::search::{Entry, Query, Scope};
use super::servers::{Health, Servers};
use super::settings::Settings;
use crate::account::Account;
use crate::template::{Template, Variables};

/// A login or a name that is looked up, in octets. Active Directory allows 20 for an account, 1024 for a principal
/// name.
pub const NAME_LENGTH_MAX: usize = 1024;

/// One directory: its servers and its description. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LdapDirectory {
    pub(super) servers: Arc<Servers>,
    pub(super) description: Arc<Description>,
    pub(super) settings: Arc<Settings>,
}

/// Somebody found, whether they may log in or not: mail is delivered to a disabled account too (as Postfix does).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub account: Account,
    pub standing: Result<(), Refusal>,
}

/// How many entries matched.
pub(super) enum Match {
    None,
    One(Entry),
    Several,
}

impl LdapDirectory {
    /// Begins to look after the servers. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub fn start(settings: Settings, description: Description) -> Result<LdapDirectory, TrustError> {
        let servers = Arc::new(Servers::start(settings.clone())?);
        Ok(LdapDirectory { servers, description: Arc::new(description), settings: Arc::new(settings) })
    }

    pub fn health(&self) -> Vec<Health> {
        self.servers.health()
    }

    /// The account of this name, as it is served: `ana` or `ana@example.test`.
    pub async fn account(&self, name: &str, now: SystemTime) -> Outcome<Person> {
        let Some(variables) = name_variables(name) else { return Outcome::NoSuch };
        let found = timeout(self.settings.operation_timeout, self.find(&self.description.account_filter, &variables));
        self.person_of(found.await.unwrap_or(Err(Fault::TimedOut)), name, now)
    }

    /// What a search for one person means where nobody wants to be let in.
    pub(super) fn person_of(&self, found: Result<Match, Fault>, name: &str, now: SystemTime) -> Outcome<Person> {
        let entry = match found {
            Ok(Match::One(entry)) => entry,
            Ok(Match::None) => return Outcome::NoSuch,
            // The operator has to mend it; until then mail waits.
            Ok(Match::Several) => return Outcome::Unavailable(Fault::TooMany(1)),
            Err(fault) => return Outcome::Unavailable(fault),
        };
        match self.person(&entry, name, now) {
            Ok(person) => Outcome::Answer(person),
            Err(refusal) => {
                tracing::error!(name, dn = entry.dn, reason = %refusal, "the directory's entry makes no account");
                Outcome::Unavailable(Fault::Entry(refusal.to_string()))
            }
        }
    }

    /// Looks for exactly one entry.
    pub(super) async fn find(&self, filter: &Template, variables: &Variables) -> Result<Match, Fault> {
        self.one(&self.query(filter, variables)?).await
    }

    pub(super) fn query(&self, filter: &Template, variables: &Variables) -> Result<Query, Fault> {
        Ok(Query {
            base: self.description.base.expand_dn(variables).map_err(|_| Fault::Filter)?,
            scope: self.description.scope,
            filter: filter.expand_filter(variables).map_err(|_| Fault::Filter)?,
            attributes: self.description.wanted(),
            entries_max: 1,
        })
    }

    /// Looks at one entry whose DN is known. Only here is "no such object" the answer "nobody": for a search's base it
    /// says that the base is wrong, for everybody.
    pub(super) async fn read(&self, dn: &str, attributes: Vec<String>) -> Result<Match, Fault> {
        match self.one(&entry_query(dn, attributes)).await {
            // RFC 4511 appendix A: 32 noSuchObject, 34 invalidDNSyntax.
            Err(Fault::Result { code: 32 | 34, .. }) => Ok(Match::None),
            other => other,
        }
    }

    pub(super) async fn one(&self, query: &Query) -> Result<Match, Fault> {
        match self.servers.search(query).await {
            Ok(found) => Ok(found.entries.into_iter().next().map_or(Match::None, Match::One)),
            Err(Fault::TooMany(_)) => Ok(Match::Several),
            Err(fault) => Err(fault),
        }
    }

    /// What an entry is to us.
    pub(super) fn person(&self, entry: &Entry, login: &str, now: SystemTime) -> Result<Person, Refusal> {
        let rows = &self.description.attributes;
        let named = entry.text(&self.description.name_attribute).unwrap_or_default().to_owned();
        let user = rows.field("user", entry, &variables(&named.to_lowercase(), login, entry))?.unwrap_or(named);
        if user.is_empty() {
            return Err(Refusal::Unusable(format!("{} is missing", self.description.name_attribute)));
        }
        // One account has one name, however its login was typed; the home is made of the name as the directory has it.
        let name = user.to_lowercase();
        let fields = rows.fields(entry, &variables(&name, login, entry))?;
        let standing = if self.description.standing { ad::standing(entry, now) } else { Ok(()) };
        Ok(Person { account: account(name, fields, self.description.default_quota.as_ref())?, standing })
    }
}

/// The question about one entry.
pub(super) fn entry_query(dn: &str, attributes: Vec<String>) -> Query {
    let filter = "(objectClass=*)".to_owned();
    Query { base: dn.to_owned(), scope: Scope::Base, filter, attributes, entries_max: 1 }
}

/// What a template may say of a name that was typed. `None` for what can be nobody's name.
pub(super) fn name_variables(login: &str) -> Option<Variables> {
    let good = !login.is_empty() && login.len() <= NAME_LENGTH_MAX && !login.contains(char::is_control);
    good.then(|| Variables::new(login.to_lowercase()).with_original(login))
}
