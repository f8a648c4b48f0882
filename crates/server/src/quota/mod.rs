//! Quotas of accounts: the directory's rules put over the house's, the store looked after, and users warned.
//!
//! Knows how a quota is kept no more than the store tells.

mod tend;
mod warning;

use std::path::Path;
use std::sync::Arc;

use directory::Account;
use mail::quota::Limits;
use mail::{Address, MailboxName, Outcome, Quota, Reply};

pub use tend::tend;

use crate::config::{QuotaSettings, Settings, WhenFull};
use crate::node::{Node, store_settings};

/// Opens an account's mailboxes with its quota rules in force. Blocking.
///
/// # Errors
/// Those of the store.
pub fn open(store: &store::Store, settings: &QuotaSettings, account: &Account) -> store::Result<Arc<store::Account>> {
    let mailboxes = store.account_of(&account.home, &account.name)?;
    mailboxes.obey(rules(settings, account));
    Ok(mailboxes)
}

/// The same for an account that may have no mailboxes yet: then none are made.
///
/// # Errors
/// Those of the store.
pub fn open_if_there(
    store: &store::Store,
    settings: &QuotaSettings,
    account: &Account,
) -> store::Result<Option<Arc<store::Account>>> {
    let there = store.is_there(&account.home, &account.name)?;
    there.then(|| open(store, settings, account)).transpose()
}

/// Accounts' mailboxes without a node: for commands. Any number of processes may work on them beside the nodes.
#[derive(Debug)]
pub struct Mailboxes {
    store: store::Store,
    settings: QuotaSettings,
}

impl Mailboxes {
    /// # Errors
    /// There is no disk to work on.
    pub fn open(settings: &Settings) -> disk::Result<Mailboxes> {
        let disk = Arc::new(disk::RealDisk::new()?);
        // What an administrator does is not refused for want of room. The index is the running node's own.
        let quota = store::QuotaSettings { admits_all: true, ..settings_of(settings, String::new()) };
        let mailboxes = store::Settings { quota, index: None, ..store_settings(settings) };
        Ok(Mailboxes { store: store::Store::new(disk, mailboxes), settings: settings.quota.clone() })
    }

    /// Opens an account with its quota rules in force. Blocking.
    ///
    /// # Errors
    /// Those of the store.
    pub fn account(&self, account: &Account) -> store::Result<Arc<store::Account>> {
        open(&self.store, &self.settings, account)
    }

    /// The mailboxes of one of the places that are nobody's. Blocking.
    ///
    /// # Errors
    /// Those of the store.
    pub fn public(&self, settings: &Settings, place: usize) -> store::Result<Arc<store::Account>> {
        self.store.public(settings.public.get(place).ok_or(store::Error::NoSuchMailbox)?)
    }

    /// The account's Sieve scripts.
    pub fn scripts(&self, account: &Account) -> store::Scripts {
        self.store.scripts(&account.home)
    }
}

/// The house's rules, and over them the directory's, as Dovecot puts a user's over its own.
fn rules(settings: &QuotaSettings, account: &Account) -> Arc<Quota> {
    match &account.quota {
        None => Arc::clone(&settings.rules),
        Some(own) => Arc::new(own.over(&settings.rules)),
    }
}

/// What the store is told of quotas.
pub fn settings_of(settings: &Settings, life: String) -> store::QuotaSettings {
    let quota = &settings.quota;
    let thresholds = quota.warnings.iter().map(|warning| warning.threshold).collect();
    store::QuotaSettings { file: quota.storage, grace: quota.grace, thresholds, life, admits_all: false }
}

/// The end of a delivery to somebody who has no room.
pub fn refused(node: &Node, recipient: &Address) -> Outcome {
    let text = format!("<{recipient}> Quota exceeded (mailbox for user is full)");
    match node.live().settings.quota.when_full {
        // RFC 3463 §3.3: X.2.2, mailbox full.
        WhenFull::Bounce => Outcome::Bounced(Reply::new(552, (5, 2, 2), text)),
        WhenFull::Defer => Outcome::Deferred(Reply::new(452, (4, 2, 2), text)),
    }
}

/// Whether an account may ever be full. Asks no disk.
pub fn is_limited(node: &Node, account: &Account) -> bool {
    let limits = rules(&node.live().settings.quota, account).limits_of(MailboxName::inbox().as_str());
    limits.is_some_and(|limits| limits != Limits::default())
}

/// Whether an account cannot take even the smallest message: then its sender hears it at RCPT. Blocking. What cannot be found
/// out now is found out at the delivery.
pub fn is_full(node: &Node, account: &Account) -> bool {
    let live = node.live();
    let full = open(&node.store(), &live.settings.quota, account).and_then(|open| open.is_full(&MailboxName::inbox()));
    full.unwrap_or_else(|error| {
        tracing::warn!(account = account.name, %error, "cannot tell whether the mailbox is full");
        false
    })
}

/// The file with the name of this process's life, below the state folder.
pub fn life_file(state: &Path) -> std::path::PathBuf {
    state.join("quota-life")
}
