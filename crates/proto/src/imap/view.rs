//! What the client knows of the selected mailbox, and the untagged responses that bring it up to date.
//!
//! The store gives snapshots; the client was shown one, and its sequence numbers count the rows of that one. Promises: a
//! sequence number never changes its message except by an EXPUNGE that was told; the same snapshot again costs nothing; an
//! idle view holds one `Arc` and the UIDs that are recent. Knows no commands and asks nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mail::{Flags, MailboxName, NumberSet, Row, Rows, Seq, Snapshot, Uid};

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
    /// Flags the client was shown, or reckons itself, since `shown`.
    told: BTreeMap<Uid, Flags>,
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

/// What changes in a view that catches up.
struct News {
    rows: Rows,
    expunged: usize,
    /// Flags to tell, ascending.
    changed: Vec<Uid>,
}

impl View {
    pub fn new(name: MailboxName, snapshot: Arc<Snapshot>, recent: Vec<Uid>, read_only: bool) -> View {
        let (latest, announced) = (Arc::clone(&snapshot), Arc::clone(&snapshot));
        let recent = recent.into_iter().collect();
        View {
            name,
            read_only,
            may_change: MayChange::ALL,
            shown: snapshot,
            latest,
            announced,
            told: BTreeMap::new(),
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

    /// What `$` means from now on. UIDs ascend.
    pub fn save(&mut self, uids: impl IntoIterator<Item = Uid>) {
        self.saved = NumberSet::from_numbers(uids.into_iter().map(Uid::number));
    }

    fn known_messages(&self, set: &NumberSet, numbers: Numbers) -> Vec<Numbered> {
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

    fn shown_flags(&self, row: &Row) -> Flags {
        self.told.get(&row.uid).copied().unwrap_or(row.flags)
    }

    /// Recent messages that the client was shown, ascending.
    pub fn recent(&self) -> impl Iterator<Item = Uid> {
        self.recent.iter().copied().filter(|uid| self.shown.position(*uid).is_some())
    }

    /// `FLAGS (..)`, as it stands in a FETCH response. From now on the client knows these flags.
    pub fn tell_flags(&mut self, uid: Uid, out: &mut Outbox) {
        let flags = self.flags(uid);
        // Nothing was told that the client was not shown, and it was shown this: the usual case, for many in a row.
        let same = self.told.is_empty() && Arc::ptr_eq(&self.shown, &self.latest);
        if !same {
            self.remember(uid, flags);
        }
        self.flags_item(uid, flags, out);
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
        let flags = match change.how {
            How::Replace => changed,
            How::Add => self.shown_flags(row).with(changed),
            How::Remove => self.shown_flags(row).without(changed),
        };
        self.remember(uid, flags);
    }

    fn remember(&mut self, uid: Uid, flags: Flags) {
        if self.shown.row(uid).is_some_and(|row| row.flags == flags) {
            self.told.remove(&uid);
        } else {
            self.told.insert(uid, flags);
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

    /// Tells the client what changed since it was last told. Without `expunges` those are kept back, and with them the
    /// sequence numbers (RFC 3501 §7.4.1). `with_uid` adds the UID to flags that changed, as answers to UID commands must.
    pub fn catch_up(&mut self, expunges: bool, with_uid: bool, out: &mut Outbox) {
        self.announce_keywords(out);
        if Arc::ptr_eq(&self.shown, &self.latest) && self.told.is_empty() {
            return;
        }
        let (count, recent_count) = (self.shown.rows.len(), self.recent().count());
        let news = self.news(expunges, out);
        let grown = news.rows.len() > count - news.expunged;
        self.shown = same_or_new(&self.latest, news.rows);
        self.told.clear();
        self.recent.retain(|uid| self.shown.position(*uid).is_some() || self.latest.position(*uid).is_some());
        if grown {
            out.push(format!("* {} EXISTS\r\n", self.shown.rows.len()).as_bytes());
        }
        let recent_now = self.recent().count();
        if recent_now != recent_count {
            out.push(format!("* {recent_now} RECENT\r\n").as_bytes());
        }
        for uid in news.changed {
            self.write_changed_flags(uid, with_uid, out);
        }
    }

    /// What the client is going to know. Tells each EXPUNGE, which shifts the numbers after it at once, if it may.
    fn news(&self, expunges: bool, out: &mut Outbox) -> News {
        let mut news =
            News { rows: self.latest.rows.clone(), expunged: 0, changed: self.told.keys().copied().collect() };
        let (mut otherwise, mut arrived) = (Vec::new(), Vec::new());
        for difference in self.shown.rows.compare(&self.latest.rows) {
            match (difference.before, difference.after) {
                (Some((position, _)), None) if expunges => {
                    out.push(format!("* {} EXPUNGE\r\n", position + 1 - news.expunged).as_bytes());
                    news.expunged += 1;
                }
                (Some((_, row)), None) => otherwise.push((row.uid, Some(Row { flags: self.shown_flags(&row), ..row }))),
                (None, Some((_, row))) => arrived.push(row.uid),
                (_, Some((_, row))) => news.changed.push(row.uid),
                (None, None) => {}
            }
        }
        // A UID that is new but not higher than the last one shown cannot be told without breaking the client's numbers; no
        // store may give one, and this view never shows it.
        let last = self.last_kept(expunges);
        otherwise.extend(arrived.into_iter().filter(|uid| Some(*uid) <= last).map(|uid| (uid, None)));
        otherwise.sort_unstable_by_key(|(uid, _)| *uid);
        news.rows.edit(&otherwise);
        news.changed.retain(|uid| self.differs(*uid));
        news.changed.sort_unstable();
        news.changed.dedup();
        news
    }

    /// The highest UID among the messages that the client keeps.
    fn last_kept(&self, expunges: bool) -> Option<Uid> {
        let kept = |row: &&Row| !expunges || self.is_there(row.uid);
        let positions = (0..self.shown.rows.len()).rev();
        positions.filter_map(|position| self.shown.rows.at(position)).find(kept).map(|row| row.uid)
    }

    /// Whether the client believes in other flags of a message that is there than it has.
    fn differs(&self, uid: Uid) -> bool {
        let shown = self.shown.row(uid).map(|row| self.shown_flags(row));
        shown.is_some_and(|shown| self.latest.row(uid).is_some_and(|row| row.flags != shown))
    }

    fn write_changed_flags(&self, uid: Uid, with_uid: bool, out: &mut Outbox) {
        let Some(seq) = self.seq(uid) else { return };
        let prefix = if with_uid { format!("UID {uid} ") } else { String::new() };
        out.push(format!("* {seq} FETCH ({prefix}").as_bytes());
        self.flags_item(uid, self.flags(uid), out);
        out.push(b")\r\n");
    }
}

/// The store's own snapshot when the rows are the same, so that all sessions share one.
fn same_or_new(latest: &Arc<Snapshot>, rows: Rows) -> Arc<Snapshot> {
    if latest.rows == rows {
        return Arc::clone(latest);
    }
    Arc::new(Snapshot {
        uid_validity: latest.uid_validity,
        uid_next: latest.uid_next,
        highest_modseq: latest.highest_modseq,
        keywords: latest.keywords.clone(),
        rows,
    })
}

/// Ranges in ascending order that neither overlap nor touch.
fn merged(ranges: impl Iterator<Item = (u32, u32)>) -> Vec<(u32, u32)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use mail::{Keywords, ModSeq, UidValidity};

    /// A store of UIDs and flags, and a client that knows only what it is told.
    struct Model {
        store: Vec<Row>,
        next: u32,
        client: Vec<(Uid, Flags)>,
        seed: u64,
    }

    fn snapshot(rows: &[Row], next: u32) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            uid_validity: UidValidity::new(1).unwrap(),
            uid_next: Uid::new(next).unwrap(),
            highest_modseq: ModSeq(1),
            keywords: Keywords::default(),
            rows: rows.iter().copied().collect(),
        })
    }

    fn view(rows: &[Row]) -> View {
        View::new(MailboxName::inbox(), snapshot(rows, 100), Vec::new(), false)
    }

    fn row(uid: u32, flags: Flags) -> Row {
        Row { uid: Uid::new(uid).unwrap(), flags, modseq: ModSeq(1) }
    }

    impl Model {
        fn below(&mut self, bound: usize) -> usize {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.seed >> 33) as usize % bound
        }

        fn change(&mut self) {
            match self.below(4) {
                0 => {
                    self.store.push(row(self.next, Flags::NONE));
                    self.next += 1;
                }
                1 if !self.store.is_empty() => {
                    let at = self.below(self.store.len());
                    self.store.remove(at);
                }
                _ if !self.store.is_empty() => {
                    let at = self.below(self.store.len());
                    let flag = [Flags::SEEN, Flags::FLAGGED, Flags::DELETED][self.below(3)];
                    let flags = self.store[at].flags;
                    self.store[at].flags = if flags.contains(flag) { flags.without(flag) } else { flags.with(flag) };
                }
                _ => {}
            }
        }

        /// What a client does with untagged responses. New messages it would fetch; here it looks them up.
        fn listen(&mut self, said: &str) {
            for line in said.lines() {
                let words: Vec<&str> = line.splitn(4, ' ').collect();
                let number: usize = words[1].parse().unwrap();
                match words[2] {
                    "EXPUNGE" => drop(self.client.remove(number - 1)),
                    "EXISTS" => {
                        let last = self.client.last().map(|(uid, _)| *uid);
                        let new = self.store.iter().filter(|row| Some(row.uid) > last).map(|row| (row.uid, row.flags));
                        self.client.extend(new.collect::<Vec<_>>());
                        assert_eq!(self.client.len(), number);
                    }
                    "FETCH" => {
                        let names = words[3].trim_start_matches("(FLAGS (").trim_end_matches("))");
                        let flags = names.split(' ').filter_map(Flags::system).fold(Flags::NONE, Flags::with);
                        assert_ne!(self.client[number - 1].1, flags, "nothing is told twice");
                        self.client[number - 1].1 = flags;
                    }
                    other => panic!("{other}"),
                }
            }
        }

        fn check(&self, expunges: bool) {
            let there = |uid: &Uid| self.store.iter().find(|row| row.uid == *uid);
            let known: Vec<(Uid, Flags)> = self.store.iter().map(|row| (row.uid, row.flags)).collect();
            if expunges {
                assert_eq!(self.client, known);
            }
            for (uid, flags) in &self.client {
                assert!(there(uid).is_none_or(|row| row.flags == *flags));
            }
            assert!(known.iter().all(|(uid, _)| self.client.iter().any(|(shown, _)| shown == uid)));
        }
    }

    #[test]
    fn a_client_that_believes_what_it_is_told_knows_the_mailbox() {
        for seed in 0..300 {
            let mut model = Model { store: Vec::new(), next: 1, client: Vec::new(), seed };
            let mut view = view(&[]);
            for _ in 0..60 {
                for _ in 0..model.below(6) {
                    model.change();
                }
                view.hear(snapshot(&model.store, model.next), Vec::new());
                let expunges = model.below(2) == 0;
                let mut out = Outbox::default();
                view.catch_up(expunges, false, &mut out);
                model.listen(&String::from_utf8(out.take()).unwrap());
                model.check(expunges);
                for (index, (uid, _)) in model.client.iter().enumerate() {
                    assert_eq!(view.seq(*uid), Seq::at(index), "the numbers are the client's");
                }
            }
        }
    }

    #[test]
    fn the_same_snapshot_again_says_and_keeps_nothing() {
        let mut view = view(&[row(1, Flags::NONE)]);
        let same = Arc::clone(view.latest());
        view.hear(Arc::clone(&same), Vec::new());
        let mut out = Outbox::default();
        view.catch_up(true, false, &mut out);
        assert!(out.is_empty());
        assert_eq!(Arc::strong_count(&same), 4, "ours, and three places of one view");
    }

    #[test]
    fn a_set_is_what_the_client_counts() {
        let view = view(&[row(3, Flags::NONE), row(7, Flags::NONE), row(9, Flags::NONE)]);
        let uids = |set: &str, numbers| {
            let found = view.messages(&MessageSet::Numbers(NumberSet::parse(set).unwrap()), numbers)?;
            Some(found.into_iter().map(|message| message.uid.number()).collect::<Vec<_>>())
        };
        assert_eq!(uids("3:*,1,2:2", Numbers::Seq), Some(vec![3, 7, 9]));
        assert_eq!(uids("4", Numbers::Seq), None);
        assert_eq!(uids("*", Numbers::Seq), Some(vec![9]));
        assert_eq!(uids("4:8,100:*,4294967295", Numbers::Uid), Some(vec![7, 9]));
        assert_eq!(uids("1:2", Numbers::Uid), Some(vec![]));
    }
}
