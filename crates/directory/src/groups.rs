//! Expanding a group to the addresses of its members, however groups lie in each other. Pure: it says whom to ask about
//! and is told what they are.
//!
//! Promises: each member is asked about once and each address comes out once, in the order in which members are listed;
//! a cycle ends; a group that is too deep or too large is an error and never a part of its members.

use std::collections::{HashMap, HashSet, VecDeque};

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups in groups in groups: 0 means that members are people only.
    pub depth_max: usize,
    /// Members asked about, those without an address included.
    pub members_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { depth_max: 16, members_max: 20_000 }
    }
}

/// Which limit a group is beyond. The directory has to be changed or the limit raised: trying again does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Beyond {
    #[error("groups lie more than {0} deep in each other")]
    Depth(usize),
    #[error("more than {0} members")]
    Members(usize),
}

/// What is known of a group or a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Names (DNs) of what is in it; empty for a person.
    pub members: Vec<String>,
    /// Its own addresses. They count only when it has no members (as with Postfix's `leaf_result_attribute`).
    pub addresses: Vec<String>,
}

/// One group on its way to addresses.
#[derive(Debug)]
pub struct Expansion {
    limits: Limits,
    /// What each name was told to be. `None`: nobody, or not told yet.
    known: HashMap<String, Option<Node>>,
    /// Names to ask about, those nearest to the root first: so a depth is that of the shortest way.
    wanted: VecDeque<String>,
    root: Node,
    depths: HashMap<String, usize>,
}

impl Expansion {
    /// Begins with the group that an address means.
    ///
    /// # Errors
    /// It has too many members already.
    pub fn start(limits: Limits, root: Node) -> Result<Expansion, Beyond> {
        let members = root.members.clone();
        let mut expansion =
            Expansion { limits, known: HashMap::new(), wanted: VecDeque::new(), root, depths: HashMap::new() };
        expansion.want(&members, 0)?;
        Ok(expansion)
    }

    /// The next names to ask about, at most so many. Empty when nothing is left to ask.
    pub fn ask(&mut self, number: usize) -> Vec<String> {
        let number = number.min(self.wanted.len());
        self.wanted.drain(..number).collect()
    }

    /// Tells what a name is: `None` when there is no such entry.
    ///
    /// # Errors
    /// A limit is passed.
    pub fn tell(&mut self, name: &str, node: Option<Node>) -> Result<(), Beyond> {
        let key = key(name);
        let depth = self.depths.get(&key).copied().unwrap_or_default();
        let members = node.as_ref().map(|node| node.members.clone()).unwrap_or_default();
        self.known.insert(key, node);
        if members.is_empty() { Ok(()) } else { self.want(&members, depth + 1) }
    }

    fn want(&mut self, members: &[String], depth: usize) -> Result<(), Beyond> {
        for member in members {
            let key = key(member);
            if self.known.contains_key(&key) {
                continue;
            }
            // A cycle adds no new name, so it never gets here.
            if depth > self.limits.depth_max {
                return Err(Beyond::Depth(self.limits.depth_max));
            }
            if self.known.len() >= self.limits.members_max {
                return Err(Beyond::Members(self.limits.members_max));
            }
            self.known.insert(key.clone(), None);
            self.depths.insert(key, depth);
            self.wanted.push_back(member.clone());
        }
        Ok(())
    }

    /// The addresses, once nothing is left to ask: in the members' order, each once, whatever its case.
    pub fn addresses(&self) -> Vec<String> {
        let (mut seen_names, mut seen_addresses) = (HashSet::new(), HashSet::new());
        let mut addresses = Vec::new();
        // Depth first and without recursion, as deep as the directory may have it.
        let (mut next, mut names) = (Some(&self.root), Vec::new());
        loop {
            if let Some(node) = next {
                if node.members.is_empty() {
                    let new = node.addresses.iter().filter(|address| seen_addresses.insert(address.to_lowercase()));
                    addresses.extend(new.cloned());
                }
                names.extend(node.members.iter().rev().map(|member| key(member)));
            }
            let Some(name) = names.pop() else { return addresses };
            let node = self.known.get(&name).and_then(Option::as_ref);
            next = node.filter(|_| seen_names.insert(name));
        }
    }
}

/// A name as it is compared: the same DN may be written in other case and with spaces after commas (RFC 4514 §3).
pub(crate) fn key(name: &str) -> String {
    name.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(members: &[&str]) -> Node {
        Node { members: members.iter().map(|name| (*name).to_owned()).collect(), addresses: vec!["group@x".into()] }
    }

    fn person(address: &str) -> Node {
        Node { members: vec![], addresses: vec![address.to_owned()] }
    }

    fn expand(limits: Limits, root: Node, directory: &[(&str, Node)]) -> Result<Vec<String>, Beyond> {
        let mut expansion = Expansion::start(limits, root)?;
        let mut asked = HashSet::new();
        loop {
            let names = expansion.ask(2);
            if names.is_empty() {
                return Ok(expansion.addresses());
            }
            for name in names {
                assert!(asked.insert(key(&name)), "{name} is asked about twice");
                let node = directory.iter().find(|(known, _)| key(known) == key(&name)).map(|(_, node)| node.clone());
                expansion.tell(&name, node)?;
            }
        }
    }

    #[test]
    fn a_cycle_ends_and_gives_every_member_once() {
        let directory = [("cn=b", group(&["cn=a", "cn=dos"])), ("cn=a", group(&["cn=uno", "CN=B"]))];
        let people = [("cn=uno", person("uno@x")), ("cn=dos", person("dos@x"))];
        let all: Vec<_> = directory.into_iter().chain(people).collect();
        assert_eq!(expand(Limits::default(), group(&["cn=uno", "cn=b"]), &all).unwrap(), ["uno@x", "dos@x"]);
    }

    #[test]
    fn members_keep_their_order_and_duplicates_fall_away() {
        let directory = [
            ("cn=ventas, ou=g", group(&["cn=uno", "cn=dos"])),
            ("cn=uno", person("uno@x")),
            ("cn=dos", person("dos@x")),
            ("cn=tres", person("UNO@x")),
            ("cn=nadie", Node::default()),
        ];
        let root = group(&["cn=nadie", "CN=Ventas,OU=g", "cn=fuera", "cn=tres", "cn=uno"]);
        assert_eq!(expand(Limits::default(), root, &directory).unwrap(), ["uno@x", "dos@x"]);
    }

    #[test]
    fn a_group_without_members_is_its_own_leaf() {
        assert_eq!(expand(Limits::default(), group(&[]), &[]).unwrap(), ["group@x"]);
    }

    #[test]
    fn a_limit_is_an_error_and_never_a_part_of_the_members() {
        let deep = [("cn=1", group(&["cn=2"])), ("cn=2", group(&["cn=3"])), ("cn=3", person("a@x"))];
        let limits = |depth_max, members_max| Limits { depth_max, members_max };
        assert!(expand(limits(2, 10), group(&["cn=1"]), &deep).is_ok());
        assert_eq!(expand(limits(1, 10), group(&["cn=1"]), &deep), Err(Beyond::Depth(1)));
        assert_eq!(expand(limits(9, 2), group(&["cn=1"]), &deep), Err(Beyond::Members(2)));
    }
}
