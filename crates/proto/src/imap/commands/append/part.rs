//! The parts of a message that URLs name (RFC 4469 §3): they are borrowed from the house and given back to it, a piece at a time.

use std::ops::Range;

use mail::Uid;
use mail::digest::{Digest, Want};
use mail::mime::Packed;

use super::{Append, give_up};
use crate::imap::ask::{Answer, Ask, READ_MAX, Refusal};
use crate::imap::command::Step;
use crate::imap::commands::fetch::section::{Known, Place};
use crate::imap::context::{Context, State};
use crate::imap::response::{Completion, refused};
use crate::imap::url::MessageUrl;

impl Append {
    pub(super) fn add_url(self: Box<Self>, url: &[u8], context: &mut Context) -> Step {
        let bad = bad_url(url);
        let Some(url) = MessageUrl::parse(url, context.separator()) else { return give_up(bad, context) };
        if url.mailbox.is_none() && !matches!(context.state, State::Selected(_)) {
            return give_up(bad, context);
        }
        let want = Want { fields: url.section.needed_fields(), structure: true, ..Want::SIZE };
        let MessageUrl { uid, uid_validity, .. } = url;
        let ask = Ask::Borrow { mailbox: url.mailbox.clone(), uid_validity, uid, want };
        Step::ask(ask, move |context, answer| match answer {
            Answer::Borrowed(digest) => match place(&url, &digest) {
                Some(place) => self.add_place(uid, place, context),
                None => give_up(bad, context),
            },
            Answer::Refused(Refusal::NoSuchMailbox | Refusal::Gone | Refusal::NoPermission | Refusal::Cannot(_)) => {
                give_up(bad, context)
            }
            Answer::Refused(refusal) => give_up(refused(refusal), context),
            _ => give_up(Completion::misunderstood(), context),
        })
    }

    fn add_place(mut self: Box<Self>, uid: Uid, place: Place, context: &mut Context) -> Step {
        let octets = match &place {
            Place::Bytes(bytes) => bytes.len() as u64,
            Place::Range(range) => range.end.saturating_sub(range.start),
        };
        if let Err(completion) = self.may_add(octets, context) {
            return give_up(completion, context);
        }
        self.added(octets);
        match place {
            Place::Bytes(bytes) => Step::Content(bytes, Box::new(move |context| self.give_back(context))),
            Place::Range(range) => self.copy(uid, range, context),
        }
    }

    fn copy(self: Box<Self>, uid: Uid, range: Range<u64>, context: &mut Context) -> Step {
        let Range { start, end } = range;
        if start >= end {
            return self.give_back(context);
        }
        let length = usize::try_from(end - start).unwrap_or(usize::MAX).min(READ_MAX);
        Step::ask(Ask::Read { uid, offset: start, length }, move |context, answer| match answer {
            Answer::Bytes(bytes) if !bytes.is_empty() && bytes.len() <= length => {
                let start = start + bytes.len() as u64;
                Step::Content(bytes, Box::new(move |context| self.copy(uid, start..end, context)))
            }
            Answer::Refused(refusal) => give_up(refused(refusal), context),
            _ => give_up(Completion::misunderstood(), context),
        })
    }

    fn give_back(self: Box<Self>, _: &mut Context) -> Step {
        Step::ask(Ask::CloseMessage, move |context, _| self.act(context))
    }
}

/// Where that lies; `None` for a part that is not there.
fn place(url: &MessageUrl, digest: &Digest) -> Option<Place> {
    let structure = digest.structure.as_ref().and_then(Packed::part)?;
    structure.section(&url.section.path)?;
    let known = Known {
        size: digest.size,
        fields: &digest.header,
        header_length: structure.header.end,
        structure: Some(&structure),
    };
    Some(url.section.place(&known).cut(url.partial))
}

// badurl-response-code = "BADURL" SP url-resp-text; url-resp-text: TEXT-CHARs but "]" (RFC 4469 §5)
/// As the client wrote it; octets that cannot stand there are percent-encoded.
fn bad_url(url: &[u8]) -> Completion {
    const SHOWN_MAX: usize = 1000;
    let shown: String = url
        .iter()
        .take(SHOWN_MAX)
        .map(|byte| match byte {
            b'!' | b'#'..=b'[' | b'^'..=b'~' => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    Completion::no("The URL names nothing that can be appended.").code(format!("BADURL \"{shown}\""))
}
