//! Changes on their way out: each mailbox once, however often it changed, and no more than [`PENDING_MAX`] of them. Who adds
//! one never waits.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::datagram::{CHANGES_MAX, Identity};

/// What is beyond it is lost, which costs time only.
const PENDING_MAX: usize = 16_384;

#[derive(Debug, Default)]
pub struct Pending {
    changed: Mutex<HashSet<Identity>>,
    added: Notify,
}

impl Pending {
    /// False when there is no room.
    pub fn add(&self, identity: Identity) -> bool {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = changed.len() < PENDING_MAX || changed.contains(&identity);
        if fits {
            changed.insert(identity);
        }
        drop(changed);
        self.added.notify_one();
        fits
    }

    /// Waits until there are some, and takes as many as a datagram holds.
    pub async fn take(&self) -> Vec<Identity> {
        loop {
            let taken = self.take_now();
            if !taken.is_empty() {
                return taken;
            }
            self.added.notified().await;
        }
    }

    fn take_now(&self) -> Vec<Identity> {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: Vec<Identity> = changed.iter().take(CHANGES_MAX).copied().collect();
        changed.retain(|identity| !taken.contains(identity));
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mail::MailboxName;

    use super::super::datagram::Keys;
    use super::*;

    #[test]
    fn a_mailbox_waits_once_and_what_does_not_fit_is_dropped() {
        let (keys, pending) = (Keys::of(b"secret"), Pending::default());
        let identity = |n: usize| keys.identity(Path::new(&format!("/mail/{n}")), &MailboxName::inbox());
        assert!((0..PENDING_MAX).all(|n| pending.add(identity(n))));
        assert!(pending.add(identity(0)) && !pending.add(identity(PENDING_MAX)));
        let mut taken = HashSet::new();
        loop {
            let some = pending.take_now();
            assert!(some.len() <= CHANGES_MAX);
            if some.is_empty() {
                break;
            }
            assert!(some.into_iter().all(|identity| taken.insert(identity)));
        }
        assert_eq!(taken.len(), PENDING_MAX);
        assert!(pending.add(identity(PENDING_MAX)));
    }
}
