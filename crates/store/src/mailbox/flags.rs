//! STORE: a flag is a letter of the file's name, changed by a rename. The rename names the flags that we believe the file
//! has, so it fails when another program changed them meanwhile, and we look again: no flag is ever overwritten unseen.

use std::sync::Arc;

use disk::Dotlock;
use mail::{Flags, Keyword, Snapshot, Uid};

use super::append::TOUCH_EVERY;
use super::view::{Found, Place, Work};
use super::{Access, FlagChange, How, Mailbox, RENAME_RETRIES_MAX};
use crate::file_name::{self, Base};
use crate::folder::{CUR, KEYWORDS};
use crate::{Error, Result};

impl Mailbox {
    /// Changes flags durably. Messages that are gone are passed over. [`Error::KeywordsFull`] changes nothing.
    pub fn store_flags(&self, uids: &[Uid], change: &FlagChange) -> Result<Arc<Snapshot>> {
        self.with_lock(|work, lock| {
            let keywords = match change.how {
                How::Remove => work.table.flags_of(&change.keywords),
                How::Add | How::Replace => self.letters(work, lock, &change.keywords)?,
            };
            let mut renamed = false;
            for (index, &uid) in uids.iter().enumerate() {
                if index % TOUCH_EVERY == TOUCH_EVERY - 1 {
                    lock.touch()?;
                }
                renamed |= self.change_one(work, lock, uid, change.how, change.flags.with(keywords))?;
            }
            if renamed {
                self.folder.disk.sync_dir(&self.folder.join(CUR))?;
                work.mark_changed();
            }
            Ok(())
        })?;
        Ok(self.snapshot())
    }

    /// These keywords as flags; new ones get a letter, durably.
    fn letters(&self, work: &mut Work, lock: &Dotlock<'_>, keywords: &[Keyword]) -> Result<Flags> {
        let mut table = work.table.clone();
        let known = keywords.iter().all(|keyword| table.names().number(keyword).is_some());
        let used = if known { Flags::NONE } else { work.used_letters() };
        let flags = table.flags_of_or_add(keywords, used).ok_or(Error::KeywordsFull)?;
        if !known {
            lock.verify()?;
            disk::replace(&*self.folder.disk, &self.folder.join(KEYWORDS), &table.encode())?;
            work.table = table;
            work.table_stamp = self.folder.look(KEYWORDS)?;
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
        if let Some(held) = work.position(uid).and_then(|index| work.files.get_mut(index)) {
            held.file = renamed;
        }
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
            let Some(held) = work.held(uid) else { return Ok(None) };
            match op(&held.file) {
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
