//! Whom an address means: an account, or the members of a group.
//!
//! Promises: "unknown" is said only when every look-up was answered; a group is expanded whole or not at all.

use std::time::SystemTime;

use mail::Address;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::description::Groups;
use super::directory::{LdapDirectory, Match, name_variables};
use super::fault::{Fault, Outcome};
use super::search::{Entry, Query};
use crate::account::Account;
use crate::groups::{Beyond, Expansion, Node};
use crate::template::Variables;

/// Groups that may have the same address; their members are put together, as Postfix does.
const SAME_ADDRESS_MAX: usize = 16;
/// Members of one group asked about at the same time.
const MEMBERS_AT_ONCE: usize = 32;
/// Parts of one member list (`member;range=…`); Active Directory gives 1,500 members in one.
const RANGES_MAX: usize = 256;

/// What stands behind an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    Account(Account),
    /// A group: its members, each once, and who hears of failures if that is not the sender.
    Group {
        members: Vec<Address>,
        owner: Option<Address>,
    },
    /// A group beyond its limits.
    Beyond(Beyond),
}

/// What becomes of a group.
enum Expanded {
    Nobody,
    Members(Vec<Address>, Option<Address>),
    Beyond(Beyond),
}

impl LdapDirectory {
    /// Looks an address up as it stands: without its detail, if it should be. Within `operation_timeout`.
    pub async fn recipient(&self, address: &Address, now: SystemTime) -> Outcome<Listed> {
        let asked = timeout(self.settings.operation_timeout, self.ask_recipient(address, now)).await;
        asked.unwrap_or(Outcome::Unavailable(Fault::TimedOut))
    }

    async fn ask_recipient(&self, address: &Address, now: SystemTime) -> Outcome<Listed> {
        let name = format!("{}@{}", address.local_part(), address.domain());
        let Some(variables) = name_variables(&name) else { return Outcome::NoSuch };
        // Both at once: most addresses are people, and asking one after the other would take twice as long for them.
        let (group, person) = tokio::join!(self.group(&variables), self.listed_person(&name, &variables, now));
        match group {
            Ok(Expanded::Members(members, owner)) => Outcome::Answer(Listed::Group { members, owner }),
            Ok(Expanded::Beyond(beyond)) => Outcome::Answer(Listed::Beyond(beyond)),
            Ok(Expanded::Nobody) => person,
            Err(fault) => Outcome::Unavailable(fault),
        }
    }

    async fn listed_person(&self, name: &str, variables: &Variables, now: SystemTime) -> Outcome<Listed> {
        let Some(filter) = &self.description.recipient_filter else { return Outcome::NoSuch };
        match self.person_of(self.find(filter, variables).await, name, now) {
            Outcome::Answer(person) => Outcome::Answer(Listed::Account(person.account)),
            Outcome::NoSuch => Outcome::NoSuch,
            Outcome::Unavailable(fault) => Outcome::Unavailable(fault),
        }
    }

    async fn group(&self, variables: &Variables) -> Result<Expanded, Fault> {
        let Some(groups) = &self.description.groups else { return Ok(Expanded::Nobody) };
        let query = Query {
            base: self.description.base.expand_dn(variables).map_err(|_| Fault::Filter)?,
            scope: self.description.scope,
            filter: groups.filter.expand_filter(variables).map_err(|_| Fault::Filter)?,
            attributes: groups.wanted(),
            entries_max: SAME_ADDRESS_MAX,
        };
        let found = self.servers.search(&query).await?.entries;
        let mut root = Node::default();
        for entry in &found {
            root.members.extend(self.node(groups, entry).await?.members);
        }
        // A group that is empty has nobody to give the mail to. Postfix takes it for its own leaf, and mail for it goes
        // round until it expires.
        if root.members.is_empty() {
            return Ok(Expanded::Nobody);
        }
        let addresses = match self.expand(groups, root).await? {
            Ok(addresses) => addresses,
            Err(beyond) => return Ok(Expanded::Beyond(beyond)),
        };
        let members: Vec<Address> = addresses.iter().filter_map(|text| parsed(text)).collect();
        if members.is_empty() {
            return Ok(Expanded::Nobody);
        }
        Ok(Expanded::Members(members, self.owner(groups, &found).await?))
    }

    /// Asks about members, many at once, until nobody is left to ask about.
    async fn expand(&self, groups: &Groups, root: Node) -> Result<Result<Vec<String>, Beyond>, Fault> {
        let mut expansion = match Expansion::start(groups.limits, root) {
            Ok(expansion) => expansion,
            Err(beyond) => return Ok(Err(beyond)),
        };
        let mut asking = JoinSet::new();
        loop {
            for name in expansion.ask(MEMBERS_AT_ONCE.saturating_sub(asking.len())) {
                let directory = self.clone();
                asking.spawn(async move {
                    let node = directory.member(&name).await;
                    (name, node)
                });
            }
            match asking.join_next().await {
                None => return Ok(Ok(expansion.addresses())),
                Some(Err(_)) => return Err(Fault::Lost),
                Some(Ok((name, node))) => {
                    if let Err(beyond) = expansion.tell(&name, node?) {
                        return Ok(Err(beyond));
                    }
                }
            }
        }
    }

    async fn member(&self, dn: &str) -> Result<Option<Node>, Fault> {
        let Some(groups) = &self.description.groups else { return Ok(None) };
        match self.read(dn, groups.wanted()).await? {
            Match::One(entry) => Ok(Some(self.node(groups, &entry).await?)),
            _ => Ok(None),
        }
    }

    async fn node(&self, groups: &Groups, entry: &Entry) -> Result<Node, Fault> {
        let texts = |values: &[Vec<u8>]| -> Vec<String> {
            values.iter().filter_map(|value| String::from_utf8(value.clone()).ok()).collect()
        };
        let mut members = texts(entry.values(&groups.member_attribute));
        let mut part = entry.part(&groups.member_attribute).map(|(values, next)| (texts(values), next));
        let mut parts = 0;
        while let Some((values, next)) = part {
            members.extend(values);
            parts += 1;
            part = match next {
                Some(_) if parts == RANGES_MAX => return Err(Fault::TooManyParts(RANGES_MAX)),
                Some(next) => Some(self.range(groups, &entry.dn, next).await?),
                None => None,
            };
        }
        Ok(Node { members, addresses: addresses(groups, entry) })
    }

    /// The members from this number on, and where the next part begins.
    async fn range(&self, groups: &Groups, dn: &str, from: usize) -> Result<(Vec<String>, Option<usize>), Fault> {
        let attribute = format!("{};range={from}-*", groups.member_attribute);
        let Match::One(entry) = self.read(dn, vec![attribute]).await? else { return Err(Fault::PartMissing) };
        let Some((values, next)) = entry.part(&groups.member_attribute) else { return Err(Fault::PartMissing) };
        Ok((values.iter().filter_map(|value| String::from_utf8(value.clone()).ok()).collect(), next))
    }

    async fn owner(&self, groups: &Groups, found: &[Entry]) -> Result<Option<Address>, Fault> {
        let Some(attribute) = &groups.owner_attribute else { return Ok(None) };
        let Some(owner) = found.iter().find_map(|entry| entry.text(attribute)) else { return Ok(None) };
        if let Ok(address) = Address::parse(owner) {
            return Ok(Some(address));
        }
        match self.read(owner, groups.address_attributes.clone()).await? {
            Match::One(entry) => Ok(addresses(groups, &entry).iter().find_map(|text| parsed(text))),
            _ => Ok(None),
        }
    }
}

/// An entry's own addresses: those of the first attribute that has any.
fn addresses(groups: &Groups, entry: &Entry) -> Vec<String> {
    let of =
        |attribute: &String| -> Vec<String> { entry.texts(attribute).filter_map(primary).map(str::to_owned).collect() };
    groups.address_attributes.iter().map(of).find(|addresses| !addresses.is_empty()).unwrap_or_default()
}

/// `SMTP:ana@example.test` is the primary address in `proxyAddresses`; `smtp:`, `x500:` and so on are not.
fn primary(value: &str) -> Option<&str> {
    match value.split_once(':') {
        Some(("SMTP", address)) => Some(address),
        Some((kind, _)) if !kind.contains('@') => None,
        _ => Some(value),
    }
}

fn parsed(text: &str) -> Option<Address> {
    let address = Address::parse(text.trim());
    if let Err(error) = &address {
        tracing::warn!(address = text, %error, "a group's member has no valid address and is left out");
    }
    address.ok()
}
