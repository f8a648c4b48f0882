//! What became of hints since the start, for `/status`.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Datagrams given to the network, each peer's own.
    Sent,
    /// Datagrams that the system did not take.
    Unsent,
    /// Changes for which there was no room.
    Dropped,
    /// Datagrams that count.
    Received,
    /// Looks at a mailbox.
    Looked,
    /// Datagrams that are none, or of another version.
    Malformed,
    /// Datagrams of somebody without the secret.
    Foreign,
    /// Datagrams from long ago, or of a node whose clock is wrong.
    OutOfTime,
    /// Datagrams that were heard before.
    Replayed,
}

const NAMES: [&str; 9] =
    ["sent", "unsent", "dropped", "received", "looked", "malformed", "foreign", "out_of_time", "replayed"];

#[derive(Debug, Default)]
pub struct Counts([AtomicU64; NAMES.len()]);

/// The counts by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintCounts(std::collections::BTreeMap<String, u64>);

impl Count {
    pub fn word(self) -> &'static str {
        NAMES[self as usize]
    }
}

impl Counts {
    pub fn add(&self, count: Count) {
        self.0[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn shown(&self) -> HintCounts {
        let numbers = self.0.iter().map(|number| number.load(Ordering::Relaxed));
        HintCounts(NAMES.iter().map(|name| (*name).to_owned()).zip(numbers).collect())
    }

    /// All datagrams that did not count.
    pub fn refused(&self) -> u64 {
        let refused = [Count::Malformed, Count::Foreign, Count::OutOfTime, Count::Replayed];
        refused.iter().map(|count| self.0[*count as usize].load(Ordering::Relaxed)).sum()
    }
}
