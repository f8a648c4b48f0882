//! What an IMAP session has open: its account, the selected mailbox, a message, a message that is being appended. Blocking.

use std::sync::Arc;

use mail::{Flags, Snapshot, Uid};
use proto::imap::ask::{Answer, Ask, FlagChange, How, MailboxInfo, MailboxStatus, MayChange, Quota, Refusal};
use store::{Access, Mailbox};
use tokio::sync::Notify;

use super::permission;

/// The state behind one IMAP session.
#[derive(Debug)]
pub struct Room {
    account: Arc<store::Account>,
    viewer: store::Viewer,
    selected: Option<Selected>,
    message: Option<(Uid, store::Message)>,
    append: Option<Append>,
    hint: Arc<Notify>,
}

#[derive(Debug)]
struct Selected {
    mailbox: Arc<Mailbox>,
    read_only: bool,
    /// As they were when it was selected.
    rights: store::Rights,
    _watch: store::Watch,
}

#[derive(Debug)]
struct Append {
    /// The draft, or why there is none any more.
    draft: store::Result<store::Draft>,
    flags: Flags,
    keywords: Vec<mail::Keyword>,
    internal_date: Option<mail::date::DateTime>,
}

impl Room {
    pub fn new(account: Arc<store::Account>, viewer: store::Viewer) -> Room {
        Room { account, viewer, selected: None, message: None, append: None, hint: Arc::default() }
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
        let selected = self.selected.as_ref().map_or(store::Rights::NONE, |selected| selected.rights);
        if let Err(refusal) = permission::permit(&self.account, &self.viewer, selected, &ask)? {
            // RFC 3501 §6.3.1: also a SELECT that fails leaves no mailbox selected.
            if matches!(ask, Ask::Select { .. }) {
                self.selected = None;
                self.message = None;
            }
            return Ok(Answer::Refused(refusal));
        }
        match ask {
            // The shell answers it, because it is the directory's.
            Ask::LogIn(_) | Ask::Sasl(_) => Ok(Answer::Refused(Refusal::ServerBug)),
            Ask::Mailboxes => self.mailboxes(),
            Ask::Status { name } => self.status(&name),
            Ask::Quota { mailbox } => self.quota(mailbox.as_ref()),
            Ask::Create { name, special_use } => {
                self.account.create(&name, special_use.and_then(store::SpecialUse::parse)).map(|()| Answer::Done)
            }
            Ask::Delete { name } => self.account.delete(&name).map(|()| Answer::Done),
            Ask::Rename { from, to } => self.account.rename(&from, &to).map(|()| Answer::Done),
            Ask::Subscribe { name } => self.account.subscribe(&name).map(|()| Answer::Done),
            Ask::Unsubscribe { name } => self.account.unsubscribe(&name).map(|()| Answer::Done),
            Ask::Select { name, read_only } => self.select(&name, read_only),
            Ask::Unselect => {
                self.selected = None;
                self.message = None;
                Ok(Answer::Done)
            }
            Ask::Sync => self.sync(),
            Ask::Store { uids, change } => {
                let mut snapshot = self.mailbox()?.snapshot();
                for part in permission::part_of_change(change, permission::may_change(selected), &snapshot.keywords) {
                    snapshot = self.mailbox()?.store_flags(&uids, &part)?;
                }
                self.synced(snapshot)
            }
            Ask::Expunge { uids } => {
                let snapshot = self.mailbox()?.expunge(&uids)?;
                self.synced(snapshot)
            }
            Ask::Copy { uids, to } => {
                let target = self.account.open(&to)?;
                let copied = self.mailbox()?.copy(&uids, &target)?;
                self.strip_flags(&to, &target, copied)
            }
            Ask::Move { uids, to } => {
                let target = self.account.open(&to)?;
                let copied = self.mailbox()?.move_to(&uids, &target)?;
                self.strip_flags(&to, &target, copied)
            }
            Ask::Search(key) => self.mailbox()?.search(&key).map(Answer::Found),
            Ask::Digests { uids, want } => self.mailbox()?.digests(&uids, &want).map(Answer::Digests),
            Ask::Open { uid, length } => self.open(uid, length),
            Ask::Read { uid, offset, length } => self.read(uid, offset, length),
            Ask::CloseMessage => {
                self.message = None;
                Ok(Answer::Done)
            }
            Ask::AppendBegin { mailbox, flags, keywords, internal_date, size: _ } => {
                let draft = Ok(self.account.draft(&mailbox)?);
                let may = permission::may_change(self.account.rights(&mailbox, &self.viewer)?);
                let (flags, keywords) = permission::part_of(flags, keywords, may);
                self.append = Some(Append { draft, flags, keywords, internal_date });
                Ok(Answer::Done)
            }
            Ask::AppendEnd => self.append_end(),
            Ask::AppendAbort => {
                self.append = None;
                Ok(Answer::Done)
            }
        }
    }

    /// Keeps a piece of an appended message. A failure is told at its end.
    pub fn append_content(&mut self, bytes: &[u8]) {
        let Some(append) = &mut self.append else { return };
        if let Ok(draft) = &mut append.draft
            && let Err(error) = draft.write(bytes)
        {
            append.draft = Err(error);
        }
    }

    fn append_end(&mut self) -> store::Result<Answer> {
        let Some(append) = self.append.take() else { return Ok(Answer::Refused(Refusal::ServerBug)) };
        let appended = append.draft?.append(append.flags, &append.keywords, append.internal_date)?;
        Ok(Answer::Appended { uid_validity: appended.uid_validity, uid: appended.uid })
    }

    fn mailboxes(&self) -> store::Result<Answer> {
        let listed = permission::visible(&self.account, &self.viewer, self.account.list()?)?;
        let mailboxes = listed.into_iter().map(|listed| MailboxInfo {
            name: listed.name,
            selectable: listed.selectable,
            has_children: listed.has_children,
            special_use: listed.special_use.map(store::SpecialUse::attribute),
            subscribed: listed.subscribed,
        });
        Ok(Answer::Mailboxes { mailboxes: mailboxes.collect(), subscriptions: self.account.subscriptions()? })
    }

    fn status(&self, name: &mail::MailboxName) -> store::Result<Answer> {
        let status = self.account.status(name)?;
        Ok(Answer::Status(MailboxStatus {
            messages: status.messages,
            recent: status.recent,
            uid_next: status.uid_next,
            uid_validity: status.uid_validity,
            unseen: status.unseen,
            size: status.size,
            deleted: status.deleted,
            deleted_size: status.deleted_size,
        }))
    }

    /// A mailbox that is not counted has no quota root.
    fn quota(&self, mailbox: Option<&mail::MailboxName>) -> store::Result<Answer> {
        let state = match mailbox {
            Some(name) if !self.account.counts(name) => None,
            _ => self.account.quota()?,
        };
        let Some(state) = state else { return Ok(Answer::Quota(Quota::default())) };
        let used = |number: i64| u64::try_from(number).unwrap_or(0);
        // Rounded as Dovecot does: what is used up, what may be used down.
        let storage = state.limits.storage.map(|limit| (used(state.used.storage).div_ceil(1024), limit / 1024));
        let messages = state.limits.messages.map(|limit| (used(state.used.messages), limit));
        Ok(Answer::Quota(Quota { storage, messages }))
    }

    fn select(&mut self, name: &mail::MailboxName, read_only: bool) -> store::Result<Answer> {
        self.selected = None;
        self.message = None;
        let rights = self.account.rights(name, &self.viewer)?;
        let read_only = read_only || permission::is_read_only(rights);
        let mailbox = self.account.open(name)?;
        let hint = Arc::downgrade(&self.hint);
        let watch = mailbox.watch(Box::new(move || {
            if let Some(hint) = hint.upgrade() {
                hint.notify_one();
            }
        }));
        let selected = self.selected.insert(Selected { mailbox, read_only, rights, _watch: watch });
        let snapshot = selected.mailbox.sync(selected.access())?;
        let recent = selected.claim_recent();
        Ok(Answer::Selected { snapshot, recent, read_only, may_change: permission::may_change(rights) })
    }

    /// RFC 4314 §4: flags that one may not set in the target do not come along. The copies are there a moment before.
    fn strip_flags(&self, to: &mail::MailboxName, target: &Mailbox, made: store::Copied) -> store::Result<Answer> {
        let may = permission::may_change(self.account.rights(to, &self.viewer)?);
        if may != MayChange::ALL && !made.target.is_empty() {
            let keywords = target.snapshot().keywords.iter().map(|(_, keyword)| keyword.clone()).collect();
            let keywords = if may.others { Vec::new() } else { keywords };
            let beyond = FlagChange { how: How::Remove, flags: permission::beyond(may), keywords };
            target.store_flags(&made.target, &beyond)?;
        }
        Ok(copied(made))
    }

    fn mailbox(&self) -> store::Result<&Arc<Mailbox>> {
        self.selected.as_ref().map(|selected| &selected.mailbox).ok_or(store::Error::NoSuchMailbox)
    }

    fn sync(&mut self) -> store::Result<Answer> {
        let Some(selected) = &self.selected else { return Err(store::Error::NoSuchMailbox) };
        let snapshot = selected.mailbox.sync(selected.access())?;
        self.synced(snapshot)
    }

    fn synced(&self, snapshot: Arc<Snapshot>) -> store::Result<Answer> {
        let recent = self.selected.as_ref().map(Selected::claim_recent).unwrap_or_default();
        Ok(Answer::Synced { snapshot, recent })
    }

    fn open(&mut self, uid: Uid, length: usize) -> store::Result<Answer> {
        let mut message = self.mailbox()?.message(uid)?;
        let length = usize::try_from(message.size()).unwrap_or(usize::MAX).min(length);
        let start = read_exactly(&mut message, 0, length)?;
        let answer = Answer::Message { size: message.size(), internal_date: message.internal_date(), start };
        self.message = Some((uid, message));
        Ok(answer)
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

impl Selected {
    /// EXAMINE must not take messages out of `new/` (RFC 3501 §6.3.2: it does not end their being recent).
    fn access(&self) -> Access {
        if self.read_only { Access::Look } else { Access::Serve }
    }

    fn claim_recent(&self) -> Vec<Uid> {
        if self.read_only { Vec::new() } else { self.mailbox.claim_recent() }
    }
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
