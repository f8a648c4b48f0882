//! Which backups of an account stay. Pure.

use std::collections::HashSet;

use mail::date::DateTime;

const SECONDS_PER_DAY: i64 = 86_400;
/// 1 January 1970 was a Thursday, and weeks begin on Monday.
const DAYS_BEFORE_MONDAY: i64 = 3;

/// How many backups stay: the last ones, and the last of each of so many days, weeks and months (UTC) that have one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    pub last: usize,
    pub daily: usize,
    pub weekly: usize,
    pub monthly: usize,
}

impl Keep {
    /// Whether nothing would stay.
    pub fn is_nothing(self) -> bool {
        self == Keep::default()
    }

    /// Of moments in milliseconds since 1970, those that stay.
    pub(super) fn of(self, moments: &[u64]) -> HashSet<u64> {
        let mut newest_first = moments.to_vec();
        newest_first.sort_unstable_by(|a, b| b.cmp(a));
        let seconds = |moment: u64| i64::try_from(moment / 1000).unwrap_or(i64::MAX);
        let day = |moment| seconds(moment).div_euclid(SECONDS_PER_DAY);
        let week = |moment| (day(moment) + DAYS_BEFORE_MONDAY).div_euclid(7);
        let mut kept: HashSet<u64> = newest_first.iter().take(self.last).copied().collect();
        kept.extend(last_of_each(&newest_first, self.daily, day));
        kept.extend(last_of_each(&newest_first, self.weekly, week));
        kept.extend(last_of_each(&newest_first, self.monthly, |moment| DateTime::utc(seconds(moment)).month()));
        kept
    }
}

fn last_of_each<P: PartialEq>(newest_first: &[u64], count: usize, period: impl Fn(u64) -> P) -> Vec<u64> {
    let mut kept: Vec<u64> = Vec::new();
    for &moment in newest_first {
        if kept.len() == count {
            break;
        }
        if kept.last().is_none_or(|&last| period(last) != period(moment)) {
            kept.push(moment);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noon of a day of January 2026 (1 is a Thursday), or of a later month's as if January went on.
    fn noon(day: u64) -> u64 {
        (1_767_225_600 + (day - 1) * 86_400 + 43_200) * 1000
    }

    fn kept(keep: Keep, moments: &[u64]) -> Vec<u64> {
        let mut kept: Vec<u64> = keep.of(moments).into_iter().collect();
        kept.sort_unstable();
        kept
    }

    #[test]
    fn the_last_of_each_period_stays() {
        let keep = |last, daily, weekly, monthly| Keep { last, daily, weekly, monthly };
        let days: Vec<u64> = (1..=40).map(noon).collect();
        assert_eq!(kept(keep(2, 0, 0, 0), &days), [noon(39), noon(40)]);
        assert_eq!(kept(keep(0, 3, 0, 0), &days), [noon(38), noon(39), noon(40)]);
        // Sundays are the 4th, 11th, 18th, 25th, 1 February (32) and 8 (39).
        assert_eq!(kept(keep(0, 0, 3, 0), &days), [noon(32), noon(39), noon(40)]);
        assert_eq!(kept(keep(0, 0, 0, 5), &days), [noon(31), noon(40)]);
        assert_eq!(kept(keep(1, 2, 2, 2), &days), [noon(31), noon(39), noon(40)]);
        assert_eq!(kept(keep(5, 0, 0, 0), &days[..3]), &days[..3]);
        assert_eq!(kept(keep(0, 0, 0, 0), &days), [0_u64; 0]);
    }

    #[test]
    fn of_several_on_a_day_the_last_stays_and_days_without_one_do_not_count() {
        let keep = Keep { daily: 2, ..Keep::default() };
        assert_eq!(kept(keep, &[noon(9) + 5, noon(9), noon(1), noon(1) - 7]), [noon(1), noon(9) + 5]);
    }
}
