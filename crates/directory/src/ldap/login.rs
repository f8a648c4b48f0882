//! Log in: find the one entry, look at its standing, and let the server judge the password by a bind (RFC 4513 §5.1.3).
//!
//! Promises: an empty password is never sent; nobody is let in when two entries match, when the server does not answer,
//! or by anything but a bind that succeeded. Why somebody is refused goes to the log only.

use std::time::SystemTime;

use proto::sasl::Secret;
use tokio::time::timeout;

use super::ad::{self, Refusal, Verdict};
use super::directory::{LdapDirectory, Match, Person, name_variables};
use super::fault::Fault;
use super::search::Entry;
use crate::template::Variables;

/// Why there is no welcome.
enum No {
    Refused(Refusal),
    Unavailable(Fault),
}

impl From<Fault> for No {
    fn from(fault: Fault) -> No {
        No::Unavailable(fault)
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        No::Refused(refusal)
    }
}

impl LdapDirectory {
    /// Judges a login and a password, within `operation_timeout`.
    pub async fn log_in(&self, login: &str, password: &Secret, now: SystemTime) -> Verdict<Person> {
        let tried = timeout(self.settings.operation_timeout, self.try_login(login, password, now)).await;
        match tried.unwrap_or(Err(No::Unavailable(Fault::TimedOut))) {
            Ok(person) => Verdict::Welcome(person),
            Err(No::Refused(refusal)) => Verdict::Refused(refusal),
            Err(No::Unavailable(fault)) => Verdict::Unavailable(fault),
        }
    }

    async fn try_login(&self, login: &str, password: &Secret, now: SystemTime) -> Result<Person, No> {
        // RFC 4513 §5.1.2: a bind with a name and no password succeeds as nobody at all.
        if password.reveal().is_empty() {
            return Err(No::Refused(Refusal::EmptyPassword));
        }
        let variables = name_variables(login).ok_or(Refusal::Login)?;
        let entry = match self.find_login(&variables).await? {
            Match::One(entry) => entry,
            Match::None => return Err(No::Refused(Refusal::NoSuch)),
            Match::Several => return Err(No::Refused(Refusal::Ambiguous)),
        };
        let person = self.person(&entry, login, now)?;
        person.standing.clone()?;
        let name = self.bind_name(&variables, &entry)?;
        let answer = self.servers.bind(&name, password).await?;
        ad::judge(&answer)?;
        Ok(person)
    }

    async fn find_login(&self, variables: &Variables) -> Result<Match, No> {
        match (&self.description.login_filter, &self.description.bind_name) {
            (Some(filter), _) => Ok(self.find(filter, variables).await?),
            (None, Some(name)) => {
                let dn = name.expand_dn(variables).map_err(|_| Refusal::Login)?;
                Ok(self.read(&dn, self.description.wanted()).await?)
            }
            (None, None) => Err(No::Unavailable(Fault::Filter)),
        }
    }

    /// The DN, or what the description makes of the login.
    fn bind_name(&self, variables: &Variables, entry: &Entry) -> Result<String, Refusal> {
        match &self.description.bind_name {
            None if entry.dn.is_empty() => Err(Refusal::Login),
            None => Ok(entry.dn.clone()),
            Some(name) => name.expand_dn(variables).map_err(|_| Refusal::Login).and_then(|name| {
                // Without a name it would be an anonymous bind, which succeeds (RFC 4513 §5.1.1).
                if name.is_empty() { Err(Refusal::Login) } else { Ok(name) }
            }),
        }
    }
}
