//! A node that stops before a call while others do something.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::{MemoryDisk, Op, Pace};

/// Stops a node before its first call of one kind on such a path, while others do something.
pub struct Stop {
    before: Op,
    path_ends: &'static str,
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Stop {
    pub fn before(
        node: &MemoryDisk,
        before: Op,
        path_ends: &'static str,
        meanwhile: impl FnOnce() + Send + 'static,
    ) -> MemoryDisk {
        node.paced(Arc::new(Stop { before, path_ends, meanwhile: Mutex::new(Some(Box::new(meanwhile))) }))
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stops before {} of {}", self.before, self.path_ends)
    }
}

impl Pace for Stop {
    fn turn(&self, op: Op, path: &Path) {
        if op == self.before && path.to_str().is_some_and(|path| path.contains(self.path_ends)) {
            let meanwhile = self.meanwhile.lock().unwrap().take();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
        }
    }

    fn sleep(&self, _: Duration) {}

    fn chance(&self) -> u64 {
        0
    }
}
