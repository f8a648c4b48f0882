//! The numbers by which failures are judged: plain values, given as arguments.

use std::net::IpAddr;
use std::time::Duration;

use super::Subject;
use crate::passwd_file::Network;

/// The bits of IPv6 that count as one address: nobody has less than a /64.
const IPV6_ADDRESS_BITS: u32 = 64;

/// How many times longer the longest lock is than the first one.
pub(super) const LOCK_GROWTH_MAX: u32 = 8;

/// How many failures, how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Failures that lock an account, an address, a network. Nought: that is not counted.
    pub account_failures: u32,
    pub address_failures: u32,
    pub network_failures: u32,
    /// Failures are forgotten when there was none for so long.
    pub window: Duration,
    /// How much later an answer comes just before the lock. It begins at half of the failures.
    pub slow_max: Duration,
    /// The first lock; each one that follows within `window` is twice as long, up to eight times.
    pub lock_time: Duration,
    /// How long a place from which an account logged in is known as its own.
    pub known: Duration,
    /// How many bits of an address are its network.
    pub ipv4_network: u32,
    pub ipv6_network: u32,
    /// Many people come from there: what they fail counts for their accounts only.
    pub trusted: Vec<Network>,
}

impl Rules {
    /// What a failure counts for; the account at its address first.
    pub(super) fn subjects(&self, account: &str, address: IpAddr) -> Vec<Subject> {
        let place = self.address(address);
        let all = [
            Subject::AccountAt(account.to_owned(), place),
            Subject::Account(account.to_owned()),
            Subject::Address(place),
            Subject::Network(self.network(address)),
        ];
        let is_trusted = self.trusted.iter().any(|network| network.contains(address));
        let counts = |subject: &Subject| match subject {
            // Without it a repeated password could not be told from a new one.
            Subject::AccountAt(..) => true,
            Subject::Account(name) => !name.is_empty() && self.account_failures > 0,
            Subject::Address(_) | Subject::Network(_) => !is_trusted && self.failures_max(subject) > 0,
        };
        all.into_iter().filter(counts).collect()
    }

    /// Nought: no number locks it.
    pub(super) fn failures_max(&self, subject: &Subject) -> u32 {
        match subject {
            // A token may come without a name: those who send one are no account.
            Subject::AccountAt(name, _) if name.is_empty() => 0,
            Subject::Account(_) | Subject::AccountAt(..) => self.account_failures,
            Subject::Address(_) => self.address_failures,
            Subject::Network(_) => self.network_failures,
        }
    }

    /// Nothing up to half of the failures that lock, then evenly up to `slow_max`.
    pub(super) fn slow(&self, subject: &Subject, failures: u32) -> Duration {
        let max = self.failures_max(subject);
        let half = max / 2;
        let over = failures.min(max).saturating_sub(half);
        if over == 0 { Duration::ZERO } else { self.slow_max * over / (max - half) }
    }

    pub(super) fn address(&self, address: IpAddr) -> Network {
        Network::around(address, 32, IPV6_ADDRESS_BITS)
    }

    fn network(&self, address: IpAddr) -> Network {
        Network::around(address, self.ipv4_network, self.ipv6_network)
    }
}
