//! Which header fields are remembered: those that lists of messages show and mail programs ask for. Pure.

use mail::digest::Fields;
use mail::header::fields;

/// In lower case. What Thunderbird, Outlook, Apple Mail, mutt, Roundcube and SOGo ask for in lists of messages, and what
/// ENVELOPE and threads are made of. Changing it needs a new version of the files (`row::VERSION`).
const REMEMBERED: [&str; 36] = [
    "bcc",
    "cc",
    "content-class",
    "content-type",
    "date",
    "disposition-notification-to",
    "errors-to",
    "from",
    "importance",
    "in-reply-to",
    "lines",
    "list-id",
    "list-post",
    "list-unsubscribe",
    "mail-followup-to",
    "mail-reply-to",
    "message-id",
    "newsgroups",
    "priority",
    "references",
    "reply-to",
    "resent-to",
    "return-path",
    "sender",
    "subject",
    "to",
    "x-label",
    "x-mailer",
    "x-msmail-priority",
    "x-priority",
    "x-spam-flag",
    "x-spam-level",
    "x-spam-score",
    "x-uniform-type-identifier",
    "x-universally-unique-identifier",
    "xref",
];

pub(crate) fn is_remembered(name: &[u8]) -> bool {
    REMEMBERED.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a block of remembered fields answers what is wanted.
pub(crate) fn suffices(wanted: &Fields) -> bool {
    match wanted {
        Fields::None => true,
        Fields::Named(names) => names.iter().all(|name| is_remembered(name)),
        Fields::All => false,
    }
}

/// The remembered fields of a header block, in their order: a block again.
pub(crate) fn remembered(block: &[u8]) -> Vec<u8> {
    chosen(block, is_remembered)
}

pub(crate) fn chosen(block: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut chosen = Vec::new();
    for field in fields(block).filter(|field| wanted(field.name)) {
        chosen.extend_from_slice(field.whole);
    }
    chosen
}
