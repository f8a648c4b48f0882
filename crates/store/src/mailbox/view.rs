//! What this process knows of a mailbox's files, in memory. Pure; `sync` fills it from the disk.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use mail::{Flags, ModSeq, Row, Snapshot, Uid};

use crate::file_name::{self, Base};
use crate::folder::{CUR, NEW, Scanned, Stamp};
use crate::keywords::KeywordTable;
use crate::uidlist::Uidlist;

#[derive(Debug, Default)]
pub(super) struct Work {
    /// `None` until it was read, and when it must be read again whatever its times say.
    pub(super) list: Option<Uidlist>,
    pub(super) list_stamp: Option<Stamp>,
    pub(super) list_appendable: bool,
    pub(super) table: KeywordTable,
    pub(super) table_stamp: Option<Stamp>,
    pub(super) new: Scanned,
    pub(super) cur: Scanned,
    /// The messages, ascending by UID.
    pub(super) files: Vec<Held>,
    /// Files without a UID.
    pub(super) strangers: Vec<Found>,
    /// Second names of messages.
    pub(super) twins: Vec<Found>,
    /// CR LF sizes that had to be counted.
    pub(super) measured: HashMap<Uid, u64>,
    pub(super) swept: bool,
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

/// A message.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) uid: Uid,
    pub(super) file: Found,
}

/// The files of one or both folders by base. A second name of a base is a twin.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) files: HashMap<Base, Found>,
    pub(super) twins: Vec<Found>,
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
    pub(super) fn new(place: Place, name: &OsStr) -> Found {
        let (base, suffix) = file_name::split(name);
        Found { place, base: base.into(), suffix: suffix.into() }
    }

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

impl Scan {
    pub(super) fn add(&mut self, found: Found) {
        match self.files.get_mut(&found.base) {
            None => _ = self.files.insert(Base::clone(&found.base), found),
            // The name in `cur/` with the most letters is the younger one: flags are added more often than removed.
            Some(known) if (known.place, known.suffix.len()) < (found.place, found.suffix.len()) => {
                self.twins.push(std::mem::replace(known, found));
            }
            Some(_) => self.twins.push(found),
        }
    }
}

impl Work {
    pub(super) fn position(&self, uid: Uid) -> Option<usize> {
        self.files.binary_search_by_key(&uid, |held| held.uid).ok()
    }

    pub(super) fn held(&self, uid: Uid) -> Option<&Held> {
        self.position(uid).and_then(|index| self.files.get(index))
    }

    pub(super) fn in_new(&self) -> usize {
        self.files.iter().filter(|held| held.file.place == Place::New).count()
    }

    /// The letters that stand in file names.
    pub(super) fn used_letters(&self) -> Flags {
        self.files.iter().map(|held| held.file.flags()).fold(Flags::NONE, Flags::with)
    }

    /// Joins the list of UIDs with what a scan of both folders found.
    pub(super) fn join(&mut self, mut scan: Scan) {
        let entries = self.list.iter().flat_map(|list| &list.entries);
        let held = entries.filter_map(|entry| Some(Held { uid: entry.uid, file: scan.files.remove(&entry.base)? }));
        self.files = held.collect();
        self.strangers = scan.files.into_values().collect();
        self.twins = scan.twins;
        self.measured.retain(|uid, _| self.files.binary_search_by_key(uid, |held| held.uid).is_ok());
        self.changed = true;
    }

    /// Adds what a scan of `new/` alone found. False when that cannot explain everything, so `cur/` must be looked at.
    pub(super) fn join_new(&mut self, mut scan: Scan) -> bool {
        for held in &self.files {
            let there = scan.files.remove(&held.file.base).is_some();
            if there != (held.file.place == Place::New) {
                return false;
            }
        }
        // A listed message whose file was missing came back.
        let listed = |entry: &crate::uidlist::Entry| scan.files.contains_key(&entry.base);
        if !scan.twins.is_empty() || self.list.iter().flat_map(|list| &list.entries).any(listed) {
            return false;
        }
        self.strangers.retain(|stranger| stranger.place == Place::Cur);
        self.strangers.extend(scan.files.into_values());
        true
    }

    /// Forgets what scans said, so that the next look is a whole one.
    pub(super) fn distrust(&mut self) {
        self.new = Scanned::default();
        self.cur = Scanned::default();
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

    /// The new snapshot; equal to the old one if nothing that clients see has changed.
    pub(super) fn snapshot(&self, old: &Snapshot) -> Option<Snapshot> {
        let list = self.list.as_ref()?;
        let next = ModSeq(old.highest_modseq.0.saturating_add(1));
        let mut before = old.rows.iter().peekable();
        let row = |held: &Held| {
            while before.next_if(|row| row.uid < held.uid).is_some() {}
            let flags = self.table.known(held.file.flags());
            let same = before.next_if(|row| row.uid == held.uid).filter(|row| row.flags == flags);
            Row { uid: held.uid, flags, modseq: same.map_or(next, |row| row.modseq) }
        };
        let rows: Vec<Row> = self.files.iter().map(row).collect();
        Some(Snapshot {
            uid_validity: list.validity,
            uid_next: list.uid_next(),
            highest_modseq: if rows == old.rows { old.highest_modseq } else { next },
            keywords: self.table.names().clone(),
            rows,
        })
    }
}
