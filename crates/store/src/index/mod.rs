//! What the node remembers of messages, so that lists of large mailboxes open no files: size, date, some header fields, the
//! structure. On the node's own disk; never truth. All of it may be deleted at any time, also while it is used.
//!
//! A message is known by the hash of its file's base, which names its content for ever: no UID and no mailbox is needed to
//! say what an entry is about, and a delivery can be remembered before it has a UID. Whatever cannot be read, does not
//! belong here or fails its check counts as not remembered, and is learned again. `docs/internals/index.md` tells the rest.
//!
//! Knows nothing of UIDs, and learns only what it is told: `mailbox::digests` joins it with the truth.

mod entry;
mod fields;
mod files;
mod learner;
pub(crate) mod place;
mod row;
mod sweep;
mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use disk::{Disk, Lock};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use self::entry::Gist;
pub(crate) use self::fields::{chosen, remembered, suffices};
use self::files::{Files, Learned};
pub(crate) use self::learner::{Learner, gist_of};
use self::row::Row;
pub(crate) use self::row::{Facts, Key};
use self::table::Table;
use crate::weak_map::WeakMap;

/// Held by the process that uses the folder.
const LOCK: &str = "lock";
/// A folder that another process uses is tried again after so many seconds.
const LOCK_RETRY: u64 = 10;
/// An account's last use is noted at most so often, in seconds.
const USE_EVERY: u64 = 3600;
/// So many accounts' last uses are held in memory.
const USES_MAX: usize = 10_000;
/// Rows beyond twice the messages and these are reason to write the files anew.
const DEAD_ROWS_MIN: usize = 1000;
/// A batch of entries found is no larger than this, in octets as they are kept, apart from its first.
const BATCH_MAX: usize = 512 * 1024;

/// The node's index of all mailboxes.
#[derive(Debug)]
pub(crate) struct Index {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    size_max: u64,
    lock: Mutex<Held>,
    mailboxes: Mutex<WeakMap<PathBuf, MailboxIndex>>,
    /// When an account's last use was noted, in seconds since 1970.
    uses: Mutex<HashMap<PathBuf, u64>>,
    /// Octets written since the last sweep, which is due at once.
    written: AtomicU64,
}

#[derive(Debug)]
enum Held {
    Not { retry_at: u64 },
    Lock { _lock: Box<dyn Lock> },
}

/// The index of one mailbox, shared by all in this process who use it.
#[derive(Debug)]
pub(crate) struct MailboxIndex {
    index: Arc<Index>,
    account: PathBuf,
    files: Files,
    /// `None` until it is looked at.
    known: Mutex<Option<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// `None` when there are no files.
    generation: Option<u64>,
    table: Table,
}

/// What is remembered of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) facts: Facts,
    pub(crate) gist: Option<Gist>,
    /// There is no gist because it would be too long.
    pub(crate) too_long: bool,
}

/// How much of it is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    Facts,
    Fields,
    Structure,
    All,
}

impl Index {
    pub(crate) fn new(disk: Arc<dyn Disk>, folder: PathBuf, size_max: u64) -> Arc<Index> {
        Arc::new(Index {
            disk,
            folder,
            size_max,
            lock: Mutex::new(Held::Not { retry_at: 0 }),
            mailboxes: Mutex::default(),
            uses: Mutex::default(),
            written: AtomicU64::new(u64::MAX),
        })
    }

    /// The index of the mailbox at `folder` in the account at `root`.
    pub(crate) fn mailbox(self: &Arc<Self>, root: &Path, folder: &Path) -> Arc<MailboxIndex> {
        let path = place::of_mailbox(&self.folder, root, folder);
        let mut mailboxes = locked(&self.mailboxes);
        if let Some(known) = mailboxes.find(&path) {
            return known;
        }
        let mailbox = Arc::new(MailboxIndex {
            index: Arc::clone(self),
            account: place::of_account(&self.folder, root),
            files: Files::new(path.clone(), xxh3_64(folder.as_os_str().as_encoded_bytes())),
            known: Mutex::default(),
        });
        mailboxes.insert(path, &mailbox);
        mailbox
    }

    /// Whether this process may use the folder: one at a time writes there.
    fn is_ours(&self) -> bool {
        let mut held = locked(&self.lock);
        let now = seconds(&*self.disk);
        match &*held {
            Held::Lock { .. } => return true,
            Held::Not { retry_at } if now < *retry_at => return false,
            Held::Not { .. } => {}
        }
        let lock =
            files::make_folders(&*self.disk, &self.folder).and_then(|()| self.disk.try_lock(&self.folder.join(LOCK)));
        match lock {
            Ok(Some(lock)) => *held = Held::Lock { _lock: lock },
            _ => *held = Held::Not { retry_at: now + LOCK_RETRY },
        }
        matches!(&*held, Held::Lock { .. })
    }

    /// Notes that the account is used, by the time of its folder.
    fn note_use(&self, account: &Path) {
        let now = seconds(&*self.disk);
        let mut uses = locked(&self.uses);
        if uses.get(account).is_some_and(|noted| now.abs_diff(*noted) < USE_EVERY) {
            return;
        }
        if uses.len() >= USES_MAX {
            uses.clear();
        }
        uses.insert(account.to_owned(), now);
        // An account that is not there yet is noted by being made.
        let _ = self.disk.set_modified(account, self.disk.now());
    }
}

impl MailboxIndex {
    /// What is remembered of these messages, or of as many of the first as fit into a batch. Trouble with the disk is the
    /// same as having forgotten.
    pub(crate) fn find(&self, keys: &[Key], depth: Depth) -> Vec<Option<Remembered>> {
        if !self.index.is_ours() {
            return vec![None; keys.len()];
        }
        let mut known = locked(&self.known);
        // Once more when the files turn out to be others than the table was made of.
        for _ in 0..2 {
            match self.try_find(&mut known, keys, depth) {
                Ok(Some(found)) => return found,
                Ok(None) => *known = None,
                Err(_) => break,
            }
        }
        *known = None;
        vec![None; keys.len()]
    }

    fn try_find(
        &self,
        known: &mut Option<Known>,
        keys: &[Key],
        depth: Depth,
    ) -> disk::Result<Option<Vec<Option<Remembered>>>> {
        let disk = &*self.index.disk;
        let known = self.loaded(known)?;
        known.table.settle();
        let Some(generation) = known.generation else { return Ok(Some(vec![None; keys.len()])) };
        let Some(mut rows) = self.files.rows(disk, generation, &known.table, keys)? else { return Ok(None) };
        if depth != Depth::Facts {
            rows.truncate(batch(&rows));
        }
        let too_long = |row: &Row| row.place.is_some_and(|place| place.length == 0);
        let remembered =
            |row: &Option<Row>| row.map(|row| Remembered { facts: row.facts, gist: None, too_long: too_long(&row) });
        let mut found: Vec<Option<Remembered>> = rows.iter().map(remembered).collect();
        if depth != Depth::Facts {
            let rows: Vec<(usize, Row)> =
                rows.into_iter().enumerate().filter_map(|(index, row)| Some((index, row?))).collect();
            self.files.entries(disk, generation, &rows, depth, |index, gist| {
                if let Some(Some(remembered)) = found.get_mut(index) {
                    remembered.gist = Some(gist);
                }
            })?;
        }
        Ok(Some(found))
    }

    /// Remembers a batch. What cannot be written is forgotten.
    pub(crate) fn add(&self, learned: Learned<'_>) {
        if learned.is_empty() || !self.index.is_ours() {
            return;
        }
        let mut known = locked(&self.known);
        let Ok((generation, first)) = self.files.append(&*self.index.disk, learned) else {
            *known = None;
            return;
        };
        self.index.note_use(&self.account);
        self.index.note_written(learned);
        match &mut *known {
            Some(known) if known.generation == Some(generation) => {
                for ((key, ..), row) in learned.iter().zip(first..) {
                    known.table.add(*key, row);
                }
            }
            other => *other = None,
        }
    }

    /// Messages' files were opened and look like this: what is remembered of others is worth nothing.
    pub(crate) fn confirm(&self, seen: &[(Key, Facts)]) {
        let keys: Vec<Key> = seen.iter().map(|(key, _)| *key).collect();
        let found = self.find(&keys, Depth::Facts);
        let others =
            seen.iter().zip(found).filter(|((_, facts), found)| found.as_ref().is_some_and(|it| it.facts != *facts));
        let others: Vec<_> = others.map(|((key, facts), _)| (*key, *facts, None)).collect();
        self.add(&others);
    }

    /// Writes the files without what is no longer in the mailbox, when that is the greater part.
    pub(crate) fn compact(&self, messages: usize, keys: impl FnOnce() -> std::collections::HashSet<Key>) {
        let mut known = locked(&self.known);
        let rows = known.as_ref().map_or(0, |known| known.table.len());
        if rows <= 2 * messages + DEAD_ROWS_MIN || !self.index.is_ours() {
            return;
        }
        let (disk, keys) = (&*self.index.disk, keys());
        let mut live: HashMap<Key, Row> = HashMap::new();
        let loaded = self.files.load(disk, |_, row| {
            if keys.contains(&row.key) {
                live.insert(row.key, row);
            }
        });
        let mut rows: Vec<Row> = live.into_values().collect();
        rows.sort_unstable_by_key(|row| row.place.map(|place| place.offset));
        if !matches!(loaded, Ok(Some(_))) || self.files.rewrite(disk, &rows).is_err() {
            let _ = self.files.remove(disk);
        }
        *known = None;
    }

    /// The mailbox is gone.
    pub(crate) fn forget(&self) {
        if self.index.is_ours() {
            *locked(&self.known) = None;
            let _ = self.files.remove(&*self.index.disk);
            let _ = self.index.disk.remove_dir(self.files.folder());
        }
    }

    fn loaded<'k>(&self, known: &'k mut Option<Known>) -> disk::Result<&'k mut Known> {
        if known.is_none() {
            self.index.note_use(&self.account);
            let mut table = Table::default();
            let generation = self.files.load(&*self.index.disk, |number, row| table.load(row.key, number))?;
            table.settle();
            *known = Some(Known { generation, table });
        }
        Ok(known.get_or_insert_default())
    }
}

/// How many of the first rows have entries that fit into a batch.
fn batch(rows: &[Option<Row>]) -> usize {
    let mut octets = 0;
    let fits = |row: &&Option<Row>| {
        octets += row.and_then(|row| row.place).map_or(0, |place| place.length);
        octets <= BATCH_MAX
    };
    rows.iter().take_while(fits).count().max(1)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(disk: &dyn Disk) -> u64 {
    disk.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A number that this node has not given before and will not give again.
fn unique(disk: &dyn Disk) -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = disk.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut octets = nanos.to_le_bytes().to_vec();
    octets.extend(COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    octets.extend(disk.holder().into_bytes());
    xxh3_64(&octets)
}
