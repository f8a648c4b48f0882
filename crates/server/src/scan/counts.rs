//! How many messages had which verdict since the start, for `/status`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::Verdict;

const NAMES: [&str; 4] = ["clean", "infected", "too-large", "failed"];

#[derive(Debug, Default)]
pub struct ScanTally([AtomicU64; NAMES.len()]);

/// The counts by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanCounts(BTreeMap<String, u64>);

impl Verdict {
    fn row(&self) -> usize {
        match self {
            Verdict::Clean => 0,
            Verdict::Infected(_) => 1,
            Verdict::TooLarge => 2,
            Verdict::Failed(_) => 3,
        }
    }

    /// As logs and counts name it.
    pub fn word(&self) -> &'static str {
        NAMES[self.row()]
    }
}

impl ScanTally {
    pub fn add(&self, verdict: &Verdict) {
        self.0[verdict.row()].fetch_add(1, Ordering::Relaxed);
    }

    pub fn shown(&self) -> ScanCounts {
        let numbers = self.0.iter().map(|number| number.load(Ordering::Relaxed));
        ScanCounts(NAMES.iter().map(|name| (*name).to_owned()).zip(numbers).collect())
    }
}
