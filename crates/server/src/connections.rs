//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    InAll,
    FromThisAddress,
}

/// The right to be connected; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    counts: Connections,
    key: IpAddr,
}

impl Connections {
    /// Takes a place for a peer.
    ///
    /// # Errors
    /// When a bound is reached, which one.
    pub fn admit(&self, peer: IpAddr, all_max: usize, per_address_max: usize) -> Result<Place, TooMany> {
        let key = network(peer);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= all_max {
            return Err(TooMany::InAll);
        }
        let from_here = counts.by_address.entry(key).or_default();
        if *from_here >= per_address_max {
            return Err(TooMany::FromThisAddress);
        }
        *from_here += 1;
        counts.all += 1;
        Ok(Place { counts: self.clone(), key })
    }

    /// How many there are now.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(count) = counts.by_address.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.key);
            }
        }
    }
}

/// One customer of IPv6 has at least a /64: count it as one address.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(four) => IpAddr::V4(four),
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_and_a_slash_64_counts_as_one() {
        let connections = Connections::default();
        let first = connections.admit("2001:db8::1".parse().unwrap(), 10, 1).unwrap();
        assert_eq!(connections.admit("2001:db8::2".parse().unwrap(), 10, 1).unwrap_err(), TooMany::FromThisAddress);
        assert_eq!(connections.admit("192.0.2.1".parse().unwrap(), 1, 1).unwrap_err(), TooMany::InAll);
        drop(first);
        assert_eq!(connections.count(), 0);
        assert!(connections.admit("2001:db8::2".parse().unwrap(), 10, 1).is_ok());
    }
}
