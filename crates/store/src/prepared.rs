//! Messages that are appended together, all or none (RFC 3502): each is written and made durable in `tmp/` by itself, and then
//! all get their UIDs and names by one commit of the mailbox. A crash before that leaves nothing but files in `tmp/`; one amid
//! the renames leaves the first of them, and nobody was told that any of them is there.

use std::sync::Arc;

use mail::{MailboxName, Uid, UidValidity};

use crate::draft::Appended;
use crate::folder::Folder;
use crate::index::{Facts, Gist, Key};
use crate::mailbox::{Mailbox, Staged};
use crate::quota::{Amount, Passage};
use crate::{Account, Error, Result};

/// Of so many messages that come together the node remembers at once what lists show; of the others when it is asked.
const LEARNED_MAX: usize = 256;

/// A whole and durable message in `tmp/` that nobody sees yet. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) folder: Folder,
    /// `None` once it has left `tmp/`.
    pub(crate) staged: Option<Staged>,
    /// Octets of the content as a quota counts them.
    pub(crate) len: u64,
    /// What was learned while the content passed by.
    pub(crate) learned: Option<(Key, Facts, Option<Gist>)>,
}

/// Where messages that were appended together are now, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendedAll {
    pub uid_validity: UidValidity,
    pub uids: Vec<Uid>,
}

impl Account {
    /// Puts messages that were prepared for this mailbox into `cur/`, durably, and gives them their UIDs under one lock. All of
    /// them, or none. Keywords that find no letter any more are left out. `replaces`: a message of this account that is expunged right
    /// after, so that only what is needed beyond its room is asked for.
    ///
    /// # Errors
    /// [`Error::OverQuota`] when there is no room for all.
    pub fn append_all(
        self: &Arc<Self>,
        name: &MailboxName,
        prepared: Vec<Prepared>,
        replaces: Option<(&Mailbox, Uid)>,
    ) -> Result<AppendedAll> {
        let freed = replaces.map_or(Ok(Amount::NOTHING), |(mailbox, uid)| mailbox.counted(uid))?;
        self.append_as(Passage::Instead(freed), name, prepared)
    }

    fn append_as(
        self: &Arc<Self>,
        passage: Passage<'_>,
        name: &MailboxName,
        mut prepared: Vec<Prepared>,
    ) -> Result<AppendedAll> {
        let mailbox = self.open(name)?;
        let folder = prepared.first().ok_or(Error::Gone)?.folder.clone();
        let change: Amount = prepared.iter().map(|one| Amount::message(one.len)).sum();
        let staged: Vec<Staged> = prepared.iter_mut().filter_map(|one| one.staged.take()).collect();
        let taken = folder.quota.add(name, change, passage, || mailbox.take_in(&staged));
        let (uid_validity, uids) = taken.inspect_err(|_| {
            for staged in &staged {
                // What stays in `tmp/` is swept later.
                let _ = folder.disk.remove(&staged.path);
            }
        })?;
        let learned: Vec<_> = prepared.iter_mut().filter_map(|one| one.learned.take()).collect();
        if let Some(index) = self.index_of(&folder).filter(|_| !learned.is_empty()) {
            index.add(&learned);
        }
        Ok(AppendedAll { uid_validity, uids })
    }

    /// The same for one, which comes by this passage.
    pub(crate) fn append_one(
        self: &Arc<Self>,
        passage: Passage<'_>,
        name: &MailboxName,
        prepared: Prepared,
    ) -> Result<Appended> {
        let AppendedAll { uid_validity, uids } = self.append_as(passage, name, vec![prepared])?;
        let uid = uids.first().copied().ok_or(Error::Gone)?;
        Ok(Appended { uid_validity, uid })
    }
}

impl Prepared {
    /// Joins those that are appended with it.
    pub fn join(mut self, others: &mut Vec<Prepared>) {
        if others.len() >= LEARNED_MAX {
            self.learned = None;
        }
        others.push(self);
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some(staged) = &self.staged {
            let _ = self.folder.disk.remove(&staged.path);
        }
    }
}
