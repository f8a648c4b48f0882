//! Keeps the index within its size: the accounts that were not used for the longest time are forgotten.
//!
//! Walks the folder twice at most. The first walk adds up what there is by the hour of its last use, in a table of a few
//! thousand numbers however many accounts there are; if that is too much, the second removes accounts older than the hour
//! that results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::UNIX_EPOCH;

use disk::{Disk, Kind, Result};

use super::{Index, Learned};

const HOUR: u64 = 3600;
/// Ages beyond this are one.
const HOURS_MAX: u64 = 24 * 366;
/// What is left after a sweep, in percent of the bound, so that the next is not due at once.
const LEFT_PERCENT: u64 = 90;
/// A sweep is due when this part of the bound was written since the last.
const DUE_PART: u64 = 32;

impl Index {
    pub(super) fn note_written(&self, learned: Learned<'_>) {
        let octets: usize = learned.iter().map(|(_, _, gist)| 64 + gist.as_ref().map_or(0, |gist| gist.octets())).sum();
        let add = |written: u64| Some(written.saturating_add(octets as u64));
        let _ = self.written.fetch_update(Relaxed, Relaxed, add);
    }

    /// Removes the least used accounts if the index is too large. Costs nothing when little was written since the last time.
    pub(crate) fn sweep(&self) -> Result<()> {
        let written = self.written.load(Relaxed);
        if written < self.size_max / DUE_PART || !self.is_ours() {
            return Ok(());
        }
        self.written.store(0, Relaxed);
        let mut by_age: BTreeMap<u64, u64> = BTreeMap::new();
        self.walk(|_, age, octets| {
            *by_age.entry(age).or_default() += octets;
            Ok(())
        })?;
        let total: u64 = by_age.values().sum();
        if total <= self.size_max {
            return Ok(());
        }
        let mut excess = total.saturating_sub(self.size_max / 100 * LEFT_PERCENT);
        let oldest_first = by_age.into_iter().rev();
        let cut = oldest_first.map(|(age, octets)| {
            let enough = octets >= excess;
            excess = excess.saturating_sub(octets);
            (age, enough)
        });
        let age_left = cut.into_iter().find(|(_, enough)| *enough).map_or(0, |(age, _)| age);
        let mut excess = total.saturating_sub(self.size_max / 100 * LEFT_PERCENT);
        // Older ones all, of those of the last hour as many as need be.
        self.walk(|account, age, octets| {
            if age > age_left || (age == age_left && excess > 0) {
                remove_account(&*self.disk, account)?;
                excess = excess.saturating_sub(octets);
            }
            Ok(())
        })
    }

    /// Each account with its age in hours and its octets.
    fn walk(&self, mut each: impl FnMut(&Path, u64, u64) -> Result<()>) -> Result<()> {
        let disk = &*self.disk;
        let now = super::seconds(disk);
        for shard in folders(disk, &self.folder)? {
            for account in folders(disk, &shard)? {
                let used = disk.stat(&account).map_or(UNIX_EPOCH, |stat| stat.modified);
                let used = used.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let age = (now.saturating_sub(used) / HOUR).min(HOURS_MAX);
                each(&account, age, octets(disk, &account)?)?;
            }
        }
        Ok(())
    }
}

fn folders(disk: &dyn Disk, path: &Path) -> Result<Vec<PathBuf>> {
    let entries = match disk.list(path) {
        Err(disk::Error::NotFound { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    Ok(entries.into_iter().filter(|entry| entry.kind == Kind::Dir).map(|entry| path.join(entry.name)).collect())
}

fn octets(disk: &dyn Disk, account: &Path) -> Result<u64> {
    let mut sum = 0;
    for mailbox in folders(disk, account)? {
        for entry in disk.list(&mailbox).unwrap_or_default() {
            sum += disk.stat(&mailbox.join(entry.name)).map_or(0, |stat| stat.len);
        }
    }
    Ok(sum)
}

/// Whoever uses it finds out that it is gone, and begins anew.
fn remove_account(disk: &dyn Disk, account: &Path) -> Result<()> {
    for mailbox in folders(disk, account)? {
        for entry in disk.list(&mailbox).unwrap_or_default() {
            forgiving(disk.remove(&mailbox.join(entry.name)))?;
        }
        forgiving(disk.remove_dir(&mailbox))?;
    }
    forgiving(disk.remove_dir(account))
}

/// Somebody else removed it, or has just put something into it.
fn forgiving(removed: Result<()>) -> Result<()> {
    match removed {
        Err(disk::Error::NotFound { .. } | disk::Error::Io { .. }) => Ok(()),
        other => other,
    }
}
