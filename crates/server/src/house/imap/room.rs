//! What an IMAP session has open: its account, the selected mailbox, a message, a message that is being appended. Blocking.

mod append;
mod selected;
mod sharing;

use std::sync::{Arc, LazyLock};

use mail::acl::Right;
use mail::namespace::{Named, Namespaces};
use mail::{Flags, Uid};
use proto::imap::ask::{Answer, Ask, MailboxStatus, Quota, Refusal};
use store::Mailbox;
use tokio::sync::Notify;

use super::acl::Change;
use super::listing::Listing;
use super::others::{self, Met, Place, Shared};
use super::permission;
use append::{Appending, Traits};
use selected::Selected;

/// Where there is nothing but the account's own mailboxes.
static ALONE: LazyLock<Namespaces> = LazyLock::new(Namespaces::default);

/// The state behind one IMAP session.
#[derive(Debug)]
pub struct Room {
    account: Arc<store::Account>,
    viewer: store::Viewer,
    shared: Option<Arc<Shared>>,
    /// Who the question that is being answered has to do with.
    met: Met,
    selected: Option<Selected>,
    message: Option<(Uid, store::Message)>,
    outsides: store::Outsides,
    append: Option<Appending>,
    hint: Arc<Notify>,
}

impl Room {
    /// `viewer` looks at his own account.
    pub fn new(account: Arc<store::Account>, viewer: store::Viewer, shared: Option<Arc<Shared>>) -> Room {
        let met = Met::new();
        Room {
            account,
            viewer,
            shared,
            met,
            selected: None,
            message: None,
            outsides: store::Outsides::default(),
            append: None,
            hint: Arc::default(),
        }
    }

    /// Who shares something with this session's user, by the dictionary.
    pub fn owners(&self) -> store::Result<Vec<String>> {
        let owners = self.sharing().map(|sharing| sharing.dict.owners(&self.viewer)).transpose()?;
        Ok(owners.unwrap_or_default().into_iter().take(others::OWNERS_MAX).collect())
    }

    /// Who the next question has to do with.
    pub fn meet(&mut self, met: Met) {
        self.met = met;
    }

    /// The mailbox that is selected.
    pub fn selected(&self) -> Option<&Arc<Mailbox>> {
        self.selected.as_ref().map(|selected| &selected.mailbox)
    }

    /// Ends when somebody in this process changed the selected mailbox, or saw it changed.
    pub async fn hint(&self) {
        self.hint.notified().await;
    }

    /// Answers a question. Errors that are ours or the disk's are logged with the session's name.
    pub fn answer(&mut self, ask: Ask, session: &str) -> Answer {
        self.try_answer(ask).unwrap_or_else(|error| {
            let refusal = refusal(&error);
            if matches!(refusal, Refusal::Unavailable | Refusal::ServerBug | Refusal::Corrupt) {
                tracing::error!(session, %error, "mailbox trouble");
            }
            Answer::Refused(refusal)
        })
    }

    fn try_answer(&mut self, ask: Ask) -> store::Result<Answer> {
        if is_judged_anew(&ask) {
            self.look_at_rights()?;
        }
        let selected = self.selected.as_ref().map_or(store::Rights::NONE, |selected| selected.rights);
        if let Err(refusal) = self.permit(selected, &ask)? {
            // RFC 3501 §6.3.1: also a SELECT that fails leaves no mailbox selected.
            if matches!(ask, Ask::Select { .. }) {
                self.unselect();
            }
            if matches!(ask, Ask::AppendEnd { .. }) {
                self.append = None;
            }
            return Ok(Answer::Refused(refusal));
        }
        match ask {
            // The shell answers it, because it is the directory's.
            Ask::LogIn(_) | Ask::Sasl(_) | Ask::LogOut => Ok(Answer::Refused(Refusal::ServerBug)),
            Ask::Mailboxes { spaces } => self.mailboxes(&spaces),
            Ask::Status { name } => self.status(&self.at(&name)?),
            Ask::Quota { mailbox } => self.quota(mailbox.as_ref()),
            Ask::Acl { name } => self.acl(&self.at(&name)?),
            Ask::SetAcl { name, who, how, rights } => {
                self.change_acl(&self.at(&name)?, Change { who, rights: Some((how, rights)) })
            }
            Ask::DeleteAcl { name, who } => self.change_acl(&self.at(&name)?, Change { who, rights: None }),
            Ask::MayAdminister { name } => self.there(&self.at(&name)?).map(|()| Answer::Done),
            Ask::MyRights { name } => self.my_rights(&self.at(&name)?),
            Ask::Create { name, special_use } => {
                let Place { account, name, .. } = self.at(&name)?;
                account.create(&name, special_use.and_then(store::SpecialUse::parse))?;
                Ok(Answer::Created { mailbox_id: account.open(&name)?.id()? })
            }
            Ask::Delete { name } => {
                let place = self.at(&name)?;
                place.account.delete(&place.name)?;
                self.publish(&place)
            }
            Ask::Rename { from, to } => self.rename(&self.at(&from)?, &self.at(&to)?),
            Ask::Subscribe { name } => self.subscribe(&name).map(|()| Answer::Done),
            Ask::Unsubscribe { name } => self.unsubscribe(&name).map(|()| Answer::Done),
            Ask::Select { name, read_only } => self.select(&name, read_only),
            Ask::Unselect => {
                self.unselect();
                Ok(Answer::Done)
            }
            Ask::Sync => self.sync(),
            Ask::Store { uids, change } => {
                self.store(uids, change, None)?;
                self.synced(self.mailbox()?.snapshot())
            }
            Ask::StoreUnchanged { uids, change, since } => self.store_unchanged(uids, change, since),
            Ask::Vanished { since } => Ok(Answer::Vanished(match self.mailbox()?.vanished_since(since) {
                store::Vanished::Known(ranges) => Some(ranges),
                store::Vanished::Unknown => None,
            })),
            Ask::Expunge { uids } => {
                let snapshot = self.mailbox()?.expunge(&uids)?;
                self.synced(snapshot)
            }
            Ask::Copy { uids, to } => {
                self.copy_or_move(&to, |from, target, along| from.copy_with(&uids, target, along))
            }
            Ask::Move { uids, to } => {
                self.copy_or_move(&to, |from, target, along| from.move_with(&uids, target, along))
            }
            Ask::Sort { key, criteria } => self.mailbox()?.sort(&key, &criteria).map(Answer::Found),
            Ask::Thread { key, algorithm } => self.mailbox()?.thread(&key, algorithm).map(Answer::Threads),
            Ask::Search(key) => self.mailbox()?.search(&key).map(Answer::Found),
            Ask::Digests { uids, want } => self.mailbox()?.digests(&uids, &want).map(Answer::Digests),
            Ask::Open { uid, length } => self.open(uid, length),
            Ask::Read { uid, offset, length } => self.read(uid, offset, length),
            Ask::CloseMessage => {
                self.message = None;
                if let Some(selected) = &self.selected {
                    selected.mailbox.confirm(&mut self.outsides);
                }
                Ok(Answer::Done)
            }
            Ask::Borrow { mailbox, uid_validity, uid, want } => self.borrow(mailbox.as_ref(), uid_validity, uid, &want),
            Ask::AppendBegin { mailbox, flags, keywords, internal_date, size: _ } => {
                self.append_begin(&mailbox, Traits { flags, keywords, internal_date })
            }
            Ask::AppendEnd { replaces } => self.append_end(replaces),
            Ask::AppendAbort => {
                self.append = None;
                Ok(Answer::Done)
            }
        }
    }

    /// COPY and MOVE. RFC 4314 §4: flags that one may not set in the target do not come along.
    fn copy_or_move(
        &self,
        to: &mail::MailboxName,
        work: impl FnOnce(&Mailbox, &Mailbox, store::Along) -> store::Result<store::Copied>,
    ) -> store::Result<Answer> {
        let place = self.at(to)?;
        let may = permission::may_change(place.rights()?);
        let along = store::Along { system: Flags::SYSTEM.without(permission::beyond(may)), keywords: may.others };
        let target = place.account.open(&place.name)?;
        work(self.mailbox()?, &target, along).map(copied)
    }

    fn permit(&self, selected: store::Rights, ask: &Ask) -> store::Result<Result<(), Refusal>> {
        let namespaces = self.namespaces();
        if others::names(ask).into_iter().any(|name| namespaces.named(name) == Named::Outside) {
            return Ok(Err(Refusal::Cannot(namespaces.hint())));
        }
        permission::permit(|name| self.place(name), selected, ask)
    }

    fn subscribe(&self, name: &mail::MailboxName) -> store::Result<()> {
        match self.namespaces().named(name) {
            Named::Own(inner) if self.namespaces().is_anothers(&inner) => {
                Err(store::Error::NotAllowed("A mailbox of this name can't be subscribed to"))
            }
            Named::Own(inner) => self.account.subscribe(&inner),
            _ => self.at(name).and_then(|_| self.account.subscribe_to_anothers(name)),
        }
    }

    fn unsubscribe(&self, name: &mail::MailboxName) -> store::Result<()> {
        match self.namespaces().named(name) {
            Named::Own(inner) if self.namespaces().is_anothers(&inner) => Ok(()),
            Named::Own(inner) => self.account.unsubscribe(&inner),
            _ => self.account.unsubscribe(name),
        }
    }

    fn namespaces(&self) -> &Namespaces {
        self.shared.as_ref().map_or(&ALONE, |shared| &shared.namespaces)
    }

    /// Where a name leads; `None` for nowhere. Nobody is his own neighbour.
    fn place(&self, name: &mail::MailboxName) -> store::Result<Option<Place>> {
        let viewer = || store::Viewer { owner: false, ..self.viewer.clone() };
        Ok(match self.namespaces().named(name) {
            Named::Own(name) => {
                let (account, owner) = (Arc::clone(&self.account), Some(self.viewer.user.clone()));
                Some(Place { account, owner, viewer: self.viewer.clone(), name })
            }
            Named::Of { owner, name } => {
                let neighbour = self.met.get(&owner).filter(|neighbour| neighbour.name != self.viewer.user);
                let account = neighbour.and_then(|neighbour| neighbour.account.clone());
                let owner = neighbour.map(|neighbour| neighbour.name.clone());
                account.map(|account| Place { account, owner, viewer: viewer(), name })
            }
            Named::Public { place, name } => match &self.shared {
                Some(shared) => Some(Place { account: shared.public(place)?, owner: None, viewer: viewer(), name }),
                None => None,
            },
            Named::Nobodys | Named::Outside => None,
        })
    }

    fn at(&self, name: &mail::MailboxName) -> store::Result<Place> {
        self.place(name)?.ok_or(store::Error::NoSuchMailbox)
    }

    fn mailboxes(&self, spaces: &[usize]) -> store::Result<Answer> {
        let namespaces = self.namespaces();
        let (account, viewer, shared, met) = (&*self.account, &self.viewer, self.shared.as_deref(), &self.met);
        let listing = Listing { namespaces, account, viewer, shared, met };
        let mut mailboxes = Vec::new();
        for space in spaces.iter().filter_map(|at| namespaces.all.get(*at)) {
            mailboxes.extend(listing.mailboxes(space)?);
        }
        let subscriptions = self.account.subscriptions()?;
        let subscriptions = subscriptions.iter().flat_map(|written| namespaces.subscribed(written, spaces)).collect();
        Ok(Answer::Mailboxes { mailboxes, subscriptions })
    }

    fn there(&self, place: &Place) -> store::Result<()> {
        if place.is_there()? { Ok(()) } else { Err(store::Error::NoSuchMailbox) }
    }

    fn rename(&self, from: &Place, to: &Place) -> store::Result<Answer> {
        if !Arc::ptr_eq(&from.account, &to.account) {
            return Err(store::Error::NotAllowed("A mailbox can't be moved to another account"));
        }
        from.account.rename(&from.name, &to.name).map(|()| Answer::Done)
    }

    fn status(&self, place: &Place) -> store::Result<Answer> {
        let status = place.account.status(&place.name)?;
        Ok(Answer::Status(MailboxStatus {
            messages: status.messages,
            recent: status.recent,
            uid_next: status.uid_next,
            uid_validity: status.uid_validity,
            unseen: status.unseen,
            size: status.size,
            deleted: status.deleted,
            deleted_size: status.deleted_size,
            highest_modseq: status.highest_modseq,
            mailbox_id: status.mailbox_id,
        }))
    }

    /// A mailbox that is not counted has no quota root.
    fn quota(&self, mailbox: Option<&mail::MailboxName>) -> store::Result<Answer> {
        let mailbox = mailbox.map(|name| (name, self.namespaces().named(name)));
        if let Some((name, Named::Of { .. } | Named::Public { .. } | Named::Nobodys)) = mailbox {
            // How much another holds is his own affair.
            let known = self.place(name)?.map(|place| place.rights()).transpose()?.unwrap_or_default();
            let refusal = if known.has(Right::Lookup) { Refusal::NoPermission } else { Refusal::NoSuchMailbox };
            return Ok(Answer::Refused(refusal));
        }
        let state = match mailbox {
            Some((_, Named::Own(name))) if !self.account.counts(&name) => None,
            _ => self.account.quota()?,
        };
        let Some(state) = state else { return Ok(Answer::Quota(Quota::default())) };
        let used = |number: i64| u64::try_from(number).unwrap_or(0);
        // Rounded as Dovecot does: what is used up, what may be used down.
        let storage = state.limits.storage.map(|limit| (used(state.used.storage).div_ceil(1024), limit / 1024));
        let messages = state.limits.messages.map(|limit| (used(state.used.messages), limit));
        Ok(Answer::Quota(Quota { storage, messages }))
    }

    fn open(&mut self, uid: Uid, length: usize) -> store::Result<Answer> {
        let mailbox = &self.selected.as_ref().ok_or(store::Error::NoSuchMailbox)?.mailbox;
        let mut message = mailbox.one_of_many(uid, &mut self.outsides)?;
        let length = usize::try_from(message.size()).unwrap_or(usize::MAX).min(length);
        let start = read_exactly(&mut message, 0, length)?;
        let answer = Answer::Message { size: message.size(), internal_date: message.internal_date(), start };
        self.message = Some((uid, message));
        Ok(answer)
    }

    /// A message of any mailbox, only looked at.
    fn borrow(
        &mut self,
        name: Option<&mail::MailboxName>,
        uid_validity: Option<mail::UidValidity>,
        uid: Uid,
        want: &mail::digest::Want,
    ) -> store::Result<Answer> {
        let mailbox = match name {
            None => Arc::clone(self.mailbox()?),
            Some(name) => {
                let place = self.at(name)?;
                place.account.open_for(&place.name, store::Access::Look)?
            }
        };
        if uid_validity.is_some_and(|validity| validity != mailbox.snapshot().uid_validity) {
            return Err(store::Error::Gone);
        }
        let digest = mailbox.digests(&[uid], want)?.digests.pop().ok_or(store::Error::Gone)?;
        self.message = Some((uid, mailbox.message(uid)?));
        Ok(Answer::Borrowed(digest))
    }

    fn read(&mut self, uid: Uid, offset: u64, length: usize) -> store::Result<Answer> {
        match &mut self.message {
            Some((open, message)) if *open == uid => read_exactly(message, offset, length).map(Answer::Bytes),
            _ => Ok(Answer::Refused(Refusal::ServerBug)),
        }
    }
}

/// Octets of a message: as many as asked for, fewer only at its end.
pub fn read_exactly(message: &mut store::Message, offset: u64, length: usize) -> store::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match message.read_at(offset + filled as u64, &mut bytes[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Whether the rights in the selected mailbox are looked at again first. Each command ends with `Sync`, so what only reads is
/// at most one command late.
fn is_judged_anew(ask: &Ask) -> bool {
    matches!(
        ask,
        Ask::Sync
            | Ask::Store { .. }
            | Ask::StoreUnchanged { .. }
            | Ask::Expunge { .. }
            | Ask::Copy { .. }
            | Ask::Move { .. }
    )
}

fn copied(copied: store::Copied) -> Answer {
    Answer::Copied { uid_validity: copied.uid_validity, source: copied.source, target: copied.target }
}

/// The store's errors in the words of the session's contract.
fn refusal(error: &store::Error) -> Refusal {
    match error {
        store::Error::NoSuchMailbox => Refusal::NoSuchMailbox,
        store::Error::MailboxExists => Refusal::AlreadyExists,
        store::Error::NotAllowed(why) => Refusal::Cannot((*why).to_owned()),
        store::Error::Gone => Refusal::Gone,
        store::Error::KeywordsFull => Refusal::Limit,
        store::Error::OverQuota | store::Error::NoSpace => Refusal::OverQuota,
        store::Error::Busy => Refusal::InUse,
        store::Error::Damaged { .. } => Refusal::Corrupt,
        store::Error::Disk(_) => Refusal::Unavailable,
    }
}
