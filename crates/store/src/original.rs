//! A message for several mailboxes. It is written and synced once, in `tmp/` of one of them, and linked into each: content
//! never changes, and flags are in names, so nobody sees that it is one file. Where it cannot be linked it is copied.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, Owner};
use mail::MailboxName;

use crate::draft::{arrive, unique_name};
use crate::file_name;
use crate::folder::{Folder, NEW, TMP, copy_content};
use crate::index::{Facts, Gist, Key};
use crate::quota::{Amount, Passage};
use crate::{Account, DeliveryKey, Error, Result};

/// The content of a delivery, whole and durable. Dropped, it is gone from `tmp/`, and those who have it keep it.
#[derive(Debug)]
pub struct Original {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    place: Place,
    /// Octets of the content, however it lies, and with CR LF line ends.
    sizes: (u64, u64),
    facts: Facts,
    gist: Option<Gist>,
}

/// What two folders must have in common for one file to be in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    device: u64,
    /// An administrator who gives a home to another user gives all in it. A message must not become somebody else's to
    /// change in a mailbox that was none of his.
    owner: Owner,
}

impl Place {
    fn of(disk: &dyn Disk, folder: &Path) -> disk::Result<Place> {
        disk.stat(folder).map(|stat| Place { device: stat.device, owner: stat.owner })
    }
}

impl Original {
    /// `path` is a synced file in `tmp/` of `folder`.
    pub(crate) fn new(
        folder: &Folder,
        path: PathBuf,
        sizes: (u64, u64),
        facts: Facts,
        gist: Option<Gist>,
    ) -> Result<Original> {
        let place = Place::of(&*folder.disk, &folder.join(TMP))?;
        Ok(Original { disk: Arc::clone(&folder.disk), path, place, sizes, facts, gist })
    }

    /// Puts the message into `new/` of a mailbox, durably, as [`crate::Draft::deliver`] does. May be called for several
    /// at once; none knows of the others.
    pub fn deliver(&self, account: &Arc<Account>, mailbox: &MailboxName, key: &DeliveryKey) -> Result<()> {
        self.deliver_if(account, mailbox, key, &|| true)
    }

    /// The same, if it is still wanted, as [`crate::Draft::deliver_if`].
    pub fn deliver_if(
        &self,
        account: &Arc<Account>,
        mailbox: &MailboxName,
        key: &DeliveryKey,
        wanted: &dyn Fn() -> bool,
    ) -> Result<()> {
        let folder = account.made(mailbox)?;
        let unique = unique_name(&*folder.disk, &folder.settings.hostname, key.digits());
        let base = file_name::with_sizes(&unique, self.sizes.0, self.sizes.1);
        let change = Amount::message(self.sizes.0);
        let place = match Place::of(&*folder.disk, &folder.join(NEW)) {
            // Half a mailbox is what a crash in its making leaves.
            Err(disk::Error::NotFound { .. }) => {
                folder.complete(!mailbox.is_inbox())?;
                Place::of(&*folder.disk, &folder.join(NEW))?
            }
            other => other?,
        };
        arrive(&folder, mailbox, change, Passage::Delivery, |new| {
            if !wanted() {
                return Err(Error::Busy);
            }
            self.put(&folder, place, &unique, &new.join(file_name::join(&base, b"")))
        })?;
        if let Some(index) = account.index_of(&folder) {
            index.add(&[(Key::of(&base), self.facts, self.gist.clone())]);
        }
        account.tell(mailbox);
        Ok(())
    }

    fn put(&self, folder: &Folder, place: Place, unique: &str, name: &Path) -> Result<()> {
        if place == self.place {
            match folder.disk.link(&self.path, name) {
                // Another file system after all, too many names, or a file system without links.
                Err(disk::Error::Io { .. }) => {}
                Err(disk::Error::NotFound { .. }) => return Err(Error::NoSuchMailbox),
                other => return Ok(other?),
            }
        }
        let copy = folder.join(TMP).join(unique);
        let copied = copy_content(&*folder.disk, &self.path, &copy).and_then(|()| folder.disk.rename(&copy, name));
        if copied.is_err() {
            let _ = folder.disk.remove(&copy);
        }
        Ok(copied?)
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        // What stays in `tmp/` is swept later.
        let _ = self.disk.remove(&self.path);
    }
}
