//! Whether a message fits, and whether that may be said without the lock. Pure.
//!
//! Without the lock a node may add to an account if a look that is younger than the lease saw at most [`WIDE`] of the
//! limit used, and if all it has in memory is at most one share ([`SHARES`] of them make the whole limit). All nodes
//! together then hold at most [`NODES_MAX`] shares that the number does not show: an eighth of the limit. So under the
//! lock
//!
//! * up to seven eighths may be admitted at any time: with what is in memory elsewhere it is still within the limit;
//! * beyond that only when the account has been declared narrow for so long that nobody has a lease or anything in memory
//!   any more: then the number is exact.
//!
//! A limit whose share would be smaller than a message is never left to memory: it is always exact.

use mail::quota::Limits;

use super::Amount;

/// Three quarters of the limit.
const WIDE: (i128, i128) = (3, 4);
/// Seven eighths: what is left for the shares of all nodes.
const SAFE: (i128, i128) = (7, 8);
const SHARES: u64 = 128;
/// So many nodes may serve one account at the same moment and the limit still holds exactly.
pub const NODES_MAX: u64 = 16;
/// A smaller share is none.
const STORAGE_SHARE_MIN: u64 = 64 << 10;
const MESSAGES_SHARE_MIN: u64 = 8;

const _: () = assert!(NODES_MAX * 8 == SHARES);

/// What may exceed the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grace {
    pub(super) percent: u32,
}

/// The limits and amounts, one resource after the other: limit, used, change, and the smallest share.
fn resources(limits: Limits, used: Amount, change: Amount) -> impl Iterator<Item = (u64, i64, i64, u64)> {
    let storage = limits.storage.map(|limit| (limit, used.storage, change.storage, STORAGE_SHARE_MIN));
    let messages = limits.messages.map(|limit| (limit, used.messages, change.messages, MESSAGES_SHARE_MIN));
    storage.into_iter().chain(messages)
}

fn within(limit: u64, (part, of): (i128, i128), amount: i128) -> bool {
    amount * of <= i128::from(limit) * part
}

/// Whether so much may be in this node's memory, `mine`, on top of the number.
pub(super) fn may_wait(limits: Limits, number: Amount, mine: Amount) -> bool {
    resources(limits, number, mine).all(|(limit, number, mine, share_min)| {
        let share = limit / SHARES;
        share >= share_min && mine <= i64::try_from(share).unwrap_or(i64::MAX) && within(limit, WIDE, number.into())
    })
}

/// Whether every resource that is limited can be left to memory at all. If not, nobody has anything there.
pub(super) fn is_ever_left_to_memory(limits: Limits) -> bool {
    resources(limits, Amount::NOTHING, Amount::NOTHING).all(|(limit, _, _, share_min)| limit / SHARES >= share_min)
}

/// Whether the account is near its limit.
pub(super) fn is_narrow(limits: Limits, number: Amount) -> bool {
    resources(limits, number, Amount::NOTHING).any(|(limit, number, _, _)| !within(limit, WIDE, number.into()))
}

/// Whether the change fits whatever is in memory elsewhere.
pub(super) fn is_safe(limits: Limits, number: Amount, change: Amount) -> bool {
    resources(limits, number, change)
        .all(|(limit, number, change, _)| within(limit, SAFE, i128::from(number) + i128::from(change)))
}

/// Whether the change fits. With grace, a message that finds the account below its limit may exceed the limit of storage.
pub(super) fn fits(limits: Limits, used: Amount, change: Amount, grace: Option<Grace>) -> bool {
    let fits = |limit: u64, used: i64, change: i64, percent: u32| {
        let (limit, used) = (i128::from(limit), i128::from(used));
        let extra = if used < limit { limit * i128::from(percent) / 100 } else { 0 };
        change <= 0 || used + i128::from(change) <= limit + extra
    };
    let percent = grace.map_or(0, |grace| grace.percent);
    limits.storage.is_none_or(|limit| fits(limit, used.storage, change.storage, percent))
        && limits.messages.is_none_or(|limit| fits(limit, used.messages, change.messages, 0))
}

/// Whether nothing more fits, not even by grace.
pub(super) fn is_full(limits: Limits, used: Amount) -> bool {
    resources(limits, used, Amount::NOTHING).any(|(limit, used, _, _)| i128::from(used) >= i128::from(limit))
}

/// The smaller of each two limits.
pub(super) fn smaller(a: Limits, b: Limits) -> Limits {
    let smaller = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
    Limits { storage: smaller(a.storage, b.storage), messages: smaller(a.messages, b.messages) }
}

/// Whether nothing that fits within `b` can exceed `a`.
pub(super) fn is_no_tighter(a: Limits, b: Limits) -> bool {
    smaller(a, b) == b
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: i64 = 1 << 20;

    fn limits(storage: u64, messages: u64) -> Limits {
        let limit = |number: u64| (number > 0).then_some(number);
        Limits { storage: limit(storage), messages: limit(messages) }
    }

    fn amount(storage: i64, messages: i64) -> Amount {
        Amount { storage, messages }
    }

    /// Asked of Dovecot 2.3.19 with a limit of 20480 octets and its grace of 10 %.
    #[test]
    fn the_last_delivery_may_exceed_as_in_dovecot() {
        let (limit, grace) = (limits(20480, 0), Some(Grace { percent: 10 }));
        for (used, size, delivered, appended) in [
            (0, 30_000, false, false),
            (0, 22_528, true, false),
            (0, 22_529, false, false),
            (15_288, 4082, true, true),
            (19_370, 2560, true, false),
            (20_479, 2049, true, false),
            (20_480, 1, false, false),
            (21_930, 136, false, false),
        ] {
            assert_eq!(fits(limit, amount(used, 1), amount(size, 1), grace), delivered, "{size} after {used}");
            assert_eq!(fits(limit, amount(used, 1), amount(size, 1), None), appended, "{size} after {used}");
        }
        assert!(!fits(limits(0, 5), amount(0, 5), amount(1, 1), grace));
        assert!(fits(limits(0, 0), amount(i64::MAX, 5), amount(1, 1), None));
    }

    #[test]
    fn memory_is_for_wide_accounts_and_one_share() {
        let limit = limits(2048 << 20, 100_000);
        assert!(may_wait(limit, amount(1536 * MIB, 75_000), amount(16 * MIB, 781)));
        assert!(!may_wait(limit, amount(1536 * MIB + 1, 10), amount(1, 1)));
        assert!(!may_wait(limit, amount(10, 75_001), amount(1, 1)));
        assert!(!may_wait(limit, amount(10, 10), amount(16 * MIB + 1, 1)));
        assert!(!may_wait(limit, amount(10, 10), amount(1, 782)));
        assert!(!may_wait(limits(1 << 20, 0), Amount::NOTHING, amount(1, 1)));
        assert!(may_wait(limits(0, 0), amount(i64::MAX, 1), amount(1, 1)));
    }

    #[test]
    fn all_shares_together_are_what_is_kept_free_for_them() {
        let limit = limits(128 << 20, 0);
        let (share, nodes) = (1 << 20, i64::try_from(NODES_MAX).unwrap());
        assert!(may_wait(limit, amount(0, 0), amount(share, 1)));
        let most_under_the_lock = 112 << 20;
        assert!(is_safe(limit, amount(0, 0), amount(most_under_the_lock, 1)));
        assert!(!is_safe(limit, amount(0, 0), amount(most_under_the_lock + 1, 1)));
        assert_eq!(most_under_the_lock + nodes * share, 128 << 20);
    }

    #[test]
    fn a_tighter_limit_is_known() {
        assert!(is_no_tighter(limits(200, 0), limits(100, 5)));
        assert!(is_no_tighter(limits(0, 0), limits(0, 0)));
        assert!(!is_no_tighter(limits(100, 5), limits(100, 0)));
    }
}
