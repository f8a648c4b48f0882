//! The ACLs that this process has read: of a file that has not changed since, a look is enough.
//!
//! A listing of what others share asks for the rights in each of their mailboxes, so without this it would read a file for
//! each. What is known is never more than what the file said when it last looked as it does now ([`Scanned`]).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file::Acl;
use super::mailboxes::FILE;
use crate::Result;
use crate::folder::{Folder, Scanned, Stamp};

/// So many files are remembered. Beyond it all are forgotten and read anew.
const FILES_MAX: usize = 100_000;
/// And of none that is longer: rows for some hundred identifiers.
const LENGTH_MAX: u64 = 16 << 10;

/// How sure a look must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Over NFS it may be as old as the client's attribute cache.
    Cheap,
    /// Opens the file, so that NFS asks the server.
    Certain,
}

/// By the file's path.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<HashMap<PathBuf, Known>>);

#[derive(Debug, Default)]
struct Known {
    scanned: Scanned,
    acl: Arc<Acl>,
}

impl Remembered {
    /// What a mailbox's file says now; nothing when there is none.
    pub(crate) fn acl(&self, folder: &Folder, look: Look) -> Result<Arc<Acl>> {
        let path = folder.join(FILE);
        let now = folder.disk.now();
        let Some(stamp) = stamp(folder, look)? else {
            self.known().remove(&path);
            return Ok(Arc::default());
        };
        if let Some(known) = self.known().get(&path)
            && !known.scanned.is_due(Some(stamp), now)
        {
            return Ok(Arc::clone(&known.acl));
        }
        let Some((_, stamp)) = folder.look_into(FILE)? else { return Ok(Arc::default()) };
        let acl = Arc::new(Acl::parse(&folder.read(FILE)?.unwrap_or_default()));
        if stamp.len() <= LENGTH_MAX {
            self.learn(&path, stamp, now, &acl);
        }
        Ok(acl)
    }

    // The look came before the reading: what was written in between makes the next look another.
    fn learn(&self, path: &Path, stamp: Stamp, now: std::time::SystemTime, acl: &Arc<Acl>) {
        let mut known = self.known();
        if known.len() >= FILES_MAX {
            known.clear();
        }
        let entry = known.entry(path.to_owned()).or_default();
        entry.scanned.scanned(Some(stamp), now);
        entry.acl = Arc::clone(acl);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PathBuf, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(folder: &Folder, look: Look) -> Result<Option<Stamp>> {
    match look {
        Look::Cheap => match folder.disk.stat(&folder.join(FILE)) {
            Ok(stat) => Ok(Some(Stamp::of(&stat))),
            Err(disk::Error::NotFound { .. }) => Ok(None),
            // Replaced on the server since this client last asked.
            Err(disk::Error::Stale { .. }) => stamp(folder, Look::Certain),
            Err(error) => Err(error.into()),
        },
        Look::Certain => Ok(folder.look_into(FILE)?.map(|(_, stamp)| stamp)),
    }
}
