//! Templates for homes, quotas, filters and DNs, in the languages of Dovecot: `%1Mn/%Lu` of 2.3 and `%{user | lower}`
//! of 2.4.
//!
//! Promises: a template is parsed once and every mistake in it names its place; filling it in is pure, bounded, and
//! gives the octets that Dovecot 2.3 gives (`tests/data`). Values cannot break out of the path, filter or DN they are
//! put into.
//!
//! ```text
//! template = *( text / "%%" / short / long )
//! short    = "%" shape letter                       ; %u %n %d %s %l %r %h %$
//! long     = "%" shape "{" name "}"                 ; %{domain} %{ldap:info} %{ldap:info:0}
//!          / "%" shape "{" digest *( ";" / "," option ) ":" name "}"    ; %{sha1;rounds=2,salt=x:user}
//!          / "%{" name *( "|" filter ) "}"          ; %{user | username | md5 | hexlify(2)}
//! shape    = [ ["-"] number "." ] ["0"] number *letter          ; %-3.2u %05u %2.1MLu
//! ```

mod escape;
mod modifier;
mod parse;
mod pipeline;
mod variables;

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, PathBuf};

pub use escape::{dn_escape, filter_escape};
use modifier::Modifier;
use pipeline::{Filter, HashCall};
use variables::Variable;
pub use variables::Variables;

/// Octets of a template.
pub const TEMPLATE_LENGTH_MAX: usize = 4096;
/// Octets of what a template becomes.
pub const EXPANSION_LENGTH_MAX: usize = 64 * 1024;
/// Modifier letters of one variable, as in Dovecot.
pub const MODIFIERS_MAX: usize = 10;
/// Octets to which a value is filled up.
pub const PADDING_MAX: i64 = 255;
/// Rounds of a digest.
pub const ROUNDS_MAX: u32 = 10_000;
/// Filters of one variable.
pub const FILTERS_MAX: usize = 16;

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

/// One variable with all that is done to it: 2.3's digest, letters and substring, then 2.4's filters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    variable: Variable,
    hash: Option<HashCall>,
    shape: Shape,
    filters: Vec<Filter>,
}

/// Letters, substring and padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Shape {
    offset: i64,
    width: i64,
    zero_padded: bool,
    modifiers: Vec<Modifier>,
}

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// In octets from the start.
    pub position: usize,
    pub mistake: Mistake,
}

/// What can be wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    TooLong,
    /// The `%` at the end, or a modifier without a variable.
    Incomplete,
    /// `%{` without `}`, or a string without its second quote.
    Unclosed,
    UnknownVariable(String),
    /// `%w` and `%{password}`: a password does not belong into a path, a filter or a log.
    Password,
    TooManyModifiers,
    /// A width, offset or count that is none, or is beyond its bound.
    Number(String),
    UnknownOption(String),
    UnknownFilter(String),
    /// What a filter cannot take.
    Argument(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at octet {} of the template: ", self.position)?;
        match &self.mistake {
            Mistake::TooLong => write!(f, "it is longer than {TEMPLATE_LENGTH_MAX} octets"),
            Mistake::Incomplete => f.write_str("a `%` without a variable; `%%` is a percent sign"),
            Mistake::Unclosed => f.write_str("this is not closed"),
            Mistake::UnknownVariable(name) => write!(f, "there is no variable `{name}`"),
            Mistake::Password => f.write_str("a password may not be put into a template"),
            Mistake::TooManyModifiers => write!(f, "more than {MODIFIERS_MAX} modifiers"),
            Mistake::Number(number) => write!(f, "`{number}` is no number that can be used here"),
            Mistake::UnknownOption(option) => write!(f, "a digest has no option `{option}`, or not in this place"),
            Mistake::UnknownFilter(filter) => write!(f, "there is no filter `{filter}`"),
            Mistake::Argument(what) => write!(f, "the filter cannot take this: {what}"),
        }
    }
}

impl std::error::Error for TemplateError {}

/// Why a template cannot be filled in for one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpandError {
    /// `%$` outside of an attribute's row.
    NoValue,
    /// A value holds a `/`, is `..`, or would otherwise lead out of its folder.
    LeavesItsFolder,
    /// The last part of a path is empty: several accounts would share it.
    Empty,
    /// A value with NUL in it.
    Nul,
    /// The result is not UTF-8, and must be text here.
    NotText,
    /// `substr` beyond the end of the value.
    OutOfBounds,
    /// A filter that computes met something else.
    NotANumber,
    TooLong,
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExpandError::NoValue => "there is no attribute whose value `%$` could be",
            ExpandError::LeavesItsFolder => "a value would lead out of the folder",
            ExpandError::Empty => "the last part of the path is empty",
            ExpandError::Nul => "a value holds a NUL octet",
            ExpandError::NotText => "the result is not UTF-8",
            ExpandError::OutOfBounds => "`substr` goes beyond the value",
            ExpandError::NotANumber => "a filter that computes met no number",
            ExpandError::TooLong => "the result is too long",
        })
    }
}

impl std::error::Error for ExpandError {}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        parse::template(text).map(|pieces| Template { pieces })
    }

    /// The LDAP attributes that must be asked for, in lower case, in order of appearance.
    pub fn attributes(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for piece in &self.pieces {
            if let Piece::Field(Field { variable: Variable::Attribute(name, _), .. }) = piece
                && !names.contains(&name.as_str())
            {
                names.push(name.as_str());
            }
        }
        names
    }

    /// The text before the first variable.
    pub fn fixed_beginning(&self) -> &str {
        if let Some(Piece::Text(text)) = self.pieces.first() { text } else { "" }
    }

    /// Fills the template in as text.
    ///
    /// # Errors
    /// See [`ExpandError`].
    pub fn expand(&self, variables: &Variables) -> Result<String, ExpandError> {
        String::from_utf8(self.expand_octets(variables)?).map_err(|_| ExpandError::NotText)
    }

    /// Fills the template in. A substring may cut a character, so this need not be UTF-8.
    ///
    /// # Errors
    /// See [`ExpandError`].
    pub fn expand_octets(&self, variables: &Variables) -> Result<Vec<u8>, ExpandError> {
        self.expand_with(variables, Ok)
    }

    /// Fills in an LDAP filter: values are escaped (RFC 4515 §3), text is not.
    ///
    /// # Errors
    /// See [`ExpandError`].
    pub fn expand_filter(&self, variables: &Variables) -> Result<String, ExpandError> {
        let filter = self.expand_with(variables, |value| Ok(filter_escape(&value).into_bytes()))?;
        String::from_utf8(filter).map_err(|_| ExpandError::NotText)
    }

    /// Fills in a distinguished name: values are escaped (RFC 4514 §2.4), text is not. The filter `ldap_dn` and the
    /// modifier `D` make several parts of a domain, and what they give is not escaped again.
    ///
    /// # Errors
    /// See [`ExpandError`].
    pub fn expand_dn(&self, variables: &Variables) -> Result<String, ExpandError> {
        let mut dn = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => dn.extend_from_slice(text.as_bytes()),
                Piece::Field(field) if field.makes_domain_parts() => {
                    let parts = field.value(variables)?;
                    let escaped: Vec<_> = split_domain_parts(&parts).into_iter().map(dn_escape).collect();
                    dn.extend_from_slice(escaped.join(",dc=").as_bytes());
                }
                Piece::Field(field) => dn.extend_from_slice(dn_escape(&field.value(variables)?).as_bytes()),
            }
            bounded(&dn)?;
        }
        String::from_utf8(dn).map_err(|_| ExpandError::NotText)
    }

    /// Fills in a path, such as a home. No value can add a part to it, or lead out of it.
    ///
    /// # Errors
    /// A value holds `/` or NUL, a part of the path is `.` or `..`, its last part is empty, or see [`ExpandError`].
    pub fn expand_path(&self, variables: &Variables) -> Result<PathBuf, ExpandError> {
        let path = self.expand_with(variables, |value| match value {
            value if value.contains(&0) => Err(ExpandError::Nul),
            value if value.contains(&b'/') => Err(ExpandError::LeavesItsFolder),
            value => Ok(value),
        })?;
        let ends_in_value = matches!(self.pieces.last(), Some(Piece::Field(_)));
        if path.is_empty() || (ends_in_value && path.ends_with(b"/")) {
            return Err(ExpandError::Empty);
        }
        // `components` forgets a single dot, so it is looked for by hand.
        let dot = path.split(|octet| *octet == b'/').any(|part| part == b".");
        let path = PathBuf::from(OsString::from_vec(path));
        if dot || path.components().any(|part| matches!(part, Component::ParentDir)) {
            return Err(ExpandError::LeavesItsFolder);
        }
        Ok(path)
    }

    fn expand_with(
        &self,
        variables: &Variables,
        escape: impl Fn(Vec<u8>) -> Result<Vec<u8>, ExpandError>,
    ) -> Result<Vec<u8>, ExpandError> {
        let mut expanded = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => expanded.extend_from_slice(text.as_bytes()),
                Piece::Field(field) => expanded.extend_from_slice(&escape(field.value(variables)?)?),
            }
            bounded(&expanded)?;
        }
        Ok(expanded)
    }
}

impl Field {
    fn value(&self, variables: &Variables) -> Result<Vec<u8>, ExpandError> {
        let value = variables.look_up(&self.variable).ok_or(ExpandError::NoValue)?.as_bytes().to_vec();
        bounded(&value)?;
        let value = match &self.hash {
            Some(call) => call.text_of(&value, variables)?,
            None => value,
        };
        pipeline::run(&self.filters, self.shape.apply(value))
    }

    /// Whether the value is `a,dc=b` on purpose.
    fn makes_domain_parts(&self) -> bool {
        self.shape.modifiers.last() == Some(&Modifier::Domain) || self.filters.last() == Some(&Filter::LdapDn)
    }
}

fn bounded(octets: &[u8]) -> Result<(), ExpandError> {
    if octets.len() > EXPANSION_LENGTH_MAX { Err(ExpandError::TooLong) } else { Ok(()) }
}

/// The parts between `,dc=`.
fn split_domain_parts(value: &[u8]) -> Vec<&[u8]> {
    const BETWEEN: &[u8] = b",dc=";
    let (mut parts, mut rest) = (Vec::new(), value);
    while let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after.get(BETWEEN.len()..).unwrap_or_default();
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(template: &str, user: &str) -> Result<PathBuf, ExpandError> {
        Template::parse(template).unwrap().expand_path(&Variables::new(user).with_value(user))
    }

    #[test]
    fn a_home_never_leads_out_of_its_folder() {
        let platform = "/var/vmail/%1M$/%2.1M$/%$";
        assert_eq!(path(platform, "usuario02").unwrap(), PathBuf::from("/var/vmail/a/b/usuario02"));
        for name in ["..", ".", "../x", "a/b", "/etc"] {
            assert_eq!(path(platform, name), Err(ExpandError::LeavesItsFolder), "{name}");
        }
        assert_eq!(path(platform, "a\0b"), Err(ExpandError::Nul));
        assert_eq!(path(platform, ""), Err(ExpandError::Empty));
        assert_eq!(path("/mail/%d/%n", "..@.."), Err(ExpandError::LeavesItsFolder));
        assert_eq!(path("/mail/%1n%1d", ".@."), Err(ExpandError::LeavesItsFolder));
        assert_eq!(path("/mail/%d/%n", "...@x").unwrap(), PathBuf::from("/mail/x/..."));
    }

    #[test]
    fn a_home_may_be_cut_inside_of_a_character() {
        let home = path("/mail/%1n/%n", "ñandú").unwrap();
        assert_eq!(home.into_os_string().into_vec(), b"/mail/\xc3/\xc3\xb1and\xc3\xba");
        let template = Template::parse("%1n").unwrap();
        assert_eq!(template.expand(&Variables::new("ñandú")), Err(ExpandError::NotText));
    }

    #[test]
    fn a_login_cannot_inject_into_a_filter_or_a_dn() {
        let variables = Variables::new("*)(mail=*@example.test");
        let filter = Template::parse("(&(objectClass=person)(uid=%n)(m=%1n))").unwrap();
        let expanded = filter.expand_filter(&variables).unwrap();
        assert_eq!(expanded, r"(&(objectClass=person)(uid=\2a\29\28mail=\2a)(m=\2a))");
        let dn = Template::parse("uid=%n,ou=people,dc=%Dd").unwrap();
        let variables = Variables::new("ana,ou=admins@a.b+c.d");
        assert_eq!(dn.expand_dn(&variables).unwrap(), r"uid=ana\2cou\3dadmins,ou=people,dc=a,dc=b\2bc,dc=d");
        let dn = Template::parse("uid=%{user | username},dc=%{user | domain | ldap_dn}").unwrap();
        assert_eq!(dn.expand_dn(&Variables::new("ana@a.b")).unwrap(), "uid=ana,dc=a,dc=b");
    }

    #[test]
    fn the_attributes_to_ask_for_are_known() {
        let template = Template::parse("*:bytes=%{ldap:Info:0}|%M{ldap:cn}|%{ldap:info}|%{sha1:ldap:uid}").unwrap();
        assert_eq!(template.attributes(), ["info", "cn", "uid"]);
    }

    #[test]
    fn what_a_template_becomes_is_bounded() {
        let template = Template::parse(&"%u".repeat(2000)).unwrap();
        assert_eq!(template.expand(&Variables::new("x".repeat(100))), Err(ExpandError::TooLong));
        assert_eq!(template.expand(&Variables::new("x".repeat(70_000))), Err(ExpandError::TooLong));
    }
}
