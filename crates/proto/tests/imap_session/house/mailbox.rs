//! A mailbox in memory: messages, and what changed when.

use std::sync::Arc;

use mail::acl::Rights;
use mail::date::DateTime;
use mail::mime::Part;
use mail::preview;
use mail::thread::first_message;
use mail::{Flags, Keyword, Keywords, ModSeq, ObjectId, Row, Snapshot, Uid, UidValidity};
use proto::imap::ask::{FlagChange, How, Who};

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) uid: Uid,
    pub(super) flags: Flags,
    pub(super) recent: bool,
    pub(super) modseq: ModSeq,
    pub(super) date: DateTime,
    pub(super) saved: DateTime,
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

/// Equal texts, equal identifiers.
fn id_of(text: &[u8]) -> ObjectId {
    ObjectId::new(text.iter().fold(7, |id: u128, octet| id.wrapping_mul(257).wrapping_add((*octet).into())))
}

impl Message {
    pub(super) fn email_id(&self) -> ObjectId {
        id_of(&self.content)
    }

    /// No octets, no preview: of an empty message nobody knows it without looking.
    pub(super) fn preview(&self, part: &Part) -> Option<String> {
        let place = preview::place(part).unwrap_or_default();
        let octets = self.content.get(usize::try_from(place.start).ok()?..usize::try_from(place.end).ok()?)?;
        Some(preview::preview(part, octets))
    }

    pub(super) fn thread_id(&self) -> Option<ObjectId> {
        first_message(&self.content).map(|first| id_of(&first))
    }
}

impl Mailbox {
    /// It stays when the mailbox is renamed.
    pub(super) fn id(&self) -> ObjectId {
        ObjectId::new(u128::from(self.uid_validity.number()) << 96)
    }

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
