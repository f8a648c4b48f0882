//! The only room that opens, syncs, renames, links and locks files.
//!
//! Two twins answer at one door, [`Disk`]: [`RealDisk`] asks the kernel and knows the manners of NFS; [`MemoryDisk`]
//! keeps everything in memory, loses on a power cut what was not synced, fails on demand, and lies as NFS does. What is
//! built on the door is tested on the second and runs on the first. docs/internals/disk-nfs.md has the manners of NFS.
//!
//! Promises: nothing is durable before its `sync` (content) or [`Disk::sync_dir`] (names) returned; a file whose sync
//! failed refuses every later call; no call blocks on the network or on another process except [`Disk::sleep`] and
//! [`Dotlock::acquire`], both within a bound the caller gave.
//!
//! Knows nothing of mail: not what a Maildir, a uidlist or a spool is.

mod door;
mod dotlock;
mod error;
mod memory;
mod poison;
mod real;
mod replace;
mod settle;

pub use door::{Disk, Entry, Kind, Lock, Owner, ReadFile, Stat, WHOLE_FILE_MAX, WriteFile};
pub use dotlock::{Dotlock, DotlockSettings, LockAtRest};
pub use error::{Error, Op, Result};
pub use memory::{Clock, Cut, Fault, Manners, MemoryDisk, Pace, Survival, every_cut, every_cut_from};
pub use real::RealDisk;
pub use replace::{place, replace};
