//! Making, deleting and renaming mailboxes. Each step is a rename or a new folder, so that a mailbox is wholly under one
//! name or wholly under another.

use std::path::Path;
use std::sync::Arc;

use disk::{Disk, Kind};
use mail::MailboxName;
use mail::mailbox_name::NameError;

use crate::{Account, Error, Result, SpecialUse, layout};

/// How deep a deleted folder is swept.
const SWEEP_DEPTH_MAX: u32 = 8;
/// How often another delete may be in our way.
const TRASH_TRIES_MAX: u32 = 16;

impl Account {
    /// Makes a mailbox with its UIDVALIDITY, durably. [`Error::MailboxExists`] for auto mailboxes too, made or not.
    pub fn create(self: &Arc<Self>, name: &MailboxName, special_use: Option<SpecialUse>) -> Result<()> {
        let folder = self.folder(name)?;
        if self.auto(name).is_some() || name.is_inbox() {
            return Err(Error::MailboxExists);
        }
        match self.disk.create_dir(&folder.path) {
            Ok(()) => {}
            Err(disk::Error::Exists { .. }) => return Err(Error::MailboxExists),
            Err(error) => return Err(error.into()),
        }
        self.disk.sync_dir(&self.root)?;
        folder.complete(true)?;
        self.change_special_uses(|uses| uses.set(name, special_use))?;
        self.open(name).map(|_| ())
    }

    /// Deletes a mailbox and its messages. Mailboxes below it stay (RFC 3501 §6.3.4); so does its subscription.
    pub fn delete(&self, name: &MailboxName) -> Result<()> {
        if name.is_inbox() {
            return Err(Error::NotAllowed("INBOX can't be deleted"));
        }
        let folder = self.folder(name)?;
        if !folder.exists()? {
            return self.auto(name).map(|_| ()).ok_or(Error::NoSuchMailbox);
        }
        self.move_to_trash(&folder.path)?;
        self.retire(|known| known == name);
        self.disk.sync_dir(&self.root)?;
        self.change_special_uses(|uses| uses.set(name, None))?;
        // The mailbox is gone already; what cannot be swept now is swept by the next delete, ours or Dovecot's.
        let _ = sweep(&*self.disk, &self.root.join(layout::TRASHED), SWEEP_DEPTH_MAX);
        Ok(())
    }

    /// Mailboxes below move along. INBOX stays, with those below it, and its messages move (RFC 3501 §6.3.5). A crash
    /// may leave some mailboxes under the old name and some under the new.
    pub fn rename(self: &Arc<Self>, from: &MailboxName, to: &MailboxName) -> Result<()> {
        if to == from || self.auto(to).is_some() || self.on_disk()?.contains(to) {
            return Err(Error::MailboxExists);
        }
        if from.is_inbox() {
            return self.move_inbox(to);
        }
        if to.is_below(from) {
            return Err(Error::NotAllowed("mailbox cannot be moved below itself"));
        }
        self.move_folders(from, to)?;
        self.retire(|known| known == from || known.is_below(from));
        self.disk.sync_dir(&self.root)?;
        self.change_special_uses(|uses| uses.rename(from, to))
    }

    fn move_folders(&self, from: &MailboxName, to: &MailboxName) -> Result<()> {
        if self.auto(from).is_some() {
            self.made(from)?;
        }
        let on_disk = self.on_disk()?;
        let mut moves = Vec::new();
        for name in on_disk.iter().filter(|name| *name == from || name.is_below(from)) {
            let moved = name.moved(from, to).map_err(not_allowed)?;
            if on_disk.contains(&moved) {
                return Err(Error::MailboxExists);
            }
            moves.push((self.folder(name)?.path, self.folder(&moved)?.path));
        }
        if moves.is_empty() {
            return Err(Error::NoSuchMailbox);
        }
        for (old, new) in moves {
            match self.disk.rename(&old, &new) {
                // Another node renamed or deleted this one meanwhile.
                Ok(()) | Err(disk::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn move_inbox(self: &Arc<Self>, to: &MailboxName) -> Result<()> {
        self.create(to, None)?;
        let (inbox, target) = (self.open(&MailboxName::inbox())?, self.open(to)?);
        let uids: Vec<_> = inbox.snapshot().rows.iter().map(|row| row.uid).collect();
        inbox.move_to(&uids, &target).map(|_| ())
    }

    fn move_to_trash(&self, folder: &Path) -> Result<()> {
        let trash = self.root.join(layout::TRASHED);
        for _ in 0..TRASH_TRIES_MAX {
            sweep(&*self.disk, &trash, SWEEP_DEPTH_MAX)?;
            match self.disk.rename(folder, &trash) {
                Ok(()) => return Ok(()),
                Err(disk::Error::NotFound { .. }) => return Err(Error::NoSuchMailbox),
                // Another delete put its folder there since we swept.
                Err(disk::Error::Exists { .. } | disk::Error::Io { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }
}

fn not_allowed(error: NameError) -> Error {
    match error {
        NameError::TooLong => Error::NotAllowed("mailbox name is too long"),
        NameError::TooDeep => Error::NotAllowed("mailbox name has too many levels"),
        _ => Error::NotAllowed("mailbox name is not allowed"),
    }
}

/// Removes a folder and all in it, as far as it is there. Symbolic links are removed, not followed.
fn sweep(disk: &dyn Disk, folder: &Path, depth: u32) -> Result<()> {
    let entries = match disk.list(folder) {
        Err(disk::Error::NotFound { .. }) => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let path = folder.join(&entry.name);
        match entry.kind {
            Kind::Dir if depth > 0 => sweep(disk, &path, depth - 1)?,
            Kind::Dir => {}
            Kind::File | Kind::Other => found(disk.remove(&path))?,
        }
    }
    found(disk.remove_dir(folder))
}

/// Somebody else may be sweeping the same folder.
fn found(removed: disk::Result<()>) -> Result<()> {
    match removed {
        Ok(()) | Err(disk::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
