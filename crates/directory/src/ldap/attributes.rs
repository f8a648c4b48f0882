//! From an entry's attributes to the fields of an account, by rows in the form of Dovecot's `user_attrs`.
//!
//! ```text
//! sAMAccountName=home=/var/vmail/%1M$/%2.1M$/%$,=quota_rule=*:bytes=%{ldap:info}
//!
//! rows = row *( "," row )
//! row  = attribute                       ; the field has the attribute's name
//!      / attribute "=" field             ; the field is the attribute's value
//!      / attribute "=" field "=" text    ; a template, in which %$ is the value; nothing when the attribute is missing
//!      / "=" field "=" text              ; a template that may name several attributes: %{ldap:info}
//! ```
//!
//! The field `acl_groups` without a template takes all values of its attribute: `memberOf=acl_groups`.
//!
//! Dovecot's `@pointer` rows (an attribute of another entry) are not known. A comma always ends a row, as in Dovecot.

use std::path::PathBuf;

use super::ad::Refusal;
use super::home::HomeRoots;
use super::search::Entry;
use crate::account::{GROUPS, write_groups};
use crate::template::{Template, TemplateError, Variables};

/// Rows of one description.
pub const ROWS_MAX: usize = 64;

/// What to make of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserAttributes {
    rows: Vec<Row>,
    home_roots: HomeRoots,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    attribute: Option<String>,
    field: String,
    template: Option<Template>,
}

/// What is wrong with the rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserAttributesError {
    #[error("more than {ROWS_MAX} rows")]
    TooMany,
    #[error("`{0}` has no field's name")]
    NoField(String),
    #[error("`{0}`: an attribute of another entry (`@`) is not supported")]
    Pointer(String),
    #[error("`{row}`: {error}")]
    Template { row: String, error: TemplateError },
}

/// The fields that came out, as text; the home as a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    pub home: Option<PathBuf>,
    /// Everything else, in the rows' order (`quota_rule`, `uid`, `gid`, …).
    pub others: Vec<(String, String)>,
}

impl Fields {
    pub fn first(&self, name: &str) -> Option<&str> {
        self.others.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl UserAttributes {
    /// Parses rows.
    ///
    /// # Errors
    /// The first row that is wrong.
    pub fn parse(text: &str) -> Result<UserAttributes, UserAttributesError> {
        let rows = text.split(',').map(str::trim).filter(|row| !row.is_empty());
        let rows = rows.map(Row::parse).collect::<Result<Vec<_>, _>>()?;
        if rows.len() > ROWS_MAX {
            Err(UserAttributesError::TooMany)
        } else {
            Ok(UserAttributes { rows, home_roots: HomeRoots::default() })
        }
    }

    /// The same, with homes in these folders only.
    #[must_use]
    pub fn with_home_roots(self, home_roots: HomeRoots) -> UserAttributes {
        UserAttributes { home_roots, ..self }
    }

    /// What is wrong with where homes would lie; words for the operator.
    pub fn home_mistake(&self) -> Option<String> {
        let mut homes = self.rows.iter().filter(|row| row.field == "home");
        homes.find_map(|row| self.home_roots.mistake(row.template.as_ref()))
    }

    /// The attributes to ask the server for.
    pub fn wanted(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for row in &self.rows {
            let in_template = row.template.iter().flat_map(Template::attributes);
            for name in row.attribute.as_deref().into_iter().chain(in_template) {
                if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    names.push(name.to_owned());
                }
            }
        }
        names
    }

    /// The value of the row for one field, for example `user`.
    ///
    /// # Errors
    /// The template cannot be filled in.
    pub fn field(&self, name: &str, entry: &Entry, variables: &Variables) -> Result<Option<String>, Refusal> {
        let row = self.rows.iter().find(|row| row.field == name);
        row.map_or(Ok(None), |row| row.text(entry, variables))
    }

    /// Every field.
    ///
    /// # Errors
    /// A template cannot be filled in, or the home would lead out of its folder.
    pub fn fields(&self, entry: &Entry, variables: &Variables) -> Result<Fields, Refusal> {
        let mut fields = Fields::default();
        for row in &self.rows {
            if row.field == "home" {
                fields.home = row.home(entry, variables, &self.home_roots)?.or(fields.home);
            } else if let Some(value) = row.text(entry, variables)? {
                fields.others.push((row.field.clone(), value));
            }
        }
        Ok(fields)
    }
}

/// Everything a template may name of an entry.
pub fn variables(name: &str, login: &str, entry: &Entry) -> Variables {
    let variables = Variables::new(name).with_original(login).with_dn(&entry.dn);
    entry.attributes.iter().fold(variables, |variables, (attribute, _)| {
        variables.with_attribute(attribute, entry.texts(attribute).map(str::to_owned).collect())
    })
}

impl Row {
    fn parse(row: &str) -> Result<Row, UserAttributesError> {
        if row.contains("@=") || row.starts_with('@') {
            return Err(UserAttributesError::Pointer(row.to_owned()));
        }
        let (attribute, rest) = row.split_once('=').unwrap_or((row, row));
        let (field, template) = match rest.split_once('=') {
            Some((field, template)) => (field, Some(template)),
            // `=field` is a field without a value.
            None => (rest, attribute.is_empty().then_some("")),
        };
        if field.is_empty() {
            return Err(UserAttributesError::NoField(row.to_owned()));
        }
        let template = template.map(Template::parse).transpose();
        let template = template.map_err(|error| UserAttributesError::Template { row: row.to_owned(), error })?;
        let attribute = Some(attribute).filter(|attribute| !attribute.is_empty()).map(str::to_owned);
        Ok(Row { attribute, field: field.to_owned(), template })
    }

    /// The variables of this row; `None` when its attribute is missing.
    fn variables(&self, entry: &Entry, variables: &Variables) -> Option<Variables> {
        match &self.attribute {
            None => Some(variables.clone()),
            Some(attribute) => entry.text(attribute).map(|value| variables.clone().with_value(value)),
        }
    }

    fn text(&self, entry: &Entry, variables: &Variables) -> Result<Option<String>, Refusal> {
        let Some(variables) = self.variables(entry, variables) else { return Ok(None) };
        let text = match (&self.template, &self.attribute) {
            (None, Some(attribute)) if self.field == GROUPS => groups(entry.texts(attribute)),
            (Some(template), _) => template.expand(&variables).map_err(|why| self.unusable(&why.to_string()))?,
            (None, Some(attribute)) => entry.text(attribute).unwrap_or_default().to_owned(),
            (None, None) => String::new(),
        };
        Ok(Some(text))
    }

    fn home(&self, entry: &Entry, variables: &Variables, roots: &HomeRoots) -> Result<Option<PathBuf>, Refusal> {
        let Some(variables) = self.variables(entry, variables) else { return Ok(None) };
        let home = match (&self.template, &self.attribute) {
            (Some(template), _) => template.expand_path(&variables).map_err(|why| self.unusable(&why.to_string()))?,
            (None, Some(attribute)) => PathBuf::from(entry.text(attribute).unwrap_or_default()),
            (None, None) => return Ok(None),
        };
        roots.admit(home, self.template.as_ref()).map(Some).map_err(|why| self.unusable(&why))
    }

    fn unusable(&self, why: &str) -> Refusal {
        Refusal::Unusable(format!("{}: {why}", self.field))
    }
}

/// All values of an attribute, and of a DN (as `memberOf` has them) the group's own name.
fn groups<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let names = values.map(|value| group(value).unwrap_or_else(|| value.to_owned()));
    write_groups(names.filter(|name| !name.is_empty()))
}

/// The value of a DN's first attribute. `None` for what is no DN of several levels.
fn group(dn: &str) -> Option<String> {
    let (_, rest) = dn.split_once('=').filter(|_| dn.contains(','))?;
    let (mut name, mut octets) = (Vec::new(), rest.as_bytes().iter());
    while let Some(octet) = octets.next() {
        match *octet {
            // RFC 4514 §2: it ends at a comma or plus that has no backslash before it.
            b',' | b'+' => break,
            // RFC 4514 §3: pair = ESC ( ESC / special / hexpair )
            b'\\' => match hex_pair(octets.as_slice()) {
                Some(escaped) => {
                    octets.nth(1);
                    name.push(escaped);
                }
                None => name.extend(octets.next()),
            },
            octet => name.push(octet),
        }
    }
    String::from_utf8(name).ok()
}

fn hex_pair(octets: &[u8]) -> Option<u8> {
    let pair = octets.get(..2).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attributes: &[(&str, &[&str])]) -> Entry {
        let values = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect();
        let attributes = attributes.iter().map(|(name, of)| ((*name).to_owned(), values(of))).collect();
        Entry { dn: "cn=x".into(), attributes }
    }

    fn fields(rows: &str, entry: &Entry) -> Result<Fields, Refusal> {
        UserAttributes::parse(rows).unwrap().fields(entry, &variables("ana", "Ana", entry))
    }

    const PLATFORM: &str = "sAMAccountName=home=/var/vmail/%1M$/%2.1M$/%$,=quota_rule=*:bytes=%{ldap:info}";

    #[test]
    fn homes_and_quotas_are_those_of_the_platform() {
        for (name, home) in [
            ("usuario01", "/var/vmail/0/1/usuario01"),
            ("usuario02", "/var/vmail/a/b/usuario02"),
            ("usuario03", "/var/vmail/8/c/usuario03"),
            ("usuario04", "/var/vmail/2/1/usuario04"),
            ("usuario05", "/var/vmail/3/f/usuario05"),
            ("Usuario09", "/var/vmail/9/2/Usuario09"),
        ] {
            let entry = entry(&[("sAMAccountName", &[name]), ("info", &["1073741824"])]);
            let fields = fields(PLATFORM, &entry).unwrap();
            assert_eq!(fields.home, Some(PathBuf::from(home)));
            assert_eq!(fields.first("quota_rule"), Some("*:bytes=1073741824"));
        }
        assert_eq!(UserAttributes::parse(PLATFORM).unwrap().wanted(), ["sAMAccountName", "info"]);
    }

    #[test]
    fn a_home_that_would_lead_out_is_refused() {
        for name in ["../x", "a/b", "..", ""] {
            let entry = entry(&[("sAMAccountName", &[name])]);
            assert!(fields(PLATFORM, &entry).is_err(), "{name}");
        }
    }

    #[test]
    fn a_whole_home_from_an_attribute_needs_a_root_and_lies_in_it() {
        let mut roots = HomeRoots::default();
        roots.add("/home").unwrap();
        let plain = UserAttributes::parse("homeDirectory=home").unwrap();
        let rooted = plain.clone().with_home_roots(roots);
        let whole = |rows: &UserAttributes, home: &str| {
            let entry = entry(&[("homeDirectory", &[home])]);
            rows.fields(&entry, &variables("ana", "Ana", &entry))
        };
        assert_eq!(whole(&rooted, "/home/ana").unwrap().home, Some(PathBuf::from("/home/ana")));
        for home in ["home/ana", "/home/../etc", "/etc", "/home"] {
            assert!(whole(&rooted, home).is_err(), "{home}");
        }
        assert!(whole(&plain, "/home/ana").is_err());
        assert!(plain.home_mistake().is_some() && rooted.home_mistake().is_none());
        assert!(UserAttributes::parse(PLATFORM).unwrap().home_mistake().is_none());
    }

    #[test]
    fn rows_of_every_form_are_read() {
        let entry = entry(&[("uidNumber", &["1000", "7"]), ("gidNumber", &["100"])]);
        let fields = fields("uidNumber=uid, gidNumber , mail=user, =mail=maildir:~/m, =flag", &entry).unwrap();
        let expected = [("uid", "1000"), ("gidNumber", "100"), ("mail", "maildir:~/m"), ("flag", "")];
        assert_eq!(fields.others, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(fields.home, None);
    }

    #[test]
    fn groups_are_all_values_and_of_dns_the_groups_names() {
        let dns =
            ["CN=Sales,OU=G,DC=x", r"CN=R\, D,DC=x", r"cn=R\2C\20D+ou=x,DC=x", "staff", r"CN=Ca\C3\B1a,DC=x", r"CN=\"];
        let entry = entry(&[("memberOf", &dns)]);
        let fields = fields("memberOf=acl_groups", &entry).unwrap();
        assert_eq!(fields.first("acl_groups"), Some("Sales,R\\, D,R\\, D,staff,Ca\u{f1}a,CN=\\\\"));
    }

    #[test]
    fn what_is_no_row_says_why() {
        assert_eq!(UserAttributes::parse("a="), Err(UserAttributesError::NoField("a=".into())));
        assert!(matches!(UserAttributes::parse("a=home=%"), Err(UserAttributesError::Template { .. })));
        assert!(matches!(UserAttributes::parse("@x=y"), Err(UserAttributesError::Pointer(_))));
    }
}
