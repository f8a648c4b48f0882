//! Messages that are being appended: each is written to `tmp/` of its mailbox, and all become messages at once.

use std::mem;
use std::sync::Arc;

use mail::date::DateTime;
use mail::{Flags, Keyword, MailboxName, Uid};
use proto::imap::ask::{Answer, Refusal};

use super::Room;
use crate::house::imap::others::Place;
use crate::house::imap::permission;

/// What comes with a message.
#[derive(Debug)]
pub(super) struct Traits {
    pub(super) flags: Flags,
    pub(super) keywords: Vec<Keyword>,
    pub(super) internal_date: Option<DateTime>,
}

/// The messages of one APPEND.
#[derive(Debug)]
pub(super) struct Appending {
    place: Place,
    /// Those that are complete.
    prepared: Vec<store::Prepared>,
    /// The one that is coming, or why there is none any more.
    coming: Option<(store::Result<store::Draft>, Traits)>,
}

impl Appending {
    /// Makes the message that came durable. The first failure is the whole command's.
    fn end_message(&mut self) -> store::Result<()> {
        let Some((draft, traits)) = self.coming.take() else { return Ok(()) };
        let prepared = draft?.prepare(traits.flags, traits.keywords, traits.internal_date)?;
        prepared.join(&mut self.prepared);
        Ok(())
    }
}

impl Room {
    /// Flags that one may not set in the mailbox do not come along (RFC 4314 §4).
    pub(super) fn append_begin(&mut self, mailbox: &MailboxName, traits: Traits) -> store::Result<Answer> {
        if let Some(append) = &mut self.append {
            append.end_message()?;
        }
        let place = self.at(mailbox)?;
        let draft = place.account.draft(&place.name)?;
        let (flags, keywords) =
            permission::part_of(traits.flags, traits.keywords, permission::may_change(place.rights()?));
        let append = self.append.get_or_insert_with(|| Appending { place, prepared: Vec::new(), coming: None });
        append.coming = Some((Ok(draft), Traits { flags, keywords, ..traits }));
        Ok(Answer::Done)
    }

    /// Keeps a piece of an appended message. A failure is told at its end.
    pub fn append_content(&mut self, bytes: &[u8]) {
        let Some((draft, _)) = self.append.as_mut().and_then(|append| append.coming.as_mut()) else { return };
        if let Err(error) = draft.as_mut().map_or(Ok(()), |draft| draft.write(bytes)) {
            *draft = Err(error);
        }
    }

    pub(super) fn append_end(&mut self, replaces: Option<Uid>) -> store::Result<Answer> {
        let Some(mut append) = self.append.take() else { return Ok(Answer::Refused(Refusal::ServerBug)) };
        append.end_message()?;
        let prepared = mem::take(&mut append.prepared);
        // Room is shared only within an account.
        let selected =
            self.selected.as_ref().filter(|selected| Arc::ptr_eq(&selected.place.account, &append.place.account));
        let replaces = selected.zip(replaces).map(|(selected, uid)| (&*selected.mailbox, uid));
        let appended = append.place.account.append_all(&append.place.name, prepared, replaces)?;
        Ok(Answer::Appended { uid_validity: appended.uid_validity, uids: appended.uids })
    }
}
