//! What an IMAP session has open: its account, the selected mailbox, a message, a message that is being appended. Blocking.

use std::sync::Arc;

use mail::{Flags, Snapshot, Uid};
use proto::imap::ask::{Answer, Ask, Fact, MailboxInfo, MailboxStatus, Refusal};
use store::{Access, Mailbox};
use tokio::sync::Notify;

/// The state behind one IMAP session.
#[derive(Debug)]
pub struct Room {
    account: Arc<store::Account>,
    selected: Option<Selected>,
    message: Option<(Uid, store::Message)>,
    append: Option<Append>,
    hint: Arc<Notify>,
}

#[derive(Debug)]
struct Selected {
    mailbox: Arc<Mailbox>,
    read_only: bool,
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
    pub fn new(account: Arc<store::Account>) -> Room {
        Room { account, selected: None, message: None, append: None, hint: Arc::default() }
    }

    /// Ends when somebody in this process changed the selected mailbox.
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
        match ask {
            // The shell answers it, because it is the directory's.
            Ask::LogIn(_) => Ok(Answer::Refused(Refusal::ServerBug)),
            Ask::Mailboxes => self.mailboxes(),
            Ask::Status { name } => self.status(&name),
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
                let snapshot = self.mailbox()?.store_flags(&uids, &change)?;
                self.synced(snapshot)
            }
            Ask::Expunge { uids } => {
                let snapshot = self.mailbox()?.expunge(&uids)?;
                self.synced(snapshot)
            }
            Ask::Copy { uids, to } => {
                let target = self.account.open(&to)?;
                self.mailbox()?.copy(&uids, &target).map(copied)
            }
            Ask::Move { uids, to } => {
                let target = self.account.open(&to)?;
                self.mailbox()?.move_to(&uids, &target).map(copied)
            }
            Ask::Search(key) => self.mailbox()?.search(&key).map(Answer::Found),
            Ask::Facts { uids } => self.facts(&uids),
            Ask::Open { uid, structure } => self.open(uid, structure),
            Ask::Read { uid, offset, length } => self.read(uid, offset, length),
            Ask::CloseMessage => {
                self.message = None;
                Ok(Answer::Done)
            }
            Ask::AppendBegin { mailbox, flags, keywords, internal_date, size: _ } => {
                let draft = Ok(self.account.draft(&mailbox)?);
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
        let mailboxes = self.account.list()?.into_iter().map(|listed| MailboxInfo {
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
        }))
    }

    fn select(&mut self, name: &mail::MailboxName, read_only: bool) -> store::Result<Answer> {
        self.selected = None;
        self.message = None;
        let mailbox = self.account.open(name)?;
        let hint = Arc::downgrade(&self.hint);
        let watch = mailbox.watch(Box::new(move || {
            if let Some(hint) = hint.upgrade() {
                hint.notify_one();
            }
        }));
        let selected = self.selected.insert(Selected { mailbox, read_only, _watch: watch });
        let snapshot = selected.mailbox.sync(selected.access())?;
        let recent = selected.claim_recent();
        Ok(Answer::Selected { snapshot, recent, read_only })
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

    fn facts(&self, uids: &[Uid]) -> store::Result<Answer> {
        let mailbox = self.mailbox()?;
        let mut facts = Vec::with_capacity(uids.len());
        for &uid in uids {
            match mailbox.facts(uid) {
                Ok(found) => facts.push(Fact { uid, size: found.size, internal_date: found.internal_date }),
                Err(store::Error::Gone) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Answer::Facts(facts))
    }

    fn open(&mut self, uid: Uid, structure: bool) -> store::Result<Answer> {
        let mut message = self.mailbox()?.message(uid)?;
        let structure = if structure { Some(message.structure()?) } else { None };
        let answer = Answer::Message { size: message.size(), internal_date: message.internal_date(), structure };
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
        store::Error::NoSpace => Refusal::OverQuota,
        store::Error::Busy => Refusal::InUse,
        store::Error::Damaged { .. } => Refusal::Corrupt,
        store::Error::Disk(_) => Refusal::Unavailable,
    }
}
