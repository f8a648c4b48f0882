//! A hint as it goes over the wire, and which mailbox it means. Pure.
//!
//! | octets | what |
//! | --- | --- |
//! | 4 | `TPH1`: what it is, and its version |
//! | 8 | the sender: a random number of its process |
//! | 8 | how many datagrams that process had sent with this one |
//! | 8 | when it was sent, in microseconds since 1970 by the sender's clock |
//! | 16 each | the mailboxes that changed: one to [`CHANGES_MAX`] |
//! | 32 | HMAC-SHA-256 of all before |
//!
//! Numbers are big-endian. A mailbox is named by a keyed hash, so that no account and no mailbox can be read on the wire.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use mail::MailboxName;

use super::replay::Stamp;

/// The most mailboxes that one datagram names; it then still fits into any network's packet (RFC 8200 §5: 1280 octets).
pub const CHANGES_MAX: usize = 64;
/// Octets.
pub const LENGTH_MAX: usize = HEAD + CHANGES_MAX * IDENTITY + SEAL;

const MAGIC: [u8; 4] = *b"TPH1";
const HEAD: usize = 4 + 8 + 8 + 8;
const IDENTITY: usize = 16;
const SEAL: usize = 32;

/// Which mailbox: a hash of its account's home and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; IDENTITY]);

/// What one node tells another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    pub stamp: Stamp,
    /// At least one, at most [`CHANGES_MAX`].
    pub changed: Vec<Identity>,
}

/// Why a datagram is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Too short, too long, or of another version.
    Malformed,
    /// Whoever made it does not know the secret.
    Foreign,
}

/// The keys that are made of the nodes' common secret, one for each use.
#[derive(Debug)]
pub struct Keys {
    seal: Key,
    identity: Key,
}

impl Keys {
    pub fn of(secret: &[u8]) -> Keys {
        let secret = Key::new(HMAC_SHA256, secret);
        let key = |purpose: &str| Key::new(HMAC_SHA256, hmac::sign(&secret, purpose.as_bytes()).as_ref());
        Keys { seal: key("tepui hints: seal"), identity: key("tepui hints: identity") }
    }

    /// The same on every node that calls the home the same.
    pub fn identity(&self, home: &Path, name: &MailboxName) -> Identity {
        let mut context = hmac::Context::with_key(&self.identity);
        for part in home.components() {
            context.update(b"/");
            if let Component::Normal(part) = part {
                context.update(part.as_bytes());
            }
        }
        context.update(b"\0");
        context.update(name.as_str().as_bytes());
        Identity(context.sign().as_ref().first_chunk().copied().unwrap_or_default())
    }

    pub fn encode(&self, datagram: &Datagram) -> Vec<u8> {
        let Stamp { sender, count, sent } = datagram.stamp;
        let mut bytes = Vec::with_capacity(HEAD + datagram.changed.len() * IDENTITY + SEAL);
        bytes.extend(MAGIC);
        [sender, count, sent].iter().for_each(|number| bytes.extend(number.to_be_bytes()));
        datagram.changed.iter().for_each(|identity| bytes.extend(identity.0));
        let seal = hmac::sign(&self.seal, &bytes);
        bytes.extend(seal.as_ref());
        bytes
    }

    /// Nothing in it is believed before the seal is found right.
    pub fn decode(&self, bytes: &[u8]) -> Result<Datagram, Unreadable> {
        if bytes.len() > LENGTH_MAX {
            return Err(Unreadable::Malformed);
        }
        let (sealed, seal) = bytes.split_last_chunk::<SEAL>().ok_or(Unreadable::Malformed)?;
        let (magic, rest) = sealed.split_first_chunk::<4>().ok_or(Unreadable::Malformed)?;
        if *magic != MAGIC {
            return Err(Unreadable::Malformed);
        }
        hmac::verify(&self.seal, sealed, seal).map_err(|_| Unreadable::Foreign)?;
        let (numbers, rest) = rest.split_first_chunk::<24>().ok_or(Unreadable::Malformed)?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let &[sender, count, sent] = numbers else { return Err(Unreadable::Malformed) };
        let (changed, rest) = rest.as_chunks::<IDENTITY>();
        if changed.is_empty() || !rest.is_empty() {
            return Err(Unreadable::Malformed);
        }
        let [sender, count, sent] = [sender, count, sent].map(u64::from_be_bytes);
        Ok(Datagram { stamp: Stamp { sender, count, sent }, changed: changed.iter().copied().map(Identity).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::of(b"a secret of all nodes")
    }

    fn datagram(changes: usize) -> Datagram {
        let identity =
            |n: usize| keys().identity(Path::new("/mail/ana"), &MailboxName::parse(&format!("A{n}")).unwrap());
        let stamp = Stamp { sender: 7, count: 3, sent: 1_700_000_000_000_000 };
        Datagram { stamp, changed: (0..changes).map(identity).collect() }
    }

    #[test]
    fn what_is_told_is_heard() {
        for changes in [1, 2, CHANGES_MAX] {
            let datagram = datagram(changes);
            let bytes = keys().encode(&datagram);
            assert!(bytes.len() <= LENGTH_MAX);
            assert_eq!(keys().decode(&bytes), Ok(datagram));
        }
    }

    #[test]
    fn a_datagram_with_any_bit_changed_is_refused() {
        let bytes = keys().encode(&datagram(2));
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(keys().decode(&changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_datagram_that_is_cut_or_longer_is_refused() {
        let bytes = keys().encode(&datagram(2));
        for length in 0..bytes.len() {
            assert!(keys().decode(&bytes[..length]).is_err(), "{length} octets");
        }
        for more in [1, IDENTITY, LENGTH_MAX] {
            let longer = [bytes.clone(), vec![0; more]].concat();
            assert!(keys().decode(&longer).is_err(), "{more} octets more");
        }
    }

    #[test]
    fn who_has_the_secret_is_held_to_the_form() {
        for changed in [0, CHANGES_MAX + 1] {
            assert_eq!(keys().decode(&keys().encode(&datagram(changed))), Err(Unreadable::Malformed));
        }
        let sealed = |bytes: &[u8]| [bytes, hmac::sign(&keys().seal, bytes).as_ref()].concat();
        let head = [&MAGIC[..], &[0; 24]].concat();
        for odd in [&MAGIC[..], &head, &[&head[..], &[0; IDENTITY + 1]].concat(), b"TPH2 is another version, sixteen."]
        {
            assert_eq!(keys().decode(&sealed(odd)), Err(Unreadable::Malformed));
        }
        assert!(keys().decode(&sealed(&[&head[..], &[0; IDENTITY]].concat())).is_ok());
    }

    #[test]
    fn another_secret_is_heard_by_nobody() {
        let bytes = Keys::of(b"another secret").encode(&datagram(1));
        assert_eq!(keys().decode(&bytes), Err(Unreadable::Foreign));
    }

    #[test]
    fn random_octets_are_refused() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            // Xorshift: the same octets each time.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..100_000 {
            let length = (random() % (LENGTH_MAX as u64 + 40)) as usize;
            let mut bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
            if random() % 2 == 0 && length >= MAGIC.len() {
                bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
            }
            assert!(keys().decode(&bytes).is_err());
        }
    }

    #[test]
    fn a_mailbox_is_the_same_on_every_node_and_another_is_another() {
        let name = |name: &str| MailboxName::parse(name).unwrap();
        let of = |home: &str, mailbox: &str| keys().identity(Path::new(home), &name(mailbox));
        assert_eq!(of("/mail/ana", "INBOX"), of("/mail/ana/", "inbox"));
        let all = [
            of("/mail/ana", "INBOX"),
            of("/mail/ana", "A"),
            of("/mail/bob", "INBOX"),
            of("/mail/ana/A", "INBOX"),
            of("/mailana", "INBOX"),
            Keys::of(b"another secret").identity(Path::new("/mail/ana"), &name("INBOX")),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one));
        }
    }
}
