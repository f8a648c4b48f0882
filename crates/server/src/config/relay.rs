//! `[relay]`: from its texts to settings, and who is who by them.

use std::net::IpAddr;

use directory::passwd_file::Network;
use mail::Domain;

use super::Mistake;
use super::settle::{domains, networks};
use super::written::Written;

/// Who may send mail to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// In the order of the sentence.
    pub permit: Vec<Permit>,
    pub others: Others,
    pub networks: Vec<Network>,
    /// Domains of others whose mail is taken from everybody.
    pub domains: Vec<Domain>,
    /// Whether recipients in these must be known to the directory.
    pub check_recipients: bool,
}

/// A clause of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    Networks,
    Authenticated,
}

/// What those hear whom no clause permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// 554 5.7.1.
    Reject,
    /// 454 4.7.1.
    Defer,
}

impl RelaySettings {
    /// Whether a client is in one of our own networks.
    pub fn is_inside(&self, client: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(client))
    }

    /// Whether a client may send to domains of others.
    pub fn permits(&self, client: IpAddr, is_authenticated: bool) -> bool {
        self.permit.iter().any(|permit| match permit {
            Permit::Networks => self.is_inside(client),
            Permit::Authenticated => is_authenticated,
        })
    }
}

pub fn settle(written: &Written, mistakes: &mut Vec<Mistake>) -> RelaySettings {
    let table = written.table("relay").unwrap_or_else(|| panic!("the schema has no table `relay`"));
    let (permit, others) = match policy(table.text("policy").unwrap_or_default()) {
        Ok(policy) => policy,
        Err(why) => {
            let help = "as \"permit networks, permit authenticated, reject others\"".to_owned();
            mistakes.push(Mistake { span: table.place("policy"), message: why, help: Some(help) });
            (Vec::new(), Others::Reject)
        }
    };
    RelaySettings {
        permit,
        others,
        networks: networks(table.texts("networks"), mistakes),
        domains: domains(table.texts("domains"), mistakes),
        check_recipients: table.text("recipients") != Some("any"),
    }
}

/// The clauses of a policy; only its last one is about the others.
fn policy(sentence: &str) -> Result<(Vec<Permit>, Others), String> {
    let mut permit = Vec::new();
    let mut clauses = sentence.split(',').map(|clause| clause.split_whitespace().collect::<Vec<_>>()).peekable();
    while let Some(clause) = clauses.next() {
        let others = match clause.as_slice() {
            ["permit", "networks"] => {
                permit.push(Permit::Networks);
                continue;
            }
            ["permit", "authenticated"] => {
                permit.push(Permit::Authenticated);
                continue;
            }
            ["reject", "others"] => Others::Reject,
            ["defer", "others"] => Others::Defer,
            _ => return Err(format!("`{}` is no clause of a policy", clause.join(" "))),
        };
        return match clauses.peek() {
            None => Ok((permit, others)),
            Some(_) => Err(format!("after `{}` nobody is left", clause.join(" "))),
        };
    }
    Err("the policy does not say what becomes of the others".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_sentence_with_an_end() {
        use Permit::{Authenticated, Networks};
        let good = [
            ("permit networks, permit authenticated, defer others", vec![Networks, Authenticated], Others::Defer),
            ("permit  authenticated ,reject others", vec![Authenticated], Others::Reject),
            ("reject others", vec![], Others::Reject),
        ];
        for (sentence, permit, others) in good {
            assert_eq!(policy(sentence), Ok((permit, others)), "{sentence}");
        }
        for bad in ["", "permit networks", "reject others, permit networks", "permit all, reject others", "permit"] {
            assert!(policy(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_is_permitted_by_one_clause() {
        let settings = RelaySettings {
            permit: vec![Permit::Networks, Permit::Authenticated],
            others: Others::Reject,
            networks: vec![Network::parse("192.0.2.0/24").unwrap()],
            domains: vec![],
            check_recipients: true,
        };
        let (inside, outside) = ("::ffff:192.0.2.7".parse().unwrap(), "198.51.100.1".parse().unwrap());
        assert!(settings.permits(inside, false) && settings.permits(outside, true));
        assert!(!settings.permits(outside, false));
        assert!(!RelaySettings { permit: vec![], ..settings }.permits(inside, true));
    }
}
