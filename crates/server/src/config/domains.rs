//! `[domains]`: whose mail is kept here, and who gets what is for nobody in particular.

use std::ops::Range;

use mail::{Address, Domain};

use super::Mistake;
use super::settle::domains;
use super::written::Written;

/// Who gets mail for addresses that the directory does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpareRecipients {
    /// Of `postmaster` and `abuse` in every local domain.
    pub postmaster: Option<Address>,
    /// Of all other addresses of a domain.
    pub catch_all: Vec<(Domain, Address)>,
}

impl SpareRecipients {
    /// Who gets an unknown address's mail, if anybody.
    pub fn for_unknown(&self, address: &Address) -> Option<&Address> {
        // RFC 5321 §4.5.1, RFC 2142 §2: somebody answers there.
        let is_reserved = ["postmaster", "abuse"].iter().any(|name| address.local_part().eq_ignore_ascii_case(name));
        let catch_all = || self.catch_all.iter().find(|(domain, _)| domain == address.domain()).map(|(_, to)| to);
        self.postmaster.as_ref().filter(|_| is_reserved).or_else(catch_all)
    }
}

/// What is written of them.
pub fn settle(written: &Written, mistakes: &mut Vec<Mistake>) -> SpareRecipients {
    let table = written.table("domains").unwrap_or_else(|| panic!("the schema has no table `domains`"));
    let place = table.place("postmaster").unwrap_or_default();
    let postmaster = table.text("postmaster").and_then(|text| address(text, &place, mistakes));
    let local = domains(table.texts("local"), &mut Vec::new());
    let rows = table.texts("catch_all").iter();
    let catch_all = rows.filter_map(|(text, span)| catch_all(text, span, &local, mistakes)).collect();
    SpareRecipients { postmaster, catch_all }
}

fn address(text: &str, span: &Range<usize>, mistakes: &mut Vec<Mistake>) -> Option<Address> {
    let address = Address::parse(text).ok();
    if address.is_none() {
        let mistake = Mistake::at(span.clone(), format!("`{text}` is not an address"));
        mistakes.push(mistake.help("as \"ana@example.test\""));
    }
    address
}

/// `@example.test ana@example.test`.
fn catch_all(
    text: &str,
    span: &Range<usize>,
    local: &[Domain],
    mistakes: &mut Vec<Mistake>,
) -> Option<(Domain, Address)> {
    let mut words = text.split_whitespace();
    let domain = words.next().and_then(|word| word.strip_prefix('@')).and_then(|domain| Domain::parse(domain).ok());
    let (Some(domain), Some(to), None) = (domain, words.next(), words.next()) else {
        let mistake = Mistake::at(span.clone(), format!("`{text}` says not whose mail goes to whom"));
        mistakes.push(mistake.help("as \"@example.test ana@example.test\""));
        return None;
    };
    if !local.contains(&domain) {
        let mistake = Mistake::at(span.clone(), format!("`{domain}` is not one of the local domains"));
        mistakes.push(mistake.help("name it in `local`"));
    }
    Some((domain, address(to, span, mistakes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_come_before_the_catch_all() {
        let parsed = |text: &str| Address::parse(text).unwrap();
        let spare = SpareRecipients {
            postmaster: Some(parsed("ana@x.test")),
            catch_all: vec![(Domain::parse("x.test").unwrap(), parsed("bob@x.test"))],
        };
        let told = |text: &str| spare.for_unknown(&parsed(text)).map(ToString::to_string);
        assert_eq!(told("PostMaster@y.test").as_deref(), Some("ana@x.test"));
        assert_eq!(told("abuse@x.test").as_deref(), Some("ana@x.test"));
        assert_eq!(told("nobody@X.test").as_deref(), Some("bob@x.test"));
        assert_eq!(told("nobody@y.test"), None);
    }
}
