//! An open mailbox: one value for all sessions of this process that have it open.
//!
//! Two locks in memory: `work` is held while the disk is asked, `shown` only to copy what was last seen, so that nobody
//! who only wants to know that waits for the disk. Watchers are called when neither is held.

mod append;
mod copy;
mod digests;
mod expunge;
mod flags;
mod identity;
mod list;
mod look;
mod odd;
mod open;
mod record;
mod remember;
mod scan;
mod sweep;
mod sync;
mod view;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use disk::Dotlock;
use mail::date::DateTime;
pub use mail::flags::{FlagChange, How};
use mail::{Keywords, MailboxName, ModSeq, Rows, Snapshot, Uid, UidValidity};

pub use self::copy::Along;
pub use self::list::Listing;
pub use self::open::Outsides;
use self::view::Work;
pub use self::watch::Watch;
use self::watch::Watchers;
use crate::changes::Outlet;
use crate::folder::Folder;
use crate::index::MailboxIndex;
use crate::journal::{Vanished, Vanishings};
use crate::message::Liars;
use crate::{Error, Result};

pub(crate) use self::append::Staged;
pub(crate) use self::digests::{BATCH_MAX, Seen, first_fields, thread_id};
pub(crate) use self::identity::of_guid;
pub(crate) use self::open::facts_of;

/// How often a file that another node renames under our hands is looked for again.
const RENAME_RETRIES_MAX: u32 = 8;

#[derive(Debug)]
pub struct Mailbox {
    name: MailboxName,
    folder: Folder,
    /// Of the Maildir that the folder belongs to, where UIDVALIDITYs are handed out.
    root: PathBuf,
    /// What this node remembers of the messages.
    index: Option<Arc<MailboxIndex>>,
    /// What makes this mailbox itself: another value on disk is another mailbox of the same name.
    identity: OnceLock<UidValidity>,
    gone: AtomicBool,
    outlet: Outlet,
    /// When somebody last looked, by this node's clock.
    looked: Mutex<Option<SystemTime>>,
    work: Mutex<Work>,
    shown: Mutex<Shown>,
    watchers: Watchers,
    liars: Arc<Liars>,
}

#[derive(Debug)]
struct Shown {
    snapshot: Arc<Snapshot>,
    vanished: Option<Arc<Vanishings>>,
    recent: Vec<Uid>,
}

/// Why one looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Messages stay in `new/`: STATUS, EXAMINE.
    Look,
    /// Messages move from `new/` to `cur/`: SELECT.
    Serve,
}

/// Which messages became which (RFC 4315 §3): `source[n]` is `target[n]` in the other mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub uid_validity: UidValidity,
    pub source: Vec<Uid>,
    pub target: Vec<Uid>,
}

/// What is known of a message without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Octets with CR LF line ends.
    pub size: u64,
    pub internal_date: DateTime,
}

impl Mailbox {
    /// Nothing is read yet.
    pub(crate) fn new(
        name: MailboxName,
        folder: Folder,
        root: PathBuf,
        index: Option<Arc<MailboxIndex>>,
        outlet: Outlet,
    ) -> Option<Mailbox> {
        let snapshot = Snapshot {
            uid_validity: UidValidity::new(1)?,
            uid_next: Uid::FIRST,
            highest_modseq: ModSeq(1),
            keywords: Keywords::default(),
            rows: Rows::default(),
        };
        Some(Mailbox {
            name,
            folder,
            root,
            index,
            identity: OnceLock::new(),
            gone: AtomicBool::new(false),
            outlet,
            looked: Mutex::default(),
            work: Mutex::default(),
            shown: Mutex::new(Shown { snapshot: Arc::new(snapshot), vanished: None, recent: Vec::new() }),
            watchers: Watchers::default(),
            liars: Arc::default(),
        })
    }

    pub fn name(&self) -> &MailboxName {
        &self.name
    }

    /// The home of the account that it belongs to, as the caller named it.
    pub fn home(&self) -> &Path {
        self.outlet.home()
    }

    /// The state last seen. Asks no disk.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shown().snapshot)
    }

    /// Looks at the disk, gives UIDs to new messages, and tells the state. Costs five looks when nothing changed.
    /// [`Error::NoSuchMailbox`] once it was deleted, renamed or made anew.
    pub fn sync(&self, access: Access) -> Result<Arc<Snapshot>> {
        self.note_look();
        self.with_work(|work| self.refresh(work, access))?;
        Ok(self.snapshot())
    }

    /// Which messages have vanished since a mod-sequence, as the state last seen tells (RFC 7162 §3.2.5). Asks no disk.
    pub fn vanished_since(&self, modseq: ModSeq) -> Vanished {
        self.shown().vanished.as_ref().map_or(Vanished::Unknown, |vanished| vanished.since(modseq))
    }

    /// The node's clock.
    pub(crate) fn now(&self) -> std::time::SystemTime {
        self.folder.disk.now()
    }

    /// The messages nobody was told of as `\Recent` yet. Each goes to one session only (RFC 3501 §2.3.2): the first that
    /// asks on the node that moved the message from `new/` to `cur/` or appended it.
    pub fn claim_recent(&self) -> Vec<Uid> {
        let mut recent = std::mem::take(&mut self.shown().recent);
        recent.sort_unstable();
        recent
    }

    /// `wake` is called after any change made or seen in this process, never while a lock is held.
    pub fn watch(&self, wake: Box<dyn Fn() + Send + Sync>) -> Watch {
        self.watchers.add(wake)
    }

    /// Somebody put a message into `new/`, or wants sessions to look again for another reason.
    pub(crate) fn wake(&self) {
        self.watchers.wake();
    }

    /// The name belongs to another mailbox now, or to none.
    pub(crate) fn retire(&self) {
        self.gone.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// How many messages no session was told of as `\Recent`.
    pub(crate) fn recent_count(&self) -> Result<usize> {
        let in_new = self.with_work(|work| Ok(work.in_new().len()))?;
        Ok(in_new + self.shown().recent.len())
    }

    /// Works on the mailbox alone in this process, then shows what changed and wakes the watchers.
    fn with_work<T>(&self, f: impl FnOnce(&mut Work) -> Result<T>) -> Result<T> {
        self.work_on(f).0
    }

    /// The same, and whether anything changed.
    fn work_on<T>(&self, f: impl FnOnce(&mut Work) -> Result<T>) -> (Result<T>, bool) {
        if self.is_gone() {
            return (Err(Error::NoSuchMailbox), false);
        }
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = f(&mut work);
        if matches!(answer, Err(Error::NoSuchMailbox)) {
            self.gone.store(true, Ordering::Release);
        }
        let changed = self.show(&mut work);
        drop(work);
        if changed {
            self.wake();
        }
        (answer, changed)
    }

    /// Works on the mailbox alone among all nodes, with everything on disk seen, and tells of what changed.
    fn with_lock<T>(&self, f: impl FnOnce(&mut Work, &mut Dotlock<'_>) -> Result<T>) -> Result<T> {
        let (answer, changed) = self.work_on(|work| {
            let mut lock = self.folder.lock()?;
            self.settle(work, &lock, Access::Look)?;
            let answer = f(work, &mut lock);
            // What is done is done, so the answer stays. How far we came is for the next look to find out.
            let noted = answer.is_ok() && self.note_own_changes(work).and_then(|()| self.record(work, &lock)).is_ok();
            if !noted {
                work.distrust();
            }
            answer
        });
        if changed {
            self.outlet.tell(&self.name);
        }
        answer
    }

    /// Puts the state into a new snapshot if anything changed.
    fn show(&self, work: &mut Work) -> bool {
        if work.is_behind() {
            return false;
        }
        let Some(recent) = work.take_changes() else { return false };
        let mut shown = self.shown();
        shown.recent.extend(recent);
        shown.recent.retain(|uid| work.is_there(*uid));
        let Some(next) = work.snapshot().filter(|next| *next != *shown.snapshot) else { return false };
        shown.snapshot = Arc::new(next);
        shown.vanished = work.history.as_ref().map(|history| Arc::clone(&history.vanished));
        true
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
