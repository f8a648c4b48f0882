//! Identifiers of ACLs as IMAP writes them (RFC 4314 §3), in the forms that Dovecot has for what is no user:
//!
//! ```text
//! ana  anyone  authenticated  owner  $group  !$group (counts for more than a user)
//! ```
//!
//! A minus before any of them takes rights away (RFC 4314 §2). `#`, Dovecot's ACLs for all accounts, cannot be changed by IMAP.

use mail::acl::Identifier;

use super::parse::{Fault, Parsed, Parser, syntax};
use crate::Outbox;
use crate::imap::response::{self, Completion};

/// The longest one taken, in octets.
const LENGTH_MAX: usize = 255;

/// Of whom a row speaks, and whether it takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub identifier: Identifier,
    pub negative: bool,
}

// identifier = astring
pub fn parse(args: &mut Parser<'_>) -> Parsed<Who> {
    let text = args.astring()?;
    // RFC 4314 §3: an identifier is UTF-8.
    let Ok(text) = String::from_utf8(text) else { return syntax("Identifier is not UTF-8") };
    let (negative, name) = text.strip_prefix('-').map_or((false, &*text), |name| (true, name));
    if name.len() > LENGTH_MAX {
        return syntax("Identifier is too long");
    }
    if name.starts_with('#') {
        let text = "Rights that hold for all accounts can't be changed here.";
        return Err(Fault::Refused(Completion::no(text).code("CANNOT")));
    }
    let identifier = match name {
        "anyone" => Identifier::Anyone,
        "authenticated" => Identifier::Authenticated,
        "owner" => Identifier::Owner,
        _ => match (name.strip_prefix('$'), name.strip_prefix("!$")) {
            (Some(group), _) => Identifier::Group(group.to_owned()),
            (None, Some(group)) => Identifier::GroupOverride(group.to_owned()),
            (None, None) => Identifier::User(name.to_owned()),
        },
    };
    let nobody = |name: &str| name.is_empty() || name.chars().any(char::is_control);
    match &identifier {
        Identifier::Group(name) | Identifier::GroupOverride(name) | Identifier::User(name) if nobody(name) => {
            syntax("Invalid identifier")
        }
        _ => Ok(Who { identifier, negative }),
    }
}

pub fn write(who: &Who, out: &mut Outbox) {
    let name = match &who.identifier {
        Identifier::Anyone => "anyone".to_owned(),
        Identifier::Authenticated => "authenticated".to_owned(),
        Identifier::Owner => "owner".to_owned(),
        Identifier::Group(group) => format!("${group}"),
        Identifier::GroupOverride(group) => format!("!${group}"),
        Identifier::User(user) => user.clone(),
    };
    let minus = if who.negative { "-" } else { "" };
    response::astring(format!("{minus}{name}").as_bytes(), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_is_written_the_same() {
        for text in
            ["ana", "-ana", "anyone", "authenticated", "-owner", "$staff", "-$staff", "!$staff", "\"b c\"", "a@b/c"]
        {
            let mut out = Outbox::default();
            write(&parse(&mut Parser::new(text.as_bytes())).unwrap(), &mut out);
            assert_eq!(String::from_utf8(out.take()).unwrap(), text);
        }
    }

    #[test]
    fn what_names_nobody_is_refused() {
        let long = "x".repeat(LENGTH_MAX + 1);
        for text in
            ["\"\"", "-", "$", "-$", "!$", "{4}\r\na\r\nb", "{2}\r\n\u{7f}\u{7f}", "#ana", "{1}\r\n\u{ff}", &long]
        {
            assert!(parse(&mut Parser::new(text.as_bytes())).is_err(), "{text:?}");
        }
        assert!(parse(&mut Parser::new(b"\"\xff\"")).is_err());
    }
}
