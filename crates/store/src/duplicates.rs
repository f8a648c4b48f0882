//! What was done once and shall not be done again for a while, for all nodes: whom a vacation reply was sent to (RFC 5230
//! §4.2), which message was seen (RFC 7352).
//!
//! `sieve/tepui-duplicates` below the home is ours alone. A line is `UNTIL KEY`: seconds since 1970 on the clock of the storage,
//! and a hash of what is remembered in hex digits, so that nobody reads there who wrote to whom. It is replaced under its own
//! dot lock, and what has run out is left out then. A line that makes no sense is dropped.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use disk::{Disk, Dotlock};

use crate::draft::fnv1a;
use crate::{Result, Settings, folder};

const FILE: &str = "sieve/tepui-duplicates";
/// Things that are remembered at once; beyond it, those that would run out first are forgotten.
pub const DUPLICATES_MAX: usize = 10_000;
/// So much of the file is read: `DUPLICATES_MAX` lines with room.
const LENGTH_MAX: usize = 64 * DUPLICATES_MAX;

/// What was done for one account.
#[derive(Debug, Clone)]
pub struct Duplicates {
    disk: Arc<dyn Disk>,
    settings: Arc<Settings>,
    path: PathBuf,
}

/// Something that was done: the same text gives the same key on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DuplicateKey([u64; 2]);

impl DuplicateKey {
    /// `kind` keeps different uses apart.
    pub fn new(kind: &str, what: &str) -> DuplicateKey {
        DuplicateKey([fnv1a(&format!("{kind}\0{what}")), fnv1a(&format!("{what}\0{kind}\0"))])
    }
}

impl Duplicates {
    pub(crate) fn new(disk: Arc<dyn Disk>, settings: Arc<Settings>, home: &Path) -> Duplicates {
        Duplicates { disk, settings, path: home.join(FILE) }
    }

    /// Whatever is remembered. What another node does at this moment may be missed; who must not, asks [`Duplicates::claim`].
    pub fn all(&self) -> Result<HashSet<DuplicateKey>> {
        let list = self.read()?;
        // The node's clock: a few seconds do not matter to what lasts for hours.
        let now = seconds(self.disk.now());
        Ok(list.into_iter().filter(|(_, until)| *until > now).map(|(key, _)| key).collect())
    }

    /// Remembers these for so long, durably; what is remembered already, at least so long.
    pub fn keep(&self, keys: &[(DuplicateKey, Duration)]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let lock = self.lock()?;
        let now = seconds(lock.taken_at()?);
        let mut list = self.read()?;
        for (key, lasting) in keys {
            let until = list.entry(*key).or_default();
            *until = (*until).max(now.saturating_add(lasting.as_secs()));
        }
        let new: Vec<DuplicateKey> = keys.iter().map(|(key, _)| *key).collect();
        self.write(&lock, list, now, &new)
    }

    /// Remembers it unless it is remembered. Of all nodes that ask at once, one hears that it was not: it is durable then.
    pub fn claim(&self, key: DuplicateKey, lasting: Duration) -> Result<bool> {
        let lock = self.lock()?;
        let now = seconds(lock.taken_at()?);
        let mut list = self.read()?;
        if list.get(&key).is_some_and(|until| *until > now) {
            return Ok(false);
        }
        list.insert(key, now.saturating_add(lasting.as_secs()));
        self.write(&lock, list, now, &[key])?;
        Ok(true)
    }

    fn lock(&self) -> Result<Dotlock<'_>> {
        if let Some(folder) = self.path.parent() {
            self.disk.create_dir_all(folder)?;
        }
        folder::lock(&*self.disk, &self.path, &self.settings)
    }

    fn read(&self) -> Result<HashMap<DuplicateKey, u64>> {
        let read = folder::read_up_to(&*self.disk, &self.path, LENGTH_MAX)?;
        let text = String::from_utf8_lossy(&read.unwrap_or_default().0).into_owned();
        Ok(text.lines().filter_map(parse).collect())
    }

    fn write(
        &self,
        lock: &Dotlock<'_>,
        list: HashMap<DuplicateKey, u64>,
        now: u64,
        new: &[DuplicateKey],
    ) -> Result<()> {
        let mut lines: Vec<(u64, DuplicateKey)> = list.into_iter().map(|(key, until)| (until, key)).collect();
        lines.retain(|(until, _)| *until > now);
        // What was told to be remembered now, then the longest lasting: of too many, the others are forgotten.
        let new: HashSet<DuplicateKey> = new.iter().copied().collect();
        lines.sort_unstable_by_key(|(until, key)| (!new.contains(key), std::cmp::Reverse(*until), key.0));
        lines.truncate(DUPLICATES_MAX);
        let mut text = String::with_capacity(48 * lines.len());
        for (until, DuplicateKey([high, low])) in lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{until} {high:016x}{low:016x}");
        }
        Ok(lock.replace_with(text.as_bytes())?)
    }
}

fn parse(line: &str) -> Option<(DuplicateKey, u64)> {
    let (until, key) = line.split_once(' ')?;
    let half = |digits: Option<&str>| u64::from_str_radix(digits?, 16).ok();
    let key = DuplicateKey([half(key.get(..16))?, half(key.get(16..))?]);
    Some((key, until.parse().ok()?))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
