//! The nouns that a directory answers with: an account, and how much it may keep.

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use mail::quota::{Change, Limits, QUOTA_LIMIT_MAX, QUOTA_RULE_LENGTH_MAX, Quota, QuotaRule, QuotaRuleError};

/// Someone who owns mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The one name of this account, whatever was typed.
    pub name: String,
    pub home: PathBuf,
    /// `None`: the house's default.
    pub quota: Option<Quota>,
    /// Who owns the files; `None`: the house's default.
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Everything else the directory says of it, by name.
    pub fields: BTreeMap<String, String>,
}

/// The field with the names of an account's groups, as Dovecot's userdb has it.
pub const GROUPS: &str = "acl_groups";

impl Account {
    /// The groups that ACLs of mailboxes name, out of the field `acl_groups`: with commas between them, and a backslash before a
    /// comma that is part of a name.
    pub fn groups(&self) -> Vec<String> {
        let (mut groups, mut group, mut escaped) = (Vec::new(), String::new(), false);
        for c in self.fields.get(GROUPS).map_or("", String::as_str).chars() {
            match c {
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                ',' if !escaped => groups.push(std::mem::take(&mut group)),
                c => group.push(c),
            }
            escaped = false;
        }
        groups.push(group);
        groups.iter().map(|group| group.trim().to_owned()).filter(|group| !group.is_empty()).collect()
    }
}

/// The field for these groups.
pub fn write_groups(groups: impl Iterator<Item = String>) -> String {
    let escaped = groups.map(|group| group.replace('\\', r"\\").replace(',', r"\,"));
    escaped.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stand_between_commas_and_may_have_some() {
        let of = |field: &str| {
            let fields = BTreeMap::from([(GROUPS.to_owned(), field.to_owned())]);
            Account { name: "ana".to_owned(), home: "/m/ana".into(), quota: None, uid: None, gid: None, fields }
                .groups()
        };
        assert_eq!(of("staff, dev,,"), ["staff", "dev"]);
        assert_eq!(of(r"R\, D,a\\,b"), ["R, D", r"a\", "b"]);
        assert_eq!(of(""), Vec::<String>::new());
        let names = ["R, D", r"a\,", "x"];
        assert_eq!(of(&write_groups(names.iter().map(|name| (*name).to_owned()))), names);
    }
}
