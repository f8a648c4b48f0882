//! Octets and messages, as a total or as a change.

use std::iter::Sum;

/// What mailboxes hold, or what is added to them; taken away when negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Octets on disk.
    pub storage: i64,
    pub messages: i64,
}

impl Amount {
    pub(crate) const NOTHING: Amount = Amount { storage: 0, messages: 0 };

    /// One message of so many octets.
    pub(crate) fn message(len: u64) -> Amount {
        Amount { storage: i64::try_from(len).unwrap_or(i64::MAX), messages: 1 }
    }

    pub(crate) fn plus(self, other: Amount) -> Amount {
        let storage = self.storage.saturating_add(other.storage);
        Amount { storage, messages: self.messages.saturating_add(other.messages) }
    }

    pub(crate) fn minus(self, other: Amount) -> Amount {
        let storage = self.storage.saturating_sub(other.storage);
        Amount { storage, messages: self.messages.saturating_sub(other.messages) }
    }

    /// Whether it is no more than the other, in any respect.
    pub(crate) fn is_within(self, other: Amount) -> bool {
        self.storage <= other.storage && self.messages <= other.messages
    }

    /// Whether mailboxes can hold so much.
    pub(crate) fn is_total(self) -> bool {
        self.storage >= 0 && self.messages >= 0
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Amount {
        amounts.fold(Amount::NOTHING, Amount::plus)
    }
}
