//! XCLIENT and XFORWARD (Postfix's XCLIENT_README, XFORWARD_README): a trusted peer says for whom it speaks.
//!
//! Attributes are `NAME=xtext` with spaces between them. `[UNAVAILABLE]` and `[TEMPUNAVAIL]` say that the peer does not know.

use std::net::IpAddr;

use super::command::{Fault, HELO_LENGTH_MAX};
use super::parameter::from_xtext;

/// What EHLO tells of XCLIENT.
pub const XCLIENT: &str = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
/// What EHLO tells of XFORWARD.
pub const XFORWARD: &str = "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE";

/// Octets of a login or another text.
const TEXT_LENGTH_MAX: usize = 255;

/// What was said of a client. `None`: nothing, or that it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientAttributes {
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    pub helo: Option<String>,
    /// PROTO was ESMTP.
    pub extended: bool,
    pub login: Option<String>,
    /// What the peer calls the message (XFORWARD).
    pub ident: Option<String>,
}

/// Reads the attributes of either command.
pub fn attributes(text: &str, form: &'static str) -> Result<ClientAttributes, Fault> {
    let mut gathered = ClientAttributes::default();
    let mut any = false;
    for word in text.split_ascii_whitespace() {
        any = true;
        let (name, value) = word.split_once('=').ok_or(Fault::Syntax(form))?;
        let value = from_xtext(value).filter(|value| value.len() <= TEXT_LENGTH_MAX).ok_or(Fault::Syntax(form))?;
        let is_known = !matches!(value.to_ascii_uppercase().as_str(), "" | "[UNAVAILABLE]" | "[TEMPUNAVAIL]");
        set(&mut gathered, name, value, is_known).ok_or(Fault::Syntax(form))?;
    }
    if any { Ok(gathered) } else { Err(Fault::Syntax(form)) }
}

fn set(gathered: &mut ClientAttributes, name: &str, value: String, is_known: bool) -> Option<()> {
    let text = is_known.then_some(value);
    match name.to_ascii_uppercase().as_str() {
        "ADDR" => gathered.address = text.map(|text| address(&text).ok_or(())).transpose().ok()?,
        "PORT" => gathered.port = text.map(|text| text.parse()).transpose().ok()?,
        "HELO" => gathered.helo = text.filter(|name| name.len() <= HELO_LENGTH_MAX && !name.contains(' ')),
        "PROTO" => gathered.extended = text.is_some_and(|text| text.eq_ignore_ascii_case("ESMTP")),
        "LOGIN" => gathered.login = text,
        "IDENT" => gathered.ident = text,
        // Names of clients are not looked up, so they are nothing to us; where the peer took the connection neither.
        "NAME" | "DESTADDR" | "DESTPORT" | "SOURCE" => {}
        _ => return None,
    }
    Some(())
}

/// `192.0.2.1`, `IPV6:2001:db8::1`.
fn address(text: &str) -> Option<IpAddr> {
    match text.split_at_checked(5) {
        Some((tag, six)) if tag.eq_ignore_ascii_case("IPV6:") => six.parse().ok().filter(IpAddr::is_ipv6),
        _ => text.parse().ok().filter(IpAddr::is_ipv4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_and_what_is_not_known_is_nothing() {
        let all =
            "NAME=spike.example ADDR=192.0.2.7 port=25000 PROTO=ESMTP HELO=c.test LOGIN=ana+2Btag DESTADDR=192.0.2.1";
        let read = attributes(all, "XCLIENT").unwrap();
        assert_eq!(read.address, Some("192.0.2.7".parse().unwrap()));
        assert_eq!((read.port, read.extended), (Some(25000), true));
        assert_eq!((read.helo.as_deref(), read.login.as_deref()), (Some("c.test"), Some("ana+tag")));
        let six = attributes("ADDR=IPV6:2001:db8::1 LOGIN=[UNAVAILABLE] HELO=[TEMPUNAVAIL]", "XCLIENT").unwrap();
        let expected =
            ClientAttributes { address: Some("2001:db8::1".parse().unwrap()), ..ClientAttributes::default() };
        assert_eq!(six, expected);
        for bad in
            ["", "ADDR", "ADDR=x", "ADDR=2001:db8::1", "ADDR=IPV6:192.0.2.1", "PORT=70000", "FOO=1", "LOGIN=a+0Ab"]
        {
            assert_eq!(attributes(bad, "XCLIENT"), Err(Fault::Syntax("XCLIENT")), "{bad}");
        }
    }
}
