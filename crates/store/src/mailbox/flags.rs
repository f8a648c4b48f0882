//! STORE: a flag is a letter of the file's name, changed by a rename. The rename names the flags that we believe the file
//! has, so it fails when another program changed them meanwhile, and we look again: no flag is ever overwritten unseen.

use std::sync::Arc;

use disk::Dotlock;
use mail::{Flags, Keyword, ModSeq, Snapshot, Uid};

use super::append::TOUCH_EVERY;
use super::view::{Found, Place, Work};
use super::{Access, FlagChange, How, Mailbox, RENAME_RETRIES_MAX};
use crate::file_name::{self, Base};
use crate::folder::{CUR, KEYWORDS};
use crate::{Error, Result};

impl Mailbox {
    /// Changes flags durably. Messages that are gone are passed over. [`Error::KeywordsFull`] changes nothing.
    pub fn store_flags(&self, uids: &[Uid], change: &FlagChange) -> Result<Arc<Snapshot>> {
        self.store(uids, change, None)?;
        Ok(self.snapshot())
    }

    /// The same, but passes over messages that changed after a mod-sequence, and answers with those (RFC 7162 §3.1.3).
    /// Judged under the lock: no other node's change comes in between.
    pub fn store_flags_unchanged(&self, uids: &[Uid], change: &FlagChange, since: ModSeq) -> Result<Vec<Uid>> {
        self.store(uids, change, Some(since))
    }

    fn store(&self, uids: &[Uid], change: &FlagChange, since: Option<ModSeq>) -> Result<Vec<Uid>> {
        self.with_lock(|work, lock| {
            let is_newer =
                |uid: &Uid| since.is_some_and(|since| work.modseq(*uid).is_some_and(|modseq| modseq > since));
            let (modified, uids): (Vec<Uid>, Vec<Uid>) = uids.iter().partition(|uid| is_newer(uid));
            if uids.is_empty() {
                return Ok(modified);
            }
            let keywords = match change.how {
                How::Remove => work.table.flags_of(&change.keywords),
                How::Add | How::Replace => self.letters(work, lock, &change.keywords)?,
            };
            let flags = change.flags.with(keywords);
            let (mut renamed, mut as_wished) = (false, Vec::new());
            for (index, uid) in uids.into_iter().enumerate() {
                if index % TOUCH_EVERY == TOUCH_EVERY - 1 {
                    lock.touch()?;
                }
                match self.change_one(work, lock, uid, change.how, flags)? {
                    true => renamed = true,
                    false => as_wished.push(uid),
                }
            }
            // No rename told whether these still have the flags that we believe they have: another may have changed them
            // within the same tick of the file server's clock.
            if !as_wished.is_empty() && !work.cur.is_settled() {
                work.distrust();
                self.settle(work, lock, Access::Look)?;
                for uid in as_wished {
                    renamed |= self.change_one(work, lock, uid, change.how, flags)?;
                }
            }
            // Where nothing is to be changed, another may have changed it and died before it was durable.
            self.folder.disk.sync_dir(&self.folder.join(CUR))?;
            if renamed {
                work.mark_changed();
            }
            Ok(modified)
        })
    }

    /// These keywords as flags; new ones get a letter, durably.
    fn letters(&self, work: &mut Work, lock: &Dotlock<'_>, keywords: &[Keyword]) -> Result<Flags> {
        let mut table = work.table.clone();
        let known = keywords.iter().all(|keyword| table.names().number(keyword).is_some());
        let used = if known { Flags::NONE } else { work.used_letters() };
        let flags = table.flags_of_or_add(keywords, used).ok_or(Error::KeywordsFull)?;
        if !known {
            lock.replace_beside(&self.folder.join(KEYWORDS), &table.encode())?;
            work.table_stamp = self.own_look(KEYWORDS, lock)?;
            work.table = table;
            work.mark_changed();
        }
        Ok(flags)
    }

    fn change_one(&self, work: &mut Work, lock: &Dotlock<'_>, uid: Uid, how: How, change: Flags) -> Result<bool> {
        let known = work.table.clone();
        let renamed = self.on_file(work, lock, uid, |found| {
            let now = found.flags();
            let next = match how {
                How::Add => now.with(change),
                How::Remove => now.without(change),
                // Letters without a name are none of the client's flags.
                How::Replace => now.without(known.known(now)).with(change),
            };
            if next == now {
                return Ok(None);
            }
            let suffix = file_name::with_flags(&found.suffix, next);
            let renamed = Found { place: Place::Cur, base: Base::clone(&found.base), suffix };
            let folder = &self.folder.path;
            self.folder.disk.rename(&found.path(folder), &renamed.path(folder)).map(|()| Some(renamed))
        })?;
        let Some(renamed) = renamed.flatten() else { return Ok(false) };
        work.put(uid, Some(&renamed));
        Ok(true)
    }

    /// Does something to a message's file by its name. When the name is not there any more we look for the new one; `None`
    /// when the message is gone.
    pub(super) fn on_file<T>(
        &self,
        work: &mut Work,
        lock: &Dotlock<'_>,
        uid: Uid,
        mut op: impl FnMut(&Found) -> disk::Result<T>,
    ) -> Result<Option<T>> {
        for _ in 0..RENAME_RETRIES_MAX {
            let Some(found) = work.found(uid) else { return Ok(None) };
            match op(&found) {
                Ok(done) => return Ok(Some(done)),
                Err(disk::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            work.distrust();
            self.settle(work, lock, Access::Look)?;
        }
        Ok(None)
    }
}
