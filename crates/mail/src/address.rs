//! Addresses as SMTP knows them (RFC 5321 §4.1.2, with UTF-8 by RFC 6531 §3.3).
//!
//! An `Address` is a local-part and a domain, kept as written. Comparing for the same mailbox goes through `Address::key`:
//! domains never mind case (RFC 5321 §2.4); the local-part of our own users does not either.

use std::fmt;
use std::net::IpAddr;

/// RFC 5321 §4.5.3.1.1.
pub const LOCAL_PART_LENGTH_MAX: usize = 64;
/// RFC 5321 §4.5.3.1.2.
pub const DOMAIN_LENGTH_MAX: usize = 255;
/// RFC 5321 §4.5.3.1.3: the path without its angle brackets.
pub const PATH_LENGTH_MAX: usize = 254;

/// Why a path is no path. The text is fit for the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address is empty")]
    Empty,
    #[error("the address is longer than {PATH_LENGTH_MAX} octets")]
    TooLong,
    #[error("the local-part is not a dot-string or a quoted string")]
    LocalPart,
    #[error("the domain is not a domain name or an address literal")]
    Domain,
    #[error("the address has no domain")]
    NoDomain,
}

/// A domain name or address literal, kept as written, compared without case.
#[derive(Debug, Clone)]
pub struct Domain(String);

impl Domain {
    /// Parses `Domain` or `address-literal` (RFC 5321 §4.1.2; U-labels by RFC 6531 §3.3).
    pub fn parse(text: &str) -> Result<Domain, AddressError> {
        let good = text.len() <= DOMAIN_LENGTH_MAX && (text.split('.').all(is_label) || is_literal(text));
        if good { Ok(Domain(text.to_owned())) } else { Err(AddressError::Domain) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// RFC 5321 §4.1.2: sub-domain = Let-dig [Ldh-str]. The underscore is in wide use and harmless.
fn is_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || (!c.is_ascii() && c.is_alphanumeric());
    (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}

// RFC 5321 §4.1.3: "[" IPv4 / "IPv6:" IPv6 "]"
fn is_literal(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    match inner.strip_prefix("IPv6:") {
        Some(six) => matches!(six.parse(), Ok(IpAddr::V6(_))),
        None => matches!(inner.parse(), Ok(IpAddr::V4(_))),
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Domain) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Domain {}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mailbox address: local-part and domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    local_part: String,
    domain: Domain,
}

impl Address {
    /// Parses `Mailbox` (RFC 5321 §4.1.2). The local-part keeps its quotes only where they are needed.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > PATH_LENGTH_MAX {
            return Err(AddressError::TooLong);
        }
        let (local_part, domain) = split_at_sign(text)?;
        let local_part = parse_local_part(local_part)?;
        Ok(Address { local_part, domain: Domain::parse(domain)? })
    }

    /// The local-part without quotes.
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The form in which addresses of our own users are looked up: lower case.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local_part.to_lowercase(), self.domain.0.to_lowercase())
    }

    /// The address without `+detail`, and the detail, when the local-part has the delimiter after its first character
    /// (RFC 5233 §1).
    pub fn split_detail(&self, delimiter: char) -> (Address, Option<&str>) {
        match self.local_part.split_once(delimiter) {
            Some((user, detail)) if !user.is_empty() => {
                (Address { local_part: user.to_owned(), domain: self.domain.clone() }, Some(detail))
            }
            _ => (self.clone(), None),
        }
    }

    pub fn is_ascii(&self) -> bool {
        self.local_part.is_ascii() && self.domain.0.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local_part) {
            return write!(f, "{}@{}", self.local_part, self.domain);
        }
        let quoted = self.local_part.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{quoted}\"@{}", self.domain)
    }
}

fn split_at_sign(text: &str) -> Result<(&str, &str), AddressError> {
    let end_of_local = match text.strip_prefix('"') {
        Some(rest) => 1 + closing_quote(rest).ok_or(AddressError::LocalPart)? + 1,
        None => text.find('@').ok_or(AddressError::NoDomain)?,
    };
    let (local_part, rest) = text.split_at(end_of_local);
    let domain = rest.strip_prefix('@').ok_or(AddressError::NoDomain)?;
    Ok((local_part, domain))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn parse_local_part(text: &str) -> Result<String, AddressError> {
    let local_part = match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => unquote(quoted).ok_or(AddressError::LocalPart)?,
        None if is_dot_string(text) => text.to_owned(),
        None => return Err(AddressError::LocalPart),
    };
    if local_part.len() > LOCAL_PART_LENGTH_MAX { Err(AddressError::LocalPart) } else { Ok(local_part) }
}

// RFC 5321 §4.1.2: QcontentSMTP = qtextSMTP / quoted-pairSMTP: printable ASCII and space; UTF-8 by RFC 6531 §3.3.
fn unquote(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' { chars.next()? } else { c };
        if c.is_control() {
            return None;
        }
        plain.push(c);
    }
    Some(plain)
}

// RFC 5321 §4.1.2: Dot-string = Atom *("." Atom); RFC 6531 §3.3 adds UTF-8.
fn is_dot_string(text: &str) -> bool {
    let atext =
        |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control());
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

/// Who is told about failures: nobody (`<>`) or an address (RFC 5321 §4.1.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReversePath {
    Null,
    Address(Address),
}

impl ReversePath {
    /// Parses what stands between the angle brackets of MAIL FROM.
    pub fn parse(text: &str) -> Result<ReversePath, AddressError> {
        if text.is_empty() {
            return Ok(ReversePath::Null);
        }
        Address::parse(without_source_route(text)).map(ReversePath::Address)
    }

    pub fn address(&self) -> Option<&Address> {
        match self {
            ReversePath::Null => None,
            ReversePath::Address(address) => Some(address),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReversePath::Null => Ok(()),
            ReversePath::Address(address) => address.fmt(f),
        }
    }
}

/// Whom a message is for: an address, or `postmaster` without a domain (RFC 5321 §4.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    Postmaster,
    Address(Address),
}

impl ForwardPath {
    /// Parses what stands between the angle brackets of RCPT TO.
    pub fn parse(text: &str) -> Result<ForwardPath, AddressError> {
        if text.eq_ignore_ascii_case("postmaster") {
            return Ok(ForwardPath::Postmaster);
        }
        Address::parse(without_source_route(text)).map(ForwardPath::Address)
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForwardPath::Postmaster => f.write_str("postmaster"),
            ForwardPath::Address(address) => address.fmt(f),
        }
    }
}

// RFC 5321 §4.1.1.3 and appendix F.2: a source route `@a,@b:` is accepted and ignored.
fn without_source_route(text: &str) -> &str {
    match text.split_once(':') {
        Some((route, rest)) if route.starts_with('@') => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_they_were_written() {
        for text in [
            "ana@example.test",
            "a.b+c@[127.0.0.1]",
            "\"a b\"@x.test",
            "\"a\\\"b\"@x.test",
            "ñandú@españa.test",
            "x@[IPv6:::1]",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Address::parse("\"plain\"@x.test").unwrap().to_string(), "plain@x.test");
    }

    #[test]
    fn malformed_addresses_are_refused() {
        let long = format!("{}@x.test", "a".repeat(65));
        for bad in [
            "",
            "a",
            "@x.test",
            "a@",
            "a b@x.test",
            "a..b@x.test",
            ".a@x.test",
            "a@x..test",
            "a@-x.test",
            "\"a@x.test",
            "a@b@c",
            "a@[300.1.1.1]",
            "a@x.test>",
            "\"a\r\n\"@x.test",
            &long,
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_source_route_is_ignored() {
        let path = ForwardPath::parse("@a.test,@b.test:bob@example.test").unwrap();
        assert_eq!(path.to_string(), "bob@example.test");
    }

    #[test]
    fn the_detail_is_split_off_after_the_first_character() {
        let address = Address::parse("bob+lists@example.test").unwrap();
        let (user, detail) = address.split_detail('+');
        assert_eq!((user.to_string().as_str(), detail), ("bob@example.test", Some("lists")));
        assert_eq!(Address::parse("+x@example.test").unwrap().split_detail('+').1, None);
    }
}
