//! What a mailbox consists of, for whoever keeps a copy of it elsewhere, and putting such a copy back under the same UIDs.
//!
//! Content never changes under a base, so a copy needs to read each file once in its life. The lists are taken under the
//! mailbox's lock and so fit together; the messages are read afterwards, and one that was expunged meanwhile is left out.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use disk::{Kind, ReadFile, Stat, WriteFile};
use mail::{MailboxName, Uid, UidValidity};

use crate::account::SUBSCRIPTIONS;
use crate::draft::unique_name;
use crate::file_name::{self, Base};
use crate::folder::{CUR, Folder, KEYWORDS, NEW, TMP, UIDLIST};
use crate::subscriptions::Subscriptions;
use crate::uidlist::Uidlist;
use crate::{Account, Error, Result, packed, special_use};

/// Files beside the messages that a copy of a mailbox needs: Dovecot's ACL among them.
const MAILBOX_FILES: [&str; 2] = [KEYWORDS, "dovecot-acl"];
/// Files of the account, likewise.
const ACCOUNT_FILES: [&str; 3] = [SUBSCRIPTIONS, special_use::FILE, "dovecot-acl-list"];
/// After so many files the lock is touched.
const TOUCH_EVERY: usize = 16;

/// A mailbox at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    pub uid_validity: UidValidity,
    /// The list of UIDs as it stands on disk.
    pub uidlist: Vec<u8>,
    /// Other files by name.
    pub files: Vec<(String, Vec<u8>)>,
    /// Ascending by UID.
    pub messages: Vec<Stored>,
}

/// A message file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub uid: Uid,
    /// The part of the name that never changes.
    pub base: Vec<u8>,
    /// The part that holds the flags; empty or from the colon on.
    pub suffix: Vec<u8>,
}

impl Account {
    /// Looks for new messages first, so that all have UIDs.
    pub fn inventory(self: &Arc<Self>, name: &MailboxName) -> Result<Inventory> {
        self.open(name)?;
        let folder = self.folder(name)?;
        let _lock = folder.lock()?;
        let uidlist = folder.read_uidlist()?.unwrap_or_default();
        let damaged = Error::Damaged { path: folder.join(UIDLIST), what: "list of UIDs cannot be read" };
        let list = Uidlist::parse(&uidlist).ok_or(damaged)?.list;
        let mut names = HashMap::new();
        for part in [NEW, CUR] {
            folder.scan(part, |name| {
                let (base, suffix) = file_name::split(name);
                names.insert(base.to_vec(), suffix.to_vec());
            })?;
        }
        let stored = |entry: &crate::uidlist::Entry| {
            let suffix = names.remove(entry.base)?;
            Some(Stored { uid: entry.uid, base: entry.base.to_vec(), suffix })
        };
        let messages = list.entries.iter().filter_map(stored).collect();
        let files = read_all(&folder, &MAILBOX_FILES)?;
        Ok(Inventory { uid_validity: list.head.validity, uidlist, files, messages })
    }

    /// The file of a message, wherever its flags have taken it since. [`Error::Gone`] when it was expunged.
    pub fn stored_file(&self, name: &MailboxName, stored: &Stored) -> Result<(Box<dyn ReadFile>, Stat)> {
        let folder = self.folder(name)?;
        let told = file_name::join(&stored.base, &stored.suffix);
        for part in [CUR, NEW] {
            if let Some(found) = open_file(&folder, folder.join(part).join(&told))? {
                return Ok(found);
            }
        }
        for part in [NEW, CUR, NEW] {
            let mut renamed = None;
            folder.scan(part, |name| {
                if file_name::split(name).0 == stored.base {
                    renamed = Some(folder.join(part).join(name));
                }
            })?;
            if let Some(found) = renamed.map(|path| open_file(&folder, path)).transpose()?.flatten() {
                return Ok(found);
            }
        }
        Err(Error::Gone)
    }

    /// The content of that file, as if it were not compressed.
    pub fn stored_content(&self, name: &MailboxName, stored: &Stored) -> Result<(Box<dyn ReadFile>, Stat)> {
        let (file, stat) = self.stored_file(name, stored)?;
        let path = self.folder(name)?.join(CUR).join(file_name::join(&stored.base, &stored.suffix));
        Ok((packed::open(file, &path)?.0, stat))
    }

    /// Files that belong to no single mailbox, by name.
    pub fn account_files(&self) -> Vec<(String, Result<Vec<u8>>)> {
        let read = |name: &str| crate::folder::read(&*self.disk, &self.account_file(name));
        ACCOUNT_FILES.iter().filter_map(|name| Some(((*name).to_owned(), read(name).transpose()?))).collect()
    }

    /// Puts such a file back where it is missing; true when that changed anything. Subscriptions are added to those there.
    pub fn put_account_file(&self, name: &str, content: &[u8]) -> Result<bool> {
        if name == SUBSCRIPTIONS {
            let kept = Subscriptions::parse(content, self.places.encoding);
            let mut changed = false;
            self.change_subscriptions(|now| {
                kept.names().for_each(|name| changed |= now.add(name));
                changed
            })?;
            return Ok(changed);
        }
        let path = self.account_file(name);
        let known = ACCOUNT_FILES.contains(&name);
        let missing = known && crate::folder::read(&*self.disk, &path)?.is_none_or(|content| content.is_empty());
        if missing {
            disk::replace(&*self.disk, &path, content)?;
        }
        Ok(missing)
    }

    /// Puts a mailbox back with its UIDVALIDITY, UIDs and flags; `write` gives a message's content and date, or `None`
    /// for one that is left out. Answers how many messages came back. What is there is left as it is, so it may be done again after it was interrupted.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when a mailbox of this name holds messages under another UIDVALIDITY.
    pub fn put_back(
        self: &Arc<Self>,
        name: &MailboxName,
        inventory: &Inventory,
        mut write: impl FnMut(&Stored, &mut dyn WriteFile) -> Result<Option<SystemTime>>,
    ) -> Result<usize> {
        if !name.is_inbox() && !self.folder(name)?.exists()? && self.auto(name).is_none() {
            self.create(name, None)?;
        }
        let folder = self.made(name)?;
        // What comes back is not added up but counted at the end; a crash until then leaves the mark.
        self.ledger.mark()?;
        // A crash may have left it half made.
        folder.complete(!name.is_inbox())?;
        let mut lock = folder.lock()?;
        let present = bases(&folder)?;
        let list = merged(&folder, inventory, present.is_empty())?;
        for (file, content) in &inventory.files {
            if MAILBOX_FILES.contains(&file.as_str()) && (present.is_empty() || folder.read(file)?.is_none()) {
                disk::replace(&*folder.disk, &folder.join(file), content)?;
            }
        }
        lock.verify()?;
        // The list first: a file that appears has its UID already.
        disk::replace(&*folder.disk, &folder.join(UIDLIST), &list)?;
        let mut count = 0;
        for stored in inventory.messages.iter().filter(|stored| !present.contains(stored.base.as_slice())) {
            if count % TOUCH_EVERY == 0 {
                lock.touch()?;
            }
            count += usize::from(put_message(&folder, stored, &mut write)?);
        }
        folder.disk.sync_dir(&folder.join(CUR))?;
        lock.release()?;
        self.ledger.count_again();
        self.retire(|known| known == name);
        self.tell(name);
        Ok(count)
    }
}

/// The list with what the copy knows, as it is written. A mailbox without messages takes the copy's own.
fn merged(folder: &Folder, inventory: &Inventory, is_empty: bool) -> Result<Vec<u8>> {
    let path = folder.join(UIDLIST);
    let damaged = Error::Damaged { path, what: "list of UIDs in the copy cannot be read" };
    let kept = Uidlist::parse(&inventory.uidlist).ok_or(damaged)?.list;
    let content = folder.read_uidlist()?;
    let current = content.as_deref().and_then(Uidlist::parse).map(|parsed| parsed.list);
    match current {
        Some(mut current) if current.head.validity == kept.head.validity => {
            current.take_in(kept);
            Ok(current.encode())
        }
        _ if is_empty => Ok(kept.encode()),
        _ => Err(Error::NotAllowed("mailbox holds other messages; put it back under another name")),
    }
}

fn bases(folder: &Folder) -> Result<HashSet<Base>> {
    let mut bases = HashSet::new();
    for part in [NEW, CUR] {
        folder.scan(part, |name| _ = bases.insert(Base::from(file_name::split(name).0)))?;
    }
    Ok(bases)
}

fn put_message(
    folder: &Folder,
    stored: &Stored,
    write: &mut impl FnMut(&Stored, &mut dyn WriteFile) -> Result<Option<SystemTime>>,
) -> Result<bool> {
    let hidden = stored.base.contains(&b'/') || stored.base.starts_with(b".") || stored.suffix.contains(&b'/');
    if hidden || stored.base.is_empty() {
        return Err(Error::Damaged { path: folder.path.clone(), what: "name of a message in the copy makes no sense" });
    }
    let tmp = folder.join(TMP).join(unique_name(&*folder.disk, &folder.settings.hostname, ""));
    let mut file = folder.disk.create_new(&tmp)?;
    let written = write(stored, &mut *file).and_then(|date| {
        let Some(date) = date else { return Ok(false) };
        file.set_modified(date)?;
        file.sync()?;
        Ok(true)
    });
    drop(file);
    let suffix = file_name::with_flags(&stored.suffix, file_name::flags(&stored.suffix));
    let target = folder.join(CUR).join(file_name::join(&stored.base, &suffix));
    let placed = match written {
        Ok(true) => folder.disk.rename(&tmp, &target).map(|()| true).map_err(Error::from),
        other => other,
    };
    if !matches!(placed, Ok(true)) {
        // What stays in `tmp/` is swept later.
        let _ = folder.disk.remove(&tmp);
    }
    placed
}

fn open_file(folder: &Folder, path: PathBuf) -> Result<Option<(Box<dyn ReadFile>, Stat)>> {
    let opened = folder.disk.open_and_stat(&path);
    match opened {
        Ok((file, stat)) if stat.kind == Kind::File => Ok(Some((file, stat))),
        Ok(_) | Err(disk::Error::NotFound { .. } | disk::Error::Stale { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read_all(folder: &Folder, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for name in names {
        if let Some(content) = folder.read(name)? {
            files.push(((*name).to_owned(), content));
        }
    }
    Ok(files)
}
