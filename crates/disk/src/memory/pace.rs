//! Whose turn it is, when a test decides that.

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use crate::Op;

/// Asked by every node that was given it ([`super::MemoryDisk::paced`]) before each of its calls, while nothing is locked.
pub trait Pace: Send + Sync + Debug {
    /// Answers when the call may go to the storage.
    fn turn(&self, op: Op, path: &Path);

    /// Answers when so much time has passed.
    fn sleep(&self, duration: Duration);

    /// A number nobody can foresee and that is the same when all is repeated.
    fn chance(&self) -> u64;
}
