//! `[[sending_limit]]`: from its texts to settings.

use super::written::{Written, WrittenTable};

/// How much the accounts that it names may send; nought is no bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendingLimit {
    pub accounts: Vec<String>,
    pub groups: Vec<String>,
    pub messages_hour: usize,
    pub messages_day: usize,
    pub recipients_hour: usize,
    pub recipients_day: usize,
    pub new_recipients_day: usize,
    /// Whoever exceeds it sends nothing any more until an operator unlocks him.
    pub lock: bool,
}

impl SendingLimit {
    fn is_for(&self, account: &str, groups: &[String]) -> bool {
        let is_for_all = self.accounts.is_empty() && self.groups.is_empty();
        is_for_all
            || self.accounts.iter().any(|name| name.eq_ignore_ascii_case(account))
            || self.groups.iter().any(|group| groups.contains(group))
    }
}

/// The first one in the file that is for an account.
pub fn limit_of<'a>(limits: &'a [SendingLimit], account: &str, groups: &[String]) -> Option<&'a SendingLimit> {
    limits.iter().find(|limit| limit.is_for(account, groups))
}

pub fn settle(written: &Written) -> Vec<SendingLimit> {
    written.tables("sending_limit").iter().map(limit).collect()
}

fn limit(table: &WrittenTable) -> SendingLimit {
    let texts = |key| table.texts(key).iter().map(|(text, _)| text.clone()).collect();
    SendingLimit {
        accounts: texts("accounts"),
        groups: texts("groups"),
        messages_hour: table.number("messages_hour"),
        messages_day: table.number("messages_day"),
        recipients_hour: table.number("recipients_hour"),
        recipients_day: table.number("recipients_day"),
        new_recipients_day: table.number("new_recipients_day"),
        lock: table.text("exceeded") == Some("lock"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_limit_that_names_an_account_holds() {
        let named = |accounts: &[&str], groups: &[&str], messages_day| SendingLimit {
            accounts: accounts.iter().map(ToString::to_string).collect(),
            groups: groups.iter().map(ToString::to_string).collect(),
            messages_day,
            ..SendingLimit::default()
        };
        let limits = [named(&["Ana"], &[], 1), named(&[], &["staff"], 2), named(&[], &[], 3)];
        let found = |account, groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
            limit_of(&limits, account, &groups).map(|limit| limit.messages_day)
        };
        assert_eq!(found("ana", &["staff"]), Some(1));
        assert_eq!(found("bob", &["sales", "staff"]), Some(2));
        assert_eq!(found("bob", &[]), Some(3));
        assert!(limit_of(&limits[..2], "bob", &[]).is_none());
    }
}
