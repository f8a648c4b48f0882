//! Several deliveries at the same time, none of them waited for longer than a bound.
//!
//! Promise: a message that was answered with "try again" because it took too long is not put into the mailbox after that: who makes the
//! delivery and who answers for it ask for the last word, and whoever comes first has it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How long a message that is being put into a mailbox when its time is over may take for that. Beyond it nobody can say whether it is
/// there, and it may come twice.
const COMMIT_PATIENCE: Duration = Duration::from_secs(60);

const OPEN: u8 = 0;
const TAKEN: u8 = 1;
const GIVEN_UP: u8 = 2;

/// The last word about one delivery.
#[derive(Debug, Default)]
pub struct Claim(AtomicU8);

impl Claim {
    /// Asked right before something can be seen of the delivery. False: it has been answered for, and must not be made any more.
    pub fn take(&self) -> bool {
        self.0.compare_exchange(OPEN, TAKEN, Ordering::AcqRel, Ordering::Acquire) != Err(GIVEN_UP)
    }

    /// Asked before it is answered for. False: it is being made, and its outcome comes soon.
    fn give_up(&self) -> bool {
        self.0.compare_exchange(OPEN, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire) != Err(TAKEN)
    }
}

/// What the tasks give, by their numbers: one for each claim. For those that take too long `late` says it.
pub async fn all<T: 'static>(
    mut tasks: JoinSet<(usize, T)>,
    claims: &[Arc<Claim>],
    patience: Duration,
    late: impl Fn(usize) -> T,
) -> Vec<T> {
    let mut done = BTreeMap::new();
    join(&mut tasks, claims.len(), patience, &mut done).await;
    for (number, claim) in claims.iter().enumerate() {
        if !done.contains_key(&number) && claim.give_up() {
            done.insert(number, late(number));
        }
    }
    join(&mut tasks, claims.len(), COMMIT_PATIENCE, &mut done).await;
    for number in 0..claims.len() {
        done.entry(number).or_insert_with(|| late(number));
    }
    done.into_values().collect()
}

/// Waits until so many are done. What somebody has answered for already stays.
async fn join<T: 'static>(
    tasks: &mut JoinSet<(usize, T)>,
    count: usize,
    patience: Duration,
    done: &mut BTreeMap<usize, T>,
) {
    let deadline = Instant::now() + patience;
    while done.len() < count {
        match timeout_at(deadline, tasks.join_next()).await {
            Ok(Some(Ok((number, outcome)))) => _ = done.entry(number).or_insert(outcome),
            Ok(Some(Err(error))) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
            Ok(None) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_first_has_the_last_word() {
        let made = Claim::default();
        assert!(made.take() && made.take() && !made.give_up());
        let answered = Claim::default();
        assert!(answered.give_up() && answered.give_up() && !answered.take());
    }

    /// Deliveries that take the lock after `wait` seconds and are made in `commit` seconds; what each was answered, and how long all took.
    async fn run(deliveries: &[(u64, u64)]) -> (Vec<&'static str>, u64) {
        let began = Instant::now();
        let claims: Vec<Arc<Claim>> = deliveries.iter().map(|_| Arc::default()).collect();
        let mut tasks = JoinSet::new();
        for (number, (&(wait, commit), claim)) in deliveries.iter().zip(claims.iter().cloned()).enumerate() {
            tasks.spawn(async move {
                tokio::time::sleep(Duration::from_secs(wait)).await;
                if claim.take() {
                    tokio::time::sleep(Duration::from_secs(commit)).await;
                    return (number, "made");
                }
                (number, "unwanted")
            });
        }
        let answers = all(tasks, &claims, Duration::from_secs(100), |_| "late").await;
        (answers, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn the_slow_ones_are_answered_for_and_the_others_are_told_as_they_are() {
        assert_eq!(run(&[(1, 1), (2, 1)]).await, (vec!["made", "made"], 3));
        assert_eq!(run(&[(1000, 1), (2, 1)]).await, (vec!["late", "made"], 100));
        assert_eq!(run(&[(1000, 1), (99, 21)]).await, (vec!["late", "made"], 120));
        assert_eq!(run(&[(1, 1000), (1000, 1)]).await, (vec!["late", "late"], 160));
    }
}
