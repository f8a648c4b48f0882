//! IMAP URLs (RFC 5092) that name a message, or a part of one, in the session's own account: those without scheme and server, as
//! CATENATE wants them (RFC 4469 §3), with `;PARTIAL=` (RFC 5550 §5.7.1).

use mail::namespace::Separator;
use mail::uri::percent_decoded;
use mail::{MailboxName, Uid, UidValidity};

use super::commands::fetch::section::{self, Partial, Section};
use super::parse::Parser;

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageUrl {
    /// `None` for the selected one.
    pub mailbox: Option<MailboxName>,
    pub uid_validity: Option<UidValidity>,
    pub uid: Uid,
    pub section: Section,
    pub partial: Option<Partial>,
}

impl MessageUrl {
    // iabsolute-path = "/" [icommand]; icommand =/ imessagepart
    // imessagepart = imailbox-ref iuid [isection] [ipartial]
    // imailbox-ref = enc-mailbox [";UIDVALIDITY=" nz-number]
    // imsg-or-part = [imailbox-ref "/"] iuid-only ["/" isection-only] ["/" ipartial-only]
    /// Reads a URL. `None` for what names no message here. A relative path is one of the selected mailbox's messages, or begins with a
    /// mailbox's name as if it were absolute.
    pub fn parse(text: &[u8], separator: Separator) -> Option<MessageUrl> {
        let text = std::str::from_utf8(text).ok()?;
        // "//" begins a server's name.
        let path = text.strip_prefix('/').unwrap_or(text);
        if path.starts_with('/') || path.contains(['?', '#']) || has_scheme(path) {
            return None;
        }
        let (mailbox, path) = match find(path, ";UID=") {
            Some((before, after)) => (before, after),
            None => return None,
        };
        let (path, partial) = split_last(path, "/;PARTIAL=");
        let (uid, section) = split_last(path, "/;SECTION=");
        let (mailbox, uid_validity) = split_last(mailbox.strip_suffix('/').unwrap_or(mailbox), ";UIDVALIDITY=");
        if mailbox.is_empty() && (text.starts_with('/') || uid_validity.is_some()) {
            return None;
        }
        Some(MessageUrl {
            mailbox: (!mailbox.is_empty())
                .then(|| name(mailbox, separator))
                .map_or(Some(None), |name| name.map(Some))?,
            uid_validity: uid_validity.map_or(Some(None), |number| UidValidity::new(nz_number(number)?).map(Some))?,
            uid: Uid::new(nz_number(uid)?)?,
            section: section.map_or(Some(Section::whole()), read_section)?,
            partial: partial.map_or(Some(None), |range| read_partial(range).map(Some))?,
        })
    }
}

/// A colon before the first slash ends a scheme.
fn has_scheme(path: &str) -> bool {
    path.split('/').next().is_some_and(|segment| segment.contains(':'))
}

/// Parameters' names have no case.
fn find<'a>(text: &'a str, what: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_uppercase().find(what)?;
    Some((text.get(..at)?, text.get(at + what.len()..)?))
}

fn split_last<'a>(text: &'a str, what: &str) -> (&'a str, Option<&'a str>) {
    find(text, what).map_or((text, None), |(before, after)| (before, Some(after)))
}

// enc-mailbox: UTF-8, percent-encoded (RFC 5092 §9).
fn name(encoded: &str, separator: Separator) -> Option<MailboxName> {
    separator.parse(&percent_decoded(encoded)?).ok()
}

fn nz_number(digits: &str) -> Option<u32> {
    let mut parser = Parser::new(digits.as_bytes());
    parser.nz_number().ok().filter(|_| parser.at_end())
}

// enc-section = 1*bchar: a percent-encoded section-spec
fn read_section(encoded: &str) -> Option<Section> {
    let spec = percent_decoded(encoded).filter(|spec| !spec.is_empty())?;
    let bracketed = format!("[{spec}]");
    let mut parser = Parser::new(bracketed.as_bytes());
    section::parse(&mut parser).ok().filter(|_| parser.at_end())
}

// partial-range = number ["." nz-number]
fn read_partial(range: &str) -> Option<Partial> {
    let (offset, length) = range.split_once('.').map_or((range, None), |(offset, length)| (offset, Some(length)));
    let mut parser = Parser::new(offset.as_bytes());
    let offset = parser.number().ok().filter(|_| parser.at_end())?;
    let length = length.map_or(Some(u64::MAX), |length| nz_number(length).map(u64::from))?;
    Some(Partial { offset: offset.into(), length })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<MessageUrl> {
        MessageUrl::parse(text.as_bytes(), Separator::default())
    }

    #[test]
    fn a_url_names_a_mailbox_a_message_and_a_part_of_it() {
        let url = parsed("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME/;partial=3.7").unwrap();
        assert_eq!(url.mailbox.unwrap().as_str(), "Drafts");
        assert_eq!((url.uid_validity, url.uid), (UidValidity::new(385_759_045), Uid::new(20).unwrap()));
        assert_eq!(url.section.to_string(), "[1.MIME]");
        assert_eq!(url.partial, Some(Partial { offset: 3, length: 7 }));
        let url = parsed("/A%C3%B1o/x%20y/;uid=7/;SECTION=HEADER.FIELDS%20(To%20Cc)").unwrap();
        assert_eq!(url.mailbox.unwrap().as_str(), "Año/x y");
        assert_eq!(url.section.to_string(), "[HEADER.FIELDS (TO CC)]");
        assert_eq!(parsed(";UID=9/;PARTIAL=5").unwrap().partial, Some(Partial { offset: 5, length: u64::MAX }));
        assert_eq!(parsed("INBOX/;UID=9").unwrap().mailbox.unwrap().as_str(), "INBOX");
    }

    #[test]
    fn what_names_no_message_of_this_session_is_no_url() {
        for bad in [
            "",
            "/",
            "/INBOX",
            "imap://ana@host/INBOX/;UID=1",
            "//host/INBOX/;UID=1",
            "/;UID=1",
            "/INBOX/;UID=0",
            "/INBOX/;UID=x",
            "/INBOX;UIDVALIDITY=0/;UID=1",
            "/INBOX/;UID=1/;SECTION=",
            "/INBOX/;UID=1/;SECTION=FOO",
            "/INBOX/;UID=1/;PARTIAL=1.0",
            "/INBOX/;UID=1/;SECTION=1]x",
            "/INBOX?SUBJECT",
            "/IN%FFBOX/;UID=1",
            "/INBOX/;UID=1;URLAUTH=anonymous",
            "/INBOX/;UID=1/;PARTIAL=+1",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
