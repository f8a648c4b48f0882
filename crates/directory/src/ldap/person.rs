//! From the fields of an entry to an account. What is malformed costs its field and a warning, and never the account's
//! mail: only a home cannot be done without.

use super::ad::Refusal;
use super::attributes::Fields;
use crate::account::{Account, Quota, QuotaRule};

/// Fields that became something else than text.
const TAKEN: [&str; 3] = ["uid", "gid", "user"];
const QUOTA_RULE: &str = "quota_rule";

/// The account of this name. `default_quota` stands in for a rule of the account that is missing or malformed.
///
/// # Errors
/// There is no home.
pub fn account(name: String, fields: Fields, default_quota: Option<&QuotaRule>) -> Result<Account, Refusal> {
    let home = fields.home.clone().ok_or_else(|| Refusal::Unusable("home is missing".to_owned()))?;
    let is_text = |field: &str| !TAKEN.contains(&field) && !field.starts_with(QUOTA_RULE);
    Ok(Account {
        home,
        quota: quota(&name, &fields, default_quota),
        uid: number(&name, &fields, "uid"),
        gid: number(&name, &fields, "gid"),
        fields: fields.others.iter().filter(|(field, _)| is_text(field)).cloned().collect(),
        name,
    })
}

fn quota(name: &str, fields: &Fields, default: Option<&QuotaRule>) -> Option<Quota> {
    let mut rules: Vec<QuotaRule> = default.cloned().into_iter().collect();
    for (field, rule) in fields.others.iter().filter(|(field, _)| field.starts_with(QUOTA_RULE)) {
        match QuotaRule::parse(rule) {
            Ok(rule) => rules.push(rule),
            Err(error) => tracing::warn!(account = name, field, rule, %error, "the default quota is used"),
        }
    }
    (!rules.is_empty()).then(|| rules.into_iter().fold(Quota::default(), Quota::with))
}

fn number(name: &str, fields: &Fields, field: &str) -> Option<u32> {
    let text = fields.first(field)?;
    let number = text.parse().ok();
    if number.is_none() {
        tracing::warn!(account = name, field, value = text, "this is no number, the default is used");
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota_of(rule: Option<&str>, default: Option<&str>) -> Option<Option<u64>> {
        let others = rule.map(|rule| (QUOTA_RULE.to_owned(), rule.to_owned())).into_iter().collect();
        let fields = Fields { home: Some("/m/ana".into()), others };
        let default = default.map(|rule| QuotaRule::parse(rule).unwrap());
        let account = account("ana".to_owned(), fields, default.as_ref()).unwrap();
        account.quota.map(|quota| quota.limits().storage)
    }

    #[test]
    fn a_missing_or_malformed_quota_is_the_default_and_nought_is_none() {
        let default = Some("*:bytes=500");
        assert_eq!(quota_of(Some("*:bytes=1073741824"), default), Some(Some(1 << 30)));
        assert_eq!(quota_of(Some("*:bytes=0"), default), Some(None));
        for malformed in [None, Some("*:bytes="), Some("*:bytes=unlimited")] {
            assert_eq!(quota_of(malformed, default), Some(Some(500)));
            assert_eq!(quota_of(malformed, None), None);
        }
    }

    #[test]
    fn ids_are_numbers_and_the_rest_is_kept_as_text() {
        let others = [("uid", "5000"), ("gid", "vmail"), ("mail", "maildir:~/m"), ("user", "ana")];
        let others = others.map(|(field, value)| (field.to_owned(), value.to_owned())).to_vec();
        let made = account("ana".to_owned(), Fields { home: Some("/m/ana".into()), others }, None).unwrap();
        assert_eq!((made.uid, made.gid), (Some(5000), None));
        assert_eq!(made.fields.into_iter().collect::<Vec<_>>(), [("mail".to_owned(), "maildir:~/m".to_owned())]);
        assert!(account("ana".to_owned(), Fields::default(), None).is_err());
    }
}
