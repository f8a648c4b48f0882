//! Master users of the directory: who is one, by a filter or by a group, and which accounts they may open.
//!
//! Promises: nobody is one because a question was not answered; membership through groups in groups counts, however they
//! lie in each other, and a cycle ends. Knows no password (`login`).

use std::collections::HashSet;
use std::time::SystemTime;

use tokio::time::timeout;

use super::description::MasterUsers;
use super::directory::{LdapDirectory, Match, name_variables};
use super::fault::{Fault, Outcome};
use super::search::{Query, Scope};
use crate::groups;
use crate::template::{Template, Variables, filter_escape};

/// Groups above one person that are looked at, and how many of them lie in each other.
const GROUPS_MAX: usize = 4096;
const DEPTH_MAX: usize = 32;
/// Groups whose own groups are asked for in one search.
const TOGETHER_MAX: usize = 32;
/// RFC 4511 §4.5.1.8: no attributes are wanted.
const NO_ATTRIBUTES: &str = "1.1";

impl LdapDirectory {
    /// Whether the person of this login is a master user. Whose password it is has been proved before.
    pub async fn is_master(&self, login: &str) -> Outcome<()> {
        let Some(masters) = &self.description.masters else { return Outcome::NoSuch };
        let Some(variables) = name_variables(login) else { return Outcome::NoSuch };
        let asked = timeout(self.settings.operation_timeout, self.ask_master(masters, &variables)).await;
        outcome(asked.unwrap_or(Err(Fault::TimedOut)))
    }

    /// Whether master users of this directory may open the account that is called so here.
    pub async fn may_be_opened(&self, name: &str, account: &str) -> Outcome<()> {
        let Some(masters) = &self.description.masters else { return Outcome::NoSuch };
        let Some(limit) = &masters.accounts else { return Outcome::Answer(()) };
        let Some(variables) = name_variables(name) else { return Outcome::NoSuch };
        let matching = async {
            let query = self.query(&self.description.account_filter, &variables)?;
            let Match::One(entry) = self.one(&also(query, limit, &variables)?).await? else { return Ok(false) };
            // Another source's account of the same name is another account.
            Ok(self.person(&entry, name, SystemTime::now()).is_ok_and(|person| person.account.name == account))
        };
        outcome(timeout(self.settings.operation_timeout, matching).await.unwrap_or(Err(Fault::TimedOut)))
    }

    async fn ask_master(&self, masters: &MasterUsers, variables: &Variables) -> Result<bool, Fault> {
        let login = self.login_query(variables)?;
        if let Some(filter) = &masters.filter
            && let Match::One(_) = self.one(&also(login.clone(), filter, variables)?).await?
        {
            return Ok(true);
        }
        match self.one(&login).await? {
            Match::One(entry) if !masters.groups.is_empty() => {
                let base = self.description.base.expand_dn(variables).map_err(|_| Fault::Filter)?;
                self.is_below(&entry.dn, masters, &base).await
            }
            _ => Ok(false),
        }
    }

    /// Looks for the groups above a person, level by level.
    async fn is_below(&self, dn: &str, masters: &MasterUsers, base: &str) -> Result<bool, Fault> {
        let wanted: HashSet<String> = masters.groups.iter().map(|group| groups::key(group)).collect();
        let (mut seen, mut level) = (HashSet::new(), vec![dn.to_owned()]);
        for _ in 0..DEPTH_MAX {
            let mut above = Vec::new();
            for members in level.chunks(TOGETHER_MAX) {
                above.extend(self.groups_of(members, masters, base).await?);
            }
            above.retain(|group| seen.insert(groups::key(group)));
            if above.iter().any(|group| wanted.contains(&groups::key(group))) {
                return Ok(true);
            }
            if above.is_empty() {
                return Ok(false);
            }
            if seen.len() > GROUPS_MAX {
                return Err(Fault::TooMany(GROUPS_MAX));
            }
            level = above;
        }
        Err(Fault::TooDeep(DEPTH_MAX))
    }

    async fn groups_of(&self, members: &[String], masters: &MasterUsers, base: &str) -> Result<Vec<String>, Fault> {
        let is_member = |dn: &String| format!("({}={})", masters.member_attribute, filter_escape(dn.as_bytes()));
        let query = Query {
            base: base.to_owned(),
            scope: Scope::Subtree,
            filter: format!("(|{})", members.iter().map(is_member).collect::<String>()),
            attributes: vec![NO_ATTRIBUTES.to_owned()],
            entries_max: GROUPS_MAX,
        };
        Ok(self.servers.search(&query).await?.entries.into_iter().map(|entry| entry.dn).collect())
    }
}

/// The same question about those only who match another filter too.
fn also(query: Query, filter: &Template, variables: &Variables) -> Result<Query, Fault> {
    let more = filter.expand_filter(variables).map_err(|_| Fault::Filter)?;
    Ok(Query { filter: format!("(&{}{more})", query.filter), ..query })
}

fn outcome(holds: Result<bool, Fault>) -> Outcome<()> {
    match holds {
        Ok(true) => Outcome::Answer(()),
        Ok(false) => Outcome::NoSuch,
        Err(fault) => Outcome::Unavailable(fault),
    }
}
