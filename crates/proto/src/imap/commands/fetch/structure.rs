//! How ENVELOPE, BODY and BODYSTRUCTURE are written (RFC 3501 §7.4.2). Raw values as they stand in the message, encoded
//! words included; the parts' own nesting is bounded by `mail::mime::DEPTH_MAX`.

use mail::header::{self, MailAddress};
use mail::mime::{Children, Media, Part, Word};

use crate::Outbox;
use crate::imap::response::{nstring, string};

// envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP env-bcc SP
//            env-in-reply-to SP env-message-id ")"
pub fn envelope(head: &[u8], out: &mut Outbox) {
    let envelope = header::envelope(head);
    out.push(b"(");
    nstring(envelope.date.as_deref(), out);
    out.push(b" ");
    nstring(envelope.subject.as_deref(), out);
    let (sender, reply_to) = (envelope.sender(), envelope.reply_to());
    for list in [&envelope.from, sender, reply_to, &envelope.to, &envelope.cc, &envelope.bcc] {
        out.push(b" ");
        addresses(list, out);
    }
    out.push(b" ");
    nstring(envelope.in_reply_to.as_deref(), out);
    out.push(b" ");
    nstring(envelope.message_id.as_deref(), out);
    out.push(b")");
}

// env-from = "(" 1*address ")" / nil
// address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
fn addresses(list: &[MailAddress], out: &mut Outbox) {
    if list.is_empty() {
        return out.push(b"NIL");
    }
    out.push(b"(");
    for address in list {
        out.push(b"(");
        for (index, part) in [&address.name, &address.route, &address.mailbox, &address.host].into_iter().enumerate() {
            out.push(if index > 0 { b" " } else { b"" });
            nstring(part.as_deref(), out);
        }
        out.push(b")");
    }
    out.push(b")");
}

// body = "(" (body-type-1part / body-type-mpart) ")"
pub fn body(part: &Part, extensible: bool, out: &mut Outbox) {
    out.push(b"(");
    match &part.children {
        Children::Multipart(parts) => multipart(part, parts, extensible, out),
        _ => single(part, extensible, out),
    }
    out.push(b")");
}

// body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
// body-ext-mpart = body-fld-param [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]
fn multipart(part: &Part, parts: &[Part], extensible: bool, out: &mut Outbox) {
    for inner in parts {
        body(inner, extensible, out);
    }
    if parts.is_empty() {
        // The grammar wants at least one: an empty text, as Dovecot shows it.
        out.push(b"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
        out.push(if extensible { b" NIL NIL NIL NIL)" } else { b")" });
    }
    out.push(b" ");
    string(&part.media.subtype, out);
    if extensible {
        out.push(b" ");
        params(&part.media.params, out);
        out.push(b" ");
        disposition_language_location(&part.media, out);
    }
}

// body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]
// body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets
// body-ext-1part = body-fld-md5 [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]
fn single(part: &Part, extensible: bool, out: &mut Outbox) {
    let media = &part.media;
    let (kind, subtype) = part.shown_type();
    string(kind, out);
    out.push(b" ");
    string(subtype, out);
    out.push(b" ");
    params(&media.params, out);
    for value in [&media.id, &media.description] {
        out.push(b" ");
        nstring(value.as_deref(), out);
    }
    out.push(b" ");
    string(&media.encoding, out);
    let octets = part.body.end.saturating_sub(part.body.start);
    out.push(b" ");
    out.number(octets);
    if let Children::Message(inner) = &part.children {
        out.push(b" ");
        envelope(&inner.fields, out);
        out.push(b" ");
        body(inner, extensible, out);
    }
    if matches!(part.children, Children::Message(_)) || kind.eq_ignore_ascii_case(b"text") {
        out.push(b" ");
        out.number(part.lines);
    }
    if extensible {
        out.push(b" ");
        nstring(media.md5.as_deref(), out);
        out.push(b" ");
        disposition_language_location(media, out);
    }
}

fn disposition_language_location(media: &Media, out: &mut Outbox) {
    match &media.disposition {
        Some((kind, values)) => {
            out.push(b"(");
            string(kind, out);
            out.push(b" ");
            params(values, out);
            out.push(b") ");
        }
        None => out.push(b"NIL "),
    }
    languages(&media.language, out);
    out.push(b" ");
    nstring(media.location.as_deref(), out);
}

// body-fld-lang = nstring / "(" string *(SP string) ")"
fn languages(list: &[Word], out: &mut Outbox) {
    if list.is_empty() {
        return out.push(b"NIL");
    }
    for (index, language) in list.iter().enumerate() {
        out.push(if index > 0 { b" " } else { b"(" });
        string(language, out);
    }
    out.push(b")");
}

// body-fld-param = "(" string SP string *(SP string SP string) ")" / nil
fn params(list: &[(Word, Word)], out: &mut Outbox) {
    if list.is_empty() {
        return out.push(b"NIL");
    }
    for (index, (name, value)) in list.iter().enumerate() {
        out.push(if index > 0 { b" " } else { b"(" });
        string(name, out);
        out.push(b" ");
        string(value, out);
    }
    out.push(b")");
}
