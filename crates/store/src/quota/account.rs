//! What may be asked of an account's quota from outside.

use std::sync::Arc;
use std::time::Duration;

use mail::quota::Limits;
use mail::{MailboxName, Quota};

use super::hold::Hold;
use super::{Amount, LEASE, room};
use crate::{Account, Finding, Harm, Result};

/// What an account holds, and how much it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaState {
    pub used: Amount,
    pub limits: Limits,
}

impl Account {
    /// Puts quota rules in force for everybody in this process who uses the account.
    pub fn obey(&self, rules: Arc<Quota>) {
        self.ledger.obey(rules);
    }

    /// `None` when quotas are off.
    pub fn quota(&self) -> Result<Option<QuotaState>> {
        if self.ledger.is_off() {
            return Ok(None);
        }
        let limits = self.ledger.rules().limits();
        Ok(Some(QuotaState { used: self.ledger.used()?, limits }))
    }

    /// Whether messages in this mailbox count.
    pub fn counts(&self, mailbox: &MailboxName) -> bool {
        self.ledger.limits_of(mailbox).is_some()
    }

    /// Whether nothing more can be delivered into the mailbox, whatever its size.
    pub fn is_full(&self, mailbox: &MailboxName) -> Result<bool> {
        match self.ledger.limits_of(mailbox) {
            Some(limits) if limits != Limits::default() => {
                let known = self.ledger.known(LEASE)?;
                let used = known.map_or_else(|| self.ledger.used(), Ok)?;
                Ok(room::is_full(limits, used))
            }
            _ => Ok(false),
        }
    }

    /// Counts the messages; answers with what the number said before, if there was one, and what it says now.
    pub fn recount_quota(&self) -> Result<(Option<Amount>, Amount)> {
        let mut hold = Hold::take(&self.ledger, self.ledger.settings.lock_wait)?;
        let before = hold.found();
        hold.count()?;
        let after = hold.number();
        hold.settle()?;
        Ok((before, after))
    }

    /// Compares the number with a count. Whoever died may have left it wrong, and somebody who lives may be about to write
    /// it down; otherwise it is right.
    pub(crate) fn verify_quota(&self) -> Result<Option<Finding>> {
        let ledger = &self.ledger;
        if ledger.is_off() {
            return Ok(None);
        }
        let path = ledger.counter.path.clone();
        let find = |harm, what| Ok(Some(Finding { harm, path: path.clone(), what }));
        let Some(known) = ledger.known(Duration::ZERO)? else { return find(Harm::Leftover, "quota is to be counted") };
        if known == ledger.messages.count(&ledger.rules(), || Ok(()))? {
            return Ok(None);
        }
        // A node writes down about a second later what it delivered: from outside that cannot be told from damage.
        if ledger.others_may_write() {
            return find(
                Harm::Leftover,
                "quota differs from a count while other processes may have changes to write down",
            );
        }
        find(Harm::Damage, "quota is not what the messages add up to")
    }
}
