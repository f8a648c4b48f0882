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
