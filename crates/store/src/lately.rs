//! Mailboxes that were opened a moment ago, kept in memory for a little while: a client that comes back (it selects another
//! mailbox and then this one again, asks for its STATUS every minute, connects anew) finds them as they were, and only asks
//! the disk whether anything has changed.
//!
//! There are two generations. What is opened belongs to the younger; every turn throws the older away. So a mailbox that
//! nobody has open is gone after two turns at the latest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Account, Mailbox};

/// So many messages are in the mailboxes of a generation at most: 40 MB.
const MESSAGES_MAX: usize = 1_000_000;
/// And so many mailboxes.
const MAILBOXES_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Lately {
    generations: Mutex<Generations>,
}

/// By where the mailbox lies in memory, which tells it from all others as long as it is held.
type Generation = HashMap<usize, Kept>;

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
    /// In the mailboxes of the younger.
    messages: usize,
}

#[derive(Debug)]
struct Kept {
    _mailbox: Arc<Mailbox>,
    _account: Arc<Account>,
}

impl Lately {
    pub(crate) fn keep(&self, account: &Arc<Account>, mailbox: &Arc<Mailbox>) {
        let messages = mailbox.snapshot().rows.len();
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Arc::as_ptr(mailbox).addr();
        if messages > MESSAGES_MAX || generations.young.contains_key(&key) {
            return;
        }
        let full = generations.messages + messages > MESSAGES_MAX || generations.young.len() >= MAILBOXES_MAX;
        let gone = if full { generations.turn() } else { Generation::new() };
        generations.messages += messages;
        generations.old.remove(&key);
        generations.young.insert(key, Kept { _mailbox: Arc::clone(mailbox), _account: Arc::clone(account) });
        drop(generations);
        // Whoever is the last to have an account writes down what is in memory: not while others wait.
        drop(gone);
    }

    pub(crate) fn turn(&self) {
        let gone = self.generations.lock().unwrap_or_else(PoisonError::into_inner).turn();
        drop(gone);
    }
}

impl Generations {
    fn turn(&mut self) -> Generation {
        self.messages = 0;
        std::mem::replace(&mut self.old, std::mem::take(&mut self.young))
    }
}
