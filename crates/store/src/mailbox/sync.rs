//! Looking at the disk: what changed since the last look, and `new/` to `cur/`.
//!
//! Without the lock we look and read. Only who found something to write takes the lock, and looks again under it. A scan
//! that runs while another node renames files can miss one; so nothing counts as expunged before a second scan missed it.

use disk::{Dotlock, ReadFile};

use super::record::Told;
use super::scan::Scan;
use super::view::{Found, Place, Work};
use super::{Access, Mailbox, RENAME_RETRIES_MAX};
use crate::file_name::{self, Base};
use crate::folder::{CUR, KEYWORDS, NEW, Stamp, UIDLIST};
use crate::{Error, Result, journal};

/// How the things of a mailbox that change look now. The folders come first, so that a change made after they were looked
/// at, which the rest may show already, is a change of their look the next time. The journal comes before the list, which is
/// written first: every UID that it tells of is in the list.
struct Look {
    new: Option<Stamp>,
    cur: Option<Stamp>,
    list: Option<Stamp>,
    table: Option<Stamp>,
    journal: Option<(Box<dyn ReadFile>, Stamp)>,
}

impl Mailbox {
    /// Brings `work` up to date, and the node's memory of it.
    pub(super) fn refresh(&self, work: &mut Work, access: Access) -> Result<()> {
        let seen = [work.new.parts(), work.cur.parts()];
        self.bring_up(work, access)?;
        if seen != [work.new.parts(), work.cur.parts()] {
            self.remember_scan(work);
        }
        Ok(())
    }

    fn bring_up(&self, work: &mut Work, access: Access) -> Result<()> {
        self.catch_up(work)?;
        if access == Access::Serve {
            self.sweep_once(work);
        }
        let unlisted = work.list.is_none() || !work.strangers.is_empty() || !work.twins.is_empty();
        if unlisted || work.has_news() || (access == Access::Serve && !work.in_new().is_empty()) {
            if work.misses_any() {
                // Only under the lock no node of ours renames meanwhile.
                work.distrust();
            }
            let lock = self.folder.lock()?;
            self.settle(work, &lock, access)?;
            self.note_own_changes(work)?;
        }
        Ok(())
    }

    /// Brings `work` up to date, gives UIDs to files that have none, and, to serve, empties `new/`.
    pub(super) fn settle(&self, work: &mut Work, lock: &Dotlock<'_>, access: Access) -> Result<()> {
        self.catch_up(work)?;
        if !work.twins.is_empty() {
            self.part_twins(work)?;
            self.catch_up(work)?;
        }
        self.list_strangers(work, lock)?;
        if access == Access::Serve {
            self.empty_new(work)?;
        }
        self.record(work, lock)
    }

    /// Our own renames changed the look of `cur/`; that alone is no reason to scan it again. (`new/` is small and is
    /// scanned again, so that a delivery in between is not overlooked for a moment.)
    pub(super) fn note_own_changes(&self, work: &mut Work) -> Result<()> {
        work.cur.changed_by_us(self.folder.look(CUR)?, self.folder.disk.now());
        Ok(())
    }

    /// Reads what changed. Writes nothing.
    fn catch_up(&self, work: &mut Work) -> Result<()> {
        let now = self.folder.disk.now();
        let look = self.look()?;
        let mut changed = look.table != work.table_stamp;
        if changed {
            self.read_table(work)?;
            work.table_stamp = look.table;
        }
        // Where there was no list at the first look, what was scanned then is to be joined with the one that another has made.
        let is_first = work.list.is_none() && work.list_stamp.is_none() && work.cur.parts().0.is_none();
        let mut list_changed = work.list.is_none() || look.list != work.list_stamp;
        if list_changed {
            self.read_list(work)?;
            work.list_stamp = look.list;
        }
        // What was found before the journal told more may be what it tells: it is looked for anew.
        let agrees = match self.read_journal(work, look.journal)? {
            Told::Nothing => true,
            Told::More => !work.has_news(),
            Told::Anew => is_first,
        };
        if is_first {
            self.recall_scan(work);
            // Scans that were taken up were of this list.
            list_changed = work.cur.parts().0.is_none();
        }
        let (new_due, cur_due) = (work.new.is_due(look.new, now), work.cur.is_due(look.cur, now));
        if new_due || cur_due || list_changed || !agrees {
            changed |= self.look_at_files(work, list_changed || cur_due || !agrees)?;
            work.new.scanned(look.new, now);
            work.cur.scanned(look.cur, now);
        }
        if changed {
            work.find_news();
        }
        Ok(())
    }

    /// Scans `new/`, and everything if that does not explain itself. False when it was `new/` alone: then no message changed.
    fn look_at_files(&self, work: &mut Work, everything: bool) -> Result<bool> {
        if !everything && work.join_new(self.scan(&[Place::New])?) {
            return Ok(false);
        }
        let scan = self.scan_surely(work)?;
        work.join(scan);
        Ok(true)
    }

    fn look(&self) -> Result<Look> {
        let folder = &self.folder;
        let look = || -> Result<Look> {
            let (new, cur) = (folder.look(NEW)?, folder.look(CUR)?);
            let journal = folder.look_into(journal::FILE)?;
            Ok(Look { new, cur, journal, list: folder.look(UIDLIST)?, table: folder.look(KEYWORDS)? })
        };
        let seen = look()?;
        if seen.new.is_some() && seen.cur.is_some() {
            return Ok(seen);
        }
        // Half a mailbox is what a crash in its making leaves, or what an administrator made by hand.
        if !folder.exists()? {
            return Err(Error::NoSuchMailbox);
        }
        folder.complete(!self.name.is_inbox())?;
        look()
    }

    fn read_table(&self, work: &mut Work) -> Result<()> {
        work.table = self.folder.read_keywords()?;
        work.mark_changed();
        Ok(())
    }

    /// Scans both folders, a second time if a message seems to be gone.
    fn scan_surely(&self, work: &Work) -> Result<Scan> {
        // `new/` first: a file on its way to `cur/` is then seen at least once.
        let mut first = self.scan(&[Place::New, Place::Cur])?;
        let mut missing = false;
        work.names.each(|uid, base| missing |= work.is_there(uid) && !first.contains(base));
        if !missing {
            return Ok(first);
        }
        let mut second = self.scan(&[Place::New, Place::Cur])?;
        let mut missed = Vec::new();
        work.names.each(|uid, base| {
            if work.is_there(uid)
                && !second.contains(base)
                && let Some(tail) = first.remove(base)
            {
                missed.push((Base::from(base), tail));
            }
        });
        if !missed.is_empty() {
            missed.iter().for_each(|(base, tail)| second.add_parts(base, tail));
            second.sort();
        }
        Ok(second)
    }

    fn scan(&self, places: &[Place]) -> Result<Scan> {
        let mut scan = Scan::default();
        for &place in places {
            self.folder.scan(place.folder(), |name| scan.add(place, name))?;
        }
        scan.sort();
        Ok(scan)
    }

    /// Moves what is in `new/` to `cur/`. Who moved a message may call it `\Recent`.
    fn empty_new(&self, work: &mut Work) -> Result<()> {
        for _ in 0..RENAME_RETRIES_MAX {
            if self.move_to_cur(work)? {
                return Ok(());
            }
            work.distrust();
            self.catch_up(work)?;
        }
        Ok(())
    }

    /// False when another node was faster with one of them.
    fn move_to_cur(&self, work: &mut Work) -> Result<bool> {
        let mut all = true;
        for uid in work.in_new() {
            let Some(found) = work.found(uid) else { continue };
            let suffix = file_name::with_flags(&found.suffix, found.flags());
            let moved = Found { place: Place::Cur, base: Base::clone(&found.base), suffix };
            let (from, to) = (found.path(&self.folder.path), moved.path(&self.folder.path));
            match self.folder.disk.rename(&from, &to) {
                Ok(()) => {
                    work.put(uid, Some(&moved));
                    work.mark_recent(uid);
                }
                Err(disk::Error::NotFound { .. }) => all = false,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }
}
