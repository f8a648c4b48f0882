//! How ENVELOPE, BODY and BODYSTRUCTURE are written (RFC 3501 §7.4.2). Raw values as they stand in the message, encoded
//! words included; the parts' own nesting is bounded by `mail::mime::DEPTH_MAX`.

use mail::header::{self, MailAddress};
use mail::mime::{Packed, PackedChildren, PackedMedia, PackedParams, PackedPart, Parts};

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
pub fn body(structure: &Packed, extensible: bool, out: &mut Outbox) {
    // What was packed can be read: nothing is left half written.
    let _ = next(&mut structure.parts(), extensible, out);
}

/// The next part with all that is within it.
fn next(parts: &mut Parts<'_>, extensible: bool, out: &mut Outbox) -> Option<()> {
    let part = parts.next()?;
    out.push(b"(");
    match part.children {
        PackedChildren::Multipart(count) => multipart(&part, count, parts, extensible, out)?,
        _ => single(&part, parts, extensible, out)?,
    }
    out.push(b")");
    Some(())
}

// body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
// body-ext-mpart = body-fld-param [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]
fn multipart(
    part: &PackedPart<'_>,
    count: usize,
    parts: &mut Parts<'_>,
    extensible: bool,
    out: &mut Outbox,
) -> Option<()> {
    for _ in 0..count {
        next(parts, extensible, out)?;
    }
    if count == 0 {
        // The grammar wants at least one: an empty text, as Dovecot shows it.
        out.push(b"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
        out.push(if extensible { b" NIL NIL NIL NIL)" } else { b")" });
    }
    out.push(b" ");
    string(part.media.subtype, out);
    if extensible {
        out.push(b" ");
        params(part.media.params.clone(), out);
        out.push(b" ");
        disposition_language_location(&part.media, out);
    }
    Some(())
}

// body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]
// body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets
// body-ext-1part = body-fld-md5 [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]
fn single(part: &PackedPart<'_>, parts: &mut Parts<'_>, extensible: bool, out: &mut Outbox) -> Option<()> {
    let media = &part.media;
    let (kind, subtype) = part.shown_type();
    string(kind, out);
    out.push(b" ");
    string(subtype, out);
    out.push(b" ");
    params(media.params.clone(), out);
    for value in [media.id, media.description] {
        out.push(b" ");
        nstring(value, out);
    }
    out.push(b" ");
    string(media.encoding, out);
    let octets = part.body.end.saturating_sub(part.body.start);
    out.push(b" ");
    out.number(octets);
    if part.children == PackedChildren::Message {
        out.push(b" ");
        envelope(parts.clone().next()?.fields, out);
        out.push(b" ");
        next(parts, extensible, out)?;
    }
    if part.children == PackedChildren::Message || kind.eq_ignore_ascii_case(b"text") {
        out.push(b" ");
        out.number(part.lines);
    }
    if extensible {
        out.push(b" ");
        nstring(media.md5, out);
        out.push(b" ");
        disposition_language_location(media, out);
    }
    Some(())
}

fn disposition_language_location(media: &PackedMedia<'_>, out: &mut Outbox) {
    match &media.disposition {
        Some((kind, values)) => {
            out.push(b"(");
            string(kind, out);
            out.push(b" ");
            params(values.clone(), out);
            out.push(b") ");
        }
        None => out.push(b"NIL "),
    }
    listed(media.language.clone(), out);
    out.push(b" ");
    nstring(media.location, out);
}

// body-fld-param = "(" string SP string *(SP string SP string) ")" / nil
fn params(params: PackedParams<'_>, out: &mut Outbox) {
    listed(params.flat_map(|(name, value)| [name, value]), out);
}

// body-fld-lang = nstring / "(" string *(SP string) ")"
fn listed<'a>(strings: impl Iterator<Item = &'a [u8]>, out: &mut Outbox) {
    let mut before: &[u8] = b"(";
    for text in strings {
        out.push(std::mem::replace(&mut before, b" "));
        string(text, out);
    }
    out.push(if before == b"(" { b"NIL" } else { b")" });
}
