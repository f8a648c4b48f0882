//! The `mailto:` URIs of `notify` (RFC 5436 §2.1, RFC 6068).
//!
//! ```text
//! uri    = "mailto:" [ to ] [ "?" field *( "&" field ) ]
//! to     = address *( "," address )                      ; percent-encoded, as names and values are
//! field  = name "=" value
//! ```

use mail::Address;
use mail::header::{MISSING_DOMAIN, MISSING_MAILBOX, MailAddress, addresses};
use mail::uri::percent_decoded;

use crate::encode::header_value;

/// The most recipients of one URI.
pub const RECIPIENTS_MAX: usize = 8;
/// The most fields it may set besides those that have a meaning here.
pub const FIELDS_MAX: usize = 16;

/// What a URI says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mailto {
    pub to: Vec<Contact>,
    pub cc: Vec<Contact>,
    pub subject: Option<String>,
    pub body: Option<String>,
    /// Other fields, on one line each.
    pub fields: Vec<(String, String)>,
}

/// A recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    pub address: Address,
    /// As a header has it, with a display name if it has one.
    pub shown: String,
}

/// Fields that a URI may not set: those that say who sent the message, when and on which way, and those that would give it more
/// recipients than its envelope has (RFC 5436 §2.7). What begins with a prefix of the second list is refused alike.
const UNSAFE: &[&str] = &[
    "auto-submitted",
    "bcc",
    "content-transfer-encoding",
    "content-type",
    "date",
    "delivered-to",
    "from",
    "importance",
    "in-reply-to",
    "message-id",
    "mime-version",
    "precedence",
    "received",
    "references",
    "reply-to",
    "return-path",
    "sender",
    "x-priority",
];
const UNSAFE_PREFIXES: &[&str] = &["arc-", "dkim-", "list-", "resent-", "authentication-results", "x-sieve"];

/// Reads what stands behind `mailto:`.
///
/// # Errors
/// What is wrong with it, without a full stop.
pub fn parse(rest: &str) -> Result<Mailto, String> {
    let (to, fields) = rest.split_once('?').map_or((rest, None), |(to, fields)| (to, Some(fields)));
    let mut mailto = Mailto { to: contacts(&decoded(to)?)?, ..Mailto::default() };
    for field in fields.into_iter().flat_map(|fields| fields.split('&')) {
        let (name, value) =
            field.split_once('=').ok_or_else(|| format!("no value for the field '{field:.64}' in mailto URI"))?;
        mailto.add(&decoded(name)?, decoded(value)?)?;
    }
    match mailto.to.len() + mailto.cc.len() {
        0 => Err("no recipients in mailto URI".to_owned()),
        1..=RECIPIENTS_MAX => Ok(mailto),
        _ => Err(format!("more than {RECIPIENTS_MAX} recipients in mailto URI")),
    }
}

impl Mailto {
    fn add(&mut self, name: &str, value: String) -> Result<(), String> {
        if !is_field_name(name) {
            return Err(format!("invalid header field name '{name:.64}' in mailto URI"));
        }
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "to" => self.to.extend(contacts(&value)?),
            "cc" => self.cc.extend(contacts(&value)?),
            "subject" => self.subject = Some(value),
            "body" => self.body = Some(value),
            _ if is_unsafe(&name) => {}
            _ if self.fields.len() >= FIELDS_MAX => {
                return Err(format!("more than {FIELDS_MAX} header fields in mailto URI"));
            }
            _ => self.fields.push((capitalized(&name), header_value(&value, "\r\n"))),
        }
        Ok(())
    }
}

/// RFC 6068 §2: the characters that may stand there as they are.
fn decoded(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$'()*+,:;@/%".contains(c);
    if let Some(other) = text.chars().find(|c| !plain(*c)) {
        return Err(format!("invalid character '{}' in mailto URI", other.escape_default()));
    }
    percent_decoded(text).ok_or_else(|| "invalid % encoding in mailto URI".to_owned())
}

/// The addresses of a list.
///
/// # Errors
/// One of them is none.
pub fn contacts(list: &str) -> Result<Vec<Contact>, String> {
    let wrong = || format!("invalid recipient '{:.128}' in mailto URI", list.escape_default().to_string());
    if list.trim().is_empty() {
        return Ok(Vec::new());
    }
    // RFC 6068 §2 has no groups, and commas only between addresses.
    if list.contains(';') {
        return Err(wrong());
    }
    addresses(list.as_bytes()).iter().map(|found| contact(found).ok_or_else(wrong)).collect()
}

fn contact(found: &MailAddress) -> Option<Contact> {
    let is_missing = found.mailbox.as_deref() == Some(MISSING_MAILBOX) || found.host.as_deref() == Some(MISSING_DOMAIN);
    if is_missing {
        return None;
    }
    let (mailbox, host) = (std::str::from_utf8(found.mailbox.as_deref()?), std::str::from_utf8(found.host.as_deref()?));
    let address = Address::parse(&format!("{}@{}", mailbox.ok()?, host.ok()?)).ok()?;
    let shown = match &found.name {
        Some(name) => {
            // Encoded words stay what they are; quotes that were there are not there any more.
            let name = header_value(std::str::from_utf8(name).ok()?, "\r\n");
            format!("{} <{address}>", name.replace(['"', '<', '>', '(', ')', ',', ';', ':', '@', '\\'], " "))
        }
        None => address.to_string(),
    };
    Some(Contact { address, shown })
}

// RFC 5322 §2.2
fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

fn is_unsafe(name: &str) -> bool {
    UNSAFE.contains(&name) || UNSAFE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// RFC 5436 §2.7: as headers are usually written.
fn capitalized(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_recipients_and_fields() {
        let mailto = parse(
            "a@b.test%2cc@d.test?cc=%22E,%20F%22%20%3Ce@f.test%3E&subject=hi%20there&body=one%0D%0Atwo&x-pager=7",
        )
        .unwrap();
        let plain = |list: &[Contact]| list.iter().map(|contact| contact.shown.clone()).collect::<Vec<_>>();
        assert_eq!(plain(&mailto.to), ["a@b.test", "c@d.test"]);
        assert_eq!(plain(&mailto.cc), ["E  F <e@f.test>"]);
        assert_eq!((mailto.subject.as_deref(), mailto.body.as_deref()), (Some("hi there"), Some("one\r\ntwo")));
        assert_eq!(mailto.fields, [("X-Pager".to_owned(), "7".to_owned())]);
    }

    #[test]
    fn what_a_uri_may_not_say_is_left_out() {
        let mailto = parse("a@b.test?from=x@y.test&Auto-Submitted=no&bcc=x@y.test&resent-to=x@y.test&date=1").unwrap();
        assert_eq!(mailto, Mailto { to: mailto.to.clone(), ..Mailto::default() });
        let fields = &parse("a@b.test?comments=x%0D%0AFrom:%20evil").unwrap().fields;
        assert_eq!(fields, &[("Comments".to_owned(), "x  From: evil".to_owned())]);
    }

    #[test]
    fn a_uri_that_is_none_is_refused() {
        for bad in [
            "",
            "?to=",
            "a%23b.test",
            "a@b.test;",
            "a@b.test?x<=1",
            "a@b.test?x=f>p",
            "a@b.test?x:=1",
            "a@b.test?to=a%23b",
            "a@b.test?subject",
            "a@b.test%zz",
            "a@b.test,@",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let many = ["a@b.test"; RECIPIENTS_MAX + 1].join(",");
        assert!(parse(&many).is_err());
        assert!(parse(&many[9..]).is_ok());
    }
}
