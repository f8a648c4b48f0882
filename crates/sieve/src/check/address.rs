//! Addresses in scripts: one mailbox, with or without a display name (RFC 5228 §2.4.2.3).

use mail::Address;
use mail::header::addresses;

use crate::error::Position;
use crate::program::Text;

use super::Checker;

/// The address of a text that holds exactly one.
pub fn parse_mailbox(text: &str) -> Option<Address> {
    let text = text.trim();
    let Some(before) = text.strip_suffix('>') else { return parse_plain(text) };
    let (_, plain) = before.rsplit_once('<')?;
    let single = addresses(text.as_bytes()).len() == 1;
    parse_plain(plain).filter(|_| single)
}

/// RFC 5322 §4.4: white space may stand around the at sign.
fn parse_plain(text: &str) -> Option<Address> {
    let (local_part, domain) = text.rsplit_once('@')?;
    Address::parse(&format!("{}@{}", local_part.trim(), domain.trim())).ok()
}

/// Why a text is no address.
fn reason(text: &str) -> &'static str {
    if text.trim().is_empty() {
        "empty address"
    } else if addresses(text.as_bytes()).len() > 1 {
        "not a single address"
    } else {
        "not of the form local-part@domain"
    }
}

impl Checker<'_> {
    /// Notes an error if the text is known and is no address.
    pub(super) fn check_address(&mut self, at: Position, text: &Text, what: impl Fn(&str) -> String) -> Option<()> {
        match text.constant() {
            Some(text) if parse_mailbox(text).is_none() => {
                let message = format!("{}: {}.", what(text), reason(text));
                self.error(at, message)
            }
            _ => Some(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_is_an_address() {
        for (text, address) in [
            ("a@b.test", "a@b.test"),
            ("Name <a@b.test>", "a@b.test"),
            ("<a@b.test>", "a@b.test"),
            ("\"a b\"@c.test", "\"a b\"@c.test"),
        ] {
            assert_eq!(parse_mailbox(text).unwrap().to_string(), address);
        }
        for bad in ["", "a", "no address", "a@b.test, c@d.test", "a@", "@b", "a@b@c", "group: a@b;"] {
            assert_eq!(parse_mailbox(bad), None, "{bad}");
        }
    }
}
