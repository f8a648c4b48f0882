//! Names for sessions and messages, unique over nodes and restarts without asking anyone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use mail::TraceId;

/// Makes names: the process's start in microseconds, then a counter.
#[derive(Debug)]
pub struct Ids {
    start: u64,
    sessions: AtomicU64,
    messages: AtomicU64,
    node: u64,
}

impl Ids {
    pub fn new(node_name: &str) -> Ids {
        let start =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        Ids { start, sessions: AtomicU64::new(1), messages: AtomicU64::new(1), node: fnv1a(node_name) }
    }

    /// A session's name within this node's logs.
    pub fn session(&self) -> String {
        format!("{:x}-{}", self.start / 1_000_000, self.sessions.fetch_add(1, Ordering::Relaxed))
    }

    /// A message's name on its whole way.
    pub fn trace(&self) -> TraceId {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:x}-{:x}-{number:x}", self.start, self.node & 0xffff_ffff);
        // Hexadecimal digits and dashes, far below the bound: always a trace id.
        TraceId::parse(&text).unwrap_or_else(|| unreachable!("{text} is a trace id"))
    }
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
