//! EXPUNGE: the file is removed. Its line stays in the uidlist until the list is written anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use mail::{Snapshot, Uid};

use super::Mailbox;
use super::append::TOUCH_EVERY;
use crate::folder::{CUR, NEW};
use crate::quota::Amount;
use crate::{Error, Result, file_name};

impl Mailbox {
    /// Removes exactly these messages, durably. Those that are gone already are passed over.
    pub fn expunge(&self, uids: &[Uid]) -> Result<Arc<Snapshot>> {
        if uids.is_empty() {
            return Ok(self.snapshot());
        }
        let remove = |gone: &mut Amount| self.remove_files(uids, gone);
        self.folder.quota.take_away(&self.name, remove)?;
        Ok(self.snapshot())
    }

    /// How much of a message is counted; nothing of one that is gone.
    pub(crate) fn counted(&self, uid: Uid) -> Result<Amount> {
        if self.folder.quota.limits_of(&self.name).is_none() {
            return Ok(Amount::NOTHING);
        }
        let len = self.with_file(uid, |found, path| match file_name::sizes(&found.base).on_disk {
            Some(len) => Ok(len),
            None => Ok(self.folder.disk.stat(path)?.len),
        });
        match len {
            Err(Error::Gone) => Ok(Amount::NOTHING),
            len => len.map(Amount::message),
        }
    }

    /// Adds up in `gone` what was removed, also when it comes to an error on the way.
    fn remove_files(&self, uids: &[Uid], gone: &mut Amount) -> Result<()> {
        self.with_lock(|work, lock| {
            let mut places = BTreeSet::new();
            let mut outcome = Ok(());
            for (index, &uid) in uids.iter().enumerate() {
                if index % TOUCH_EVERY == TOUCH_EVERY - 1 {
                    lock.touch()?;
                }
                let mut missed = false;
                let remove = |found: &super::view::Found| {
                    let path = found.path(&self.folder.path);
                    let len = match file_name::sizes(&found.base).on_disk {
                        Some(len) => len,
                        None => self.folder.disk.stat(&path)?.len,
                    };
                    let removed = self.folder.disk.remove(&path);
                    missed |= matches!(removed, Err(disk::Error::NotFound { .. }));
                    removed.map(|()| (found.place, len))
                };
                match self.on_file(work, lock, uid, remove) {
                    Ok(file) => {
                        work.put(uid, None);
                        match file {
                            Some((place, _)) => _ = places.insert(place.folder()),
                            // One that is gone already may have been removed by a call whose answer got lost, or by another
                            // who has not synced it, from either folder: we promise it is gone for good.
                            None => {
                                places.extend([NEW, CUR]);
                                // So nobody knows whether it was us who took it away.
                                if missed {
                                    self.folder.quota.doubt();
                                }
                            }
                        }
                        *gone = file.map_or(*gone, |(_, len)| gone.plus(Amount::message(len)));
                    }
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
            work.mark_changed();
            for place in places {
                self.folder.disk.sync_dir(&self.folder.join(place))?;
            }
            outcome?;
            self.compact_list(work, lock)
        })
    }
}
