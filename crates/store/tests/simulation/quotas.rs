//! Quotas in a world: what its nodes obey, and whether they do.
//!
//! | promise | exactly |
//! |---|---|
//! | the number is true | when all is quiet, each node that died has begun its next life, and what was in memory is written down, the number is what a count finds |
//! | the limit holds | after nothing that adds a message are there more than the limit, one share for each node that was stopped or killed meanwhile, what failed, and what is being moved |
//!
//! A power cut takes the number back, and only the nodes that had written it know: then only the first is promised.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use disk::{Disk, Kind, MemoryDisk};
use mail::{Quota, QuotaRule};
use store::{Account, Error, QuotaFile, QuotaSettings, Result, Settings, ZstdLevel};

use crate::World;
use crate::chance::Chance;
use crate::node::{HOME, settings};

/// Holds what nobody touches, so that the rest is near the limit.
pub const BULK: &str = "Bulk";
/// The least limit of which a node may have a share in memory, and that share.
const SHARED: u64 = 1024;
const SHARE: i64 = 8;

#[derive(Debug, Default)]
pub struct Quotas {
    /// `None` in a world without them.
    rule: Option<String>,
    limit: Option<i64>,
    pub bulk: u64,
    strict: bool,
    lives: AtomicU64,
    moving: AtomicI64,
    /// By how much the limit may be exceeded because of what failed.
    failed: AtomicI64,
}

impl Quotas {
    pub fn of(seed: u64, strict: bool) -> Quotas {
        let mut chance = Chance::new(seed ^ 0x9007a);
        // Far from the limit, on the way to where the lock is taken, to where it is settled, and to the limit itself.
        let bulk = *chance.pick(&[0, SHARED * 3 / 4 - 12, SHARED * 7 / 8 - 12, SHARED - 16]).unwrap_or(&0);
        let (rule, limit, bulk) = match chance.below(4) {
            // Too small to be left to memory.
            0 => ("*:messages=15".to_owned(), Some(15), 0),
            1 => ("*:storage=1".to_owned(), None, 0),
            _ => (format!("*:messages={SHARED}"), Some(SHARED as i64), bulk),
        };
        Quotas { rule: Some(rule), limit, bulk, strict, ..Quotas::default() }
    }

    pub fn are_on(&self) -> bool {
        self.rule.is_some()
    }

    /// How a node keeps accounts; each call is a life of its own. Every other node compresses.
    pub fn settings(&self, me: usize) -> Settings {
        if !self.are_on() {
            return settings(me);
        }
        let life = format!("life{}", self.lives.fetch_add(1, Ordering::Relaxed));
        let quota = QuotaSettings { file: QuotaFile::Dict, grace: 10, life, ..QuotaSettings::default() };
        let compress = ZstdLevel::new(1).filter(|_| me % 2 == 1);
        Settings { quota, compress, ..settings(me) }
    }

    pub fn obey(&self, account: &Account) {
        if let Some(rule) = self.rule.as_deref().and_then(|rule| QuotaRule::parse(rule).ok()) {
            account.obey(Arc::new(Quota::default().with(rule)));
        }
    }

    /// Does what adds so many messages, and sees that the limit held.
    pub fn watch<T>(&self, world: &World, count: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = work();
        match &done {
            Ok(_) => self.check(world),
            Err(Error::OverQuota | Error::NoSuchMailbox) => {}
            Err(_) => _ = self.failed.fetch_add(count as i64, Ordering::Relaxed),
        }
        done
    }

    /// A move needs no room: for a while its messages are in both places, and if it fails for ever.
    pub fn watch_move<T>(&self, count: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.moving.fetch_add(count as i64, Ordering::Relaxed);
        let done = work();
        if done.is_ok() {
            self.moving.fetch_sub(count as i64, Ordering::Relaxed);
        }
        done
    }

    /// For a trace: what the number is, and what is there.
    pub fn note(&self, world: &World) {
        let number = || world.server.read(&Path::new(HOME).join("dovecot-quota")).unwrap_or_default();
        let number = || String::from_utf8_lossy(&number()).replace('\n', " ");
        self.rule.iter().for_each(|_| world.turns.note(|| format!("{} are there; {}", held(&world.server), number())));
    }

    fn check(&self, world: &World) {
        let Some(limit) = self.limit.filter(|_| self.strict) else { return };
        let excused = SHARE * i64::from(world.turns.stops());
        let excused = excused + self.failed.load(Ordering::Relaxed) + self.moving.load(Ordering::Relaxed);
        let held = held(&world.server);
        assert!(held <= limit + excused, "{held} messages, and the limit is {limit} ({excused} more may be)");
    }

    /// When all is quiet.
    pub fn settled(&self, account: &Account, wrong: &mut Vec<String>) {
        let Ok(Some(state)) = account.quota() else {
            wrong.extend(self.are_on().then(|| "the quota cannot be told".to_owned()));
            return;
        };
        match account.recount_quota() {
            Ok((_, counted)) if counted == state.used => {}
            other => wrong.push(format!("the number is {:?}, and a count says {other:?}", state.used)),
        }
    }
}

/// The messages that there are at this moment, without anybody's view of the storage.
fn held(server: &MemoryDisk) -> i64 {
    let maildir = Path::new(HOME).join("maildir");
    let folders = server.list(&maildir).unwrap_or_default().into_iter().filter(|entry| entry.kind == Kind::Dir);
    let folders: Vec<_> = folders.map(|entry| maildir.join(entry.name)).collect();
    let mailboxes = folders.iter().filter(|folder| !folder.to_string_lossy().contains("..")).chain([&maildir]);
    let count = |mailbox: &std::path::PathBuf| {
        let names = ["new", "cur"].map(|part| server.list(&mailbox.join(part)).unwrap_or_default());
        let base = |name: &std::ffi::OsStr| name.to_string_lossy().split(':').next().map(str::to_owned);
        let bases: BTreeSet<_> = names.iter().flatten().filter_map(|entry| base(&entry.name)).collect();
        bases.len() as i64
    };
    mailboxes.map(count).sum()
}
