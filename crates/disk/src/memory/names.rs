//! The names in one folder: those seen now, those on the platter, and the changes between the two, numbered so that
//! a rename can tie its two halves together.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};

#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) current: BTreeMap<OsString, u64>,
    pub(super) durable: BTreeMap<OsString, u64>,
    pending: VecDeque<Change>,
    /// The number of the first pending change.
    first: u64,
}

#[derive(Debug, Clone)]
struct Change {
    name: OsString,
    /// The inode it names from now on; `None` when the name was removed.
    inode: Option<u64>,
    twin: Option<Half>,
}

/// One half of a rename: which change in which folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Half {
    pub(super) dir: u64,
    pub(super) number: u64,
}

impl Names {
    pub(super) fn inode(&self, name: &OsStr) -> Option<u64> {
        self.current.get(name).copied()
    }

    /// The number that the next change will have.
    pub(super) fn next(&self) -> u64 {
        self.first + self.pending.len() as u64
    }

    pub(super) fn pending_len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Gives or removes a name; the answer is what it named before.
    pub(super) fn set(&mut self, name: &OsStr, inode: Option<u64>, twin: Option<Half>) -> Option<u64> {
        self.pending.push_back(Change { name: name.to_owned(), inode, twin });
        apply(&mut self.current, name, inode)
    }

    /// Makes all changes below this number durable; the answer is the other halves of the renames among them.
    pub(super) fn commit_below(&mut self, number: u64) -> Vec<Half> {
        let mut twins = Vec::new();
        while self.first < number {
            let Some(change) = self.pending.pop_front() else { break };
            self.first += 1;
            apply(&mut self.durable, &change.name, change.inode);
            twins.extend(change.twin);
        }
        twins
    }

    /// Loses what was not made durable.
    pub(super) fn lose_pending(&mut self) {
        self.first = self.next();
        self.pending.clear();
        self.current.clone_from(&self.durable);
    }

    /// Every inode that this folder names, named, or will name again after a power cut.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u64> {
        let pending = self.pending.iter().filter_map(|change| change.inode);
        self.current.values().chain(self.durable.values()).copied().chain(pending)
    }
}

fn apply(names: &mut BTreeMap<OsString, u64>, name: &OsStr, inode: Option<u64>) -> Option<u64> {
    match inode {
        Some(inode) => names.insert(name.to_owned(), inode),
        None => names.remove(name),
    }
}
