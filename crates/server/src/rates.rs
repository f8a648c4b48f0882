//! How often each client does something: so many times within a minute of its first time.
//!
//! Bounded: a client is an entry for a minute at most, and there are no more than `CLIENTS_MAX` of them. It is told the time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::connections::network;

/// What is counted within, from a client's first time on (as Postfix's `anvil_rate_time_unit`).
pub const WINDOW: Duration = Duration::from_secs(60);

/// Clients that are counted at once. Whoever comes when there are more is not counted: to refuse him would let a crowd shut
/// out everybody.
const CLIENTS_MAX: usize = 65_536;

/// How long a full table rests between two looks for entries that are over.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    Connection,
    Message,
    Recipient,
    LogIn,
}

/// Counts events by client.
#[derive(Debug, Default)]
pub struct Rates(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    windows: HashMap<(Event, IpAddr), Window>,
    swept: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    count: usize,
}

impl Rates {
    /// Counts one more. False when it is one too many; `max` of nought is no bound.
    pub fn allows(&self, event: Event, client: IpAddr, max: usize, now: Instant) -> bool {
        if max == 0 {
            return true;
        }
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (event, network(client));
        if !table.windows.contains_key(&key) && !table.has_room(now) {
            return true;
        }
        let window = table.windows.entry(key).or_insert(Window { began: now, count: 0 });
        if window.is_over(now) {
            *window = Window { began: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        window.count <= max
    }
}

impl Table {
    fn has_room(&mut self, now: Instant) -> bool {
        let is_full = |table: &Table| table.windows.len() >= CLIENTS_MAX;
        let rested = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_PAUSE);
        if is_full(self) && rested {
            self.windows.retain(|_, window| !window.is_over(now));
            self.windows.shrink_to_fit();
            self.swept = Some(now);
        }
        !is_full(self)
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= WINDOW
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn a_client_is_counted_for_a_minute_by_itself_and_by_event() {
        let (rates, start) = (Rates::default(), Instant::now());
        let allows = |event, number, after| rates.allows(event, client(number), 2, start + Duration::from_secs(after));
        assert!(allows(Event::Connection, 1, 0) && allows(Event::Connection, 1, 59));
        assert!(!allows(Event::Connection, 1, 59));
        assert!(allows(Event::Connection, 2, 59) && allows(Event::LogIn, 1, 59));
        assert!(allows(Event::Connection, 1, 60));
        assert!((0..100).all(|_| rates.allows(Event::Connection, client(3), 0, start)));
    }

    #[test]
    fn the_table_has_a_bound_and_forgets() {
        let (rates, start) = (Rates::default(), Instant::now());
        for number in 0..u32::try_from(CLIENTS_MAX).unwrap() + 1000 {
            assert!(rates.allows(Event::Connection, client(number), 1, start));
        }
        assert_eq!(rates.0.lock().unwrap().windows.len(), CLIENTS_MAX);
        // Whoever is counted is bounded still, and later there is room again.
        assert!(!rates.allows(Event::Connection, client(7), 1, start));
        assert!(rates.allows(Event::Connection, client(u32::MAX), 1, start + WINDOW));
        assert!(!rates.allows(Event::Connection, client(u32::MAX), 1, start + WINDOW));
        assert_eq!(rates.0.lock().unwrap().windows.len(), 1);
    }
}
