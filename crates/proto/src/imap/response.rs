//! What the session says: completions with their response codes, and strings in the form that is safe for them.
//!
//! The one place where refusals become words. Knows nothing of sessions.

use std::borrow::Cow;

use mail::NumberSet;
use mail::mailbox_name::NameError;
use mail::namespace::Separator;
use mail::{MailboxName, ObjectId, ObjectKind, Uid, UidValidity};

use super::ask::Refusal;
use super::parse::is_atom_char;
use crate::Outbox;

/// A quoted string is used up to this length; beyond it a literal is.
const QUOTED_LENGTH_MAX: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok,
    No,
    Bad,
}

/// How a command ends: `OK [CODE] text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub status: Status,
    pub code: Option<Cow<'static, str>>,
    pub text: Cow<'static, str>,
}

impl Completion {
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Completion {
        Completion { status: Status::Ok, code: None, text: text.into() }
    }

    pub fn no(text: impl Into<Cow<'static, str>>) -> Completion {
        Completion { status: Status::No, code: None, text: text.into() }
    }

    pub fn bad(text: impl Into<Cow<'static, str>>) -> Completion {
        Completion { status: Status::Bad, code: None, text: text.into() }
    }

    #[must_use]
    pub fn code(mut self, code: impl Into<Cow<'static, str>>) -> Completion {
        self.code = Some(code.into());
        self
    }

    /// A name that cannot be a mailbox's.
    pub fn bad_name(error: NameError) -> Completion {
        let text = match error {
            NameError::Encoding => "Mailbox name is not valid modified UTF-7.".to_owned(),
            NameError::Character => "A character in the mailbox name is not allowed.".to_owned(),
            other => format!("Invalid {other}."),
        };
        Completion::no(text).code("CANNOT")
    }

    /// A literal that is over its bound (RFC 7889 §4 has the code).
    pub fn too_big() -> Completion {
        Completion::no("Literal is too large.").code("TOOBIG")
    }

    /// The selected mailbox was opened by EXAMINE, or the account may not change it.
    pub fn read_only() -> Completion {
        Completion::no("Mailbox is read-only.").code("READ-ONLY")
    }

    /// The house answered what does not belong to the question: our own fault.
    pub fn misunderstood() -> Completion {
        refused(Refusal::ServerBug)
    }

    /// Writes it behind a tag.
    pub fn write(&self, tag: &[u8], out: &mut Outbox) {
        let status = match self.status {
            Status::Ok => " OK ",
            Status::No => " NO ",
            Status::Bad => " BAD ",
        };
        out.push(tag);
        out.push(status.as_bytes());
        if let Some(code) = &self.code {
            out.push(format!("[{code}] ").as_bytes());
        }
        out.push(self.text.as_bytes());
        out.push(b"\r\n");
    }
}

/// The house said no.
pub fn refused(refusal: Refusal) -> Completion {
    let (code, text): (&'static str, Cow<'static, str>) = match refusal {
        // RFC 5530 §3 has the codes, unless another is named.
        Refusal::AuthenticationFailed => ("AUTHENTICATIONFAILED", "Authentication failed.".into()),
        Refusal::AuthorizationFailed => ("AUTHORIZATIONFAILED", "You may not act as that user.".into()),
        Refusal::NoSuchMailbox => ("NONEXISTENT", "Mailbox doesn't exist.".into()),
        Refusal::AlreadyExists => ("ALREADYEXISTS", "Mailbox already exists.".into()),
        Refusal::Cannot(why) => ("CANNOT", one_line(&why).into()),
        // RFC 6154 §3
        Refusal::SpecialUse => ("USEATTR", "That special use cannot be given.".into()),
        Refusal::NoPermission => ("NOPERM", "Permission denied.".into()),
        Refusal::OverQuota => ("OVERQUOTA", "Quota exceeded (mailbox for user is full).".into()),
        Refusal::Gone => ("EXPUNGEISSUED", "Some of the messages no longer exist.".into()),
        Refusal::Unavailable => ("UNAVAILABLE", "Temporarily unavailable, try again later.".into()),
        Refusal::InUse => ("INUSE", "Mailbox is in use, try again later.".into()),
        Refusal::Limit => ("LIMIT", "A limit of this server is reached.".into()),
        // RFC 7889 §4
        Refusal::TooBig => ("TOOBIG", "Message is too large.".into()),
        Refusal::Corrupt => ("CORRUPTION", "Mailbox is damaged, the administrator must look at it.".into()),
        Refusal::ServerBug => ("SERVERBUG", "Internal error, try again later.".into()),
    };
    Completion::no(text).code(code)
}

/// As `refused`, for the mailbox that APPEND, COPY and MOVE go to: the client may create it (RFC 3501 §7.1, TRYCREATE).
pub fn refused_target(refusal: Refusal) -> Completion {
    match refusal {
        Refusal::NoSuchMailbox => refused(refusal).code("TRYCREATE"),
        other => refused(other),
    }
}

/// A text from elsewhere, made fit for `resp-text`: one line of printable ASCII, a sentence.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect();
    format!("{}.", line.trim_start_matches('[').trim_end_matches('.'))
}

/// A mailbox's name on the wire.
pub fn mailbox(name: &MailboxName, separator: Separator, out: &mut Outbox) {
    astring(separator.to_mutf7(name).as_bytes(), out);
}

/// An atom where that is possible, else a string.
pub fn astring(text: &[u8], out: &mut Outbox) {
    // NIL as an atom would be no string.
    if !text.is_empty() && text.iter().all(|byte| is_atom_char(*byte)) && !text.eq_ignore_ascii_case(b"NIL") {
        return out.push(text);
    }
    string(text, out);
}

/// A quoted string where that is possible, else a literal (RFC 3501 §4.3).
pub fn string(text: &[u8], out: &mut Outbox) {
    // Nearly all: nothing to be escaped.
    if text.len() <= QUOTED_LENGTH_MAX
        && text.iter().all(|byte| matches!(byte, b'\t' | b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'))
    {
        out.push(b"\"");
        out.push(text);
        return out.push(b"\"");
    }
    if text.len() > QUOTED_LENGTH_MAX || !text.iter().all(|byte| (b' '..=b'~').contains(byte) || *byte == b'\t') {
        return literal(text, out);
    }
    out.push(b"\"");
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let (plain, escaped) = rest.split_at(at);
        out.push(plain);
        out.push(b"\\");
        out.push(escaped.get(..1).unwrap_or_default());
        rest = escaped.get(1..).unwrap_or_default();
    }
    out.push(rest);
    out.push(b"\"");
}

pub fn literal(text: &[u8], out: &mut Outbox) {
    // RFC 3501 §9: a literal holds no NUL.
    let octets: Vec<u8> = text.iter().copied().filter(|byte| *byte != 0).collect();
    out.push(format!("{{{}}}\r\n", octets.len()).as_bytes());
    out.push(&octets);
}

pub fn nstring(text: Option<&[u8]>, out: &mut Outbox) {
    match text {
        Some(text) => string(text, out),
        None => out.push(b"NIL"),
    }
}

// RFC 4315 §3: resp-code-copy = "COPYUID" SP nz-number SP uid-set SP uid-set
/// The pairs stay pairs: both sets list their UIDs in the order of the pairs.
pub fn copyuid(uid_validity: UidValidity, source: &[Uid], target: &[Uid]) -> String {
    let set = |uids: &[Uid]| NumberSet::from_numbers(uids.iter().map(|uid| uid.number()));
    format!("COPYUID {uid_validity} {} {}", set(source), set(target))
}

// RFC 8474 §7: resp-text-code =/ "MAILBOXID" SP "(" objectid ")"
pub fn mailboxid(id: ObjectId) -> String {
    format!("MAILBOXID ({})", id.show(ObjectKind::Mailbox))
}

/// A parenthesized list of names, `(a b)`.
pub fn names(names: &[&str]) -> String {
    format!("({})", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Outbox)) -> String {
        let mut out = Outbox::default();
        write(&mut out);
        String::from_utf8(out.take()).unwrap()
    }

    #[test]
    fn strings_take_the_first_form_that_is_safe() {
        for (text, expected) in [
            ("INBOX", "INBOX"),
            ("", "\"\""),
            ("nil", "\"nil\""),
            ("a b", "\"a b\""),
            ("a\"\\", "\"a\\\"\\\\\""),
            ("x\r\ny", "{4}\r\nx\r\ny"),
            ("ñ", "{2}\r\nñ"),
        ] {
            assert_eq!(written(|out| astring(text.as_bytes(), out)), expected);
        }
    }

    #[test]
    fn a_text_of_the_houses_cannot_add_lines_or_codes() {
        let completion = refused(Refusal::Cannot("[ALERT] x\r\n* BYE".to_owned()));
        assert_eq!(written(|out| completion.write(b"a", out)), "a NO [CANNOT] ALERT] x??* BYE.\r\n");
    }
}
