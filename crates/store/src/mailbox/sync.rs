//! Looking at the disk: what changed since the last look, UIDs for new messages, and `new/` to `cur/`.
//!
//! Without the lock we look and read. Only who found something to write takes the lock, and looks again under it. A scan
//! that runs while another node renames files can miss one; so nothing counts as expunged before a second scan missed it.

use disk::Dotlock;
use mail::Uid;

use super::view::{Found, Held, Place, Scan, Work};
use super::{Access, Mailbox, RENAME_RETRIES_MAX};
use crate::file_name::{self, Base};
use crate::folder::{CUR, KEYWORDS, NEW, Stamp, UIDLIST};
use crate::keywords::KeywordTable;
use crate::uidlist::Uidlist;
use crate::{Error, Result, uid_validity};

/// How the four things of a mailbox that change look now.
struct Look {
    new: Option<Stamp>,
    cur: Option<Stamp>,
    list: Option<Stamp>,
    table: Option<Stamp>,
}

impl Mailbox {
    /// Brings `work` up to date.
    pub(super) fn refresh(&self, work: &mut Work, access: Access) -> Result<()> {
        self.catch_up(work)?;
        if access == Access::Serve {
            self.sweep_once(work);
        }
        let unlisted = work.list.is_none() || !work.strangers.is_empty() || !work.twins.is_empty();
        if unlisted || (access == Access::Serve && work.in_new() > 0) {
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
        Ok(())
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
        if look.table != work.table_stamp {
            self.read_table(work)?;
            work.table_stamp = look.table;
        }
        let list_changed = work.list.is_none() || look.list != work.list_stamp;
        if list_changed {
            self.read_list(work)?;
            work.list_stamp = look.list;
        }
        let new_due = work.new.is_due(look.new, now);
        let cur_due = work.cur.is_due(look.cur, now);
        if !list_changed && !cur_due {
            if !new_due {
                return Ok(());
            }
            if work.join_new(self.scan(&[Place::New])?) {
                work.new.scanned(look.new, now);
                return Ok(());
            }
        }
        let scan = self.scan_surely(work)?;
        work.join(scan);
        work.new.scanned(look.new, now);
        work.cur.scanned(look.cur, now);
        Ok(())
    }

    fn look(&self) -> Result<Look> {
        let folder = &self.folder;
        let look = || -> Result<Look> {
            let (new, cur) = (folder.look(NEW)?, folder.look(CUR)?);
            Ok(Look { new, cur, list: folder.look(UIDLIST)?, table: folder.look(KEYWORDS)? })
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
        work.table = KeywordTable::parse(&self.folder.read(KEYWORDS)?.unwrap_or_default());
        work.mark_changed();
        Ok(())
    }

    fn read_list(&self, work: &mut Work) -> Result<()> {
        let parsed = self.folder.read(UIDLIST)?.and_then(|content| Uidlist::parse(&content));
        let validity = parsed.as_ref().map(|parsed| parsed.list.validity);
        if self.identity.get().is_some_and(|known| Some(*known) != validity) {
            return Err(Error::NoSuchMailbox);
        }
        work.list_appendable = parsed.as_ref().is_some_and(|parsed| parsed.appendable);
        work.list = parsed.map(|parsed| parsed.list);
        if let Some(validity) = validity {
            self.identity.get_or_init(|| validity);
        }
        Ok(())
    }

    /// Scans both folders, a second time if a message seems to be gone.
    fn scan_surely(&self, work: &Work) -> Result<Scan> {
        // `new/` first: a file on its way to `cur/` is then seen at least once.
        let mut first = self.scan(&[Place::New, Place::Cur])?;
        if work.files.iter().all(|held| first.files.contains_key(&held.file.base)) {
            return Ok(first);
        }
        let mut second = self.scan(&[Place::New, Place::Cur])?;
        for held in &work.files {
            if !second.files.contains_key(&held.file.base)
                && let Some(found) = first.files.remove(&held.file.base)
            {
                second.add(found);
            }
        }
        Ok(second)
    }

    fn scan(&self, places: &[Place]) -> Result<Scan> {
        let mut scan = Scan::default();
        for &place in places {
            self.folder.scan(place.folder(), |name| scan.add(Found::new(place, name)))?;
        }
        Ok(scan)
    }

    /// Gives UIDs, in the order of delivery, to files that have none. Makes the list if there is none.
    fn list_strangers(&self, work: &mut Work, lock: &Dotlock<'_>) -> Result<()> {
        if work.list.is_none() {
            let validity = uid_validity::next(&*self.folder.disk, &self.root)?;
            self.identity.get_or_init(|| validity);
            work.list = Some(Uidlist::new(validity, self.new_guid()));
            work.list_appendable = false;
            work.mark_changed();
        }
        let mut strangers = std::mem::take(&mut work.strangers);
        if strangers.is_empty() && work.list_appendable {
            return Ok(());
        }
        strangers.sort_by(|a, b| {
            let order = |found: &Found| (file_name::delivery_order(&found.base), Base::clone(&found.base));
            order(a).cmp(&order(b))
        });
        let bases = strangers.iter().map(|found| Base::clone(&found.base)).collect();
        let uids = self.give_uids(work, lock, bases)?;
        work.files.extend(uids.into_iter().zip(strangers).map(|(uid, file)| Held { uid, file }));
        work.mark_changed();
        Ok(())
    }

    /// Gives UIDs to files and writes them down, durably.
    pub(super) fn give_uids(&self, work: &mut Work, lock: &Dotlock<'_>, bases: Vec<Base>) -> Result<Vec<Uid>> {
        let path = self.folder.join(UIDLIST);
        let list = work.list.as_mut().ok_or(Error::NoSuchMailbox)?;
        let used_up = Error::Damaged { path: path.clone(), what: "all UIDs are used up" };
        let start = list.give(bases).ok_or(used_up)?;
        let written = match work.list_appendable {
            true => self.append_list(list, start, lock),
            false => lock.replace_with(&list.encode()).map_err(Error::from),
        };
        if let Err(error) = written {
            // What is on disk now is not known; the next look reads it again.
            work.list = None;
            work.distrust();
            return Err(error);
        }
        work.list_appendable = true;
        let uids = list.entries.iter().skip(start).map(|entry| entry.uid).collect();
        work.list_stamp = self.folder.look(UIDLIST)?;
        Ok(uids)
    }

    fn append_list(&self, list: &Uidlist, start: usize, lock: &Dotlock<'_>) -> Result<()> {
        let mut lines = Vec::new();
        list.encode_entries(start, &mut lines);
        lock.verify()?;
        let mut file = self.folder.disk.append(&self.folder.join(UIDLIST))?;
        let before = file.len();
        if before == 0 {
            return Ok(lock.replace_with(&list.encode())?);
        }
        let written = file.write_all(&lines).and_then(|()| file.sync());
        if written.is_err() {
            // Best effort: half a line is stepped over by every reader and repaired by the next writer.
            let _ = file.truncate(before);
        }
        Ok(written?)
    }

    /// Writes the list without most of the messages that are gone, once they are the greater part of it.
    pub(super) fn compact_list(&self, work: &mut Work, lock: &Dotlock<'_>) -> Result<()> {
        const DEAD_MIN: usize = 100;
        let Some(list) = work.list.as_mut() else { return Ok(()) };
        let dead = list.entries.len().saturating_sub(work.files.len());
        if dead < DEAD_MIN || dead < work.files.len() {
            return Ok(());
        }
        let last = list.entries.last().map(|entry| entry.uid);
        let mut live = work.files.iter().map(|held| held.uid).peekable();
        list.entries.retain(|entry| {
            while live.next_if(|uid| *uid < entry.uid).is_some() {}
            // The last line stays: it is what says that the highest UID was given.
            live.peek() == Some(&entry.uid) || last == Some(entry.uid)
        });
        lock.replace_with(&list.encode())?;
        work.list_appendable = true;
        work.list_stamp = self.folder.look(UIDLIST)?;
        Ok(())
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
        for index in 0..work.files.len() {
            let Some(held) = work.files.get_mut(index).filter(|held| held.file.place == Place::New) else { continue };
            let flags = held.file.flags();
            let suffix = file_name::with_flags(&held.file.suffix, flags);
            let moved = Found { place: Place::Cur, base: Base::clone(&held.file.base), suffix };
            let (from, to) = (held.file.path(&self.folder.path), moved.path(&self.folder.path));
            match self.folder.disk.rename(&from, &to) {
                Ok(()) => {
                    held.file = moved;
                    let uid = held.uid;
                    work.mark_recent(uid);
                }
                Err(disk::Error::NotFound { .. }) => all = false,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    /// 128 bits that no other mailbox has: the time, the process and a count, mixed by two differently keyed hashes.
    fn new_guid(&self) -> String {
        crate::draft::unique_number(&*self.folder.disk, &self.folder.settings.hostname)
    }
}
