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
    /// The groups that ACLs of mailboxes name, out of the field `acl_groups`: with commas between them.
    pub fn groups(&self) -> Vec<String> {
        let groups = self.fields.get(GROUPS).map_or("", String::as_str).split(',').map(str::trim);
        groups.filter(|group| !group.is_empty()).map(str::to_owned).collect()
    }
}
