//! The task that writes down what deliveries changed, and tells of crossed thresholds.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::warning;
use crate::house::blocking;
use crate::node::Node;

/// How often the store is looked after.
const PERIOD: Duration = Duration::from_millis(250);
/// The wait after a failure, which repeats itself.
const PERIOD_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Warnings at the same time; the others wait.
const WARNINGS_MAX: usize = 8;

/// Runs until it is aborted.
pub async fn tend(node: Arc<Node>) {
    let places = Arc::new(Semaphore::new(WARNINGS_MAX));
    loop {
        let store = node.store();
        let (failed, crossings) = blocking(move || (store.tend_quota(), store.quota_crossings())).await;
        for (home, error) in &failed {
            tracing::error!(home = %home.display(), %error, "cannot write down the quota; trying again");
        }
        for crossing in crossings {
            let (node, places) = (Arc::clone(&node), Arc::clone(&places));
            tokio::spawn(async move {
                // Never closed.
                let Ok(_place) = places.acquire_owned().await else { return };
                warning::tell(&node, &crossing).await;
            });
        }
        tokio::time::sleep(if failed.is_empty() { PERIOD } else { PERIOD_AFTER_FAILURE }).await;
    }
}
