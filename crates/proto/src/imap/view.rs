//! What the client knows of the selected mailbox, and the untagged responses that bring it up to date.
//!
//! The store gives snapshots; the client was shown one, and its sequence numbers count the rows of that one. Promises: a
//! sequence number never changes its message except by an EXPUNGE that was told; the same snapshot again costs nothing; an
//! idle view holds one `Arc` and the UIDs that are recent. Knows no commands and asks nothing. `catch_up.rs` tells what changed.

mod catch_up;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mail::{Flags, MailboxName, ModSeq, NumberSet, Row, Seq, Snapshot, Uid};

pub use self::catch_up::Telling;
use super::ask::{FlagChange, How, MayChange};
use super::parse::MessageSet;
use super::response::names;
use crate::Outbox;

#[derive(Debug)]
pub struct View {
    name: MailboxName,
    read_only: bool,
    may_change: MayChange,
    /// What the client was shown: its rows in its numbering.
    shown: Arc<Snapshot>,
    /// What the store said last.
    latest: Arc<Snapshot>,
    /// The keywords of this one were announced.
    announced: Arc<Snapshot>,
    /// What the client was told, or reckons itself, since `shown`.
    told: BTreeMap<Uid, Told>,
    /// The client was told of everything up to this mod-sequence.
    synced: ModSeq,
    recent: BTreeSet<Uid>,
    /// UIDs that a search saved (RFC 5182); those that are gone by now match nothing.
    saved: NumberSet,
}

/// Which numbers a command speaks in: `FETCH` or `UID FETCH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    Seq,
    Uid,
}

/// A message in the client's numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    pub seq: Seq,
    pub uid: Uid,
}

/// What the client believes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    flags: Flags,
    modseq: ModSeq,
}

impl Told {
    fn of(row: &Row) -> Told {
        Told { flags: row.flags, modseq: row.modseq }
    }
}

impl View {
    pub fn new(name: MailboxName, snapshot: Arc<Snapshot>, recent: Vec<Uid>, read_only: bool) -> View {
        let (latest, announced) = (Arc::clone(&snapshot), Arc::clone(&snapshot));
        let recent = recent.into_iter().collect();
        let synced = snapshot.highest_modseq;
        View {
            name,
            read_only,
            may_change: MayChange::ALL,
            shown: snapshot,
            latest,
            announced,
            told: BTreeMap::new(),
            synced,
            recent,
            saved: NumberSet::default(),
        }
    }

    pub fn name(&self) -> &MailboxName {
        &self.name
    }

    /// Tells in PERMANENTFLAGS only what may be changed (RFC 4314 §5.1.1).
    #[must_use]
    pub fn with_flags_of(self, may_change: MayChange) -> View {
        View { may_change, ..self }
    }

    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The state the store gave last, which the client may not know yet.
    pub fn latest(&self) -> &Arc<Snapshot> {
        &self.latest
    }

    /// The state whose rows the client counts.
    pub fn shown(&self) -> &Snapshot {
        &self.shown
    }

    /// Whether it is still the mailbox that was selected (RFC 3501 §2.3.1.1).
    pub fn is_same_mailbox(&self, snapshot: &Snapshot) -> bool {
        self.shown.uid_validity == snapshot.uid_validity
    }

    /// The store has news. The client learns of it by `catch_up`.
    pub fn hear(&mut self, snapshot: Arc<Snapshot>, recent: Vec<Uid>) {
        self.latest = snapshot;
        self.recent.extend(recent);
    }

    /// The first lines of an answer to SELECT or EXAMINE (RFC 3501 §6.3.1).
    pub fn introduce(&self, out: &mut Outbox) {
        self.write_flags(out);
        let mut lines = format!("* {} EXISTS\r\n* {} RECENT\r\n", self.shown.rows.len(), self.recent.len());
        let unseen = self.shown.rows.iter().position(|row| !row.flags.contains(Flags::SEEN));
        if let Some(seq) = unseen.and_then(Seq::at) {
            lines.push_str(&format!("* OK [UNSEEN {seq}] First unseen.\r\n"));
        }
        lines.push_str(&format!("* OK [UIDVALIDITY {}] UIDs valid\r\n", self.shown.uid_validity));
        lines.push_str(&format!("* OK [UIDNEXT {}] Predicted next UID\r\n", self.shown.uid_next));
        out.push(lines.as_bytes());
        self.write_highest_modseq(out);
    }

    // RFC 7162 §3.1.2.1: resp-text-code =/ "HIGHESTMODSEQ" SP mod-sequence-value
    /// Up to where the client was told of everything: a lower value than that of an expunge that is kept back (§3.2).
    pub fn write_highest_modseq(&self, out: &mut Outbox) {
        out.push(format!("* OK [HIGHESTMODSEQ {}] Highest\r\n", self.synced).as_bytes());
    }

    // RFC 3501 §7.2.6 and §7.1 (PERMANENTFLAGS): "\*" says that new keywords can be made.
    fn write_flags(&self, out: &mut Outbox) {
        let mut all: Vec<&str> = Flags::SYSTEM.system_names().collect();
        all.extend(self.latest.keywords.iter().map(|(_, keyword)| keyword.as_str()));
        out.push(format!("* FLAGS {}\r\n", names(&all)).as_bytes());
        if self.read_only {
            return out.push(b"* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n");
        }
        all.retain(|flag| match *flag {
            "\\Seen" => self.may_change.seen,
            "\\Deleted" => self.may_change.deleted,
            _ => self.may_change.others,
        });
        let new = self.may_change.others && self.latest.keywords.has_room();
        all.extend(new.then_some("\\*"));
        out.push(format!("* OK [PERMANENTFLAGS {}] Flags permitted.\r\n", names(&all)).as_bytes());
    }

    /// The messages of a set, ascending. `None` if a sequence number is not in use: such a set is a mistake, while unknown
    /// UIDs are ignored (RFC 3501 §6.4.8).
    pub fn messages(&self, set: &MessageSet, numbers: Numbers) -> Option<Vec<Numbered>> {
        let MessageSet::Numbers(set) = set else { return Some(self.named_messages(set, numbers)) };
        let in_use = |number: u32| number as usize <= self.shown.rows.len();
        let mistaken = self.shown.rows.is_empty() || !set.highest_named().is_none_or(in_use);
        (numbers == Numbers::Uid || !mistaken).then(|| self.known_messages(set, numbers))
    }

    /// The messages of a set that the client knows, ascending; `$` means the same ones whatever numbers are spoken in.
    pub fn named_messages(&self, set: &MessageSet, numbers: Numbers) -> Vec<Numbered> {
        match set {
            MessageSet::Numbers(set) => self.known_messages(set, numbers),
            MessageSet::Saved => self.known_messages(&self.saved, Numbers::Uid),
        }
    }

    /// The UIDs of a set, whether there are such messages or not.
    pub fn uids<'a>(&'a self, set: &'a MessageSet) -> &'a NumberSet {
        match set {
            MessageSet::Numbers(set) => set,
            MessageSet::Saved => &self.saved,
        }
    }

    /// What `$` means from now on, a set: SORT and THREAD find messages in another order, which would make a range of each.
    pub fn save(&mut self, uids: impl IntoIterator<Item = Uid>) {
        let mut numbers: Vec<u32> = uids.into_iter().map(Uid::number).collect();
        numbers.sort_unstable();
        self.saved = NumberSet::from_numbers(numbers);
    }

    /// All messages that the client knows.
    pub fn all(&self) -> impl Iterator<Item = Numbered> {
        self.numbered(0, self.shown.rows.len())
    }

    pub fn known_messages(&self, set: &NumberSet, numbers: Numbers) -> Vec<Numbered> {
        let rows = &self.shown.rows;
        let (star, place): (u32, &dyn Fn(u32) -> usize) = match numbers {
            Numbers::Seq => (u32::try_from(rows.len()).unwrap_or(u32::MAX), &|number| number as usize - 1),
            Numbers::Uid => (rows.last().map_or(0, |row| row.uid.number()), &|number| {
                Uid::new(number).map_or(0, |uid| rows.lower_bound(uid))
            }),
        };
        if rows.is_empty() {
            return Vec::new();
        }
        let end = |high: u32| high.checked_add(1).map_or(rows.len(), place).min(rows.len());
        merged(set.ranges(star)).into_iter().flat_map(|(low, high)| self.numbered(place(low), end(high))).collect()
    }

    fn numbered(&self, from: usize, to: usize) -> impl Iterator<Item = Numbered> {
        let rows = self.shown.rows.range(from, to).enumerate();
        rows.filter_map(move |(index, row)| Some(Numbered { seq: Seq::at(from + index)?, uid: row.uid }))
    }

    /// The client's number of a message; `None` when the client does not know it yet.
    pub fn seq(&self, uid: Uid) -> Option<Seq> {
        self.shown.position(uid).and_then(Seq::at)
    }

    /// Whether the message is still in the mailbox, as far as the store has said.
    pub fn is_there(&self, uid: Uid) -> bool {
        self.latest.position(uid).is_some()
    }

    /// The newest flags known of a message.
    pub fn flags(&self, uid: Uid) -> Flags {
        let row = self.latest.row(uid).or_else(|| self.shown.row(uid));
        row.map_or(Flags::NONE, |row| row.flags)
    }

    /// The newest mod-sequence known of a message.
    pub fn modseq(&self, uid: Uid) -> ModSeq {
        let row = self.latest.row(uid).or_else(|| self.shown.row(uid));
        row.map_or(ModSeq::default(), |row| row.modseq)
    }

    fn told(&self, row: &Row) -> Told {
        self.told.get(&row.uid).copied().unwrap_or(Told::of(row))
    }

    /// Recent messages that the client was shown, ascending.
    pub fn recent(&self) -> impl Iterator<Item = Uid> {
        self.recent.iter().copied().filter(|uid| self.shown.position(*uid).is_some())
    }

    /// `FLAGS (..)`, as it stands in a FETCH response. From now on the client knows these flags.
    pub fn tell_flags(&mut self, uid: Uid, out: &mut Outbox) {
        let flags = self.flags(uid);
        if !self.knows_all() {
            self.remember(uid, |told| Told { flags, ..told });
        }
        self.flags_item(uid, flags, out);
    }

    // RFC 7162 §3.1.4.2: fetch-mod-resp = "MODSEQ" SP "(" permsg-modsequence ")"
    /// The same for the mod-sequence.
    pub fn tell_modseq(&mut self, uid: Uid, out: &mut Outbox) {
        let modseq = self.modseq(uid);
        if !self.knows_all() {
            self.remember(uid, |told| Told { modseq, ..told });
        }
        modseq_item(modseq, out);
    }

    fn flags_item(&self, uid: Uid, flags: Flags, out: &mut Outbox) {
        out.push(b"FLAGS (");
        let mut separator: &[u8] = b"";
        let mut write = |name: &str| {
            out.push(std::mem::replace(&mut separator, b" "));
            out.push(name.as_bytes());
        };
        flags.system_names().for_each(&mut write);
        if self.recent.contains(&uid) {
            write("\\Recent");
        }
        let keywords = flags.keyword_numbers().filter_map(|number| self.latest.keywords.name(number));
        keywords.for_each(|keyword| write(keyword.as_str()));
        out.push(b")");
    }

    /// The client asked for this change with `.SILENT`, so it reckons the result itself. What somebody else changed at the
    /// same time is still told (RFC 3501 §6.4.6).
    pub fn reckon(&mut self, uid: Uid, change: &FlagChange) {
        let Some(row) = self.shown.row(uid) else { return };
        let numbers = change.keywords.iter().filter_map(|keyword| self.latest.keywords.number(keyword));
        let changed = numbers.filter_map(Flags::keyword).fold(change.flags, Flags::with);
        let before = self.told(row).flags;
        let flags = match change.how {
            How::Replace => changed,
            How::Add => before.with(changed),
            How::Remove => before.without(changed),
        };
        self.remember(uid, |told| Told { flags, ..told });
    }

    /// The usual case, for many messages in a row.
    fn knows_all(&self) -> bool {
        self.told.is_empty() && Arc::ptr_eq(&self.shown, &self.latest)
    }

    fn remember(&mut self, uid: Uid, learn: impl FnOnce(Told) -> Told) {
        let Some(row) = self.shown.row(uid) else { return };
        let told = learn(self.told(row));
        if told == Told::of(row) {
            self.told.remove(&uid);
        } else {
            self.told.insert(uid, told);
        }
    }

    /// FLAGS and PERMANENTFLAGS, if there are new keywords (RFC 3501 §7.2.6). Must come before flags that hold them.
    pub fn announce_keywords(&mut self, out: &mut Outbox) {
        if !Arc::ptr_eq(&self.announced, &self.latest) {
            if self.announced.keywords != self.latest.keywords {
                self.write_flags(out);
            }
            self.announced = Arc::clone(&self.latest);
        }
    }
}

fn modseq_item(modseq: ModSeq, out: &mut Outbox) {
    out.push(b"MODSEQ (");
    out.number(modseq.0);
    out.push(b")");
}

/// Ranges in ascending order that neither overlap nor touch.
pub fn merged(ranges: impl Iterator<Item = (u32, u32)>) -> Vec<(u32, u32)> {
    let mut sorted: Vec<(u32, u32)> = ranges.collect();
    sorted.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
    for (low, high) in sorted {
        match merged.last_mut() {
            Some((_, last)) if low <= last.saturating_add(1) => *last = (*last).max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}
