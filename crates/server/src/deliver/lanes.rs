//! Open connections to next hops that wait for another message, so that mail for a busy destination does not pay for a
//! connection and a handshake each time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use queue::{Attempt, Destination};
use tokio::sync::oneshot;

/// How long an idle connection is kept.
const KEEP: Duration = Duration::from_secs(2);

/// The idle lanes of each destination.
#[derive(Debug, Default)]
pub struct Lanes(Mutex<HashMap<Destination, Vec<oneshot::Sender<Attempt>>>>);

impl Lanes {
    /// Gives an attempt to an idle lane; gives it back when there is none.
    pub fn offer(&self, attempt: Attempt) -> Option<Attempt> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut attempt = attempt;
        loop {
            let Some(idle) = lanes.get_mut(&attempt.destination) else { return Some(attempt) };
            let Some(lane) = idle.pop() else {
                lanes.remove(&attempt.destination);
                return Some(attempt);
            };
            match lane.send(attempt) {
                Ok(()) => return None,
                // That lane had given up waiting.
                Err(back) => attempt = back,
            }
        }
    }

    /// Waits for the next attempt to a destination, for as long as an idle connection is worth keeping.
    pub async fn wait(&self, destination: &Destination) -> Option<Attempt> {
        let (lane, mut attempt) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(destination.clone()).or_default().push(lane);
        if let Ok(given) = tokio::time::timeout(KEEP, &mut attempt).await {
            return given.ok();
        }
        // An attempt may have been given at the very last moment: it must not get lost.
        attempt.close();
        attempt.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use mail::QueueId;

    use super::*;

    fn attempt(id: u64) -> Attempt {
        Attempt { id: QueueId(id), recipients: vec![0], destination: Destination::new("example.test") }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_lane_takes_the_next_attempt_for_its_destination_only() {
        let lanes = Lanes::default();
        let destination = Destination::new("example.test");
        let (taken, ()) = tokio::join!(lanes.wait(&destination), async {
            let elsewhere = Attempt { destination: Destination::new("other.test"), ..attempt(1) };
            assert!(lanes.offer(elsewhere).is_some());
            assert!(lanes.offer(attempt(2)).is_none());
        });
        assert_eq!(taken.map(|attempt| attempt.id), Some(QueueId(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_gave_up_loses_no_attempt() {
        let lanes = Lanes::default();
        assert!(lanes.wait(&Destination::new("example.test")).await.is_none());
        assert_eq!(lanes.offer(attempt(3)).map(|attempt| attempt.id), Some(QueueId(3)));
    }
}
