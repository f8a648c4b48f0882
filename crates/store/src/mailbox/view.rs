//! What this process knows of a mailbox's files, in memory. Pure; `sync` fills it from the disk.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mail::{Flags, ModSeq, Row, Snapshot, Uid};

use super::identity::Guids;
use super::odd::Odd;
use super::record::Journal;
use super::remember::ODD_MAX;
use super::scan::Scan;
use crate::file_name::{self, Base};
use crate::folder::{CUR, NEW, Scanned, Stamp};
use crate::journal::{Change, History};
use crate::keywords::KeywordTable;
use crate::names::Names;
use crate::uidlist::Head;
use mail::large;

#[derive(Debug, Default)]
pub(super) struct Work {
    /// `None` until it was read, and when it must be read again whatever its times say.
    pub(super) list: Option<Head>,
    pub(super) list_stamp: Option<Stamp>,
    pub(super) list_appendable: bool,
    pub(super) list_tells_pop3: bool,
    pub(super) list_has_guids: bool,
    pub(super) guids: Guids,
    pub(super) table: KeywordTable,
    pub(super) table_stamp: Option<Stamp>,
    pub(super) new: Scanned,
    pub(super) cur: Scanned,
    /// What the list lists, whether or not there is a file.
    pub(super) names: Names,
    /// Files without a UID.
    pub(super) strangers: Vec<Found>,
    /// Second names of messages.
    pub(super) twins: Vec<Found>,
    /// CR LF sizes that had to be counted.
    pub(super) measured: HashMap<Uid, u64>,
    pub(super) swept: bool,
    /// What lies on the node's own disk.
    pub(super) remembered: Vec<u8>,
    /// What the journal tells, and with it what sessions are shown. `None` until there is one.
    pub(super) history: Option<History>,
    pub(super) journal: Journal,
    /// Of all others nothing but that they are what the journal lets expect is kept.
    odd: Odd,
    /// Messages of which the journal may not tell the truth yet, in any order.
    dirty: Vec<Uid>,
    /// Messages whose last change sessions were shown, but the journal could not be made to tell.
    unwritten: BTreeSet<Uid>,
    /// The highest mod-sequence that sessions were shown.
    floor: ModSeq,
    recent: Vec<Uid>,
    changed: bool,
}

/// Which of the two folders a file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    New,
    Cur,
}

/// A file as a scan found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) base: Base,
    pub(super) suffix: Box<[u8]>,
}

/// Where a file is and what stands behind its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) place: Place,
    /// Every letter counts, whether or not it has a meaning.
    pub(super) flags: Flags,
    /// The suffix, unless it is the one that these flags make.
    pub(super) exact: Option<Box<[u8]>>,
}

impl Place {
    pub(super) fn folder(self) -> &'static str {
        match self {
            Place::New => NEW,
            Place::Cur => CUR,
        }
    }
}

impl Found {
    pub(super) fn path(&self, mailbox: &Path) -> PathBuf {
        mailbox.join(self.place.folder()).join(self.name())
    }

    pub(super) fn name(&self) -> OsString {
        file_name::join(&self.base, &self.suffix)
    }

    /// Every letter counts, whether or not it has a meaning.
    pub(super) fn flags(&self) -> Flags {
        file_name::flags(&self.suffix)
    }
}

impl Tail {
    pub(super) fn new(place: Place, suffix: &[u8]) -> Tail {
        let flags = file_name::flags(suffix);
        let usual = *file_name::with_flags(b"", flags) == *suffix;
        Tail { place, flags, exact: (!usual).then(|| suffix.into()) }
    }

    /// What the journal lets expect.
    fn of(row: &Row) -> Tail {
        Tail { place: Place::Cur, flags: row.flags, exact: None }
    }

    pub(super) fn suffix(&self) -> Box<[u8]> {
        self.exact.clone().unwrap_or_else(|| file_name::with_flags(b"", self.flags))
    }

    pub(super) fn of_base(&self, base: Base) -> Found {
        Found { place: self.place, base, suffix: self.suffix() }
    }
}

impl Work {
    /// The file of a message.
    pub(super) fn found(&self, uid: Uid) -> Option<Found> {
        let tail = self.tail(uid)?;
        Some(tail.of_base(self.names.base(uid)?))
    }

    /// The bases of many, each as long as it is looked at; `None` for a message that is not there.
    pub(super) fn map_bases<T>(&self, uids: &[Uid], f: impl Fn(&[u8]) -> T) -> Vec<Option<T>> {
        let mut walk = self.names.walk();
        uids.iter().map(|uid| if self.is_there(*uid) { walk.base(*uid).map(&f) } else { None }).collect()
    }

    pub(super) fn is_there(&self, uid: Uid) -> bool {
        match self.odd.get(uid) {
            Some(tail) => tail.is_some(),
            None => self.row(uid).is_some(),
        }
    }

    fn tail(&self, uid: Uid) -> Option<Tail> {
        match self.odd.get(uid) {
            Some(tail) => tail.clone(),
            None => self.row(uid).map(Tail::of),
        }
    }

    fn row(&self, uid: Uid) -> Option<&Row> {
        self.history.as_ref()?.rows.row(uid)
    }

    /// The file of a message is this now, or none.
    pub(super) fn put(&mut self, uid: Uid, found: Option<&Found>) {
        self.set_tail(uid, found.map(|found| Tail::new(found.place, &found.suffix)));
        large::push(&mut self.dirty, uid);
    }

    fn set_tail(&mut self, uid: Uid, tail: Option<Tail>) {
        if tail == self.row(uid).map(Tail::of) {
            self.odd.forget(uid);
        } else {
            self.odd.set(uid, tail);
        }
    }

    /// The journal tells more now: what it tells need not be kept.
    pub(super) fn tidy(&mut self) {
        let rows = self.history.as_ref().map(|history| &history.rows);
        self.odd.retain(|uid, tail| *tail != rows.and_then(|rows| rows.row(uid)).map(Tail::of));
    }

    pub(super) fn odd(&self) -> &Odd {
        &self.odd
    }

    /// What an earlier scan said, of the same files.
    pub(super) fn take_up(&mut self, odd: Odd) {
        self.odd = odd;
        self.find_news();
    }

    /// Whether everything is scanned, listed and recorded.
    pub(super) fn is_whole(&self) -> bool {
        let scanned = self.new.parts().0.is_some() && self.cur.parts().0.is_some();
        let told = self.list.is_some() && !self.has_news() && self.journal.parts().is_some();
        let is_short = || self.odd.iter().nth(ODD_MAX).is_none();
        scanned && told && self.strangers.is_empty() && self.twins.is_empty() && is_short()
    }

    /// Messages in `new/`, ascending.
    pub(super) fn in_new(&self) -> Vec<Uid> {
        let is_new = |tail: &Option<Tail>| tail.as_ref().is_some_and(|tail| tail.place == Place::New);
        self.odd.iter().filter(|(_, tail)| is_new(tail)).map(|(uid, _)| uid).collect()
    }

    /// How many messages there are.
    pub(super) fn count(&self) -> usize {
        let rows = self.history.as_ref().map_or(0, |history| history.rows.len());
        let (mut came, mut went) = (0, 0);
        for (uid, tail) in self.odd.iter() {
            match (self.row(uid), tail) {
                (None, Some(_)) => came += 1,
                (Some(_), None) => went += 1,
                _ => {}
            }
        }
        rows + came - went
    }

    /// The letters that stand in file names.
    pub(super) fn used_letters(&self) -> Flags {
        let rows = self.history.iter().flat_map(|history| &history.rows).map(|row| row.flags);
        rows.chain(self.odd.iter().filter_map(|(_, tail)| Some(tail.as_ref()?.flags))).fold(Flags::NONE, Flags::with)
    }

    /// The base of every message that is there, ascending by UID.
    pub(super) fn each_base(&self, mut f: impl FnMut(Uid, &[u8])) {
        self.names.each(|uid, base| {
            if self.is_there(uid) {
                f(uid, base);
            }
        });
    }

    /// Joins the list of UIDs with what a scan of both folders found.
    pub(super) fn join(&mut self, mut scan: Scan) {
        let mut odd = Odd::default();
        let mut rows = self.history.iter().flat_map(|history| &history.rows).peekable();
        self.names.each(|uid, base| {
            while let Some(gone) = rows.next_if(|row| row.uid < uid) {
                odd.push(gone.uid, None);
            }
            let expected = rows.next_if(|row| row.uid == uid).map(Tail::of);
            let tail = scan.remove(base);
            if tail != expected {
                odd.push(uid, tail);
            }
        });
        rows.for_each(|row| odd.push(row.uid, None));
        self.odd = odd;
        self.strangers = scan.left();
        self.twins = scan.twins;
        let mut measured = std::mem::take(&mut self.measured);
        measured.retain(|uid, _| self.is_there(*uid));
        self.measured = measured;
        self.changed = true;
    }

    /// Adds what a scan of `new/` alone found. False when that cannot explain everything, so `cur/` must be looked at.
    pub(super) fn join_new(&mut self, mut scan: Scan) -> bool {
        let mut walk = self.names.walk();
        let mut left = |uid: Uid| walk.base(uid).is_none_or(|base| scan.remove(base).is_none());
        if self.in_new().into_iter().any(&mut left) || !scan.twins.is_empty() {
            return false;
        }
        // Listed, and yet not known to be here: it came back, or is in both folders.
        let mut listed = false;
        if !scan.is_empty() {
            self.names.each_while(|_, base| {
                listed = scan.contains(base);
                !listed
            });
        }
        if listed {
            return false;
        }
        self.strangers.retain(|stranger| stranger.place == Place::Cur);
        self.strangers.extend(scan.left());
        true
    }

    /// Forgets what scans said, so that the next look is a whole one.
    pub(super) fn distrust(&mut self) {
        self.new = Scanned::default();
        self.cur = Scanned::default();
    }

    /// The same for those folders alone that another may have changed since without looking different.
    pub(super) fn distrust_young(&mut self) {
        for scanned in [&mut self.new, &mut self.cur] {
            if !scanned.is_settled() {
                *scanned = Scanned::default();
            }
        }
    }

    pub(super) fn mark_recent(&mut self, uid: Uid) {
        self.recent.push(uid);
        self.changed = true;
    }

    pub(super) fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// Whether anything may have changed since the last call, and which messages are newly `\Recent`.
    pub(super) fn take_changes(&mut self) -> Option<Vec<Uid>> {
        std::mem::take(&mut self.changed).then(|| std::mem::take(&mut self.recent))
    }

    pub(super) fn modseq(&self, uid: Uid) -> Option<ModSeq> {
        self.history.as_ref()?.rows.row(uid).map(|row| row.modseq)
    }

    /// Whether the journal must learn something.
    pub(super) fn has_news(&self) -> bool {
        self.history.is_none() || !self.dirty.is_empty() || self.is_behind()
    }

    /// Whether a file was not found of which the journal says that it is there.
    pub(super) fn misses_any(&self) -> bool {
        self.dirty.iter().any(|uid| !self.is_there(*uid))
    }

    /// Finds every message that the journal does not tell the truth of.
    pub(super) fn find_news(&mut self) {
        if let Some(history) = self.history.take() {
            self.compare_with(&history);
            self.history = Some(history);
        }
    }

    pub(super) fn compare_with(&mut self, history: &History) {
        let judge = Judge::new(history, &self.table);
        if !judge.suspect.is_empty() {
            // The journal is going to tell other flags of these, so that their letters must be kept.
            for row in history.rows.iter().filter(|row| row.flags.intersects(judge.suspect)) {
                if self.odd.get(row.uid).is_none() {
                    self.odd.set(row.uid, Some(Tail::of(row)));
                }
            }
        }
        let news = self.odd.iter().filter(|(uid, tail)| judge.news(tail.as_ref(), history.rows.row(*uid)).is_some());
        self.dirty = large::collect(news.map(|(uid, _)| uid));
    }

    /// What the journal must learn.
    pub(super) fn take_news(&mut self, history: &History, clock: SystemTime) -> Change {
        let judge = Judge::new(history, &self.table);
        let keywords = (history.keywords != *self.table.names()).then(|| self.table.names().clone());
        let modseq = history.next(clock, self.floor);
        let mut change = Change { modseq, rows: Vec::new(), vanished: Vec::new(), keywords };
        let mut uids = std::mem::take(&mut self.dirty);
        uids.extend(&self.unwritten);
        uids.sort_unstable();
        uids.dedup();
        for uid in uids {
            let row = history.rows.row(uid);
            let tail = self.odd.get(uid).cloned().unwrap_or_else(|| row.map(Tail::of));
            match (judge.news(tail.as_ref(), row), row) {
                (Some(Some(flags)), _) => large::push(&mut change.rows, (uid, flags)),
                (Some(None), _) => change.vanished.push(uid),
                // It is again as the journal has it, but a session was shown another state in between.
                (None, Some(row)) if self.unwritten.contains(&uid) => change.rows.push((uid, row.flags)),
                (None, _) => {}
            }
        }
        change
    }

    /// The journal could not be written: it lacks this change, which sessions are going to be shown.
    pub(super) fn live_in_memory(&mut self, change: &Change) {
        self.unwritten.extend(change.rows.iter().map(|(uid, _)| uid));
        self.unwritten.extend(&change.vanished);
    }

    pub(super) fn all_is_written(&mut self) {
        self.unwritten.clear();
    }

    /// Whether what was read from the journal is older than what sessions were shown.
    pub(super) fn is_behind(&self) -> bool {
        !self.unwritten.is_empty() && self.journal.parts().is_some()
    }

    /// What sessions are shown: what the journal tells.
    pub(super) fn snapshot(&mut self) -> Option<Snapshot> {
        let (list, history) = (self.list.as_ref()?, self.history.as_ref()?);
        self.floor = self.floor.max(history.highest);
        Some(Snapshot {
            uid_validity: list.validity,
            uid_next: list.uid_next(),
            highest_modseq: self.floor,
            keywords: self.table.names().clone(),
            rows: history.rows.clone(),
        })
    }
}

/// Compares files with the journal.
struct Judge<'a> {
    table: &'a KeywordTable,
    /// Letters that lost or changed their name since they were recorded: whoever has one has another keyword now, or none.
    suspect: Flags,
}

impl Judge<'_> {
    fn new<'a>(history: &History, table: &'a KeywordTable) -> Judge<'a> {
        let others = history.keywords.iter().filter(|(letter, known)| table.names().name(*letter) != Some(*known));
        let suspect = others.filter_map(|(letter, _)| Flags::keyword(letter)).fold(Flags::NONE, Flags::with);
        Judge { table, suspect }
    }

    /// The flags that a message has now, `Some(None)` if it has vanished, `None` if the journal knows it all.
    fn news(&self, tail: Option<&Tail>, row: Option<&Row>) -> Option<Option<Flags>> {
        let flags = tail.map(|tail| self.table.known(tail.flags));
        let same = flags == row.map(|row| row.flags) && !flags.is_some_and(|flags| flags.intersects(self.suspect));
        (!same).then_some(flags)
    }
}
