//! The retry schedule: which recipients to try next, where, and when. Pure: it is told the time and never sleeps; the
//! same calls give the same answers.
//!
//! Recipients of a message that go to one destination are tried together; those of different destinations go their own
//! ways. Destinations take turns, so that one with a hundred thousand messages delays nobody else, and none has more
//! attempts at once than its bound. Knows nothing of files (`spool`) and nothing of SMTP.

mod backoff;
mod destination;
mod entry;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mail::{Outcome, QueueId, Recipient};

use self::destination::Destinations;
use self::entry::{Place, Scheduled};
use crate::state::Action;
use crate::{Entry, RecipientState, Timestamp};

pub use self::destination::Destination;

#[derive(Debug, Clone)]
pub struct ScheduleSettings {
    /// The wait after the first failed attempt; doubled after each further one.
    pub retry_first: Duration,
    /// No wait is longer.
    pub retry_max: Duration,
    /// Each wait is shortened by up to this many per cent, so that what failed together is not tried again together.
    pub jitter_percent: u32,
    /// Decides the jitter together with entry and attempt. Best different on each node.
    pub jitter_seed: u64,
    /// What is not delivered after so long bounces.
    pub message_lifetime: Duration,
    /// The same for messages from `<>`.
    pub bounce_lifetime: Duration,
    /// The sender is told once when a message was not delivered for so long; `None` for never.
    pub delay_warning: Option<Duration>,
    /// Attempts at once to one destination. At least 1.
    pub concurrency_per_destination: usize,
    /// Attempts at once in all. At least 1.
    pub concurrency: usize,
}

impl Default for ScheduleSettings {
    fn default() -> ScheduleSettings {
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        ScheduleSettings {
            // RFC 5321 §4.5.4.1 asks for 30 minutes at least after one failure, and 4 to 5 days in all; greylisting
            // made a quick first retry the practice.
            retry_first: 5 * MINUTE,
            retry_max: 60 * MINUTE,
            jitter_percent: 20,
            jitter_seed: 0,
            message_lifetime: 5 * DAY,
            bounce_lifetime: DAY,
            delay_warning: None,
            concurrency_per_destination: 20,
            concurrency: 200,
        }
    }
}

/// Something to try now. Every attempt is to be given back by [`Schedule::finished`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub id: QueueId,
    /// Indices into the recipients of the envelope.
    pub recipients: Vec<usize>,
    pub destination: Destination,
}

/// What follows from an attempt, or from an entry that was recovered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The new states, for [`crate::Spool::record`]. Deferrals carry the next try; what is too old is `Bounced`.
    pub changes: Vec<(usize, RecipientState)>,
    /// Recipients of whose failure the sender is to be told now ([`crate::Settles`]). Who wants to hear nothing
    /// (RFC 3461 §4.1) is for the caller to know.
    pub bounced: Vec<usize>,
    /// Recipients that are still tried and of whose delay the sender is to be told now. Said once an entry.
    pub delayed: Vec<usize>,
    /// Nothing is left to try: when the bounces are reported, the entry is to be removed from spool and schedule.
    pub finished: bool,
}

/// Which entries an operator means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    One(QueueId),
    All,
}

#[derive(Debug)]
pub struct Schedule {
    settings: ScheduleSettings,
    entries: BTreeMap<QueueId, Scheduled>,
    /// Routes that are waiting for their time: when, which entry, which of its routes.
    waiting: BTreeSet<(Timestamp, QueueId, usize)>,
    destinations: Destinations,
}

impl Schedule {
    pub fn new(settings: ScheduleSettings) -> Schedule {
        let destinations = Destinations::new(settings.concurrency_per_destination, settings.concurrency);
        Schedule { settings, entries: BTreeMap::new(), waiting: BTreeSet::new(), destinations }
    }

    /// Takes an entry that was accepted or recovered; `destination_of` says where each recipient goes. The verdict is
    /// empty for a new entry; for a recovered one it says what the crash left undone: bounces that were not reported,
    /// a removal that did not happen.
    pub fn add(&mut self, entry: &Entry, destination_of: impl Fn(usize, &Recipient) -> Destination) -> Verdict {
        self.remove(entry.id);
        let scheduled = Scheduled::new(entry, destination_of);
        let verdict =
            Verdict { bounced: scheduled.unreported(), finished: scheduled.is_finished(), ..Verdict::default() };
        let routes = scheduled.routes.len();
        let held = scheduled.held;
        self.entries.insert(entry.id, scheduled);
        if !held {
            (0..routes).for_each(|route| self.wait(entry.id, route));
        }
        verdict
    }

    /// What to try now, oldest first within a destination, destinations in turn.
    pub fn due(&mut self, now: Timestamp) -> Vec<Attempt> {
        self.make_ready(now);
        let mut attempts = Vec::new();
        while let Some((destination, id, route)) = self.destinations.start_next() {
            let begun = self.entries.get_mut(&id).and_then(|entry| entry.begin(route, now));
            match begun {
                Some(recipients) => attempts.push(Attempt { id, recipients, destination }),
                None => self.destinations.end(&destination),
            }
        }
        attempts
    }

    /// When to ask [`Schedule::due`] again: `now` if something is due already, `None` if nothing waits. What only
    /// waits for an attempt to end has no time of its own; ask again after [`Schedule::finished`].
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.destinations.can_start() {
            return Some(now);
        }
        self.waiting.first().map(|(at, _, _)| (*at).max(now))
    }

    /// Ends an attempt. A recipient without an outcome counts as deferred. An entry that was removed in the meantime
    /// has an empty verdict.
    pub fn finished(&mut self, attempt: &Attempt, outcomes: &[(usize, Outcome)], now: Timestamp) -> Verdict {
        self.destinations.end(&attempt.destination);
        let Some(entry) = self.entries.get_mut(&attempt.id) else { return Verdict::default() };
        let verdict = entry.judge(attempt, outcomes, now, &self.settings);
        let route = entry.route_of(&attempt.destination);
        if let Some(route) = route.filter(|_| !entry.held) {
            self.wait(attempt.id, route);
        }
        verdict
    }

    /// Lets what waits be tried now instead of at the time the back-off says. Gives how many entries that moved.
    pub fn flush(&mut self, which: Which, now: Timestamp) -> usize {
        self.chosen(which).into_iter().filter(|id| self.flush_one(*id, now)).count()
    }

    /// The same for the entries that have recipients at a destination.
    pub fn flush_to(&mut self, destination: &Destination, now: Timestamp) -> usize {
        let chosen: Vec<QueueId> =
            self.entries.iter().filter(|(_, entry)| entry.route_of(destination).is_some()).map(|(id, _)| *id).collect();
        chosen.into_iter().filter(|id| self.flush_one(*id, now)).count()
    }

    /// Keeps entries from being tried until they are released. Attempts that are under way go on. Gives the entries
    /// whose state changed; the caller marks them in the spool ([`crate::Mark::Held`]).
    pub fn hold(&mut self, which: Which) -> Vec<QueueId> {
        let chosen = self.chosen(which);
        chosen.into_iter().filter(|id| self.hold_one(*id)).collect()
    }

    /// Undoes [`Schedule::hold`]: they are tried at the time the back-off says.
    pub fn release(&mut self, which: Which) -> Vec<QueueId> {
        let chosen = self.chosen(which);
        chosen.into_iter().filter(|id| self.release_one(*id)).collect()
    }

    /// Forgets an entry. An attempt that is under way must still be given back.
    pub fn remove(&mut self, id: QueueId) {
        self.withdraw(id);
        self.entries.remove(&id);
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts a route that has open recipients where it waits for its time.
    fn wait(&mut self, id: QueueId, route: usize) {
        let Some(route_of_entry) = self.entries.get_mut(&id).and_then(|entry| entry.routes.get_mut(route)) else {
            return;
        };
        if route_of_entry.place != Place::Idle {
            return;
        }
        if let Some(at) = route_of_entry.next() {
            route_of_entry.place = Place::Waiting(at);
            self.waiting.insert((at, id, route));
        }
    }

    /// Moves routes whose time has come to the queues of their destinations.
    fn make_ready(&mut self, now: Timestamp) {
        while let Some(&(at, id, route)) = self.waiting.first().filter(|(at, _, _)| *at <= now) {
            self.waiting.remove(&(at, id, route));
            if let Some(route_of_entry) = self.entries.get_mut(&id).and_then(|entry| entry.routes.get_mut(route)) {
                route_of_entry.place = Place::Ready;
                if !std::mem::replace(&mut route_of_entry.queued, true) {
                    self.destinations.push(&route_of_entry.destination, id, route);
                }
            }
        }
    }

    /// Lets no route of an entry be tried; those under way stay so.
    fn withdraw(&mut self, id: QueueId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        for (route, route_of_entry) in entry.routes.iter_mut().enumerate() {
            match route_of_entry.place {
                Place::Waiting(at) => _ = self.waiting.remove(&(at, id, route)),
                Place::Ready => {}
                Place::Idle | Place::Active => continue,
            }
            route_of_entry.place = Place::Idle;
        }
    }

    fn flush_one(&mut self, id: QueueId, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.allows(Action::Flush)) else { return false };
        let mut moved = VecDeque::new();
        for (route, route_of_entry) in entry.routes.iter_mut().enumerate() {
            match route_of_entry.place {
                Place::Waiting(at) if at > now => moved.push_back((at, route)),
                _ => continue,
            }
            route_of_entry.make_due(now);
            route_of_entry.place = Place::Idle;
        }
        for (at, route) in &moved {
            self.waiting.remove(&(*at, id, *route));
            self.wait(id, *route);
        }
        !moved.is_empty()
    }

    fn hold_one(&mut self, id: QueueId) -> bool {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.allows(Action::Hold)) else { return false };
        entry.held = true;
        self.withdraw(id);
        true
    }

    fn release_one(&mut self, id: QueueId) -> bool {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.allows(Action::Release)) else { return false };
        entry.held = false;
        let routes = entry.routes.len();
        (0..routes).for_each(|route| self.wait(id, route));
        true
    }

    fn chosen(&self, which: Which) -> Vec<QueueId> {
        match which {
            Which::One(id) => vec![id],
            Which::All => self.entries.keys().copied().collect(),
        }
    }
}
