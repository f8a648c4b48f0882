//! A small house for IMAP sessions: one account, its mailboxes in memory, real parsing of messages.
//!
//! `Housed` is a session that it answers, so transcripts show only what client and server say.

mod housed;
mod logins;
mod mailbox;
mod search;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mail::acl::Rights;
use mail::date::DateTime;
use mail::digest::{Digest, Digests, Want};
use mail::mime::{Indexer, Packed};
use mail::preview::Wanted;
use mail::{Flags, Keyword, Keywords, MailboxName, ModSeq, Uid, UidValidity, header};
use proto::imap::ask::{
    Answer, Ask, FlagChange, How, MailboxInfo, MailboxStatus, MayChange, Quota, READ_MAX, Refusal, Who,
};
use proto::imap::{Limits, Profile};
use proto::sasl;

pub use housed::Housed;
use mailbox::{Mailbox, Message};

/// A server that offers nothing beyond IMAP itself.
pub fn bare_profile() -> Arc<Profile> {
    Arc::new(Profile {
        greeting: String::new(),
        id: Vec::new(),
        create_special_use: false,
        quota: false,
        namespaces: mail::namespace::Namespaces::default(),
        offers: sasl::Offers::default(),
        limits: Limits::default(),
    })
}

#[derive(Debug)]
struct Draft {
    to: MailboxName,
    flags: Flags,
    keywords: Vec<Keyword>,
    date: DateTime,
    size: Option<u64>,
    content: Vec<u8>,
}

impl Draft {
    fn is_complete(&self) -> bool {
        self.size.is_none_or(|size| size == self.content.len() as u64)
    }
}

#[derive(Debug, Default)]
pub struct House {
    mailboxes: BTreeMap<MailboxName, Mailbox>,
    subscriptions: BTreeSet<MailboxName>,
    selected: Option<(MailboxName, bool)>,
    opened: Option<(Uid, Arc<Vec<u8>>)>,
    /// The messages that were begun.
    drafts: Vec<Draft>,
    /// A message of this UID cannot be read to its end.
    pub broken: Option<Uid>,
    /// Questions that no session may ask in this state: the test fails.
    pub violations: Vec<String>,
    validities: u32,
}

/// What is copied is copied a day later.
const A_DAY: i64 = 86_400;
/// 21 November 2026, 00:15:35.
const NOW: i64 = 1_795_220_135;

fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

impl House {
    /// An account with the usual mailboxes, and these messages in INBOX.
    pub fn new(messages: &[&[u8]]) -> House {
        let mut house = House::default();
        for (mailbox, special_use) in [
            ("INBOX", None),
            ("Drafts", Some("\\Drafts")),
            ("Junk", Some("\\Junk")),
            ("Sent", Some("\\Sent")),
            ("Trash", Some("\\Trash")),
        ] {
            house.add(name(mailbox), special_use);
            house.subscriptions.insert(name(mailbox));
        }
        for content in messages {
            house.deliver(&name("INBOX"), content, Flags::NONE, &[], DateTime::utc(NOW));
        }
        house
    }

    fn add(&mut self, name: MailboxName, special_use: Option<&'static str>) {
        self.validities += 1;
        let mailbox = Mailbox {
            special_use,
            uid_validity: UidValidity::new(1000 + self.validities).unwrap(),
            uid_next: Uid::FIRST,
            keywords: Keywords::default(),
            messages: Vec::new(),
            snapshot: None,
            highest: ModSeq(1),
            forgotten: ModSeq(0),
            vanished: Vec::new(),
            acl: Vec::new(),
        };
        self.mailboxes.insert(name, mailbox);
    }

    fn deliver(&mut self, to: &MailboxName, content: &[u8], flags: Flags, keywords: &[Keyword], date: DateTime) -> Uid {
        let mailbox = self.mailboxes.get_mut(to).unwrap();
        let flags = mailbox.numbered(keywords).fold(flags, Flags::with);
        let modseq = ModSeq(1);
        mailbox.insert(Message {
            uid: Uid::FIRST,
            flags,
            recent: true,
            modseq,
            date,
            saved: DateTime::utc(NOW),
            content: Arc::new(content.to_vec()),
        })
    }

    /// What somebody else does to a mailbox: `delivers TEXT`, `expunges UID`, `marks UID FLAG`, `replaces`.
    pub fn other(&mut self, what: &str) -> bool {
        let words: Vec<&str> = what.split(' ').collect();
        let inbox = name("INBOX");
        let uid = words.get(1).and_then(|word| word.parse().ok()).and_then(Uid::new);
        match (words[0], uid) {
            ("delivers", _) => {
                let content = format!("Subject: {}\r\n\r\nnew\r\n", words[1..].join(" "));
                self.deliver(&inbox, content.as_bytes(), Flags::NONE, &[], DateTime::utc(NOW));
            }
            ("expunges", Some(uid)) => self.mailboxes.get_mut(&inbox).unwrap().remove(&[uid]),
            ("marks", Some(uid)) => {
                let flags = Flags::system(words[2]).unwrap_or_default();
                let keywords = Keyword::parse(words[2]).into_iter().collect();
                let change = FlagChange { how: How::Add, flags, keywords };
                self.mailboxes.get_mut(&inbox).unwrap().store(&[uid], &change);
            }
            ("forgets", _) => {
                // Of what vanished before.
                let mailbox = self.mailboxes.get_mut(&inbox).unwrap();
                mailbox.forgotten = mailbox.highest;
            }
            ("replaces", _) => self.add(inbox, None),
            ("breaks", uid) => self.broken = uid,
            _ => return false,
        }
        true
    }

    pub fn content(&mut self, bytes: &[u8]) {
        match self.drafts.last_mut() {
            Some(draft) => draft.content.extend_from_slice(bytes),
            None => self.violations.push("content without a begin".to_owned()),
        }
    }

    pub fn answer(&mut self, ask: Ask) -> Answer {
        self.judge(&ask);
        self.attempt(ask).unwrap_or_else(Answer::Refused)
    }

    /// What the contract forbids.
    fn judge(&mut self, ask: &Ask) {
        let needs_selected = matches!(
            ask,
            Ask::Sync
                | Ask::Store { .. }
                | Ask::StoreUnchanged { .. }
                | Ask::Vanished { .. }
                | Ask::Expunge { .. }
                | Ask::Copy { .. }
                | Ask::Move { .. }
                | Ask::Search(_)
                | Ask::Sort { .. }
                | Ask::Thread { .. }
                | Ask::Digests { .. }
                | Ask::Open { .. }
        );
        if needs_selected && self.selected.is_none() {
            self.violations.push(format!("nothing is selected: {ask:?}"));
        }
        let changes =
            matches!(ask, Ask::Store { .. } | Ask::StoreUnchanged { .. } | Ask::Expunge { .. } | Ask::Move { .. });
        if changes && self.selected.as_ref().is_some_and(|(_, read_only)| *read_only) {
            self.violations.push(format!("read-only: {ask:?}"));
        }
        match ask {
            Ask::Read { uid, length, .. }
                if self.opened.as_ref().is_none_or(|(open, _)| open != uid) || *length > READ_MAX =>
            {
                self.violations.push(format!("{ask:?}"));
            }
            Ask::AppendEnd { .. } | Ask::AppendAbort if self.drafts.is_empty() => {
                self.violations.push(format!("{ask:?}"))
            }
            Ask::AppendEnd { .. } | Ask::AppendBegin { .. } if !self.drafts.iter().all(Draft::is_complete) => {
                self.violations.push(format!("{ask:?} after {:?}", self.drafts));
            }
            _ => {}
        }
    }

    fn attempt(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::Sasl(ask) => logins::step(ask).map(Answer::Sasl),
            Ask::LogIn(credentials) => logins::log_in(&credentials),
            Ask::LogOut => {
                (self.selected, self.opened) = (None, None);
                Ok(Answer::Done)
            }
            Ask::Mailboxes { .. } => Ok(self.list()),
            Ask::Status { name } => self.status(&name),
            // "Spam" is not counted.
            Ask::Quota { mailbox: Some(name) } if name.as_str() == "Spam" => Ok(Answer::Quota(Quota::default())),
            Ask::Quota { .. } => Ok(Answer::Quota(Quota { storage: Some((31, 20)), messages: Some((2, 100_000)) })),
            Ask::MyRights { name } => self.administered(&name).map(|_| Answer::Rights(Rights::ALL)),
            Ask::MayAdminister { name } => self.administered(&name).map(|_| Answer::Done),
            Ask::Acl { name } => Ok(Answer::Acl(self.administered(&name)?.acl.clone())),
            Ask::DeleteAcl { name, who } => {
                self.administered(&name)?.acl.retain(|(known, _)| *known != who);
                Ok(Answer::Done)
            }
            Ask::SetAcl { name, who, how, rights } => self.set_acl(&name, who, how, rights),
            Ask::Create { name, special_use } => self.create(name, special_use),
            Ask::Delete { name } => self.mailboxes.remove(&name).map(|_| Answer::Done).ok_or(Refusal::NoSuchMailbox),
            Ask::Rename { from, to } => self.rename(&from, &to),
            Ask::Subscribe { name } => {
                self.find(&name)?;
                self.subscriptions.insert(name);
                Ok(Answer::Done)
            }
            Ask::Unsubscribe { name } => {
                self.subscriptions.remove(&name);
                Ok(Answer::Done)
            }
            Ask::Select { name, read_only } => self.select(name, read_only),
            Ask::Unselect => {
                self.selected = None;
                Ok(Answer::Done)
            }
            Ask::Sync => self.synced(),
            Ask::Store { uids, change } => {
                let mailbox = self.selected()?;
                if !mailbox.store(&uids, &change) {
                    return Err(Refusal::Limit);
                }
                self.synced()
            }
            Ask::StoreUnchanged { uids, change, since } => self.store_unchanged(&uids, &change, since),
            Ask::Vanished { since } => {
                let mailbox = self.selected()?;
                let later = mailbox.vanished.iter().filter(|(_, modseq)| *modseq > since);
                let mut vanished: Vec<(Uid, Uid)> = later.map(|(uid, _)| (*uid, *uid)).collect();
                vanished.sort_unstable();
                Ok(Answer::Vanished((since >= mailbox.forgotten).then_some(vanished)))
            }
            Ask::Expunge { uids } => {
                self.selected()?.remove(&uids);
                self.synced()
            }
            Ask::Copy { uids, to } => self.copy(&uids, &to),
            Ask::Move { uids, to } => {
                let copied = self.copy(&uids, &to)?;
                self.selected()?.remove(&uids);
                Ok(copied)
            }
            Ask::Search(key) => {
                let mailbox = self.selected()?;
                let fits = |message: &&Message| mailbox.fits(message, &key);
                Ok(Answer::Found(mailbox.messages.iter().filter(fits).map(|message| message.uid).collect()))
            }
            Ask::Sort { key, criteria } => Ok(Answer::Found(self.selected()?.sorted(&key, &criteria))),
            Ask::Thread { key, algorithm } => Ok(Answer::Threads(self.selected()?.threads(&key, algorithm))),
            Ask::Digests { uids, want } => self.digests(&uids, &want),
            Ask::Open { uid, length } => self.open(uid, length),
            Ask::Read { uid, offset, length } => self.read(uid, offset as usize, length),
            Ask::Borrow { mailbox, uid_validity, uid, want } => self.borrow(mailbox.as_ref(), uid_validity, uid, &want),
            Ask::CloseMessage => {
                self.opened = None;
                Ok(Answer::Done)
            }
            Ask::AppendBegin { mailbox, flags, keywords, internal_date, size } => {
                self.find(&mailbox)?;
                let date = internal_date.unwrap_or(DateTime::utc(NOW));
                self.drafts.push(Draft { to: mailbox, flags, keywords, date, size, content: Vec::new() });
                Ok(Answer::Done)
            }
            Ask::AppendEnd { .. } => {
                let drafts = std::mem::take(&mut self.drafts);
                let to = drafts.first().ok_or(Refusal::ServerBug)?.to.clone();
                if drafts.iter().any(|draft| draft.content.windows(8).any(|words| words == b"OVERFULL")) {
                    return Err(Refusal::OverQuota);
                }
                let keep = |d: &Draft| self.deliver(&d.to, &d.content, d.flags, &d.keywords, d.date);
                let uids = drafts.iter().map(keep).collect();
                Ok(Answer::Appended { uid_validity: self.find(&to)?.uid_validity, uids })
            }
            Ask::AppendAbort => {
                self.drafts.clear();
                Ok(Answer::Done)
            }
        }
    }

    /// Whether a message was begun and neither ended nor given up.
    pub fn has_draft(&self) -> bool {
        !self.drafts.is_empty()
    }

    fn find(&mut self, name: &MailboxName) -> Result<&mut Mailbox, Refusal> {
        self.mailboxes.get_mut(name).ok_or(Refusal::NoSuchMailbox)
    }

    /// Junk is somebody else's.
    fn administered(&mut self, name: &MailboxName) -> Result<&mut Mailbox, Refusal> {
        if name.as_str() == "Junk" { Err(Refusal::NoPermission) } else { self.find(name) }
    }

    fn set_acl(&mut self, name: &MailboxName, who: Who, how: How, rights: Rights) -> Result<Answer, Refusal> {
        let acl = &mut self.administered(name)?.acl;
        let before = acl.iter().find(|(known, _)| *known == who).map_or(Rights::NONE, |(_, rights)| *rights);
        acl.retain(|(known, _)| *known != who);
        let now = match how {
            How::Replace => rights,
            How::Add => before | rights,
            How::Remove => before.without(rights),
        };
        acl.push((who, now));
        Ok(Answer::Done)
    }

    fn selected(&mut self) -> Result<&mut Mailbox, Refusal> {
        let (name, _) = self.selected.clone().ok_or(Refusal::ServerBug)?;
        self.find(&name)
    }

    fn list(&self) -> Answer {
        let parents = self.mailboxes.keys().flat_map(|name| std::iter::successors(name.parent(), MailboxName::parent));
        let names: BTreeSet<MailboxName> = parents.chain(self.mailboxes.keys().cloned()).collect();
        let info = |name: &MailboxName| MailboxInfo {
            name: name.clone(),
            selectable: self.mailboxes.contains_key(name),
            has_children: names.iter().any(|other| other.is_below(name)),
            special_use: self.mailboxes.get(name).and_then(|mailbox| mailbox.special_use),
            subscribed: self.subscriptions.contains(name),
        };
        let mailboxes = names.iter().map(info).collect();
        Answer::Mailboxes { mailboxes, subscriptions: self.subscriptions.iter().cloned().collect() }
    }

    fn status(&mut self, name: &MailboxName) -> Result<Answer, Refusal> {
        let mailbox = self.find(name)?;
        let unseen = |message: &&Message| !message.flags.contains(Flags::SEEN);
        let deleted = |message: &&Message| message.flags.contains(Flags::DELETED);
        Ok(Answer::Status(MailboxStatus {
            messages: mailbox.messages.len() as u32,
            recent: mailbox.messages.iter().filter(|message| message.recent).count() as u32,
            uid_next: mailbox.uid_next,
            uid_validity: mailbox.uid_validity,
            highest_modseq: mailbox.highest,
            unseen: mailbox.messages.iter().filter(unseen).count() as u32,
            size: mailbox.messages.iter().map(|message| message.content.len() as u64).sum(),
            mailbox_id: mailbox.id(),
            deleted: mailbox.messages.iter().filter(deleted).count() as u32,
            deleted_size: mailbox.messages.iter().filter(deleted).map(|message| message.content.len() as u64).sum(),
        }))
    }

    fn create(&mut self, name: MailboxName, special_use: Option<&'static str>) -> Result<Answer, Refusal> {
        if name.as_str().contains('.') {
            return Err(Refusal::Cannot("Character not allowed in mailbox name: '.'".to_owned()));
        }
        if self.mailboxes.contains_key(&name) {
            return Err(Refusal::AlreadyExists);
        }
        self.add(name.clone(), special_use);
        Ok(Answer::Created { mailbox_id: self.find(&name)?.id() })
    }

    fn rename(&mut self, from: &MailboxName, to: &MailboxName) -> Result<Answer, Refusal> {
        if self.mailboxes.contains_key(to) {
            return Err(Refusal::AlreadyExists);
        }
        let mailbox = self.mailboxes.remove(from).ok_or(Refusal::NoSuchMailbox)?;
        self.mailboxes.insert(to.clone(), mailbox);
        let below: Vec<MailboxName> = self.mailboxes.keys().filter(|name| name.is_below(from)).cloned().collect();
        for name in below {
            let mailbox = self.mailboxes.remove(&name).unwrap();
            self.mailboxes.insert(name.moved(from, to).unwrap(), mailbox);
        }
        Ok(Answer::Done)
    }

    fn select(&mut self, name: MailboxName, read_only: bool) -> Result<Answer, Refusal> {
        self.selected = None;
        let mailbox = self.find(&name)?;
        let recent = if read_only { Vec::new() } else { mailbox.claim_recent() };
        let (snapshot, mailbox_id) = (mailbox.snapshot(), mailbox.id());
        self.selected = Some((name, read_only));
        Ok(Answer::Selected { snapshot, recent, read_only, may_change: MayChange::ALL, mailbox_id })
    }

    fn synced(&mut self) -> Result<Answer, Refusal> {
        let read_only = self.selected.as_ref().is_some_and(|(_, read_only)| *read_only);
        let mailbox = self.selected()?;
        let recent = if read_only { Vec::new() } else { mailbox.claim_recent() };
        Ok(Answer::Synced { snapshot: mailbox.snapshot(), recent })
    }

    fn store_unchanged(&mut self, uids: &[Uid], change: &FlagChange, since: ModSeq) -> Result<Answer, Refusal> {
        let mailbox = self.selected()?;
        let is_newer = |uid: &Uid| mailbox.messages.iter().any(|m| m.uid == *uid && m.modseq > since);
        let (modified, others): (Vec<Uid>, Vec<Uid>) = uids.iter().partition(|uid| is_newer(uid));
        mailbox.store(&others, change);
        match self.synced()? {
            Answer::Synced { snapshot, recent } => Ok(Answer::Stored { snapshot, recent, modified }),
            _ => Err(Refusal::ServerBug),
        }
    }

    fn copy(&mut self, uids: &[Uid], to: &MailboxName) -> Result<Answer, Refusal> {
        self.find(to)?;
        let from = self.selected()?;
        let messages: Vec<Message> = from.messages.iter().filter(|m| uids.contains(&m.uid)).cloned().collect();
        let keywords = from.keywords.clone();
        let target = self.find(to)?;
        let mut pairs = (Vec::new(), Vec::new());
        for message in messages {
            pairs.0.push(message.uid);
            let names: Vec<Keyword> =
                message.flags.keyword_numbers().filter_map(|number| keywords.name(number)).cloned().collect();
            let system = Flags::SYSTEM.without(Flags::SYSTEM.without(message.flags));
            let flags = target.numbered(&names).fold(system, Flags::with);
            pairs.1.push(target.insert(Message { flags, recent: true, saved: DateTime::utc(NOW + A_DAY), ..message }));
        }
        Ok(Answer::Copied { uid_validity: target.uid_validity, source: pairs.0, target: pairs.1 })
    }

    fn borrow(
        &mut self,
        name: Option<&MailboxName>,
        uid_validity: Option<UidValidity>,
        uid: Uid,
        want: &Want,
    ) -> Result<Answer, Refusal> {
        let mailbox = match name {
            Some(name) => self.find(name)?,
            None => self.selected()?,
        };
        let validity = mailbox.uid_validity;
        let message = mailbox.messages.iter().find(|message| message.uid == uid).ok_or(Refusal::Gone)?;
        let (digest, content) = (digest(message, want), Arc::clone(&message.content));
        if uid_validity.is_some_and(|asked| asked != validity) {
            return Err(Refusal::Gone);
        }
        self.opened = Some((uid, content));
        Ok(Answer::Borrowed(digest))
    }

    /// Three messages an answer, so that sessions have to ask again.
    fn digests(&mut self, uids: &[Uid], want: &Want) -> Result<Answer, Refusal> {
        let mailbox = self.selected()?;
        let asked = &uids[..uids.len().min(3)];
        let there = asked.iter().filter_map(|uid| mailbox.messages.iter().find(|message| message.uid == *uid));
        let digests = there.map(|message| digest(message, want)).collect();
        Ok(Answer::Digests(Digests { digests, looked_at: asked.len() }))
    }

    fn open(&mut self, uid: Uid, length: usize) -> Result<Answer, Refusal> {
        let mailbox = self.selected()?;
        let message = mailbox.messages.iter().find(|message| message.uid == uid).ok_or(Refusal::Gone)?.clone();
        self.opened = Some((uid, Arc::clone(&message.content)));
        let length = if self.broken == Some(uid) { 0 } else { length.min(message.content.len()) };
        let start = message.content[..length].to_vec();
        Ok(Answer::Message { size: message.content.len() as u64, internal_date: message.date, start })
    }

    fn read(&mut self, uid: Uid, offset: usize, length: usize) -> Result<Answer, Refusal> {
        let (_, content) = self.opened.as_ref().ok_or(Refusal::Gone)?;
        if self.broken == Some(uid) {
            return Err(Refusal::Unavailable);
        }
        let end = content.len().min(offset + length);
        Ok(Answer::Bytes(content.get(offset..end).unwrap_or_default().to_vec()))
    }
}

fn digest(message: &Message, want: &Want) -> Digest {
    let mut indexer = Indexer::new();
    indexer.feed(&message.content);
    let part = indexer.finish();
    let wanted = header::fields(&part.fields).filter(|field| want.fields.is_wanted(field.name));
    Digest {
        uid: message.uid,
        size: message.content.len() as u64,
        internal_date: message.date,
        header: wanted.flat_map(|field| field.whole.to_vec()).collect(),
        structure: want.structure.then(|| Packed::of(&part, <[u8]>::to_vec)),
        email_id: want.email_id.then(|| message.email_id()),
        thread_id: message.thread_id().filter(|_| want.thread_id),
        saved: want.saved.then_some(message.saved),
        preview: message.preview(&part).filter(|_| want.preview != Wanted::No),
    }
}
