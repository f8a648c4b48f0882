//! What the one who asks believes about the storage: the third part of [`State`]. A node that is no NFS client believes
//! what is.

use std::ffi::OsStr;
use std::path::Path;

use super::client::Client;
use super::state::State;
use crate::{Entry, Error, Result, Stat};

impl State {
    fn client(&mut self) -> Option<&mut Client> {
        self.clients.get_mut(&self.asking)
    }

    /// What a name in a folder means.
    pub(super) fn believed(&mut self, dir: u64, name: &OsStr) -> Option<u64> {
        let truth = self.dir(dir).and_then(|names| names.inode(name));
        if !self.clients.contains_key(&self.asking) {
            return truth;
        }
        let Some(folder) = self.believed_attributes(dir) else { return truth };
        let Some(client) = self.client() else { return truth };
        client.name(dir, name, &folder).unwrap_or_else(|| {
            client.learn_name(dir, name, &folder, truth);
            truth
        })
    }

    /// How an inode looks; `None` when it is known to be gone.
    pub(super) fn believed_attributes(&mut self, inode: u64) -> Option<Stat> {
        let now = self.clock;
        if let Some(stat) = self.client().and_then(|client| client.attributes(inode, now)) {
            return Some(stat.clone());
        }
        self.ask(inode)
    }

    /// Asks the server how an inode looks.
    pub(super) fn ask(&mut self, inode: u64) -> Option<Stat> {
        let stat = self.stat(inode, Path::new("")).ok().filter(|_| !self.is_gone(inode));
        let now = self.clock;
        if let (Some(client), Some(stat)) = (self.client(), &stat) {
            client.learn(stat, now);
        }
        stat
    }

    /// What a path looks like: [`crate::Disk::stat`].
    pub(super) fn stat_path(&mut self, path: &Path) -> Result<Stat> {
        let inode = self.find(crate::Op::Stat, path)?;
        if let Some(stat) = self.believed_attributes(inode) {
            return Ok(stat);
        }
        self.forget_way(path);
        let inode = self.find(crate::Op::Stat, path)?;
        self.believed_attributes(inode).ok_or_else(|| Error::NotFound { path: path.to_owned() })
    }

    /// What an open file looks like.
    pub(super) fn stat_open(&mut self, inode: u64, path: &Path) -> Result<Stat> {
        if !self.clients.contains_key(&self.asking) {
            return self.stat(inode, path);
        }
        self.believed_attributes(inode).ok_or_else(|| Error::Stale { path: path.to_owned() })
    }

    /// An NFS server forgets a file with its last name, whoever has it open.
    pub(super) fn is_gone(&self, inode: u64) -> bool {
        self.clients.contains_key(&self.asking)
            && inode != super::state::ROOT
            && self.inodes.get(&inode).is_none_or(|inode| inode.links == 0)
    }

    /// A call on an open file is refused once the server has forgotten it.
    pub(super) fn known(&self, inode: u64, path: &Path) -> Result<()> {
        if self.is_gone(inode) { Err(Error::Stale { path: path.to_owned() }) } else { Ok(()) }
    }

    pub(super) fn believed_listing(&mut self, dir: u64, told: Vec<Entry>) -> Vec<Entry> {
        let Some(folder) = self.believed_attributes(dir) else { return told };
        let Some(client) = self.client() else { return told };
        if let Some(known) = client.listing(&folder) {
            return known;
        }
        client.learn_listing(&folder, &told);
        told
    }

    /// The server was asked to change something in a folder, and told how the folder looks.
    pub(super) fn told_by_server(&mut self, dir: u64) {
        if let Some(client) = self.client() {
            client.forget_folder(dir);
        }
    }

    /// Own changes are seen at once.
    pub(super) fn changed_by_asking(&mut self, inode: u64) {
        if let Some(client) = self.client() {
            client.forget_inode(inode);
        }
    }

    pub(super) fn forget_name(&mut self, dir: u64, name: &OsStr) {
        if let Some(client) = self.client() {
            client.forget_name(dir, name);
        }
    }

    /// A stale handle on a path: every step is looked up anew.
    pub(super) fn forget_way(&mut self, path: &Path) {
        let mut steps: Vec<&Path> = path.ancestors().collect();
        steps.reverse();
        for step in steps {
            if let (Some(parent), Some(name)) = (step.parent(), step.file_name())
                && let Ok(dir) = self.find(crate::Op::Stat, parent)
            {
                self.forget_name(dir, name);
            }
        }
    }

    /// A client gives a file that it has open another name rather than lose it.
    pub(super) fn keep_if_open(&mut self, dir: u64, inode: u64) {
        let Some(client) = self.client().filter(|client| client.is_open(inode)) else { return };
        if let Some(name) = client.silly_name(inode, dir) {
            self.set_name(dir, &name, Some(inode), None);
        }
    }

    pub(super) fn opened(&mut self, inode: u64) {
        if let Some(client) = self.client() {
            client.opened(inode);
        }
    }

    pub(super) fn closed(&mut self, inode: u64) {
        let Some((dir, name)) = self.client().and_then(|client| client.closed(inode)) else { return };
        if self.dir(dir).and_then(|names| names.inode(&name)) == Some(inode) {
            self.set_name(dir, &name, None, None);
        }
    }
}
