//! What one NFS client believes: attributes and names that it has asked for once and does not ask for again for a while,
//! and the lies and losses that go with it. docs/internals/disk-nfs.md tells each manner and where it comes from.
//!
//! Told by `state` and `tree` what the server says; knows no tree of its own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, SystemTime};

use super::Fault;
use super::random::Random;
use crate::{Entry, Op, Stat};

/// How a node sees the storage. The default sees it as it is.
#[derive(Debug, Clone, Default)]
pub struct Manners {
    /// The same seed lies in the same way.
    pub seed: u64,
    /// The longest time for which attributes and names are believed unasked (nfs(5): acregmax, acdirmax).
    pub cache_max: Duration,
    /// A listing is kept until the folder's times change, even if it is asked for anew (see `real::list`).
    pub keeps_listings: bool,
    /// One in so many changes of names is answered twice, and only the second answer arrives. 0: none.
    pub lost_replies: u32,
    /// One in so many calls fails with EIO, ENOSPC, EDQUOT or ESTALE. 0: none.
    pub faults: u32,
    pub clock: Clock,
}

/// How far a node's clock is from the storage's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    pub ahead: Duration,
    pub behind: Duration,
    /// Microseconds gained each second.
    pub gains: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Client {
    random: Random,
    pub(super) manners: Manners,
    /// What an inode looked like, and until when that is believed.
    attributes: BTreeMap<u64, (Stat, SystemTime)>,
    names: BTreeMap<(u64, OsString), Name>,
    listings: BTreeMap<u64, (Version, Vec<Entry>)>,
    /// How often each file is open on this host.
    open: BTreeMap<u64, u32>,
    /// Where the `.nfs` names of files are that were removed while open.
    silly: BTreeMap<u64, (u64, OsString)>,
    silly_count: u32,
}

/// By what a client tells that a folder changed. Coarse times make two versions one.
type Version = (SystemTime, SystemTime);

#[derive(Debug, Clone)]
struct Name {
    inode: Option<u64>,
    folder: Version,
}

impl Client {
    pub(super) fn new(manners: Manners) -> Client {
        Client {
            random: Random::new(manners.seed),
            manners,
            attributes: BTreeMap::new(),
            names: BTreeMap::new(),
            listings: BTreeMap::new(),
            open: BTreeMap::new(),
            silly: BTreeMap::new(),
            silly_count: 0,
        }
    }

    /// The attributes that are believed without asking.
    pub(super) fn attributes(&self, inode: u64, now: SystemTime) -> Option<&Stat> {
        self.attributes.get(&inode).filter(|(_, until)| now < *until).map(|(stat, _)| stat)
    }

    /// The server told these.
    pub(super) fn learn(&mut self, stat: &Stat, now: SystemTime) {
        let most = usize::try_from(self.manners.cache_max.as_micros()).unwrap_or(usize::MAX);
        let until = now + Duration::from_micros(self.random.up_to(most) as u64);
        self.attributes.insert(stat.inode, (stat.clone(), until));
    }

    /// What a name is believed to be in a folder that is believed to look like `folder`; `None` if the server is to be
    /// asked.
    pub(super) fn name(&self, dir: u64, name: &OsStr, folder: &Stat) -> Option<Option<u64>> {
        let known = self.names.get(&(dir, name.to_owned()))?;
        (known.folder == version(folder)).then_some(known.inode)
    }

    pub(super) fn learn_name(&mut self, dir: u64, name: &OsStr, folder: &Stat, inode: Option<u64>) {
        self.names.insert((dir, name.to_owned()), Name { inode, folder: version(folder) });
    }

    pub(super) fn forget_name(&mut self, dir: u64, name: &OsStr) {
        self.names.remove(&(dir, name.to_owned()));
    }

    pub(super) fn forget_inode(&mut self, inode: u64) {
        self.attributes.remove(&inode);
    }

    /// An answer about a change in a folder tells its attributes too, whether or not the change was made (RFC 1813
    /// §2.6, wcc_data): what was believed about its names is gone.
    pub(super) fn forget_folder(&mut self, dir: u64) {
        self.attributes.remove(&dir);
        self.listings.remove(&dir);
        let names: Vec<_> = self.names.range((dir, OsString::new())..(dir + 1, OsString::new())).collect();
        let names: Vec<_> = names.into_iter().map(|(key, _)| key.clone()).collect();
        names.iter().for_each(|key| _ = self.names.remove(key));
    }

    /// The listing that is believed to be still true, when told anew that the folder looks like `folder`.
    pub(super) fn listing(&self, folder: &Stat) -> Option<Vec<Entry>> {
        let (known, entries) = self.listings.get(&folder.inode)?;
        (self.manners.keeps_listings && *known == version(folder)).then(|| entries.clone())
    }

    pub(super) fn learn_listing(&mut self, folder: &Stat, entries: &[Entry]) {
        self.listings.insert(folder.inode, (version(folder), entries.to_vec()));
    }

    // Open files.

    pub(super) fn opened(&mut self, inode: u64) {
        *self.open.entry(inode).or_default() += 1;
    }

    pub(super) fn is_open(&self, inode: u64) -> bool {
        self.open.contains_key(&inode)
    }

    /// Where the `.nfs` name is that goes with the last handle.
    pub(super) fn closed(&mut self, inode: u64) -> Option<(u64, OsString)> {
        let handles = self.open.get_mut(&inode)?;
        *handles -= 1;
        if *handles > 0 {
            return None;
        }
        self.open.remove(&inode);
        self.silly.remove(&inode)
    }

    /// The name that a file gets when it is removed while open; `None` when it has one already.
    pub(super) fn silly_name(&mut self, inode: u64, dir: u64) -> Option<OsString> {
        if self.silly.contains_key(&inode) {
            return None;
        }
        self.silly_count += 1;
        let name = OsString::from(format!(".nfs{inode:016x}{:08x}", self.silly_count));
        self.silly.insert(inode, (dir, name.clone()));
        Some(name)
    }

    // Chance.

    pub(super) fn loses_reply(&mut self) -> bool {
        self.random.one_in(self.manners.lost_replies)
    }

    pub(super) fn fault(&mut self, op: Op) -> Option<Fault> {
        if !self.random.one_in(self.manners.faults) {
            return None;
        }
        let needs_room =
            matches!(op, Op::Create | Op::Append | Op::Write | Op::Sync | Op::Link | Op::CreateDir | Op::Rename);
        let faults: &[Fault] = match needs_room {
            true => &[Fault::Broken, Fault::NoSpace, Fault::OverQuota],
            false => &[Fault::Broken, Fault::Stale],
        };
        faults.get(self.random.up_to(faults.len() - 1)).copied()
    }
}

fn version(folder: &Stat) -> Version {
    (folder.modified, folder.changed)
}
