//! Who works on a folder of backups: any number of backups at a time, or one prune alone.
//!
//! A backup may find a content there and rely on it before its snapshot says so; nobody else could know. So each backup holds
//! one of a few locks, and a prune holds them all. They are locks of the kernel, which end with the process that has them, on
//! this node or, over NFS, on another one.

use std::path::Path;
use std::time::Duration;

use disk::{Disk, Lock};

use crate::{Error, Result};

const FOLDER: &str = "locks";
/// So many backups run at a time; another one waits.
pub(super) const BACKUPS_MAX: usize = 16;
/// For the one who wants all the others, so that no two prunes wait for each other.
const PRUNE: usize = 0;
/// How often a lock is looked at, and how long a backup waits for one: longer than a prune may take.
const WAIT_STEP: Duration = Duration::from_secs(1);
const BACKUP_TRIES_MAX: u32 = 6 * 3600;
/// A prune does not wait for a backup of hours.
const PRUNE_TRIES_MAX: u32 = 30;

/// Held as long as the work takes.
#[derive(Debug)]
pub(super) struct Held {
    _locks: Vec<Box<dyn Lock>>,
}

/// Lets a backup begin, as soon as no prune is at work.
pub(super) fn for_backup(disk: &dyn Disk, backups: &Path) -> Result<Held> {
    let folder = backups.join(FOLDER);
    disk.create_dir_all(&folder)?;
    for _ in 0..BACKUP_TRIES_MAX {
        for number in PRUNE + 1..=BACKUPS_MAX {
            if let Some(lock) = disk.try_lock(&folder.join(number.to_string()))? {
                return Ok(Held { _locks: vec![lock] });
            }
        }
        disk.sleep(WAIT_STEP);
    }
    Err(Error::Busy("backups are being pruned, or too many run already"))
}

/// Lets a prune begin, when no backup and no other prune is at work.
pub(super) fn for_prune(disk: &dyn Disk, backups: &Path) -> Result<Held> {
    let folder = backups.join(FOLDER);
    disk.create_dir_all(&folder)?;
    let mut locks = Vec::with_capacity(1 + BACKUPS_MAX);
    for number in PRUNE..=BACKUPS_MAX {
        locks.push(wait_for(disk, &folder.join(number.to_string()))?);
    }
    Ok(Held { _locks: locks })
}

fn wait_for(disk: &dyn Disk, path: &Path) -> Result<Box<dyn Lock>> {
    for _ in 0..PRUNE_TRIES_MAX {
        if let Some(lock) = disk.try_lock(path)? {
            return Ok(lock);
        }
        disk.sleep(WAIT_STEP);
    }
    Err(Error::Busy("a backup or another prune is at work in this folder; try again later"))
}
