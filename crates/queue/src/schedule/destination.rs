//! Where recipients go, and whose turn it is: each destination has its queue of what is due, and all that may start
//! something take turns. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use mail::{Address, QueueId};

/// What recipients have in common that can be tried together: a domain, or whatever key the router gives, in lower
/// case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination(Arc<str>);

impl Destination {
    pub fn new(key: &str) -> Destination {
        Destination(key.to_lowercase().into())
    }

    /// The domain of an address.
    pub fn of(address: &Address) -> Destination {
        Destination::new(address.domain().as_str())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug)]
pub(super) struct Destinations {
    each: BTreeMap<Destination, Turn>,
    /// Those that have something to start and a place to start it in, in the order of their turns.
    rotation: VecDeque<Destination>,
    active: usize,
    active_max_each: usize,
    active_max: usize,
}

#[derive(Debug, Default)]
struct Turn {
    ready: VecDeque<(QueueId, usize)>,
    active: usize,
    in_rotation: bool,
}

impl Destinations {
    pub(super) fn new(active_max_each: usize, active_max: usize) -> Destinations {
        let (active_max_each, active_max) = (active_max_each.max(1), active_max.max(1));
        Destinations { each: BTreeMap::new(), rotation: VecDeque::new(), active: 0, active_max_each, active_max }
    }

    pub(super) fn push(&mut self, destination: &Destination, id: QueueId, route: usize) {
        self.each.entry(destination.clone()).or_default().ready.push_back((id, route));
        self.join_rotation(destination);
    }

    pub(super) fn can_start(&self) -> bool {
        self.active < self.active_max && !self.rotation.is_empty()
    }

    /// The next in turn; it counts as active until [`Destinations::end`].
    pub(super) fn start_next(&mut self) -> Option<(Destination, QueueId, usize)> {
        if !self.can_start() {
            return None;
        }
        let destination = self.rotation.pop_front()?;
        let turn = self.each.get_mut(&destination)?;
        turn.in_rotation = false;
        let (id, route) = turn.ready.pop_front()?;
        turn.active += 1;
        self.active += 1;
        self.join_rotation(&destination);
        Some((destination, id, route))
    }

    pub(super) fn end(&mut self, destination: &Destination) {
        if let Some(turn) = self.each.get_mut(destination).filter(|turn| turn.active > 0) {
            turn.active -= 1;
            self.active -= 1;
        }
        self.join_rotation(destination);
        if self.each.get(destination).is_some_and(|turn| turn.active == 0 && turn.ready.is_empty()) {
            self.each.remove(destination);
        }
    }

    fn join_rotation(&mut self, destination: &Destination) {
        let Some(turn) = self.each.get_mut(destination) else { return };
        if !turn.in_rotation && !turn.ready.is_empty() && turn.active < self.active_max_each {
            turn.in_rotation = true;
            self.rotation.push_back(destination.clone());
        }
    }
}
