//! Items of FETCH that the house tells without the octets of the message: identifiers (RFC 8474 §5), dates (RFC 3501, RFC 8514)
//! and the preview (RFC 8970).

use mail::date::DateTime;
use mail::digest::Digest;
use mail::preview::Wanted;
use mail::{ObjectId, ObjectKind};

use super::Item;
use crate::Outbox;
use crate::imap::response::nstring;

pub fn write(item: &Item, digest: &Digest, out: &mut Outbox) {
    match item {
        Item::EmailId => id("EMAILID", ObjectKind::Message, digest.email_id, out),
        Item::ThreadId => id("THREADID", ObjectKind::Thread, digest.thread_id, out),
        Item::SaveDate => date("SAVEDATE", digest.saved, out),
        // preview-resp = "PREVIEW" SP nstring
        Item::Preview { .. } => {
            out.push(b"PREVIEW ");
            nstring(digest.preview.as_deref().map(str::as_bytes), out);
        }
        _ => {}
    }
}

/// RFC 8970 §4.1: of a message for which it is asked in both ways, it is asked at once.
pub fn wanted_preview(items: &[Item]) -> Wanted {
    let asks = |lazy| items.contains(&Item::Preview { lazy });
    match (asks(false), asks(true)) {
        (true, _) => Wanted::Yes,
        (false, true) => Wanted::Lazy,
        (false, false) => Wanted::No,
    }
}

// fetch-emailid-resp = "EMAILID" SP "(" objectid ")"
// fetch-threadid-resp = "THREADID" SP ( "(" objectid ")" / nil )
fn id(name: &str, kind: ObjectKind, id: Option<ObjectId>, out: &mut Outbox) {
    let shown = id.map_or("NIL".to_owned(), |id| format!("({})", id.show(kind)));
    out.push(format!("{name} {shown}").as_bytes());
}

// "INTERNALDATE" SP date-time / "SAVEDATE" SP (date-time / nil)
pub fn date(name: &str, date: Option<DateTime>, out: &mut Outbox) {
    let shown = date.map_or("NIL".to_owned(), |date| format!("\"{}\"", date.to_imap()));
    out.push(format!("{name} {shown}").as_bytes());
}
