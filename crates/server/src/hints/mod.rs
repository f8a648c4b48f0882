//! Hints between nodes: "this mailbox changed", so that a session that waits on another node learns of it at once and not
//! only when it looks again (docs/internals/hints.md).
//!
//! A hint is never believed: it makes a node look at a mailbox that one of its sessions has open, and nothing else. One that
//! is lost costs time. `datagram` and `replay` are pure; `talk` has the socket.

mod counts;
mod datagram;
mod pending;
mod replay;
mod talk;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::rand;
use mail::MailboxName;
use store::{Mailbox, WeakMap};
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

pub use self::counts::HintCounts;
use self::counts::{Count, Counts};
use self::datagram::{Identity, Keys, Unreadable};
use self::pending::Pending;
use self::replay::{Senders, Stale};
use crate::config::HintSettings;
use crate::house::blocking;

/// Mailboxes that are looked at for hints at the same time; the others wait.
const LOOKS_MAX: usize = 8;

/// The hint channel of a node.
#[derive(Debug)]
pub struct Hints {
    keys: Keys,
    /// This process, among all senders.
    sender: u64,
    pending: Pending,
    senders: Mutex<Senders>,
    /// What sessions of this node have open.
    open: Mutex<WeakMap<Identity, Mailbox>>,
    /// Mailboxes that are looked at now, and whether another hint came meanwhile.
    looks: Mutex<HashMap<Identity, bool>>,
    places: Semaphore,
    pub counts: Counts,
}

impl Hints {
    /// `None`, where the system gives no random numbers.
    pub fn new(secret: &[u8]) -> Option<Hints> {
        let mut sender = [0; 8];
        rand::fill(&mut sender).ok()?;
        Some(Hints {
            keys: Keys::of(secret),
            sender: u64::from_be_bytes(sender),
            pending: Pending::default(),
            senders: Mutex::default(),
            open: Mutex::default(),
            looks: Mutex::default(),
            places: Semaphore::new(LOOKS_MAX),
            counts: Counts::default(),
        })
    }

    /// A change was made here and is durable. Does not wait.
    pub fn tell(&self, home: &Path, name: &MailboxName) {
        if !self.pending.add(self.keys.identity(home, name)) {
            self.counts.add(Count::Dropped);
        }
    }

    /// Hints for this mailbox are of use from now on, as long as somebody has it open.
    pub fn expect(&self, mailbox: &Arc<Mailbox>) {
        let identity = self.keys.identity(mailbox.home(), mailbox.name());
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(identity, mailbox);
    }

    /// A datagram came. `Err` says why it does not count.
    fn hear(self: &Arc<Self>, bytes: &[u8], now: SystemTime) -> Result<(), Count> {
        let datagram = self.keys.decode(bytes).map_err(|unreadable| match unreadable {
            Unreadable::Malformed => Count::Malformed,
            Unreadable::Foreign => Count::Foreign,
        })?;
        if datagram.stamp.sender == self.sender {
            // The list of peers is the same on all nodes, so we are in it.
            return Ok(());
        }
        let admitted = self.senders.lock().unwrap_or_else(PoisonError::into_inner).admit(datagram.stamp, now);
        admitted.map_err(|stale| match stale {
            Stale::OutOfTime => Count::OutOfTime,
            Stale::Replayed => Count::Replayed,
        })?;
        self.counts.add(Count::Received);
        datagram.changed.into_iter().for_each(|identity| self.look_at(identity));
        Ok(())
    }

    /// Looks at a mailbox that is open here; a mailbox that is looked at already is looked at once more after that.
    fn look_at(self: &Arc<Self>, identity: Identity) {
        if self.open_mailbox(&identity).is_none() {
            return;
        }
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = looks.get_mut(&identity) {
            *again = true;
            return;
        }
        looks.insert(identity, false);
        drop(looks);
        let hints = Arc::clone(self);
        tokio::spawn(async move {
            // Never closed.
            let Ok(_place) = hints.places.acquire().await else { return };
            loop {
                hints.look(&identity).await;
                if hints.is_done(&identity) {
                    return;
                }
            }
        });
    }

    async fn look(&self, identity: &Identity) {
        let Some(mailbox) = self.open_mailbox(identity) else { return };
        self.counts.add(Count::Looked);
        // Who waits for changes of this mailbox is woken by a failure, too, and tells of it.
        let _ = blocking(move || mailbox.look_closely()).await;
    }

    fn is_done(&self, identity: &Identity) -> bool {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let again = looks.get_mut(identity).is_some_and(std::mem::take);
        if !again {
            looks.remove(identity);
        }
        !again
    }

    fn open_mailbox(&self, identity: &Identity) -> Option<Arc<Mailbox>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).find(identity)
    }
}

/// Sends and hears hints until it is aborted.
pub async fn run(hints: Arc<Hints>, socket: UdpSocket, settings: HintSettings) {
    tokio::join!(talk::send(&hints, &socket, &settings.peers), talk::receive(&hints, &socket));
}
