//! What one node knows and has changed of one account's number, in memory.
//!
//! A change is noted *after* it happened in the mailbox, under the generation that was in force *before*. A crash between
//! the two, or before the note is written down, is what this node's mark in `tepui-quota` is for; a count that another
//! node makes between the two has another generation, and then we count again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use disk::Disk;
use mail::quota::Limits;
use mail::{MailboxName, Quota};

use super::counter::Counter;
use super::hold::{Hold, Verdict};
use super::notes::{NOTES, Notes, Who};
use super::recount::Messages;
use super::room::{self, Grace};
use super::{Amount, Crossing, FOLD_AFTER, LEASE, QuotaFile, QuotaSettings, SETTLE_AFTER};
use crate::location::Places;
use crate::{Error, Result, Settings, folder};

/// The pause between two tries while an account settles.
const SETTLE_POLL: Duration = Duration::from_millis(100);

/// Why something comes into a mailbox.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Passage<'a> {
    /// The last one may exceed the limit a little.
    Delivery,
    /// APPEND, COPY.
    Request,
    /// The same, and so much leaves as soon as it is here.
    Instead(Amount),
    /// From the platform itself; there is always room for it.
    Notice,
    /// It leaves that mailbox as soon as it is here.
    MoveFrom(&'a MailboxName),
}

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) settings: Arc<Settings>,
    pub(super) who: Who,
    pub(super) home: PathBuf,
    pub(super) user: String,
    pub(super) counter: Counter,
    pub(super) messages: Messages,
    /// Threads of this process wait here for each other, which is faster than the dot lock.
    pub(super) turn: Mutex<()>,
    state: Mutex<State>,
    pub(super) crossings: Arc<Mutex<Vec<Crossing>>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rules: Arc<Quota>,
    pub(super) look: Option<Look>,
    /// What happened and is not in the number yet, by the generation that it was admitted under.
    pub(super) unwritten: BTreeMap<u64, Amount>,
    unwritten_since: Option<SystemTime>,
    /// What was admitted and has not happened yet.
    coming: Amount,
    /// Nobody knows what a failed call did: the next who has the lock counts.
    pub(super) in_doubt: bool,
    used_at: Option<SystemTime>,
}

/// What a look at the two files saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) number: Amount,
    pub(super) generation: u64,
    pub(super) at: SystemTime,
    pub(super) narrow: bool,
    /// Our mark is there, so we may have changes in memory.
    pub(super) marked: bool,
    /// Somebody else is marked, who may have changes in memory too.
    pub(super) others: bool,
}

/// Leave to change the account without the lock.
#[derive(Debug)]
pub(crate) struct Ticket {
    generation: u64,
    coming: Amount,
}

impl Ledger {
    pub(super) fn new(
        (disk, settings): (Arc<dyn Disk>, Arc<Settings>),
        who: Who,
        (home, user): (PathBuf, String),
        places: &Places,
        crossings: Arc<Mutex<Vec<Crossing>>>,
    ) -> Result<Ledger> {
        let counter = Counter::find(Arc::clone(&disk), &home, places.account_files(), settings.quota.file)?;
        Ok(Ledger {
            who,
            messages: Messages { disk: Arc::clone(&disk), places: places.clone() },
            turn: Mutex::default(),
            state: Mutex::default(),
            disk,
            settings,
            home,
            user,
            counter,
            crossings,
        })
    }

    fn quota_settings(&self) -> &QuotaSettings {
        &self.settings.quota
    }

    pub(super) fn is_off(&self) -> bool {
        self.quota_settings().file == QuotaFile::Off
    }

    /// Puts rules in force.
    pub(super) fn obey(&self, rules: Arc<Quota>) {
        self.state().rules = rules;
    }

    pub(super) fn rules(&self) -> Arc<Quota> {
        Arc::clone(&self.state().rules)
    }

    /// The limits for a mailbox; `None` when it is not counted.
    pub(crate) fn limits_of(&self, mailbox: &MailboxName) -> Option<Limits> {
        if self.is_off() { None } else { self.state().rules.limits_of(mailbox.as_str()) }
    }

    /// Whether the name of a mailbox may decide whether it counts.
    pub(crate) fn ignores_any(&self) -> bool {
        !self.is_off() && self.rules().ignores_any()
    }

    /// What one mailbox holds; nothing when quotas are off, since nobody asks.
    pub(crate) fn count_mailbox(&self, folder: &Path) -> Result<Amount> {
        if self.is_off() { Ok(Amount::NOTHING) } else { self.messages.count_mailbox(folder) }
    }

    /// Does something that adds to a mailbox, if there is room. [`Error::OverQuota`] when not.
    pub(crate) fn add<T>(
        &self,
        mailbox: &MailboxName,
        change: Amount,
        passage: Passage<'_>,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let Some(limits) = self.limits_of(mailbox) else { return work() };
        let account = self.rules().limits();
        // What only changes places needs no room, unless there is less of it in the other place.
        let asks = match passage {
            Passage::MoveFrom(from) => self.limits_of(from).is_none_or(|from| !room::is_no_tighter(limits, from)),
            Passage::Notice => false,
            _ if self.quota_settings().admits_all => false,
            Passage::Instead(freed) => !change.is_within(freed),
            Passage::Delivery | Passage::Request => true,
        };
        let grace = matches!(passage, Passage::Delivery).then_some(Grace { percent: self.quota_settings().grace });
        if let Some(ticket) = self.ticket(change, room::smaller(limits, account), asks)? {
            let done = work();
            self.happened(&ticket, if done.is_ok() { change } else { Amount::NOTHING }, done.is_err());
            return done;
        }
        let needed = if let Passage::Instead(freed) = passage { change.minus(freed) } else { change };
        let mut hold = if asks { self.admitted(needed, limits, grace)? } else { self.hold()? };
        hold.begin()?;
        let done = work();
        match done {
            Ok(_) => hold.change(change),
            Err(_) => self.doubt(),
        }
        // Whatever cannot be written now is counted later.
        let _ = hold.settle();
        done
    }

    /// Does something that takes away from a mailbox; it tells how much, also when it failed on the way.
    pub(crate) fn take_away<T>(&self, mailbox: &MailboxName, work: impl FnOnce(&mut Amount) -> Result<T>) -> Result<T> {
        if self.limits_of(mailbox).is_none() {
            return work(&mut Amount::default());
        }
        let ticket = match self.ticket(Amount::NOTHING, Limits::default(), false)? {
            Some(ticket) => ticket,
            None => {
                self.hold()?.settle()?;
                self.ticket(Amount::NOTHING, Limits::default(), false)?.ok_or(Error::Busy)?
            }
        };
        let mut gone = Amount::NOTHING;
        let done = work(&mut gone);
        self.happened(&ticket, Amount::NOTHING.minus(gone), done.is_err());
        if self.is_narrow() {
            // Others may need the room now; if it cannot be written down at once, it is soon.
            let _ = self.fold();
        }
        done
    }

    /// Leave to add so much without the lock, if the account is wide. Looks again when the last look is too old.
    fn ticket(&self, change: Amount, limits: Limits, asks: bool) -> Result<Option<Ticket>> {
        let now = self.disk.now();
        let known = self.state().look.filter(|look| age(look.at, now) < LEASE);
        let Some(look) = (match known {
            Some(look) => Some(look),
            None => self.look()?,
        }) else {
            return Ok(None);
        };
        let mut state = self.state();
        let mine = state.unwritten.values().copied().sum::<Amount>().plus(state.coming).plus(change);
        let in_time = state.unwritten_since.is_none_or(|since| age(since, now) < 2 * FOLD_AFTER);
        let wide = !asks || (!look.narrow && room::may_wait(limits, look.number, mine));
        if !look.marked || !in_time || !wide || state.in_doubt {
            return Ok(None);
        }
        state.coming = state.coming.plus(change);
        Ok(Some(Ticket { generation: look.generation, coming: change }))
    }

    /// What the ticket was for happened, by so much.
    fn happened(&self, ticket: &Ticket, change: Amount, failed: bool) {
        let now = self.disk.now();
        let mut state = self.state();
        state.coming = state.coming.minus(ticket.coming);
        state.note(ticket.generation, change, now);
        state.in_doubt |= failed;
    }

    /// Looks at the two files, without the lock. `None` when there is no number that may be trusted.
    fn look(&self) -> Result<Option<Look>> {
        let at = self.disk.now();
        let notes = match folder::read(&*self.disk, &self.home.join(NOTES))? {
            None => Some(Notes::default()),
            Some(content) => Notes::parse(&content),
        };
        let number = self.counter.read()?.amount().filter(|amount| amount.is_total());
        let own_now = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let own_now = u64::try_from(own_now).unwrap_or(u64::MAX);
        let sound = |(notes, _): &(Notes, Amount)| !notes.is_in_doubt(&self.who, own_now);
        let look = notes.zip(number).filter(sound).map(|(notes, number)| Look {
            number,
            generation: notes.generation,
            at,
            narrow: notes.is_narrow(),
            marked: notes.has(&self.who),
            others: notes.has_others(&self.who),
        });
        let mut state = self.state();
        state.look = look;
        state.used_at = Some(at);
        Ok(look)
    }

    /// Takes the lock, brings the number up to date with what we have in memory, and marks that we may have more.
    pub(super) fn hold(&self) -> Result<Hold<'_>> {
        let mut hold = Hold::take(self, self.settings.lock_wait)?;
        hold.mark();
        Ok(hold)
    }

    /// The lock, with room for this change. Waits, without the lock, while the account settles.
    fn admitted(&self, change: Amount, limits: Limits, grace: Option<Grace>) -> Result<Hold<'_>> {
        let tries = SETTLE_AFTER.as_millis() / SETTLE_POLL.as_millis() + 1;
        for _ in 0..tries {
            let mut hold = self.hold()?;
            match hold.judge(change, limits, grace)? {
                Verdict::Fits => return Ok(hold),
                Verdict::Over => {
                    // What was found out on the way is worth keeping; the refusal stands without it.
                    let _ = hold.settle();
                    return Err(Error::OverQuota);
                }
                Verdict::Unsettled => hold.settle()?,
            }
            self.disk.sleep(SETTLE_POLL);
        }
        self.hold()
    }

    /// Writes down what is in memory.
    pub(super) fn fold(&self) -> Result<()> {
        self.hold()?.settle()
    }

    /// The same, and takes our mark away, if there is any.
    pub(super) fn leave(&self) -> Result<()> {
        if !self.has_unwritten() && !self.state().look.is_some_and(|look| look.marked) {
            return Ok(());
        }
        let mut hold = self.hold()?;
        hold.unmark();
        hold.settle()
    }

    /// The same, unless somebody else has the lock.
    pub(super) fn fold_if_free(&self) -> Result<()> {
        Hold::take(self, Duration::ZERO)?.settle()
    }

    /// Nobody knows how much a failed call changed.
    pub(crate) fn doubt(&self) {
        self.state().in_doubt = true;
    }

    /// Whether something has been in memory for so long that it should be written down.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        let state = self.state();
        state.in_doubt || state.unwritten_since.is_some_and(|since| age(since, now) >= FOLD_AFTER)
    }

    pub(super) fn has_unwritten(&self) -> bool {
        let state = self.state();
        !state.unwritten.is_empty() || state.in_doubt
    }

    pub(super) fn is_idle(&self, now: SystemTime, idle: Duration) -> bool {
        let state = self.state();
        let rests = state.used_at.is_none_or(|used| age(used, now) >= idle);
        rests && state.unwritten.is_empty() && state.coming == Amount::NOTHING && !state.in_doubt
    }

    /// The number with what we have in memory, freshly looked at.
    pub(super) fn used(&self) -> Result<Amount> {
        if let Some(known) = self.known(Duration::ZERO)? {
            return Ok(known);
        }
        // Whoever only asks needs no mark.
        let hold = Hold::take(self, self.settings.lock_wait)?;
        let number = hold.number();
        hold.settle()?;
        Ok(number)
    }

    /// As a look saw it that is at most so old, if that needs no count.
    pub(super) fn known(&self, age_max: Duration) -> Result<Option<Amount>> {
        let now = self.disk.now();
        let recent = self.state().look.filter(|look| age(look.at, now) < age_max);
        let look = match recent {
            Some(look) => Some(look),
            None => self.look()?,
        };
        let state = self.state();
        let others = |generation: &u64| look.is_some_and(|look| look.generation != *generation);
        if state.in_doubt || state.unwritten.keys().any(others) {
            return Ok(None);
        }
        Ok(look.map(|look| look.number.plus(state.unwritten.values().copied().sum())))
    }

    /// Whether somebody else may have changes that the number does not have yet, as the last look saw it.
    pub(super) fn others_may_write(&self) -> bool {
        self.state().look.is_some_and(|look| look.others)
    }

    fn is_narrow(&self) -> bool {
        let state = self.state();
        state.look.is_some_and(|look| look.narrow || room::is_narrow(state.rules.limits(), look.number))
    }

    /// Something begins that nobody adds up. [`Ledger::count_again`] must follow.
    pub(crate) fn mark(&self) -> Result<()> {
        if self.is_off() { Ok(()) } else { self.hold()?.settle() }
    }

    /// Something happened that nobody added up: the account is counted, now or as soon as that is possible.
    pub(crate) fn count_again(&self) {
        if !self.is_off() {
            self.doubt();
            let _ = self.fold();
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, generation: u64, change: Amount, now: SystemTime) {
        if change != Amount::NOTHING {
            let sum = self.unwritten.entry(generation).or_default();
            *sum = sum.plus(change);
            self.unwritten_since.get_or_insert(now);
        }
    }

    /// What was written down, or counted, is no longer in memory.
    pub(super) fn forget(&mut self, written: &BTreeMap<u64, Amount>, now: SystemTime) {
        for (generation, amount) in written {
            if let Some(rest) = self.unwritten.get_mut(generation) {
                *rest = rest.minus(*amount);
            }
        }
        self.unwritten.retain(|_, rest| *rest != Amount::NOTHING);
        self.unwritten_since = (!self.unwritten.is_empty()).then_some(now);
    }
}

/// A clock that was set back makes everything old.
fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or(Duration::MAX)
}
