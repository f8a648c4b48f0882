//! Log in: find the one entry, look at its standing, and let the server judge the password by a bind (RFC 4513 §5.1.3).
//!
//! Promises: an empty password is never sent; nobody is let in when two entries match, when the server does not answer,
//! or by anything but a bind that succeeded. Why somebody is refused goes to the log only.

use std::time::SystemTime;

use proto::sasl::Secret;
use tokio::time::timeout;

use super::ad::{self, Refusal, Verdict};
use super::directory::{LdapDirectory, Match, Person, entry_query, name_variables};
use super::fault::Fault;
use super::search::{Entry, Query};
use crate::chain::Steps;
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
        self.log_in_telling(login, password, now, &mut Steps::silent()).await
    }

    /// The same, with every step told.
    pub async fn log_in_telling(
        &self,
        login: &str,
        password: &Secret,
        now: SystemTime,
        steps: &mut Steps,
    ) -> Verdict<Person> {
        let tried = timeout(self.settings.operation_timeout, self.try_login(login, password, now, steps)).await;
        match tried.unwrap_or(Err(No::Unavailable(Fault::TimedOut))) {
            Ok(person) => Verdict::Welcome(person),
            Err(No::Refused(refusal)) => Verdict::Refused(refusal),
            Err(No::Unavailable(fault)) => Verdict::Unavailable(fault),
        }
    }

    async fn try_login(
        &self,
        login: &str,
        password: &Secret,
        now: SystemTime,
        steps: &mut Steps,
    ) -> Result<Person, No> {
        // RFC 4513 §5.1.2: a bind with a name and no password succeeds as nobody at all.
        if password.reveal().is_empty() {
            return Err(No::Refused(Refusal::EmptyPassword));
        }
        let variables = name_variables(login).ok_or(Refusal::Login)?;
        let found = self.find_login(&variables, steps).await;
        steps.tell(|| match &found {
            Ok(Match::One(entry)) => format!("found {}", entry.dn),
            Ok(Match::None) => "found nobody".to_owned(),
            Ok(Match::Several) => "found more than one".to_owned(),
            Err(No::Refused(refusal)) => refusal.to_string(),
            Err(No::Unavailable(fault)) => fault.to_string(),
        });
        let entry = match found? {
            Match::One(entry) => entry,
            Match::None => return Err(No::Refused(Refusal::NoSuch)),
            Match::Several => return Err(No::Refused(Refusal::Ambiguous)),
        };
        let person = self.person(&entry, login, now)?;
        if let Err(refusal) = &person.standing {
            steps.tell(|| format!("its attributes say: {refusal}; nothing is bound"));
        }
        person.standing.clone()?;
        let name = self.bind_name(&variables, &entry)?;
        let answer = self.servers.bind(&name, password).await;
        steps.tell(|| match &answer {
            Ok(answer) => format!("bound as {name}: result {} {}", answer.code, answer.text.trim()),
            Err(fault) => format!("bound as {name}: {fault}"),
        });
        let judged = ad::judge(&answer?);
        if let Err(refusal) = &judged {
            steps.tell(|| format!("which means: {refusal}"));
        }
        judged?;
        Ok(person)
    }

    async fn find_login(&self, variables: &Variables, steps: &mut Steps) -> Result<Match, No> {
        match (&self.description.login_filter, &self.description.bind_name) {
            (Some(filter), _) => {
                steps.tell(|| {
                    let base = self.description.base.expand_dn(variables).unwrap_or_default();
                    format!("login_filter: {} below {base}", filter.expand_filter(variables).unwrap_or_default())
                });
                Ok(self.find(filter, variables).await?)
            }
            (None, Some(name)) => {
                let dn = name.expand_dn(variables).map_err(|_| Refusal::Login)?;
                steps.tell(|| format!("bind_name: {dn}"));
                Ok(self.read(&dn, self.description.wanted()).await?)
            }
            (None, None) => Err(No::Unavailable(Fault::Filter)),
        }
    }

    /// The question that finds who logs in.
    pub(super) fn login_query(&self, variables: &Variables) -> Result<Query, Fault> {
        match (&self.description.login_filter, &self.description.bind_name) {
            (Some(filter), _) => self.query(filter, variables),
            (None, Some(name)) => {
                let dn = name.expand_dn(variables).map_err(|_| Fault::Filter)?;
                Ok(entry_query(&dn, self.description.wanted()))
            }
            (None, None) => Err(Fault::Filter),
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
