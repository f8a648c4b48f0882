//! What is found out about a name or an address from all sources, in the form in which it is remembered.

use mail::Address;

use super::Recipient;
use super::source::Source;
use crate::cache::{Answer, Kind};
use crate::ldap::{Listed, Outcome, Person};

/// What is said when a question was broken off by a fault of our own.
const BROKEN_OFF: &str = "the question was broken off";

/// Somebody of this name.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Person(Box<Person>),
    Unknown,
    Unavailable(String),
}

/// What an address means.
#[derive(Debug, Clone)]
pub(super) enum Meant {
    Listed(Box<Listed>),
    Unknown,
    Unavailable(String),
}

impl Answer for Found {
    fn kind(&self) -> Kind {
        match self {
            Found::Person(_) => Kind::Yes,
            Found::Unknown => Kind::No,
            Found::Unavailable(_) => Kind::Unavailable,
        }
    }

    fn unavailable() -> Found {
        Found::Unavailable(BROKEN_OFF.to_owned())
    }
}

impl Answer for Meant {
    fn kind(&self) -> Kind {
        match self {
            // A group beyond its limits lives as short as a no: the operator is about to mend it.
            Meant::Listed(listed) if matches!(**listed, Listed::Beyond(_)) => Kind::No,
            Meant::Listed(_) => Kind::Yes,
            Meant::Unknown => Kind::No,
            Meant::Unavailable(_) => Kind::Unavailable,
        }
    }

    fn unavailable() -> Meant {
        Meant::Unavailable(BROKEN_OFF.to_owned())
    }
}

/// The first source that knows the name. "Unknown" only when all of them were asked.
pub(super) async fn find(sources: &[Source], name: &str) -> Found {
    let domain = name.split_once('@').map(|(_, domain)| domain);
    let mut none = Found::Unknown;
    for source in sources.iter().filter(|source| source.covers(domain)) {
        match source.kind.account(name).await {
            Outcome::Answer(person) => return Found::Person(Box::new(person)),
            Outcome::NoSuch => {}
            Outcome::Unavailable(fault) => none = Found::Unavailable(fault.to_string()),
        }
    }
    none
}

/// The same for an address.
pub(super) async fn meant(sources: &[Source], address: &Address) -> Meant {
    let domain = address.domain().as_str();
    let mut none = Meant::Unknown;
    for source in sources.iter().filter(|source| source.covers(Some(domain))) {
        match source.kind.recipient(address).await {
            Outcome::Answer(listed) => return Meant::Listed(Box::new(listed)),
            Outcome::NoSuch => {}
            Outcome::Unavailable(fault) => none = Meant::Unavailable(fault.to_string()),
        }
    }
    none
}

impl Meant {
    /// The answer for an address with this detail.
    pub(super) fn into_recipient(self, detail: Option<(char, &str)>) -> Recipient {
        match self {
            Meant::Unknown => Recipient::Unknown,
            Meant::Unavailable(why) => Recipient::Unavailable(why),
            Meant::Listed(listed) => match *listed {
                Listed::Account(account) => Recipient::Account(account),
                Listed::Beyond(beyond) => Recipient::TooMany(beyond.to_string()),
                Listed::Group { members, owner } => {
                    let to = members.into_iter().map(|member| match detail {
                        Some((delimiter, detail)) => with_detail(member, delimiter, detail),
                        None => member,
                    });
                    Recipient::Forward { to: to.collect(), owner }
                }
            },
        }
    }
}

/// As Postfix, which carries the detail of a group's address on to every member, one from outside too.
fn with_detail(member: Address, delimiter: char, detail: &str) -> Address {
    let local_part = format!("{}{delimiter}{detail}", member.local_part());
    let quoted = local_part.replace('\\', "\\\\").replace('"', "\\\"");
    // Too long with it, it goes without.
    Address::parse(&format!("\"{quoted}\"@{}", member.domain())).unwrap_or(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_carried_on_and_left_out_where_it_does_not_fit() {
        let carried =
            |member: &str, detail: &str| with_detail(Address::parse(member).unwrap(), '+', detail).to_string();
        assert_eq!(carried("ana@x.test", "lists"), "ana+lists@x.test");
        assert_eq!(carried("\"a b\"@x.test", "l"), "\"a b+l\"@x.test");
        assert_eq!(carried("ana@x.test", &"l".repeat(64)), "ana@x.test");
    }
}
