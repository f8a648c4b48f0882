//! What the variables of a template stand for: everything that is known of one login when a template is filled in.
//!
//! Knows no syntax (`parse`) and no modifiers.

use std::collections::BTreeMap;

/// Whose name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The account that is served.
    User,
    /// Who proved who they are: the master user in a login by one, or else the account.
    Authenticated,
    /// The account of a login by a master user; nobody in all other logins.
    LoggedIn,
    /// What was typed, before anything was changed.
    Original,
    Master,
}

/// Which part of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// Before the first `@`.
    Local,
    /// After the first `@`.
    Domain,
    /// Of `user@first@last`.
    DomainFirst,
    DomainLast,
}

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    Name(Who, Part),
    Service,
    LocalIp,
    RemoteIp,
    Home,
    /// `%$`: the value of the attribute in whose row the template stands.
    Value,
    /// The entry's distinguished name.
    Dn,
    /// An attribute of the entry, or else this.
    Attribute(String, String),
}

/// Letter or nothing, long names (2.3's, then 2.4's), variable. `ldap:` is not among them: it carries its attribute.
type Row = (Option<char>, &'static [&'static str], Variable);

const VARIABLES: [Row; 21] = [
    (Some('u'), &["user"], Variable::Name(Who::User, Part::Whole)),
    (Some('n'), &["username"], Variable::Name(Who::User, Part::Local)),
    (Some('d'), &["domain"], Variable::Name(Who::User, Part::Domain)),
    (None, &["domain_first"], Variable::Name(Who::User, Part::DomainFirst)),
    (None, &["domain_last"], Variable::Name(Who::User, Part::DomainLast)),
    (None, &["auth_user"], Variable::Name(Who::Authenticated, Part::Whole)),
    (None, &["auth_username"], Variable::Name(Who::Authenticated, Part::Local)),
    (None, &["auth_domain"], Variable::Name(Who::Authenticated, Part::Domain)),
    (None, &["login_user"], Variable::Name(Who::LoggedIn, Part::Whole)),
    (None, &["login_username"], Variable::Name(Who::LoggedIn, Part::Local)),
    (None, &["login_domain"], Variable::Name(Who::LoggedIn, Part::Domain)),
    (None, &["orig_user", "original_user"], Variable::Name(Who::Original, Part::Whole)),
    (None, &["orig_username", "original_username"], Variable::Name(Who::Original, Part::Local)),
    (None, &["orig_domain", "original_domain"], Variable::Name(Who::Original, Part::Domain)),
    (None, &["master_user"], Variable::Name(Who::Master, Part::Whole)),
    (Some('s'), &["service", "protocol"], Variable::Service),
    (Some('l'), &["lip", "local_ip", "real_lip", "real_local_ip"], Variable::LocalIp),
    (Some('r'), &["rip", "remote_ip", "real_rip", "real_remote_ip"], Variable::RemoteIp),
    (Some('h'), &["home"], Variable::Home),
    (Some('$'), &[], Variable::Value),
    (None, &["ldap_dn"], Variable::Dn),
];

impl Variable {
    pub(super) fn by_letter(letter: char) -> Option<Variable> {
        VARIABLES.into_iter().find(|(known, _, _)| *known == Some(letter)).map(|(_, _, variable)| variable)
    }

    /// By a long name: `user`, `ldap:info`, `ldap:info:default`.
    pub(super) fn by_name(name: &str) -> Option<Variable> {
        if let Some(attribute) = name.strip_prefix("ldap:") {
            let (attribute, default) = attribute.split_once(':').unwrap_or((attribute, ""));
            let known = !attribute.is_empty();
            return known.then(|| Variable::Attribute(attribute.to_lowercase(), default.to_owned()));
        }
        VARIABLES.into_iter().find(|(_, names, _)| names.contains(&name)).map(|(_, _, variable)| variable)
    }
}

/// What is known of one login. Everything but the name starts empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    user: String,
    original: Option<String>,
    master: Option<String>,
    service: String,
    local_ip: String,
    remote_ip: String,
    home: String,
    value: Option<String>,
    dn: String,
    attributes: BTreeMap<String, Vec<String>>,
}

impl Variables {
    /// `user` is the account's name as it is served: changing its case is the caller's (Dovecot lower-cases it first).
    pub fn new(user: impl Into<String>) -> Variables {
        Variables { user: user.into(), ..Variables::default() }
    }

    /// The name as it was typed.
    #[must_use]
    pub fn with_original(self, login: impl Into<String>) -> Variables {
        Variables { original: Some(login.into()), ..self }
    }

    /// The master user who logs in as this user.
    #[must_use]
    pub fn with_master(self, login: impl Into<String>) -> Variables {
        Variables { master: Some(login.into()), ..self }
    }

    /// `imap`, `lmtp`, ….
    #[must_use]
    pub fn with_service(self, service: impl Into<String>) -> Variables {
        Variables { service: service.into(), ..self }
    }

    /// Our address and the client's, as text.
    #[must_use]
    pub fn with_ips(self, local: impl Into<String>, remote: impl Into<String>) -> Variables {
        Variables { local_ip: local.into(), remote_ip: remote.into(), ..self }
    }

    #[must_use]
    pub fn with_home(self, home: impl Into<String>) -> Variables {
        Variables { home: home.into(), ..self }
    }

    /// What `%$` stands for.
    #[must_use]
    pub fn with_value(self, value: impl Into<String>) -> Variables {
        Variables { value: Some(value.into()), ..self }
    }

    #[must_use]
    pub fn with_dn(self, dn: impl Into<String>) -> Variables {
        Variables { dn: dn.into(), ..self }
    }

    /// An attribute of the entry. Its name's case does not matter; of several values the first is used, as Dovecot
    /// does.
    #[must_use]
    pub fn with_attribute(mut self, name: &str, values: Vec<String>) -> Variables {
        self.attributes.insert(name.to_lowercase(), values);
        self
    }

    /// The value of a variable. `None` only for `%$` where there is no value.
    pub(super) fn look_up<'a>(&'a self, variable: &'a Variable) -> Option<&'a str> {
        Some(match variable {
            Variable::Name(who, part) => part_of(self.name(*who), *part),
            Variable::Service => &self.service,
            Variable::LocalIp => &self.local_ip,
            Variable::RemoteIp => &self.remote_ip,
            Variable::Home => &self.home,
            Variable::Value => return self.value.as_deref(),
            Variable::Dn => &self.dn,
            Variable::Attribute(name, default) => {
                self.attributes.get(name).and_then(|values| values.first()).map_or(default.as_str(), String::as_str)
            }
        })
    }

    fn name(&self, who: Who) -> &str {
        match who {
            Who::User => &self.user,
            Who::Authenticated => self.master.as_ref().unwrap_or(&self.user),
            Who::LoggedIn => self.master.as_ref().map_or("", |_| self.user.as_str()),
            Who::Original => self.original.as_ref().unwrap_or(&self.user),
            Who::Master => self.master.as_deref().unwrap_or_default(),
        }
    }
}

/// The part of a name; a name without `@` has no domain.
fn part_of(name: &str, part: Part) -> &str {
    let (local, domain) = name.split_once('@').unwrap_or((name, ""));
    match part {
        Part::Whole => name,
        Part::Local => local,
        Part::Domain => domain,
        Part::DomainFirst => domain.split('@').next().unwrap_or_default(),
        Part::DomainLast => domain.rsplit('@').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_user_is_who_authenticates_and_the_account_is_who_is_logged_in() {
        let variables = Variables::new("ana@example.test").with_master("admin").with_original("Ana");
        let look_up = |name: &str| variables.look_up(&Variable::by_name(name).unwrap()).unwrap().to_owned();
        assert_eq!(look_up("auth_user"), "admin");
        assert_eq!(look_up("master_user"), "admin");
        assert_eq!(look_up("login_username"), "ana");
        assert_eq!(look_up("original_user"), "Ana");
        assert_eq!(look_up("user"), "ana@example.test");
    }

    #[test]
    fn an_attribute_is_found_in_any_case_and_falls_back_to_its_default() {
        let variables = Variables::new("ana").with_attribute("Info", vec!["1".to_owned(), "2".to_owned()]);
        let look_up = |name: &str| variables.look_up(&Variable::by_name(name).unwrap()).unwrap().to_owned();
        assert_eq!(look_up("ldap:INFO:7"), "1");
        assert_eq!(look_up("ldap:quota:7"), "7");
        assert_eq!(look_up("ldap:quota"), "");
        assert_eq!(Variable::by_name("ldap"), None);
        assert_eq!(Variable::by_name("ldap:"), None);
    }
}
