//! Networks of addresses, as in `allow_nets=10.0.0.0/8,2001:db8::/32,192.0.2.7`. Knows nothing of who is in them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Parses an address with or without `/bits`.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |bits: &&str| !bits.is_empty() && bits.bytes().all(|octet| octet.is_ascii_digit());
        let bits = match bits {
            None => bits_max,
            Some(bits) => Some(bits).filter(is_number)?.parse().ok().filter(|bits| *bits <= bits_max)?,
        };
        Some(Network { address, bits })
    }

    /// The network of an address: so many of its first bits, all others nought.
    pub fn around(address: IpAddr, ipv4_bits: u32, ipv6_bits: u32) -> Network {
        match address.to_canonical() {
            IpAddr::V4(four) => {
                let bits = ipv4_bits.min(32);
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                Network { address: Ipv4Addr::from_bits(four.to_bits() & mask).into(), bits }
            }
            IpAddr::V6(six) => {
                let bits = ipv6_bits.min(128);
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                Network { address: Ipv6Addr::from_bits(six.to_bits() & mask).into(), bits }
            }
        }
    }

    /// How many of the bits count.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// Whether all of it is this machine.
    pub fn is_loopback(&self) -> bool {
        self.address.is_loopback() && self.bits >= if self.is_ipv4() { 8 } else { 128 }
    }

    /// Whether all of another network is in this one.
    pub fn contains_network(&self, other: &Network) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }

    /// Whether an address is in the network. An IPv4 address in an IPv6 one is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let differing = net.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= self.bits
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let differing = net.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_around_an_address_has_its_first_bits() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ] {
            let around = Network::around(address.parse().unwrap(), 24, 64);
            assert_eq!(around.to_string(), network);
            assert!(around.contains_network(&Network::parse(address).unwrap()));
            assert!(!Network::parse(address).unwrap().contains_network(&around));
        }
        assert_eq!(Network::around("192.0.2.7".parse().unwrap(), 0, 0).to_string(), "0.0.0.0/0");
    }

    #[test]
    fn an_address_is_in_a_network_by_its_first_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.128/25", "::ffff:192.0.2.129", "192.0.2.127"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("::/0", "2001:db8::1", "203.0.113.1"),
        ] {
            let parsed = Network::parse(network).unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        for wrong in ["", "10.0.0.0/33", "::1/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "local", "10.0.0.0/8/8"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
