//! Messages that come in with a UID at once: APPEND, and the receiving side of COPY and MOVE.
//!
//! The UID is written down first and the file is renamed into `cur/` then, so that no other node can see the file without
//! its UID. A crash between the two leaves a line in the list whose message never was: the same as an expunged one.

use std::path::PathBuf;

use disk::Dotlock;
use mail::{Flags, Keyword, ObjectId, Uid, UidValidity};

use super::Mailbox;
use super::view::{Found, Place, Work};
use crate::file_name::{self, Base};
use crate::folder::{CUR, KEYWORDS};
use crate::uidlist::{Newcomer, guid_field};
use crate::{Error, Result};

/// After so many renames the lock is touched, so that nobody takes us for dead.
pub(super) const TOUCH_EVERY: usize = 256;

/// A file in this mailbox's `tmp/`, written and synced.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) path: PathBuf,
    pub(crate) base: Base,
    pub(crate) flags: Flags,
    pub(crate) keywords: Vec<Keyword>,
    /// What it is a copy of, if it is one.
    pub(crate) copy_of: Option<ObjectId>,
}

impl Mailbox {
    /// Takes all of them in, durably, or none. A keyword that finds no letter any more is left out: flags SHOULD be kept
    /// (RFC 3501 §6.3.11, §6.4.7), the message must be.
    pub(crate) fn take_in(&self, staged: &[Staged]) -> Result<(UidValidity, Vec<Uid>)> {
        self.with_lock(|work, lock| {
            let files = self.names_for(work, lock, staged)?;
            let guids: Vec<Vec<u8>> =
                staged.iter().map(|staged| staged.copy_of.map(guid_field).unwrap_or_default()).collect();
            let newcomers: Vec<Newcomer<'_>> =
                files.iter().zip(&guids).map(|(file, guid)| Newcomer::with(&file.base, guid)).collect();
            let uids = self.give_uids(work, lock, &newcomers)?;
            self.place(staged, &files, lock)?;
            // Another who holds the lock now may have dropped the lines of files that were not there yet.
            lock.verify()?;
            if !self.folder.is_still_there()? {
                return Err(Error::NoSuchMailbox);
            }
            for (&uid, file) in uids.iter().zip(&files) {
                work.put(uid, Some(file));
                work.mark_recent(uid);
            }
            let validity = self.identity.get().copied().ok_or(Error::NoSuchMailbox)?;
            Ok((validity, uids))
        })
    }

    fn names_for(&self, work: &mut Work, lock: &Dotlock<'_>, staged: &[Staged]) -> Result<Vec<Found>> {
        let (mut table, used) = (work.table.clone(), work.used_letters());
        let mut name = |staged: &Staged| {
            let keywords =
                staged.keywords.iter().filter_map(|one| table.flags_of_or_add(std::slice::from_ref(one), used));
            let suffix = file_name::with_flags(b"", keywords.fold(staged.flags, Flags::with));
            Found { place: Place::Cur, base: Base::clone(&staged.base), suffix }
        };
        let files = staged.iter().map(&mut name).collect();
        if table != work.table {
            lock.replace_beside(&self.folder.join(KEYWORDS), &table.encode())?;
            work.table_stamp = self.own_look(KEYWORDS, lock)?;
            work.table = table;
        }
        Ok(files)
    }

    fn place(&self, staged: &[Staged], files: &[Found], lock: &mut Dotlock<'_>) -> Result<()> {
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path(&self.folder.path)).collect();
        let placed = self.rename_all(staged, &paths, lock);
        if placed.is_err() {
            // Nobody was told their UIDs; those that are not there yet are no concern.
            for path in &paths {
                let _ = self.folder.disk.remove(path);
            }
        }
        placed
    }

    fn rename_all(&self, staged: &[Staged], paths: &[PathBuf], lock: &mut Dotlock<'_>) -> Result<()> {
        for (index, (staged, path)) in staged.iter().zip(paths).enumerate() {
            if index % TOUCH_EVERY == 0 {
                lock.touch()?;
            }
            self.folder.disk.rename(&staged.path, path)?;
        }
        Ok(self.folder.disk.sync_dir(&self.folder.join(CUR))?)
    }
}
