//! EXPUNGE: the file is removed. Its line stays in the uidlist until the list is written anew.

use std::collections::HashSet;
use std::sync::Arc;

use mail::{Snapshot, Uid};

use super::Mailbox;
use super::append::TOUCH_EVERY;
use super::view::Place;
use crate::Result;

impl Mailbox {
    /// Removes exactly these messages, durably. Those that are gone already are passed over.
    pub fn expunge(&self, uids: &[Uid]) -> Result<Arc<Snapshot>> {
        if uids.is_empty() {
            return Ok(self.snapshot());
        }
        self.with_lock(|work, lock| {
            let mut removed = HashSet::with_capacity(uids.len());
            let mut places = HashSet::new();
            let mut outcome = Ok(());
            for (index, &uid) in uids.iter().enumerate() {
                if index % TOUCH_EVERY == TOUCH_EVERY - 1 {
                    lock.touch()?;
                }
                let remove = |found: &super::view::Found| {
                    self.folder.disk.remove(&found.path(&self.folder.path)).map(|()| found.place)
                };
                match self.on_file(work, lock, uid, remove) {
                    Ok(place) => {
                        removed.insert(uid);
                        places.extend(place.map(Place::folder));
                    }
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
            work.files.retain(|held| !removed.contains(&held.uid));
            work.mark_changed();
            for place in places {
                self.folder.disk.sync_dir(&self.folder.join(place))?;
            }
            outcome?;
            self.compact_list(work, lock)
        })?;
        Ok(self.snapshot())
    }
}
