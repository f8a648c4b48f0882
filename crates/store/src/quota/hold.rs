//! The number under its lock: read, brought up to date, judged by, changed, written.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use disk::Dotlock;
use mail::quota::Limits;

use super::counter::Content;
use super::ledger::{Ledger, Look};
use super::notes::{self, NOTES, Notes};
use super::room::{self, Grace};
use super::{Amount, COUNT_KEEP, Crossing, crossing};
use crate::{Result, folder};

/// An account's number, held alone among all nodes.
#[derive(Debug)]
pub(super) struct Hold<'l> {
    ledger: &'l Ledger,
    lock: Dotlock<'l>,
    content: Content,
    notes: Notes,
    notes_before: Option<Notes>,
    /// By the storage's clock, in milliseconds.
    now: u64,
    /// What stood in memory when the lock was taken, and is in `number` now or was counted.
    taken: BTreeMap<u64, Amount>,
    number: Amount,
    /// The number as it was found, if it may be compared with.
    found: Option<Amount>,
    counted: bool,
    /// Something happened in the mailboxes under this lock.
    changed: bool,
    /// What was in doubt when the lock was taken, until it is written down.
    in_doubt: bool,
    _turn: MutexGuard<'l, ()>,
}

/// Whether a change may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fits,
    Over,
    /// Other nodes may still have something in memory. Try again in a moment, without the lock in between.
    Unsettled,
}

impl<'l> Hold<'l> {
    pub(super) fn take(ledger: &'l Ledger, wait: Duration) -> Result<Hold<'l>> {
        let turn = ledger.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = folder::lock_within(&*ledger.disk, &ledger.counter.path, &ledger.settings, wait)?;
        let now = storage_now(&lock)?;
        let written = folder::read(&*ledger.disk, &ledger.home.join(NOTES))?;
        let notes_before = written.as_deref().map_or_else(|| Some(Notes::default()), Notes::parse);
        let damaged = notes_before.is_none();
        // A generation that nobody has seen.
        let notes = notes_before.clone().unwrap_or_else(|| Notes::of_generation(now));
        let generation = notes.generation;
        let content = ledger.counter.read()?;
        let (taken, in_doubt) = {
            let mut state = ledger.state();
            (state.unwritten.clone(), std::mem::take(&mut state.in_doubt))
        };
        let found = content.amount().filter(|amount| amount.is_total());
        let own = taken.get(&notes.generation).copied().unwrap_or_default();
        let all_own = taken.keys().all(|generation| *generation == notes.generation);
        let number = found.unwrap_or_default().plus(own);
        let sound = found.is_some() && number.is_total() && all_own && !damaged && !in_doubt;
        let sound = sound && !notes.is_in_doubt(&ledger.who, now);
        // Somebody's changes stand nowhere, and what others have in memory may make up for them by chance: then the count agrees
        // with the number and is none.
        let unknown = in_doubt || damaged || found.is_none() || notes.is_in_doubt(&ledger.who, now);
        let mut hold = Hold {
            ledger,
            lock,
            content,
            notes,
            notes_before,
            now,
            taken,
            number,
            found,
            counted: false,
            changed: false,
            in_doubt,
            _turn: turn,
        };
        if !sound {
            hold.count()?;
        }
        if unknown && hold.notes.generation == generation {
            hold.notes.generation = generation.saturating_add(1);
        }
        Ok(hold)
    }

    /// Marks that this node may have changes in memory.
    pub(super) fn mark(&mut self) {
        self.notes.mark(&self.ledger.who, self.now);
    }

    /// To be called before the account is changed: makes sure that our mark stands on disk. Who dies before the change is
    /// written down would leave a number that nobody doubts.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.mark();
        if self.notes_before.as_ref().is_some_and(|notes| notes.has(&self.ledger.who)) {
            return Ok(());
        }
        let notes = self.notes.with_marks_of(self.notes_before.as_ref());
        self.write_notes(&notes)?;
        self.notes_before = Some(notes);
        Ok(())
    }

    pub(super) fn unmark(&mut self) {
        self.notes.unmark(&self.ledger.who);
    }

    /// The number as it was found, if there was one that makes sense.
    pub(super) fn found(&self) -> Option<Amount> {
        self.found
    }

    /// What the account holds.
    pub(super) fn number(&self) -> Amount {
        self.number
    }

    /// Counts the messages. When the number, with what we have in memory, said something else, what others have in memory may be in
    /// the new number or not: a new generation tells them.
    pub(super) fn count(&mut self) -> Result<()> {
        let (ledger, lock) = (self.ledger, &mut self.lock);
        let counted = ledger.messages.count(&ledger.rules(), || Ok(lock.touch()?))?;
        if self.number != counted {
            self.notes.generation = self.notes.generation.saturating_add(1);
        }
        self.number = counted;
        self.notes.count_was_made(&ledger.who, self.now);
        self.counted = true;
        Ok(())
    }

    /// Whether the change fits. Nobody is refused because of an old count.
    pub(super) fn judge(&mut self, change: Amount, limits: Limits, grace: Option<Grace>) -> Result<Verdict> {
        if !room::fits(limits, self.number, change, grace) {
            if self.counted || notes::since(self.notes.counted, self.now) < COUNT_KEEP {
                return Ok(Verdict::Over);
            }
            self.count()?;
            if !room::fits(limits, self.number, change, grace) {
                return Ok(Verdict::Over);
            }
        }
        let account = self.ledger.rules().limits();
        if !room::is_ever_left_to_memory(account) || room::is_safe(account, self.number, change) {
            return Ok(Verdict::Fits);
        }
        self.notes.set_narrow(true, self.now);
        Ok(if self.notes.is_settled(self.now) { Verdict::Fits } else { Verdict::Unsettled })
    }

    pub(super) fn change(&mut self, change: Amount) {
        self.number = self.number.plus(change);
        self.changed = true;
    }

    /// Writes everything down and gives the lock back.
    pub(super) fn settle(mut self) -> Result<()> {
        let ledger = self.ledger;
        let limits = ledger.rules().limits();
        let narrow = room::is_narrow(limits, self.number) && room::is_ever_left_to_memory(limits);
        self.notes.set_narrow(narrow, self.now);
        let written = self.write(limits);
        if written.is_err() {
            let mut state = ledger.state();
            state.look = None;
            // What happened under this lock stands nowhere: the next who has the lock counts.
            state.in_doubt = true;
            return written;
        }
        self.in_doubt = false;
        let at = ledger.disk.now();
        let mut state = ledger.state();
        state.forget(&self.taken, at);
        state.look = Some(Look {
            number: self.number,
            generation: self.notes.generation,
            at,
            narrow: self.notes.is_narrow(),
            marked: self.notes.has(&ledger.who),
            others: self.notes.has_others(&ledger.who),
        });
        drop(state);
        self.tell(limits);
        Ok(())
    }

    /// The notes first: whoever reads the new number must know its generation. Marks that are not needed any more go after it:
    /// until then the number is in doubt.
    fn write(&self, limits: Limits) -> Result<()> {
        if self.content.amount() == Some(self.number) {
            if self.notes_before.as_ref() != Some(&self.notes) {
                return self.write_notes(&self.notes);
            }
            // What stands there is only what we say as long as nobody has overridden us.
            return if self.changed || self.counted { Ok(self.lock.verify()?) } else { Ok(()) };
        }
        let first = self.notes.with_marks_of(self.notes_before.as_ref());
        if self.notes_before.as_ref() != Some(&first) {
            self.write_notes(&first)?;
        }
        self.ledger.counter.write(&self.content, self.number, limits, &self.lock)?;
        if first == self.notes { Ok(()) } else { self.write_notes(&self.notes) }
    }

    fn write_notes(&self, notes: &Notes) -> Result<()> {
        self.lock.verify()?;
        Ok(disk::replace(&*self.ledger.disk, &self.ledger.home.join(NOTES), notes.encode().as_bytes())?)
    }

    /// A count tells nobody anything: it is no change.
    fn tell(&self, limits: Limits) {
        let Some(found) = self.found.filter(|_| !self.counted) else { return };
        let thresholds = &self.ledger.settings.quota.thresholds;
        if let Some(threshold) = crossing::crossed(thresholds, limits, found, self.number) {
            let crossing = Crossing {
                home: self.ledger.home.clone(),
                user: self.ledger.user.clone(),
                threshold,
                used: self.number,
                limits,
            };
            self.ledger.crossings.lock().unwrap_or_else(PoisonError::into_inner).push(crossing);
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if self.in_doubt {
            self.ledger.doubt();
        }
    }
}

/// The storage's clock: our lock was taken a moment ago.
fn storage_now(lock: &Dotlock<'_>) -> Result<u64> {
    let since = lock.taken_at()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
