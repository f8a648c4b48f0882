//! Thresholds, and who crossed one. Pure.
//!
//! The number changes under its lock only, so of all nodes exactly one sees it cross.

use std::path::PathBuf;

use mail::quota::Limits;

use super::Amount;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Storage,
    Messages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From below to the threshold or above it.
    Up,
    /// From the threshold or above it to below.
    Down,
}

/// A share of the limit at which somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    pub resource: Resource,
    pub percent: u32,
    pub direction: Direction,
}

/// An account crossed a threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    pub home: PathBuf,
    /// As it was given when the account was opened.
    pub user: String,
    /// Which of `QuotaSettings::thresholds`.
    pub threshold: usize,
    pub used: Amount,
    pub limits: Limits,
}

/// The first threshold in the order of the settings that was crossed: whoever lists the highest first is told of that one
/// alone, as in Dovecot.
pub(super) fn crossed(thresholds: &[Threshold], limits: Limits, before: Amount, after: Amount) -> Option<usize> {
    thresholds.iter().position(|threshold| {
        let (limit, before, after) = match threshold.resource {
            Resource::Storage => (limits.storage, before.storage, after.storage),
            Resource::Messages => (limits.messages, before.messages, after.messages),
        };
        let reached =
            |limit: u64, amount: i64| i128::from(amount) * 100 >= i128::from(limit) * i128::from(threshold.percent);
        limit.is_some_and(|limit| match threshold.direction {
            Direction::Up => !reached(limit, before) && reached(limit, after),
            Direction::Down => reached(limit, before) && !reached(limit, after),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_crossed_threshold_counts_once_in_its_direction() {
        let threshold = |resource, percent, direction| Threshold { resource, percent, direction };
        let thresholds = [
            threshold(Resource::Storage, 95, Direction::Up),
            threshold(Resource::Storage, 80, Direction::Up),
            threshold(Resource::Storage, 100, Direction::Down),
            threshold(Resource::Messages, 50, Direction::Up),
        ];
        let limits = Limits { storage: Some(1000), messages: Some(10) };
        let amount = |storage, messages| Amount { storage, messages };
        let crossed = |before: (i64, i64), after: (i64, i64)| {
            super::crossed(&thresholds, limits, amount(before.0, before.1), amount(after.0, after.1))
        };
        assert_eq!(crossed((0, 1), (800, 2)), Some(1));
        assert_eq!(crossed((0, 1), (950, 2)), Some(0));
        assert_eq!(crossed((800, 1), (949, 2)), None);
        assert_eq!(crossed((1000, 1), (999, 0)), Some(2));
        assert_eq!(crossed((0, 4), (1, 5)), Some(3));
        assert_eq!(super::crossed(&thresholds, Limits::default(), Amount::NOTHING, amount(9999, 9999)), None);
    }
}
