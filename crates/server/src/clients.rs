//! What each client of SMTP may do: how many sessions, and how often.

use std::net::IpAddr;
use std::time::Instant;

use crate::config::ClientLimits;
use crate::connections::{Connections, Place, TooMany};
use crate::rates::{Event, Rates};

/// The clients of this node's `smtp` and `submission` listeners.
#[derive(Debug, Default)]
pub struct Clients {
    sessions: Connections,
    rates: Rates,
}

impl Clients {
    /// Takes a place for a client's session.
    ///
    /// # Errors
    /// When a bound is reached, which one.
    pub fn admit(&self, client: IpAddr, limits: &ClientLimits, now: Instant) -> Result<Place, TooMany> {
        let or_all = |max: usize| if max == 0 { usize::MAX } else { max };
        let is_exempt = limits.is_exempt(client);
        let each_max = if is_exempt { usize::MAX } else { or_all(limits.connections) };
        let place = self.sessions.admit(client, or_all(limits.sessions), each_max)?;
        if !is_exempt && !self.rates.allows(Event::Connection, client, limits.connection_rate, now) {
            return Err(TooMany::FromThisAddress);
        }
        Ok(place)
    }

    /// Counts what a client does within its session. False when it is one too many.
    pub fn allows(&self, event: Event, client: IpAddr, limits: &ClientLimits, now: Instant) -> bool {
        let max = match event {
            Event::Connection => limits.connection_rate,
            Event::Message => limits.message_rate,
            Event::Recipient => limits.recipient_rate,
            Event::LogIn => limits.login_rate,
        };
        limits.is_exempt(client) || self.rates.allows(event, client, max, now)
    }
}

#[cfg(test)]
mod tests {
    use directory::passwd_file::Network;

    use super::*;

    #[test]
    fn a_client_has_so_many_sessions_and_those_who_are_exempt_have_more() {
        let limits = ClientLimits {
            sessions: 6,
            connections: 2,
            connection_rate: 3,
            message_rate: 1,
            recipient_rate: 0,
            login_rate: 0,
            exempt: vec![Network::parse("192.0.2.1").unwrap()],
        };
        let (clients, now) = (Clients::default(), Instant::now());
        let (exempt, stranger) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let admit = |client| clients.admit(client, &limits, now);
        let mut held = vec![admit(stranger).unwrap(), admit(stranger).unwrap()];
        assert_eq!(admit(stranger).unwrap_err(), TooMany::FromThisAddress);
        held.pop();
        held.push(admit(stranger).unwrap());
        held.clear();
        // None is connected now, but it was three times within the minute.
        assert_eq!(admit(stranger).unwrap_err(), TooMany::FromThisAddress);
        held.extend((0..6).map(|_| admit(exempt).unwrap()));
        assert_eq!(admit(exempt).unwrap_err(), TooMany::InAll);
        assert!(clients.allows(Event::Message, stranger, &limits, now));
        assert!(!clients.allows(Event::Message, stranger, &limits, now));
        assert!((0..9).all(|_| clients.allows(Event::Message, exempt, &limits, now)));
        assert!((0..9).all(|_| clients.allows(Event::Recipient, stranger, &limits, now)));
    }
}
