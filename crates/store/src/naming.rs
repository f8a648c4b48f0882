//! Making, deleting and renaming mailboxes. Each step is a rename or a new folder, so that a mailbox is wholly under one
//! name or wholly under another. Where the lists of UIDs have a place of their own, the list goes first: whichever name
//! the messages are found under after a crash, their UIDs are there too.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use disk::{Disk, Kind};
use mail::MailboxName;
use mail::mailbox_name::NameError;

use crate::folder::{CUR, Folder, NEW, TMP};
use crate::layout::{Layout, TRASHED};
use crate::{Account, Error, Result, SpecialUse};

/// How deep a deleted folder is swept.
const SWEEP_DEPTH_MAX: u32 = 8;
/// How often another delete may be in our way.
const TRASH_TRIES_MAX: u32 = 16;

impl Account {
    /// Makes a mailbox with its UIDVALIDITY, durably. [`Error::MailboxExists`] for auto mailboxes too, made or not.
    pub fn create(self: &Arc<Self>, name: &MailboxName, special_use: Option<SpecialUse>) -> Result<()> {
        let folder = self.folder(name)?;
        if self.auto(name).is_some() || name.is_inbox() || folder.exists()? {
            return Err(Error::MailboxExists);
        }
        match self.claim(&folder) {
            Ok(()) => {}
            Err(disk::Error::Exists { .. }) => return Err(Error::MailboxExists),
            Err(error) => return Err(error.into()),
        }
        folder.complete(true)?;
        self.inherit_acl(name, &folder)?;
        self.change_special_uses(|uses| uses.set(name, special_use))?;
        self.open(name)?;
        self.tell(name);
        Ok(())
    }

    /// Makes what tells that a mailbox is there: of several nodes at once one succeeds.
    fn claim(&self, folder: &Folder) -> disk::Result<()> {
        match self.places.layout {
            Layout::MaildirPlusPlus => {
                self.disk.create_dir(&folder.path)?;
                self.disk.sync_dir(&self.places.mail)
            }
            Layout::Fs => {
                self.disk.create_dir_all(&folder.join(NEW))?;
                self.disk.create_dir(&folder.join(CUR))?;
                self.disk.sync_dir(&folder.path)
            }
        }
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
        self.ledger.take_away(name, |gone| {
            // Counted where nobody can deliver any more; when somebody sweeps it meanwhile, nobody knows.
            let before = self.ledger.count_mailbox(&folder.path)?;
            self.move_to_trash(&folder)?;
            *gone = self.ledger.count_mailbox(&self.places.mail.join(TRASHED))?;
            if gone.messages < before.messages {
                self.ledger.doubt();
            }
            Ok(())
        })?;
        self.retire(|known| known == name);
        if let Some(index) = self.index_of(&folder) {
            index.forget();
        }
        self.disk.sync_dir(folder.path.parent().unwrap_or(&self.places.mail))?;
        self.tell(name);
        self.change_special_uses(|uses| uses.set(name, None))?;
        self.tell_acls_if_told()?;
        // The mailbox is gone already; what cannot be swept now is swept by the next delete, ours or Dovecot's.
        let _ = sweep(&*self.disk, &self.places.mail.join(TRASHED), SWEEP_DEPTH_MAX);
        self.sweep_control(name, true);
        Ok(())
    }

    /// Sweeps away what a delete left behind when it was interrupted.
    pub(crate) fn sweep_trash(&self) -> Result<()> {
        sweep(&*self.disk, &self.places.mail.join(TRASHED), SWEEP_DEPTH_MAX)
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
        if self.auto(from).is_some() {
            self.made(from)?;
        }
        let moves = self.moves(from, to)?;
        self.move_all(from, to, &moves)?;
        if self.ledger.ignores_any() {
            self.ledger.count_again();
        }
        self.change_special_uses(|uses| uses.rename(from, to))?;
        self.tell_acls_if_told()
    }

    /// The old and the new name of every mailbox that moves.
    fn moves(&self, from: &MailboxName, to: &MailboxName) -> Result<Vec<(MailboxName, MailboxName)>> {
        let on_disk: BTreeSet<MailboxName> = self.on_disk()?;
        let mut moves = Vec::new();
        for name in on_disk.iter().filter(|name| *name == from || name.is_below(from)) {
            let moved = name.moved(from, to).map_err(not_allowed)?;
            // The new name must be one that this layout can hold, before anything moves.
            self.folder(&moved)?;
            if on_disk.contains(&moved) {
                return Err(Error::MailboxExists);
            }
            moves.push((name.clone(), moved));
        }
        if moves.is_empty() { Err(Error::NoSuchMailbox) } else { Ok(moves) }
    }

    fn move_all(&self, from: &MailboxName, to: &MailboxName, moves: &[(MailboxName, MailboxName)]) -> Result<()> {
        let folders = moves.iter().map(|(old, _)| self.folder(old)).collect::<Result<Vec<_>>>()?;
        let mut locks = Vec::new();
        if self.places.is_split() {
            // In the order of names, so that two renames cannot wait for each other.
            for folder in &folders {
                locks.push(folder.lock()?);
            }
            for ((_, new), folder) in moves.iter().zip(&folders) {
                copy_files(&*self.disk, &folder.control, &self.folder(new)?.control)?;
            }
        }
        match self.places.layout {
            Layout::MaildirPlusPlus => {
                for ((_, new), folder) in moves.iter().zip(&folders) {
                    self.move_folder(&folder.path, &self.folder(new)?.path)?;
                }
            }
            // Those below lie inside.
            Layout::Fs => self.move_folder(&self.folder(from)?.path, &self.folder(to)?.path)?,
        }
        drop(locks);
        self.retire(|known| known == from || known.is_below(from));
        moves.iter().flat_map(|(old, new)| [old, new]).for_each(|name| self.tell(name));
        moves.iter().for_each(|(old, _)| self.sweep_control(old, self.places.is_split()));
        Ok(())
    }

    fn move_folder(&self, old: &Path, new: &Path) -> Result<()> {
        let (above_old, above_new) =
            (old.parent().unwrap_or(&self.places.mail), new.parent().unwrap_or(&self.places.mail));
        self.disk.create_dir_all(above_new)?;
        match self.disk.rename(old, new) {
            Ok(()) => {}
            // Another node renamed or deleted this one meanwhile.
            Err(disk::Error::NotFound { .. }) => return Ok(()),
            // The fs layout: it is no mailbox, but has some below it.
            Err(_) if self.places.layout == Layout::Fs && self.disk.kind(new).is_ok() => {
                return Err(Error::MailboxExists);
            }
            Err(error) => return Err(error.into()),
        }
        self.disk.sync_dir(above_new)?;
        Ok(self.disk.sync_dir(above_old)?)
    }

    fn move_inbox(self: &Arc<Self>, to: &MailboxName) -> Result<()> {
        self.create(to, None)?;
        let (inbox, target) = (self.open(&MailboxName::inbox())?, self.open(to)?);
        let uids: Vec<_> = inbox.snapshot().rows.iter().map(|row| row.uid).collect();
        inbox.move_to(&uids, &target).map(|_| ())
    }

    fn move_to_trash(&self, folder: &Folder) -> Result<()> {
        let trash = self.places.mail.join(TRASHED);
        for _ in 0..TRASH_TRIES_MAX {
            sweep(&*self.disk, &trash, SWEEP_DEPTH_MAX)?;
            let moved = match self.places.layout {
                Layout::Fs if has_below(&*self.disk, &folder.path)? => self.empty_into(&trash, folder),
                _ => self.disk.rename(&folder.path, &trash),
            };
            match moved {
                Ok(()) => return Ok(()),
                Err(disk::Error::NotFound { .. }) => return Err(Error::NoSuchMailbox),
                // Another delete put its folder there since we swept.
                Err(disk::Error::Exists { .. } | disk::Error::Io { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// The fs layout: the folder stays for the mailboxes below it. `cur` goes last, since it makes a folder a mailbox.
    fn empty_into(&self, trash: &Path, folder: &Folder) -> disk::Result<()> {
        self.disk.create_dir(trash)?;
        for part in [NEW, TMP] {
            match self.disk.rename(&folder.join(part), &trash.join(part)) {
                Ok(()) | Err(disk::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.disk.rename(&folder.join(CUR), &trash.join(CUR))?;
        self.disk.sync_dir(&folder.path)?;
        // A list without messages harms nobody: whoever makes the mailbox anew goes on from its last UID.
        remove_files(&*self.disk, &folder.path);
        Ok(())
    }

    /// Removes what a mailbox that is gone from here left in the places of its lists and of Dovecot's indexes. What stays
    /// harms nobody, so failures are passed over.
    fn sweep_control(&self, name: &MailboxName, control: bool) {
        let Ok(places) = self.places.mailbox(name) else { return };
        let control = Some(places.control).filter(|path| control && *path != places.mail);
        for path in control.into_iter().chain(places.index) {
            remove_files(&*self.disk, &path);
            let _ = self.disk.remove_dir(&path);
        }
    }
}

/// Whether other mailboxes may lie in this folder.
fn has_below(disk: &dyn Disk, folder: &Path) -> disk::Result<bool> {
    let is_part = |entry: &disk::Entry| [NEW, CUR, TMP].iter().any(|part| entry.name == *part);
    Ok(disk.list(folder)?.iter().any(|entry| entry.kind == Kind::Dir && !is_part(entry)))
}

fn copy_files(disk: &dyn Disk, from: &Path, to: &Path) -> Result<()> {
    disk.create_dir_all(to)?;
    for entry in disk.list(from)?.iter().filter(|entry| entry.kind == Kind::File) {
        let name = entry.name.to_string_lossy();
        let is_passing =
            name.ends_with(".lock") || [".tmp.", ".clock.", ".stale."].iter().any(|kind| name.contains(kind));
        if !is_passing {
            disk::replace(disk, &to.join(&entry.name), &disk.read_plain(&from.join(&entry.name))?)?;
        }
    }
    Ok(())
}

fn remove_files(disk: &dyn Disk, folder: &Path) {
    let entries = disk.list(folder).unwrap_or_default();
    for entry in entries.iter().filter(|entry| entry.kind != Kind::Dir) {
        let _ = disk.remove(&folder.join(&entry.name));
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
