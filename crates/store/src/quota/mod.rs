//! Quota: how much an account holds, kept in Dovecot's files, and whether a message may still come in.
//!
//! The message files are the truth; the number beside them (`counter`) is a sum that somebody once made and that everybody
//! keeps up to date. Far below its limit an account takes no lock: what a node adds or takes away it notes in memory
//! (`ledger`) and writes down a second later. Near the limit every message is admitted under the lock (`hold`). What makes
//! the two exact together is in `room`; what makes a number true again after a crash is in `notes`, and `recount` makes a
//! new one. docs/internals/quota.md has the whole argument.
//!
//! Knows nothing of messages but their sizes; must not know who set the rules.

mod account;
mod amount;
mod counter;
mod crossing;
mod dict_file;
mod hold;
mod ledger;
mod ledgers;
mod life;
mod maildirsize;
mod notes;
mod recount;
mod room;

use std::time::Duration;

pub use account::QuotaState;
pub use amount::Amount;
pub use crossing::{Crossing, Direction, Resource, Threshold};
pub(crate) use ledger::{Ledger, Passage};
pub(crate) use ledgers::Ledgers;
pub use life::{begin_quota_life, end_quota_life};

/// How long what a look at the number saw may be acted upon without the lock.
const LEASE: Duration = Duration::from_secs(1);
/// How old a change in memory gets before it is written down.
const FOLD_AFTER: Duration = Duration::from_secs(1);
/// How long after an account was declared narrow every node knows it and has nothing left in memory: lease, fold, and as
/// much again for whoever is slow.
const SETTLE_AFTER: Duration = Duration::from_secs(4);
/// How old a count may be when a message is refused because of it; the Maildir++ quota has the same age.
const COUNT_KEEP: Duration = Duration::from_secs(15 * 60);

/// In which file the number lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QuotaFile {
    /// Nothing is counted and nothing is refused.
    #[default]
    Off,
    /// The one that is there; without any, Dovecot's dict.
    Found,
    /// `HOME/dovecot-quota`, Dovecot's `quota = dict:NAME::file:%h/dovecot-quota`.
    Dict,
    /// `maildirsize` in the Maildir, Dovecot's `quota = maildir:NAME`.
    Maildirsize,
}

/// How quotas are kept. The same on every node, but for `life`.
#[derive(Debug, Clone, Default)]
pub struct QuotaSettings {
    pub file: QuotaFile,
    /// By how many percent of its limit the last delivery may exceed it.
    pub grace: u32,
    pub thresholds: Vec<Threshold>,
    /// Whether nothing is refused, as for what an administrator does.
    pub admits_all: bool,
    /// Names this process as long as it lives, and the next one too if this one ends well (`begin_quota_life`). Empty for a
    /// process that only passes by, which leaves no mark when it ends.
    pub life: String,
}
