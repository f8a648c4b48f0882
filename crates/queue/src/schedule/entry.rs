//! One entry as the schedule sees it: its routes, one for each destination, and the recipients on each. Pure.

use mail::{Outcome, QueueId, Recipient, Reply, ReversePath};

use super::{Attempt, Destination, ScheduleSettings, Verdict, backoff};
use crate::state::{Action, EntryState};
use crate::{Entry, RecipientState, Timestamp};

#[derive(Debug)]
pub(super) struct Scheduled {
    id: QueueId,
    arrived: Timestamp,
    is_bounce: bool,
    warned: bool,
    pub(super) held: bool,
    /// Recipients that failed for good and were in no verdict yet, as it was recovered.
    unreported: Vec<usize>,
    pub(super) routes: Vec<Route>,
}

/// Recipients that go to one destination.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) destination: Destination,
    pub(super) place: Place,
    /// Whether the queue of the destination has it. It stays there when the route is withdrawn, and is skipped in turn:
    /// looking for it would make a hold of everything slow.
    pub(super) queued: bool,
    /// Only those that are still to be tried.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    recipient: usize,
    attempts: u32,
    next: Timestamp,
}

/// Where a route stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In no queue: held, finished, or about to be put somewhere.
    Idle,
    Waiting(Timestamp),
    /// Due, in the queue of its destination.
    Ready,
    /// Being tried.
    Active,
}

impl Scheduled {
    pub(super) fn new(entry: &Entry, destination_of: impl Fn(usize, &Recipient) -> Destination) -> Scheduled {
        let mut scheduled = Scheduled {
            id: entry.id,
            arrived: entry.arrived,
            is_bounce: entry.envelope.reverse_path == ReversePath::Null,
            warned: entry.warned,
            held: entry.held,
            unreported: Vec::new(),
            routes: Vec::new(),
        };
        for (index, (recipient, state)) in entry.envelope.recipients.iter().zip(&entry.states).enumerate() {
            let (attempts, next) = match state {
                RecipientState::Waiting => (0, entry.arrived),
                RecipientState::Deferred { attempts, next, .. } => (*attempts, *next),
                RecipientState::Bounced(_) => {
                    scheduled.unreported.push(index);
                    continue;
                }
                RecipientState::Delivered(_) | RecipientState::Reported(_) => continue,
            };
            let open = Open { recipient: index, attempts, next };
            scheduled.route_to(destination_of(index, recipient)).open.push(open);
        }
        scheduled
    }

    fn route_to(&mut self, destination: Destination) -> &mut Route {
        let at = self.route_of(&destination).unwrap_or_else(|| {
            self.routes.push(Route { destination, place: Place::Idle, queued: false, open: Vec::new() });
            self.routes.len() - 1
        });
        &mut self.routes[at]
    }

    pub(super) fn route_of(&self, destination: &Destination) -> Option<usize> {
        self.routes.iter().position(|route| route.destination == *destination)
    }

    pub(super) fn unreported(&self) -> Vec<usize> {
        self.unreported.clone()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.routes.iter().all(|route| route.open.is_empty())
    }

    pub(super) fn allows(&self, action: Action) -> bool {
        let state = if self.held { EntryState::Held } else { EntryState::Queued };
        state.allows(action)
    }

    /// Begins an attempt with every recipient of the route that is due; `None` when it was withdrawn meanwhile.
    pub(super) fn begin(&mut self, route: usize, now: Timestamp) -> Option<Vec<usize>> {
        let route = self.routes.get_mut(route)?;
        route.queued = false;
        if route.place != Place::Ready {
            return None;
        }
        route.place = Place::Active;
        Some(route.open.iter().filter(|open| open.next <= now).map(|open| open.recipient).collect())
    }

    pub(super) fn judge(
        &mut self,
        attempt: &Attempt,
        outcomes: &[(usize, Outcome)],
        now: Timestamp,
        settings: &ScheduleSettings,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        let expires = self.expires(settings);
        let id = self.id;
        // Not active: the entry was removed and added again since, and the attempt was the old one's.
        let active = |route: &&mut Route| route.destination == attempt.destination && route.place == Place::Active;
        let Some(route) = self.routes.iter_mut().find(active) else { return verdict };
        route.place = Place::Idle;
        let tried = route.open.extract_if(.., |open| attempt.recipients.contains(&open.recipient)).collect::<Vec<_>>();
        for mut open in tried {
            open.attempts = open.attempts.saturating_add(1);
            let outcome = outcomes.iter().find(|(recipient, _)| *recipient == open.recipient);
            let state = after(outcome.map(|(_, outcome)| outcome), open.attempts, id, now, expires, settings);
            if matches!(state, RecipientState::Bounced(_)) {
                verdict.bounced.push(open.recipient);
            }
            let recipient = open.recipient;
            if let RecipientState::Deferred { next, .. } = state {
                open.next = next;
                route.open.push(open);
            }
            verdict.changes.push((recipient, state));
        }
        route.open.sort_by_key(|open| open.recipient);
        verdict.delayed = self.delayed(now, settings);
        verdict.finished = self.is_finished();
        verdict
    }

    fn expires(&self, settings: &ScheduleSettings) -> Timestamp {
        self.arrived.plus(if self.is_bounce { settings.bounce_lifetime } else { settings.message_lifetime })
    }

    /// Who is still tried, when it is time to tell the sender. A bounce has no sender to tell.
    fn delayed(&mut self, now: Timestamp, settings: &ScheduleSettings) -> Vec<usize> {
        let late = settings.delay_warning.is_some_and(|after| now >= self.arrived.plus(after));
        if self.warned || self.is_bounce || !late || self.is_finished() {
            return Vec::new();
        }
        self.warned = true;
        let mut open: Vec<usize> =
            self.routes.iter().flat_map(|route| &route.open).map(|open| open.recipient).collect();
        open.sort_unstable();
        open
    }
}

impl Route {
    /// When the first of its recipients is due; `None` when all have their fate.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.open.iter().map(|open| open.next).min()
    }

    pub(super) fn make_due(&mut self, now: Timestamp) {
        self.open.iter_mut().for_each(|open| open.next = open.next.min(now));
    }
}

/// The state of one recipient after an attempt.
fn after(
    outcome: Option<&Outcome>,
    attempts: u32,
    id: QueueId,
    now: Timestamp,
    expires: Timestamp,
    settings: &ScheduleSettings,
) -> RecipientState {
    if let Some(state) = outcome.and_then(RecipientState::after) {
        return state;
    }
    let reply = match outcome {
        Some(outcome) => outcome.reply().clone(),
        // RFC 3463 §3.5, X.4.2: bad connection.
        None => Reply::new(451, (4, 4, 2), "the attempt ended without an answer"),
    };
    if now >= expires {
        // RFC 3463 §3.5, X.4.7: delivery time expired.
        let text = format!("not delivered within its lifetime; last answer: {reply}");
        return RecipientState::Bounced(Reply::new(554, (5, 4, 7), text));
    }
    // The last try is at the end of its lifetime, not before.
    let next = now.plus(backoff::wait(settings, id, attempts)).min(expires);
    RecipientState::Deferred { reply, attempts, next }
}
