//! An `[[ldap]]` table: from its texts to the settings and the description that the `directory` room wants.

use std::path::{Path, PathBuf};
use std::time::Duration;

use directory::account::QuotaRule;
use directory::ldap::{Description, Groups, HomeRoots, MasterUsers, Settings, Url, UserAttributes, lookup_template};
use directory::template::Template;

use super::Mistake;
use super::written::WrittenTable;

/// One LDAP directory, as written and found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapSettings {
    pub servers: Vec<String>,
    pub start_tls: bool,
    pub ca_file: Option<PathBuf>,
    pub bind_dn: Option<String>,
    pub bind_password_file: Option<PathBuf>,
    pub domains: Vec<String>,
    pub base: String,
    pub login_filter: String,
    pub bind_name: Option<String>,
    pub account_filter: Option<String>,
    pub attributes: String,
    /// Of `[mailboxes]`.
    pub home_roots: HomeRoots,
    pub name_attribute: String,
    pub default_quota: Option<String>,
    pub iterate_filter: Option<String>,
    pub recipient_filter: Option<String>,
    pub group_filter: Option<String>,
    pub member_attribute: String,
    pub address_attributes: Vec<String>,
    pub owner_attribute: Option<String>,
    pub master_groups: Vec<String>,
    pub master_filter: Option<String>,
    pub master_accounts: Option<String>,
    pub account_state: bool,
    pub follow_referrals: bool,
    pub connect_timeout: Duration,
    pub answer_timeout: Duration,
    pub operation_timeout: Duration,
    pub lookup_connections: usize,
    pub bind_connections: usize,
}

/// An option whose text is no URL, filter, template or rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[[ldap]] `{key}`: {reason}")]
pub struct BadOption {
    key: &'static str,
    reason: String,
}

fn bad(key: &'static str) -> impl Fn(&dyn std::fmt::Display) -> BadOption {
    move |reason| BadOption { key, reason: reason.to_string() }
}

/// Reads a table. What is wrong with its texts is added to the mistakes.
pub fn settle(
    table: &WrittenTable,
    folder: &Path,
    home_roots: &HomeRoots,
    mistakes: &mut Vec<Mistake>,
) -> LdapSettings {
    let text = |key: &str| table.text(key).map(str::to_owned);
    let texts = |key: &str| table.texts(key).iter().map(|(text, _)| text.clone()).collect::<Vec<_>>();
    let path = |key: &str| table.text(key).map(|path| folder.join(path));
    let settings = LdapSettings {
        servers: texts("servers"),
        start_tls: table.text("tls") == Some("starttls"),
        ca_file: path("ca_file"),
        bind_dn: text("bind_dn"),
        bind_password_file: path("bind_password_file"),
        domains: texts("domains"),
        base: text("base").unwrap_or_default(),
        login_filter: text("login_filter").unwrap_or_default(),
        bind_name: text("bind_name"),
        account_filter: text("account_filter"),
        attributes: text("attributes").unwrap_or_default(),
        home_roots: home_roots.clone(),
        name_attribute: text("name_attribute").unwrap_or_default(),
        default_quota: text("default_quota"),
        iterate_filter: text("iterate_filter"),
        recipient_filter: text("recipient_filter"),
        group_filter: text("group_filter"),
        member_attribute: text("member_attribute").unwrap_or_default(),
        address_attributes: texts("address_attributes"),
        owner_attribute: text("owner_attribute"),
        master_groups: texts("master_groups"),
        master_filter: text("master_filter"),
        master_accounts: text("master_accounts"),
        account_state: table.text("account_state") == Some("active-directory"),
        follow_referrals: table.text("referrals") == Some("follow"),
        connect_timeout: table.duration("connect_timeout"),
        answer_timeout: table.duration("answer_timeout"),
        operation_timeout: table.duration("operation_timeout"),
        lookup_connections: table.number("lookup_connections"),
        bind_connections: table.number("bind_connections"),
    };
    // What is not written at all is a mistake already.
    for bad in settings.mistakes().into_iter().filter(|bad| table.value_is_written(bad.key)) {
        mistakes.push(Mistake { span: table.place(bad.key), message: bad.reason, help: None });
    }
    settings
}

impl LdapSettings {
    fn mistakes(&self) -> Vec<BadOption> {
        let mut bad: Vec<BadOption> = [self.urls().err(), self.check_bind().err()].into_iter().flatten().collect();
        match self.description() {
            Ok(description) => {
                bad.extend(description.mistakes().into_iter().map(|(key, reason)| BadOption { key, reason }))
            }
            Err(error) => bad.push(error),
        }
        bad.extend(self.check_masters().err());
        bad
    }

    fn urls(&self) -> Result<Vec<Url>, BadOption> {
        let bad = bad("servers");
        if self.servers.is_empty() {
            return Err(bad(&"expected at least one server"));
        }
        self.servers
            .iter()
            .map(|text| Url::parse(text).map_err(|error| bad(&format_args!("{text}: {error}"))))
            .collect()
    }

    fn check_bind(&self) -> Result<(), BadOption> {
        match (&self.bind_dn, &self.bind_password_file) {
            (Some(_), None) => Err(bad("bind_dn")(&"`bind_dn` needs `bind_password_file`")),
            (None, Some(_)) => Err(bad("bind_password_file")(&"`bind_password_file` needs `bind_dn`")),
            _ => Ok(()),
        }
    }

    fn check_masters(&self) -> Result<(), BadOption> {
        match &self.master_accounts {
            Some(_) if !self.has_masters() => {
                Err(bad("master_accounts")(&"there are no master users: write `master_groups` or `master_filter`"))
            }
            _ => Ok(()),
        }
    }

    /// Whether some of its people may log in as others.
    pub fn has_masters(&self) -> bool {
        !self.master_groups.is_empty() || self.master_filter.is_some()
    }

    /// The servers and our manners with them; without the password, which is in its own file.
    ///
    /// # Errors
    /// A text that is no URL.
    pub fn servers(&self) -> Result<Settings, BadOption> {
        Ok(Settings {
            start_tls: self.start_tls,
            ca_file: self.ca_file.clone(),
            follow_referrals: self.follow_referrals,
            connect_timeout: self.connect_timeout,
            answer_timeout: self.answer_timeout,
            operation_timeout: self.operation_timeout,
            lookup_connections: self.lookup_connections,
            bind_connections: self.bind_connections,
            ..Settings::new(self.urls()?)
        })
    }

    /// How the directory is laid out.
    ///
    /// # Errors
    /// A text that is no filter, template or quota rule.
    pub fn description(&self) -> Result<Description, BadOption> {
        let template = |key, text: &str| Template::parse(text).map_err(|error| bad(key)(&error));
        let lookup = |key, text: &str| lookup_template(text).map_err(|error| bad(key)(&error));
        let attributes = UserAttributes::parse(&self.attributes).map_err(|error| bad("attributes")(&error))?;
        let attributes = attributes.with_home_roots(self.home_roots.clone());
        let filter = &self.login_filter;
        let plain = Description::active_directory(&self.base, filter, attributes)
            .map_err(|error| bad("login_filter")(&error))?;
        let quota = self.default_quota.as_deref().map(QuotaRule::parse).transpose();
        Ok(Description {
            base: template("base", &self.base)?,
            bind_name: self.bind_name.as_deref().map(|text| template("bind_name", text)).transpose()?,
            account_filter: template("account_filter", self.account_filter.as_ref().unwrap_or(filter))?,
            iterate_filter: self.iterate_filter.as_deref().map(|text| template("iterate_filter", text)).transpose()?,
            recipient_filter: self
                .recipient_filter
                .as_deref()
                .map(|text| lookup("recipient_filter", text))
                .transpose()?,
            groups: self.group_filter.as_deref().map(|text| self.groups(text)).transpose()?,
            masters: self.has_masters().then(|| self.masters()).transpose()?,
            default_quota: quota.map_err(|error| bad("default_quota")(&error))?,
            name_attribute: self.name_attribute.clone(),
            standing: self.account_state,
            ..plain
        })
    }

    fn masters(&self) -> Result<MasterUsers, BadOption> {
        let template = |key, text: &Option<String>| {
            text.as_deref().map(Template::parse).transpose().map_err(|error| bad(key)(&error))
        };
        Ok(MasterUsers {
            groups: self.master_groups.clone(),
            filter: template("master_filter", &self.master_filter)?,
            accounts: template("master_accounts", &self.master_accounts)?,
            member_attribute: self.member_attribute.clone(),
        })
    }

    fn groups(&self, filter: &str) -> Result<Groups, BadOption> {
        let plain = Groups::active_directory(filter).map_err(|error| bad("group_filter")(&error))?;
        Ok(Groups {
            member_attribute: self.member_attribute.clone(),
            address_attributes: self.address_attributes.clone(),
            owner_attribute: self.owner_attribute.clone(),
            ..plain
        })
    }
}
