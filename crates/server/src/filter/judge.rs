//! Whether a message is answered automatically at all (RFC 5230 §4.5 and §4.6, RFC 3834 §2). Pure.

use mail::header;

/// Why a message gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The null path: a report, or another automatic answer.
    NobodyToAnswer,
    /// A list's or a system's address.
    Machine,
    /// The user himself.
    Self_,
    /// A field of the header says that nobody waits for an answer.
    Automatic,
    /// It was not sent to the user by name: a list, a blind copy.
    NotNamed,
}

/// Fields that only lists put into messages (RFC 2369, RFC 2919).
const LIST_FIELDS: [&str; 7] =
    ["List-Id", "List-Help", "List-Subscribe", "List-Unsubscribe", "List-Post", "List-Owner", "List-Archive"];
/// Where a recipient may be named (RFC 5230 §4.5).
const RECIPIENT_FIELDS: [&str; 6] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];
/// `Precedence`, which no RFC defines and every list used.
const PRECEDENCES: [&str; 3] = ["bulk", "list", "junk"];
/// `X-Auto-Response-Suppress` of Microsoft.
const SUPPRESSED: [&str; 3] = ["all", "oof", "autoreply"];

/// Judges a message from `sender` (empty: the null path) to somebody who has these addresses.
///
/// # Errors
/// Why it gets no answer.
pub fn judge(header: &[u8], sender: &str, own: &[String]) -> Result<(), NoAnswer> {
    if sender.is_empty() {
        return Err(NoAnswer::NobodyToAnswer);
    }
    if is_machine(sender) {
        return Err(NoAnswer::Machine);
    }
    if own.iter().any(|own| own.eq_ignore_ascii_case(sender)) {
        return Err(NoAnswer::Self_);
    }
    if is_automatic(header) {
        return Err(NoAnswer::Automatic);
    }
    if is_named(header, own) { Ok(()) } else { Err(NoAnswer::NotNamed) }
}

// RFC 5230 §4.6: "well-known addresses".
fn is_machine(sender: &str) -> bool {
    let local = sender.rsplit_once('@').map_or(sender, |(local, _)| local).to_ascii_lowercase();
    matches!(local.as_str(), "mailer-daemon" | "listserv" | "majordomo")
        || local.starts_with("owner-")
        || local.ends_with("-request")
        || local.ends_with("-owner")
}

fn is_automatic(block: &[u8]) -> bool {
    header::fields(block).any(|field| {
        let words = || String::from_utf8_lossy(field.value).to_ascii_lowercase();
        let has = |known: &[&str]| words().split(',').any(|word| known.contains(&word.trim()));
        if field.is("Auto-Submitted") {
            // RFC 3834 §5: parameters may follow.
            return words().split(';').next().is_some_and(|word| word.trim() != "no");
        }
        LIST_FIELDS.iter().any(|name| field.is(name))
            || field.is("Precedence") && has(&PRECEDENCES)
            || field.is("X-Auto-Response-Suppress") && has(&SUPPRESSED)
    })
}

fn is_named(block: &[u8], own: &[String]) -> bool {
    let recipients = header::fields(block).filter(|field| RECIPIENT_FIELDS.iter().any(|name| field.is(name)));
    recipients.flat_map(|field| header::addresses(field.value)).any(|address| {
        let part = |part: &Option<Vec<u8>>| String::from_utf8_lossy(part.as_deref().unwrap_or_default()).into_owned();
        let named = format!("{}@{}", part(&address.mailbox), part(&address.host));
        own.iter().any(|own| own.eq_ignore_ascii_case(&named))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(header: &str, sender: &str) -> Result<(), NoAnswer> {
        let own = ["ana@example.test".to_owned(), "a.maria@example.test".to_owned()];
        judge(header.as_bytes(), sender, &own)
    }

    #[test]
    fn who_writes_to_somebody_by_name_is_answered() {
        for field in RECIPIENT_FIELDS {
            assert_eq!(judged(&format!("{field}: x@y, Ana <ANA@example.test>\r\n\r\n"), "bob@example.org"), Ok(()));
        }
        assert_eq!(judged("To: A.Maria@example.test\r\nAuto-Submitted: No; x=y\r\n\r\n", "bob@example.org"), Ok(()));
    }

    #[test]
    fn machines_and_oneself_are_not() {
        let to = "To: ana@example.test\r\n\r\n";
        assert_eq!(judged(to, ""), Err(NoAnswer::NobodyToAnswer));
        for sender in ["MAILER-DAEMON@x", "owner-list@x", "list-request@x", "Majordomo@x", "list-owner@x"] {
            assert_eq!(judged(to, sender), Err(NoAnswer::Machine), "{sender}");
        }
        assert_eq!(judged(to, "A.Maria@Example.test"), Err(NoAnswer::Self_));
    }

    #[test]
    fn what_nobody_waits_for_an_answer_to_is_not() {
        let fields = [
            "List-Id: <x>",
            "Precedence: Bulk",
            "Auto-Submitted: auto-generated",
            "Auto-submitted: auto-replied; x",
            "X-Auto-Response-Suppress: DR, OOF",
        ];
        for field in fields {
            let header = format!("To: ana@example.test\r\n{field}\r\n\r\n");
            assert_eq!(judged(&header, "bob@x"), Err(NoAnswer::Automatic), "{field}");
        }
        assert_eq!(judged("To: list@x\r\nSubject: ana@example.test\r\n\r\n", "bob@x"), Err(NoAnswer::NotNamed));
    }
}
