//! Removing backups that are not to be kept any more, and the contents that no other backup needs.
//!
//! | state | who moves it on | what a crash leaves |
//! |---|---|---|
//! | snapshots removed | their folder is synced before the first content goes | fewer of them; contents that nobody needs |
//! | contents removed | – | contents that nobody needs: the next prune removes them |

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use disk::Kind;

use super::retention::Keep;
use super::{Backups, file_name, slots};
use crate::{Result, Snapshot, digest, manifest};

/// What a prune did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    pub accounts: Vec<PrunedAccount>,
    /// Contents that no backup needs any more, and their octets.
    pub contents: usize,
    pub octets: u64,
    /// Backups that cannot be read. What they may need is not known, so while there are any, no content is removed.
    pub damaged: Vec<PathBuf>,
}

/// The backups of one account, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedAccount {
    pub name: String,
    pub kept: Vec<String>,
    pub removed: Vec<String>,
}

/// The contents that backups need, by their SHA-256: 32 octets each.
type Needed = HashSet<[u8; 32]>;

impl Backups<'_> {
    /// Removes what `keep` does not name, of these accounts or of all, and all contents that nobody needs. The last whole
    /// backup of an account stays in any case. A dry run only looks. `step` hears of each snapshot and content.
    ///
    /// # Errors
    /// [`crate::Error::Busy`] while a backup is being made, on any node.
    pub fn prune(&self, users: Option<&[String]>, keep: Keep, dry_run: bool, mut step: impl FnMut()) -> Result<Pruned> {
        let _alone = slots::for_prune(self.disk, &self.folder)?;
        let chosen: Option<HashSet<PathBuf>> =
            users.map(|users| users.iter().map(|user| self.account_folder(user)).collect());
        let (mut pruned, mut needed) = (Pruned::default(), Needed::new());
        for folder in self.account_folders()? {
            let keep = Some(keep).filter(|_| chosen.as_ref().is_none_or(|chosen| chosen.contains(&folder)));
            self.account(&folder, keep, dry_run, &mut pruned, &mut needed, &mut step)?;
        }
        if pruned.damaged.is_empty() {
            (pruned.contents, pruned.octets) = self.blobs.sweep(dry_run, |digest| {
                step();
                digest::to_octets(digest).is_some_and(|octets| needed.contains(&octets))
            })?;
        }
        Ok(pruned)
    }

    /// Every account has a folder of its own.
    fn account_folders(&self) -> Result<Vec<PathBuf>> {
        let accounts = self.folder.join(super::ACCOUNTS);
        let entries = match self.disk.list(&accounts) {
            Err(disk::Error::NotFound { .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let folders = entries.iter().filter(|entry| entry.kind == Kind::Dir);
        let mut folders: Vec<PathBuf> = folders.map(|entry| accounts.join(&entry.name)).collect();
        folders.sort();
        Ok(folders)
    }

    /// Sorts an account's snapshots; without `keep` all stay. Adds what those that stay need.
    fn account(
        &self,
        folder: &Path,
        keep: Option<Keep>,
        dry_run: bool,
        pruned: &mut Pruned,
        needed: &mut Needed,
        step: &mut impl FnMut(),
    ) -> Result<()> {
        let ids = self.ids_in(folder)?;
        let mut kept: HashSet<u64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        if let Some(keep) = keep {
            kept = keep.of(&kept.into_iter().collect::<Vec<_>>());
        }
        let mut done = PrunedAccount { name: name_of(folder), ..PrunedAccount::default() };
        let mut has_whole = false;
        // The newest first: the first whole one stays.
        for id in ids.iter().rev() {
            step();
            let path = folder.join(file_name(id));
            let Some(snapshot) = Snapshot::parse(&self.disk.read(&path)?) else {
                pruned.damaged.push(path);
                continue;
            };
            let is_last_whole = !has_whole && snapshot.missing.is_empty();
            has_whole |= is_last_whole;
            // Nobody knows what a snapshot of another name is for.
            if is_last_whole || id.parse().map_or(true, |moment| kept.contains(&moment)) {
                needed.extend(snapshot.contents().filter_map(digest::to_octets));
                done.kept.push(id.clone());
            } else {
                if !dry_run {
                    self.disk.remove(&path)?;
                }
                done.removed.push(id.clone());
            }
        }
        if !dry_run {
            self.sweep_unfinished(folder)?;
            // A snapshot that comes back after a power cut must find its contents.
            self.disk.sync_dir(folder)?;
        }
        pruned.accounts.push(done);
        Ok(())
    }

    /// What a crash left while a snapshot was written. No backup is being made now.
    fn sweep_unfinished(&self, folder: &Path) -> Result<()> {
        for entry in self.disk.list(folder)?.iter().filter(|entry| entry.kind == Kind::File) {
            if entry.name.to_string_lossy().contains(".json.tmp.") {
                self.disk.remove(&folder.join(&entry.name))?;
            }
        }
        Ok(())
    }
}

fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    manifest::unescape(&name).map_or_else(|| name.to_string(), |name| String::from_utf8_lossy(&name).into_owned())
}
