//! A mailbox in memory: messages, and what changed when.

use std::sync::Arc;

use mail::acl::Rights;
use mail::date::DateTime;
use mail::{Flags, Keyword, Keywords, ModSeq, Row, Snapshot, Uid, UidValidity};
use proto::imap::ask::{FlagChange, How, Who};

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) uid: Uid,
    pub(super) flags: Flags,
    pub(super) recent: bool,
    pub(super) modseq: ModSeq,
    pub(super) date: DateTime,
    pub(super) content: Arc<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) special_use: Option<&'static str>,
    pub(super) uid_validity: UidValidity,
    pub(super) uid_next: Uid,
    pub(super) keywords: Keywords,
    pub(super) messages: Vec<Message>,
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) highest: ModSeq,
    /// Nothing is known of what vanished before.
    pub(super) forgotten: ModSeq,
    /// With the mod-sequences of their end.
    pub(super) vanished: Vec<(Uid, ModSeq)>,
    pub(super) acl: Vec<(Who, Rights)>,
}

impl Mailbox {
    pub(super) fn insert(&mut self, message: Message) -> Uid {
        let uid = self.uid_next;
        self.uid_next = uid.next().unwrap();
        self.highest.0 += 1;
        self.messages.push(Message { uid, modseq: self.highest, ..message });
        self.snapshot = None;
        uid
    }

    pub(super) fn remove(&mut self, uids: &[Uid]) {
        self.highest.0 += 1;
        let gone = self.messages.iter().map(|message| message.uid).filter(|uid| uids.contains(uid));
        self.vanished.extend(gone.map(|uid| (uid, self.highest)));
        self.messages.retain(|message| !uids.contains(&message.uid));
        self.snapshot = None;
    }

    pub(super) fn numbered(&mut self, keywords: &[Keyword]) -> impl Iterator<Item = Flags> {
        let numbers: Vec<usize> = keywords.iter().filter_map(|keyword| self.keywords.number_or_add(keyword)).collect();
        numbers.into_iter().filter_map(Flags::keyword)
    }

    pub(super) fn store(&mut self, uids: &[Uid], change: &FlagChange) -> bool {
        let numbers: Vec<Flags> = self.numbered(&change.keywords).collect();
        if numbers.len() < change.keywords.len() {
            return false;
        }
        let flags = numbers.into_iter().fold(change.flags, Flags::with);
        let next = ModSeq(self.highest.0 + 1);
        for message in self.messages.iter_mut().filter(|message| uids.contains(&message.uid)) {
            let new = match change.how {
                How::Replace => flags,
                How::Add => message.flags.with(flags),
                How::Remove => message.flags.without(flags),
            };
            if new != message.flags {
                message.flags = new;
                message.modseq = next;
                self.highest = next;
                self.snapshot = None;
            }
        }
        true
    }

    pub(super) fn claim_recent(&mut self) -> Vec<Uid> {
        self.messages
            .iter_mut()
            .filter_map(|message| std::mem::take(&mut message.recent).then_some(message.uid))
            .collect()
    }

    pub(super) fn snapshot(&mut self) -> Arc<Snapshot> {
        let row = |message: &Message| Row { uid: message.uid, flags: message.flags, modseq: message.modseq };
        let made = || {
            Arc::new(Snapshot {
                uid_validity: self.uid_validity,
                uid_next: self.uid_next,
                highest_modseq: self.highest,
                keywords: self.keywords.clone(),
                rows: self.messages.iter().map(row).collect(),
            })
        };
        Arc::clone(self.snapshot.get_or_insert_with(made))
    }
}
