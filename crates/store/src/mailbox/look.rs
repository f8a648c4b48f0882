//! Looking again for sessions that only wait: once a mailbox and process, however many of them there are. Who looks wakes
//! all of them if anything changed.

use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use super::{Access, Mailbox};
use crate::{Error, Result};

impl Mailbox {
    /// How long until somebody has to look again, so that no change stays unseen for longer than `bound`.
    pub fn rests_for(&self, bound: Duration) -> Duration {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back costs a look.
        let rested = looked.and_then(|looked| self.folder.disk.now().duration_since(looked).ok());
        rested.map_or(Duration::ZERO, |rested| bound.saturating_sub(rested))
    }

    /// Looks, unless somebody in this process did within `bound`. A failure wakes the watchers as well: each of them finds
    /// out for itself.
    pub fn look_again(&self, bound: Duration) -> Result<()> {
        if self.take_turn(bound) { self.look_for_others(false) } else { Ok(()) }
    }

    /// The same at once, for somebody who knows of a change: a folder that has changed just now is read even if it looks
    /// as it did, since the clock of the storage ticks slower than changes come.
    pub fn look_closely(&self) -> Result<()> {
        self.note_look();
        self.look_for_others(true)
    }

    pub(super) fn note_look(&self) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.folder.disk.now());
    }

    /// Of several who ask at once one gets it.
    fn take_turn(&self, bound: Duration) -> bool {
        let now = self.folder.disk.now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = |looked: SystemTime| now.duration_since(looked).map_or(true, |rested| rested >= bound);
        let due = looked.is_none_or(rested);
        if due {
            *looked = Some(now);
        }
        due
    }

    fn look_for_others(&self, closely: bool) -> Result<()> {
        let looked = self.with_work(|work| {
            if closely {
                work.distrust_young();
            }
            self.refresh(work, Access::Look)
        });
        if looked.is_err() {
            self.wake();
        }
        match looked {
            // It is no failure that it is gone, and they were told.
            Err(Error::NoSuchMailbox) => Ok(()),
            other => other,
        }
    }
}
