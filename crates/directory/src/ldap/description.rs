//! How one directory is laid out: where people and groups are, by which filters they are found, what their attributes
//! mean. Plain values, given as arguments; the same description serves logins, accounts and recipients.

use crate::account::QuotaRule;
use crate::groups::Limits;
use crate::template::{Template, TemplateError, Variables};

use super::ad::STANDING_ATTRIBUTES;
use super::attributes::UserAttributes;
use super::search::Scope;

/// A directory as the operator describes it.
#[derive(Debug, Clone)]
pub struct Description {
    /// Where to search; `%d` and the other variables may stand in it, escaped as parts of a DN.
    pub base: Template,
    pub scope: Scope,
    /// Finds the one who logs in (`pass_filter`). `None`: `bind_name` is the DN.
    pub login_filter: Option<Template>,
    /// As whom to bind; `None`: as the DN that was found. Active Directory takes `%n@example.test` as well.
    pub bind_name: Option<Template>,
    /// Finds an account by its name (`user_filter`).
    pub account_filter: Template,
    /// Finds every account there is (`iterate_filter`). `None`: every person with a name that is no computer's.
    pub iterate_filter: Option<Template>,
    /// Finds the account an address belongs to. None: this directory has no recipients.
    pub recipient_filter: Option<Template>,
    pub groups: Option<Groups>,
    /// Who of its people may log in as others.
    pub masters: Option<MasterUsers>,
    /// What the account's fields are made of (`user_attrs`).
    pub attributes: UserAttributes,
    /// Stands in for an account's quota rule that is missing or malformed.
    pub default_quota: Option<QuotaRule>,
    /// The attribute that is an account's one name, in lower case, unless `attributes` has a row for the field `user`.
    pub name_attribute: String,
    /// Look at `userAccountControl`, `accountExpires` and `pwdLastSet`, and not only at what the bind says.
    pub standing: bool,
}

/// How groups are found and expanded.
#[derive(Debug, Clone)]
pub struct Groups {
    /// Finds the group an address belongs to.
    pub filter: Template,
    /// The attribute with the members' DNs (`special_result_attribute`).
    pub member_attribute: String,
    /// Attributes with a member's addresses (`leaf_result_attribute`); the first one that has any counts. Of values in
    /// the form of `proxyAddresses` only the primary one (`SMTP:`) is an address.
    pub address_attributes: Vec<String>,
    /// Who hears of failures instead of the sender: an address, or the DN of somebody who has one (`managedBy`).
    /// Postfix leaves the sender alone when it expands such groups; so does `None`.
    pub owner_attribute: Option<String>,
    pub limits: Limits,
}

/// Who may log in as others, and as whom.
#[derive(Debug, Clone, Default)]
pub struct MasterUsers {
    /// DNs as the directory writes them. Members of groups in these groups count too.
    pub groups: Vec<String>,
    /// What else makes somebody a master user.
    pub filter: Option<Template>,
    /// Which of this directory's accounts they may open. `None`: all accounts, those of other sources too.
    pub accounts: Option<Template>,
    /// The attribute of a group with its members' DNs.
    pub member_attribute: String,
}

/// What Active Directory calls the name somebody logs in with.
const ACCOUNT_NAME: &str = "sAMAccountName";

impl Description {
    /// Active Directory, with people found by `filter` both when they log in and by name.
    ///
    /// # Errors
    /// A template is wrong.
    pub fn active_directory(
        base: &str,
        filter: &str,
        attributes: UserAttributes,
    ) -> Result<Description, TemplateError> {
        Ok(Description {
            base: Template::parse(base)?,
            scope: Scope::Subtree,
            login_filter: Some(Template::parse(filter)?),
            bind_name: None,
            account_filter: Template::parse(filter)?,
            iterate_filter: None,
            recipient_filter: None,
            groups: None,
            masters: None,
            attributes,
            default_quota: None,
            name_attribute: ACCOUNT_NAME.to_owned(),
            standing: true,
        })
    }

    /// What is wrong with the filters and homes, all of it: the field of this description, and words for the operator. A template is only
    /// half of a filter's syntax; the other half is seen when it is filled in.
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let groups = self.groups.as_ref().map(|groups| &groups.filter);
        let masters = self.masters.as_ref();
        let filters = [
            ("login_filter", self.login_filter.as_ref()),
            ("account_filter", Some(&self.account_filter)),
            ("iterate_filter", self.iterate_filter.as_ref()),
            ("recipient_filter", self.recipient_filter.as_ref()),
            ("group_filter", groups),
            ("master_filter", masters.and_then(|masters| masters.filter.as_ref())),
            ("master_accounts", masters.and_then(|masters| masters.accounts.as_ref())),
        ];
        let example = Variables::new("ana@example.test");
        let is_bad = |filter: &Template| {
            let filled_in = filter.expand_filter(&example);
            !filled_in.is_ok_and(|filter| ldap3::parse_filter(filter).is_ok())
        };
        let bad = filters.into_iter().filter(|(_, filter)| filter.is_some_and(is_bad));
        let mut mistakes: Vec<_> =
            bad.map(|(name, _)| (name, "this is no LDAP filter (RFC 4515)".to_owned())).collect();
        mistakes.extend(self.attributes.home_mistake().map(|mistake| ("attributes", mistake)));
        if self.login_filter.is_none() && self.bind_name.is_none() {
            mistakes
                .push(("login_filter", "neither a login filter nor a name to bind as: nobody could log in".to_owned()));
        }
        mistakes
    }

    /// The attributes of a person that are asked for.
    pub fn wanted(&self) -> Vec<String> {
        let standing = STANDING_ATTRIBUTES.iter().map(|name| (*name).to_owned()).filter(|_| self.standing);
        let mut wanted = self.attributes.wanted();
        wanted.push(self.name_attribute.clone());
        wanted.extend(standing);
        wanted
    }
}

impl Groups {
    /// Groups as Active Directory has them.
    ///
    /// # Errors
    /// The filter is wrong.
    pub fn active_directory(filter: &str) -> Result<Groups, TemplateError> {
        Ok(Groups {
            filter: lookup_template(filter)?,
            member_attribute: "member".to_owned(),
            address_attributes: vec!["mail".to_owned()],
            owner_attribute: None,
            limits: Limits::default(),
        })
    }

    /// The attributes of a group or a member that are asked for.
    pub fn wanted(&self) -> Vec<String> {
        let mut wanted = self.address_attributes.clone();
        wanted.push(self.member_attribute.clone());
        wanted.extend(self.owner_attribute.clone());
        wanted
    }
}

/// Reads a filter as Postfix's look-up tables have it (ldap_table(5)): `%s` is the whole address, `%u` its local part,
/// `%d` its domain. In Dovecot's filters, and so in our templates, `%u` is the whole name.
///
/// # Errors
/// What is left is no template.
pub fn lookup_template(filter: &str) -> Result<Template, TemplateError> {
    let mut text = String::with_capacity(filter.len());
    let mut rest = filter.chars();
    while let Some(c) = rest.next() {
        match (c, if c == '%' { rest.next() } else { None }) {
            ('%', Some('s' | 'S')) => text.push_str("%{user}"),
            ('%', Some('u' | 'U')) => text.push_str("%{username}"),
            ('%', Some('d' | 'D')) => text.push_str("%{domain}"),
            (c, other) => text.extend([Some(c), other].into_iter().flatten()),
        }
    }
    Template::parse(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_that_is_none_is_told() {
        let good = "(|(sAMAccountName=%n)(mail=%u))";
        let mut description = Description::active_directory("dc=x", good, UserAttributes::default()).unwrap();
        assert_eq!(description.mistakes(), []);
        description.login_filter = None;
        description.account_filter = Template::parse("(|(a=%n)").unwrap();
        description.groups = Some(Groups::active_directory("mail=%s)").unwrap());
        assert_eq!(description.mistakes().len(), 3, "{:?}", description.mistakes());
    }

    #[test]
    fn a_look_up_filter_means_what_it_means_to_postfix() {
        let filter = lookup_template("(|(mail=%s)(&(uid=%u)(dc=%d))(x=%%u))").unwrap();
        let filter = filter.expand_filter(&Variables::new("a*na@x.test")).unwrap();
        assert_eq!(filter, r"(|(mail=a\2ana@x.test)(&(uid=a\2ana)(dc=x.test))(x=%u))");
    }
}
