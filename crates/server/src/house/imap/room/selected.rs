//! The selected mailbox: from SELECT on, what is in it, what may be done in it, and what changes.

use std::sync::Arc;

use mail::acl::Right;
use mail::{ModSeq, Snapshot, Uid};
use proto::imap::ask::{Answer, FlagChange, MayChange};
use store::{Access, Mailbox};

use super::Room;
use crate::house::imap::others::Place;
use crate::house::imap::permission;

#[derive(Debug)]
pub(super) struct Selected {
    pub(super) place: Place,
    pub(super) mailbox: Arc<Mailbox>,
    /// By EXAMINE.
    examined: bool,
    /// As they were when they were last looked at.
    pub(super) rights: store::Rights,
    _watch: store::Watch,
}

impl Room {
    pub(super) fn select(&mut self, name: &mail::MailboxName, read_only: bool) -> store::Result<Answer> {
        self.unselect();
        let place = self.at(name)?;
        let rights = place.rights()?;
        let mailbox = place.account.open_for(&place.name, access(read_only || permission::is_read_only(rights)))?;
        let hint = Arc::downgrade(&self.hint);
        let watch = mailbox.watch(Box::new(move || {
            if let Some(hint) = hint.upgrade() {
                hint.notify_one();
            }
        }));
        let selected = self.selected.insert(Selected { place, mailbox, examined: read_only, rights, _watch: watch });
        let mailbox_id = selected.mailbox.id()?;
        let snapshot = selected.mailbox.snapshot();
        let (recent, read_only) = (selected.claim_recent(), selected.is_read_only());
        let may_change = permission::may_change(rights);
        Ok(Answer::Selected { snapshot, recent, read_only, may_change, mailbox_id })
    }

    /// RFC 4314 §4: rights that were changed hold for a mailbox that is selected too. Who may no longer read it hears of it
    /// as of one that is gone.
    pub(super) fn look_at_rights(&mut self) -> store::Result<()> {
        let Some(selected) = &mut self.selected else { return Ok(()) };
        selected.rights = selected.place.rights_again()?;
        if selected.rights.has(Right::Read) { Ok(()) } else { Err(store::Error::NoSuchMailbox) }
    }

    pub(super) fn unselect(&mut self) {
        self.selected = None;
        self.message = None;
        self.outsides = store::Outsides::default();
    }

    pub(super) fn mailbox(&self) -> store::Result<&Arc<Mailbox>> {
        self.selected.as_ref().map(|selected| &selected.mailbox).ok_or(store::Error::NoSuchMailbox)
    }

    pub(super) fn sync(&mut self) -> store::Result<Answer> {
        let Some(selected) = &self.selected else { return Err(store::Error::NoSuchMailbox) };
        let snapshot = selected.mailbox.sync(selected.access())?;
        self.synced(snapshot)
    }

    /// Changes what may be changed; gives the messages that were passed over because they changed after `since`.
    pub(super) fn store(
        &self,
        mut uids: Vec<Uid>,
        change: FlagChange,
        mut since: Option<ModSeq>,
    ) -> store::Result<Vec<Uid>> {
        let mailbox = self.mailbox()?;
        let may = self.selected.as_ref().map(|selected| permission::may_change(selected.rights));
        let keywords = &mailbox.snapshot().keywords;
        let mut passed_over = Vec::new();
        for part in permission::part_of_change(change, may.unwrap_or(MayChange::ALL), keywords) {
            match since.take() {
                // The condition was judged with the first part; what passed it is changed by that already.
                None => _ = mailbox.store_flags(&uids, &part)?,
                Some(since) => {
                    passed_over = mailbox.store_flags_unchanged(&uids, &part, since)?;
                    uids.retain(|uid| passed_over.binary_search(uid).is_err());
                }
            }
        }
        Ok(passed_over)
    }

    pub(super) fn store_unchanged(&self, uids: Vec<Uid>, change: FlagChange, since: ModSeq) -> store::Result<Answer> {
        let modified = self.store(uids, change, Some(since))?;
        match self.synced(self.mailbox()?.snapshot())? {
            Answer::Synced { snapshot, recent } => Ok(Answer::Stored { snapshot, recent, modified }),
            other => Ok(other),
        }
    }

    pub(super) fn synced(&self, snapshot: Arc<Snapshot>) -> store::Result<Answer> {
        let recent = self.selected.as_ref().map(Selected::claim_recent).unwrap_or_default();
        Ok(Answer::Synced { snapshot, recent })
    }
}

impl Selected {
    pub(super) fn access(&self) -> Access {
        access(self.is_read_only())
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.examined || permission::is_read_only(self.rights)
    }

    fn claim_recent(&self) -> Vec<Uid> {
        if self.is_read_only() { Vec::new() } else { self.mailbox.claim_recent() }
    }
}

/// EXAMINE must not take messages out of `new/` (RFC 3501 §6.3.2: it does not end their being recent).
fn access(read_only: bool) -> Access {
    if read_only { Access::Look } else { Access::Serve }
}
