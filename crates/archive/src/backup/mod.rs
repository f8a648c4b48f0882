//! Backups of accounts: a folder of contents by their SHA-256, and a snapshot file for each backup (docs/internals/backup.md).
//!
//! | state | files | who moves it on | what a crash leaves |
//! |---|---|---|---|
//! | begun | new blobs | `create` | blobs that the next backup finds and uses; every earlier snapshot is whole |
//! | made | its snapshot file | – | – |
//!
//! A snapshot file is written last, and only after all that it names is durable. Nothing is ever changed, and only `prune`
//! removes. What of an account cannot be read is left out and told; the rest is kept.

mod prune;
mod retention;
mod scripts;
mod slots;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use disk::Disk;
use mail::{MailboxName, Uid, UidValidity};
use store::{Account, Inventory, Stored};

pub use self::prune::{Pruned, PrunedAccount};
pub use self::retention::Keep;
use crate::blobs::Blobs;
use crate::manifest::{self, FileRecord, MailboxRecord, MessageRecord, Snapshot, VERSION};
use crate::{Error, Result};

const ACCOUNTS: &str = "accounts";

/// A folder of backups, of any number of accounts.
#[derive(Debug)]
pub struct Backups<'d> {
    disk: &'d dyn Disk,
    folder: PathBuf,
    blobs: Blobs<'d>,
}

/// What a backup did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Created {
    /// Names the snapshot.
    pub id: String,
    pub messages: usize,
    /// Contents that no earlier backup had, and their octets.
    pub new_contents: usize,
    pub new_octets: u64,
    /// What could not be read, in words for the operator.
    pub missing: Vec<String>,
}

/// What a restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many messages came back into each mailbox.
    pub mailboxes: Vec<(String, usize)>,
    /// What the backup does not hold any more, in words for the operator.
    pub missing: Vec<String>,
}

impl<'d> Backups<'d> {
    pub fn new(disk: &'d dyn Disk, folder: &Path) -> Backups<'d> {
        Backups { disk, folder: folder.to_owned(), blobs: Blobs::new(disk, folder) }
    }

    /// Backs an account up. Sessions and deliveries go on meanwhile; a prune is waited for. `step` hears of every message.
    pub fn create(&self, user: &str, home: &Path, account: &Arc<Account>, mut step: impl FnMut()) -> Result<Created> {
        let _slot = slots::for_backup(self.disk, &self.folder)?;
        let known = self.known(user)?;
        let mut created = Created::default();
        let mut mailboxes = Vec::new();
        for listed in account.list()?.iter().filter(|listed| listed.selectable && listed.exists) {
            match account.inventory(&listed.name) {
                Ok(inventory) => {
                    mailboxes.push(self.mailbox(account, &listed.name, inventory, &known, &mut created, &mut step)?);
                }
                // Deleted since it was listed.
                Err(store::Error::NoSuchMailbox) => {}
                Err(error) => created.missing.push(format!("{}: {}", listed.name, Error::from(error).told()?)),
            }
        }
        let mut files = Vec::new();
        for (name, content) in account.account_files() {
            match content {
                Ok(content) => files.push((name, content)),
                Err(error) => created.missing.push(Error::from(error).told()?),
            }
        }
        let files = self.files(files)?;
        let sieve = scripts::keep(self.disk, &self.blobs, home, &mut created.missing)?;
        let taken = self.later_than_all(user)?;
        let missing = created.missing.clone();
        let snapshot = Snapshot { version: VERSION, account: user.to_owned(), taken, mailboxes, files, sieve, missing };
        let folder = self.account_folder(user);
        self.disk.create_dir_all(&folder)?;
        created.id = taken.to_string();
        created.messages = snapshot.messages();
        disk::replace(self.disk, &folder.join(file_name(&created.id)), &snapshot.encode())?;
        Ok(created)
    }

    fn mailbox(
        &self,
        account: &Arc<Account>,
        name: &MailboxName,
        inventory: Inventory,
        known: &HashMap<(String, u64), String>,
        created: &mut Created,
        step: &mut impl FnMut(),
    ) -> Result<MailboxRecord> {
        let mut messages = Vec::with_capacity(inventory.messages.len());
        for stored in &inventory.messages {
            step();
            let (file, stat) = match account.stored_file(name, stored) {
                Err(store::Error::Gone) => continue,
                Err(error) => {
                    created.missing.push(Error::from(error).told()?);
                    continue;
                }
                Ok(found) => found,
            };
            let base = manifest::escape(&stored.base);
            let (content, size) = match known.get(&(base.clone(), stat.len)).filter(|digest| self.blobs.has(digest)) {
                Some(digest) => (digest.clone(), stat.len),
                None => match self.blobs.keep(&*file) {
                    Ok((digest, len, is_new)) => {
                        created.new_contents += usize::from(is_new);
                        created.new_octets += if is_new { len } else { 0 };
                        (digest, len)
                    }
                    Err(error) => {
                        created.missing.push(error.told()?);
                        continue;
                    }
                },
            };
            let (uid, suffix) = (stored.uid.number(), manifest::escape(&stored.suffix));
            messages.push(MessageRecord { uid, base, suffix, date: since_1970(stat.modified), size, content });
        }
        Ok(MailboxRecord {
            name: name.to_string(),
            uid_validity: inventory.uid_validity.number(),
            uidlist: self.blobs.keep_bytes(&inventory.uidlist)?,
            files: self.files(inventory.files)?,
            messages,
        })
    }

    fn files(&self, files: Vec<(String, Vec<u8>)>) -> Result<Vec<FileRecord>> {
        let keep = |(name, content): (String, Vec<u8>)| {
            Ok(FileRecord { name, content: self.blobs.keep_bytes(&content)?, link: None })
        };
        files.into_iter().map(keep).collect()
    }

    /// The contents that the last backup knows by the names of their files: content never changes under a name.
    fn known(&self, user: &str) -> Result<HashMap<(String, u64), String>> {
        let Some(last) = self.list(user)?.pop() else { return Ok(HashMap::new()) };
        let messages = last.1.mailboxes.into_iter().flat_map(|mailbox| mailbox.messages);
        Ok(messages.map(|message| ((message.base, message.size), message.content)).collect())
    }

    fn later_than_all(&self, user: &str) -> Result<u64> {
        let now = self.disk.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        // A clock that was set back must not write over a snapshot.
        let last = self.ids(user)?.iter().filter_map(|id| id.parse::<u64>().ok()).max();
        Ok(last.map_or(now, |last| now.max(last + 1)))
    }

    /// The whole snapshots of an account, the oldest first.
    pub fn list(&self, user: &str) -> Result<Vec<(String, Snapshot)>> {
        let mut snapshots = Vec::new();
        for id in self.ids(user)? {
            match self.open(user, &id) {
                Ok(snapshot) => snapshots.push((id, snapshot)),
                // Or pruned since it was listed.
                Err(Error::Damaged { .. } | Error::Disk(disk::Error::NotFound { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(snapshots)
    }

    fn ids(&self, user: &str) -> Result<Vec<String>> {
        self.ids_in(&self.account_folder(user))
    }

    fn ids_in(&self, folder: &Path) -> Result<Vec<String>> {
        let entries = match self.disk.list(folder) {
            Err(disk::Error::NotFound { .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let id = |entry: &disk::Entry| Some(entry.name.to_str()?.strip_suffix(".json")?.to_owned());
        let mut ids: Vec<String> = entries.iter().filter_map(id).collect();
        ids.sort_by_key(|id| id.parse::<u64>().unwrap_or(0));
        Ok(ids)
    }

    /// One snapshot; the last for `None`.
    pub fn find(&self, user: &str, id: Option<&str>) -> Result<(String, Snapshot)> {
        let nothing = || Error::NoSuchSnapshot(format!("{} of {user}", id.unwrap_or("at all")));
        match id {
            Some(id) if self.ids(user)?.iter().any(|known| known == id) => Ok((id.to_owned(), self.open(user, id)?)),
            Some(_) => Err(nothing()),
            None => self.list(user)?.pop().ok_or_else(nothing),
        }
    }

    fn open(&self, user: &str, id: &str) -> Result<Snapshot> {
        let path = self.account_folder(user).join(file_name(id));
        Snapshot::parse(&self.disk.read(&path)?).ok_or(Error::Damaged { path, what: "snapshot is not whole" })
    }

    /// Reads everything that the snapshots of an account need; answers with what is missing or changed.
    pub fn verify(&self, user: &str, mut step: impl FnMut()) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        let mut asked = std::collections::HashSet::new();
        for id in self.ids(user)? {
            let snapshot = match self.open(user, &id) {
                Ok(snapshot) => snapshot,
                // Pruned since it was listed.
                Err(Error::Disk(disk::Error::NotFound { .. })) => continue,
                Err(error) => {
                    findings.push(error.to_string());
                    continue;
                }
            };
            for content in snapshot.contents() {
                step();
                if !asked.insert(content.to_owned()) {
                    continue;
                }
                match self.blobs.is_whole(content) {
                    Ok(true) => {}
                    Ok(false) => {
                        findings.push(format!("{}: content is missing or changed", self.blobs.path(content).display()));
                    }
                    Err(error @ Error::Disk(disk::Error::Io { .. })) => findings.push(error.to_string()),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(findings)
    }

    /// Puts mailboxes back: all of them, or one, perhaps under another name. What is there stays as it is, so it may be done
    /// again after it was interrupted. A restore of everything brings subscriptions and scripts back where they are missing.
    pub fn restore(
        &self,
        snapshot: &Snapshot,
        home: &Path,
        account: &Arc<Account>,
        only: Option<(&MailboxName, &MailboxName)>,
        mut step: impl FnMut(),
    ) -> Result<Restored> {
        let mut restored = Restored::default();
        for record in &snapshot.mailboxes {
            let name =
                MailboxName::parse(&record.name).map_err(|_| Error::Format("name of a mailbox makes no sense"))?;
            let target = match only {
                Some((from, to)) if *from == name => to.clone(),
                Some(_) => continue,
                None => name,
            };
            let count = match self.put_back(record, account, &target, &mut restored.missing, &mut step) {
                Ok(count) => count,
                Err(error) => {
                    restored.missing.push(format!("{target}: {}", error.told()?));
                    0
                }
            };
            restored.mailboxes.push((target.to_string(), count));
        }
        if let (Some((from, _)), true) = (only, restored.mailboxes.is_empty()) {
            return Err(Error::NoSuchMailbox(from.to_string()));
        }
        if only.is_none() {
            for file in &snapshot.files {
                match self.blobs.read(&file.content) {
                    Ok(content) => _ = account.put_account_file(&file.name, &content)?,
                    Err(error) => restored.missing.push(error.told()?),
                }
            }
            scripts::put_back(self.disk, &self.blobs, &snapshot.sieve, home, &mut restored.missing)?;
        }
        Ok(restored)
    }

    fn put_back(
        &self,
        record: &MailboxRecord,
        account: &Arc<Account>,
        target: &MailboxName,
        missing: &mut Vec<String>,
        step: &mut impl FnMut(),
    ) -> Result<usize> {
        let senseless = Error::Format("a message in the snapshot makes no sense");
        let mut messages = Vec::new();
        let mut contents = HashMap::new();
        for message in &record.messages {
            let uid = Uid::new(message.uid);
            let names = manifest::unescape(&message.base).zip(manifest::unescape(&message.suffix));
            let Some((uid, (base, suffix))) = uid.zip(names) else { return Err(senseless) };
            contents.insert(base.clone(), message);
            messages.push(Stored { uid, base, suffix });
        }
        let files = record.files.iter().map(|file| Ok((file.name.clone(), self.blobs.read(&file.content)?)));
        let inventory = Inventory {
            uid_validity: UidValidity::new(record.uid_validity).ok_or(senseless)?,
            uidlist: self.blobs.read(&record.uidlist)?,
            files: files.collect::<Result<_>>()?,
            messages,
        };
        let mut trouble = None;
        let put = account.put_back(target, &inventory, |stored, file| {
            step();
            let Some(message) = contents.get(&stored.base) else { return Err(store::Error::Gone) };
            let left_out = match self.blobs.write_to(&message.content, file) {
                Ok(_) => return Ok(Some(date(message.date))),
                Err(error) => error.told(),
            };
            match left_out {
                Ok(why) => missing.push(format!("{target}: message {}: {why}", stored.uid)),
                Err(error) => {
                    trouble = Some(error);
                    return Err(store::Error::Gone);
                }
            }
            Ok(None)
        });
        match trouble {
            Some(error) => Err(error),
            None => Ok(put?),
        }
    }

    fn account_folder(&self, user: &str) -> PathBuf {
        // A name may hold anything; escaped it is one level.
        self.folder.join(ACCOUNTS).join(manifest::escape(user.as_bytes()).replace('/', "%2F").replace('.', "%2E"))
    }
}

fn file_name(id: &str) -> String {
    format!("{id}.json")
}

fn since_1970(time: SystemTime) -> (i64, u32) {
    let whole = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (whole(since), since.subsec_nanos()),
        Err(before) => (-whole(before.duration()), 0),
    }
}

fn date((seconds, nanos): (i64, u32)) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let whole = if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    whole.and_then(|whole| whole.checked_add(Duration::from_nanos(nanos.min(999_999_999).into()))).unwrap_or(UNIX_EPOCH)
}
