//! How long to wait after a failed attempt. Pure.

use std::time::Duration;

use mail::QueueId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::ScheduleSettings;

/// The wait after the `attempts`-th failed attempt: doubled each time up to the longest, then shortened by the jitter
/// that seed, entry and attempt decide.
pub(super) fn wait(settings: &ScheduleSettings, id: QueueId, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    let whole = settings.retry_first.saturating_mul(1 << doublings).min(settings.retry_max);
    let mut what = id.0.to_le_bytes().to_vec();
    what.extend_from_slice(&attempts.to_le_bytes());
    // Thousandths of the jitter, so that times of one minute do not fall on the same second.
    let thousandths = xxh3_64_with_seed(&what, settings.jitter_seed) % 1001;
    let shorter = u128::from(settings.jitter_percent.min(100)) * u128::from(thousandths);
    let millis = whole.as_millis() - whole.as_millis() * shorter / 100_000;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_to_the_longest_and_jitter_only_shortens_it() {
        let settings = ScheduleSettings { jitter_percent: 20, ..ScheduleSettings::default() };
        for id in 0..200 {
            for (attempts, minutes) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (4_000_000_000, 60)] {
                let whole = Duration::from_secs(minutes * 60);
                let wait = wait(&settings, QueueId(id), attempts);
                assert!(wait <= whole && wait >= whole * 8 / 10, "{attempts}: {wait:?}");
            }
        }
    }

    #[test]
    fn jitter_spreads_entries_and_nothing_else_does() {
        let settings = ScheduleSettings::default();
        let waits: std::collections::BTreeSet<Duration> = (0..200).map(|id| wait(&settings, QueueId(id), 3)).collect();
        assert!(waits.len() > 150, "{}", waits.len());
        let steady = ScheduleSettings { jitter_percent: 0, ..settings };
        assert!((0..200).all(|id| wait(&steady, QueueId(id), 3) == Duration::from_secs(20 * 60)));
    }
}
