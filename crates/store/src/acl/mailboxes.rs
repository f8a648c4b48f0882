//! The ACLs of an account's mailboxes on disk: read, changed under `dovecot-acl.lock`, handed down to new mailboxes, and told in
//! `dovecot-acl-list`, where Dovecot looks up which mailboxes others may see:
//!
//! ```text
//! 1795220136 Equipo
//! ```
//!
//! That is when the mailbox's `dovecot-acl` was changed, and the mailbox's name as its folder has it, with a slash between levels.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use mail::MailboxName;
use mail::acl::{Identifier, Right, Rights};

use super::dict::{SharedDict, SharedTo};
use super::file::Acl;
use super::judge::Viewer;
use super::remembered::Look;
use crate::folder::Folder;
use crate::{Account, Error, Result, Store, folder};

pub(crate) const FILE: &str = "dovecot-acl";
pub(crate) const LIST: &str = "dovecot-acl-list";

impl Store {
    /// The dictionary of who shares with whom, at this place.
    pub fn shared_dict(&self, path: std::path::PathBuf) -> SharedDict {
        SharedDict { disk: self.shared_disk(), settings: self.settings(), path }
    }
}

impl Account {
    /// What a mailbox's file says; nothing when it has none.
    pub fn acl(&self, name: &MailboxName) -> Result<Arc<Acl>> {
        self.acls.acl(&self.folder(name)?, Look::Certain)
    }

    /// What somebody may do with a mailbox, whether or not it exists.
    pub fn rights(&self, name: &MailboxName, viewer: &Viewer) -> Result<Rights> {
        Ok(viewer.rights(&*self.acl(name)?))
    }

    /// The same for whoever asks often, or for many mailboxes: over NFS a change that another node made may be seen as late as
    /// the client's attribute cache sees it. Costs a stat where nothing has changed.
    pub fn rights_lately(&self, name: &MailboxName, viewer: &Viewer) -> Result<Rights> {
        Ok(viewer.rights(&*self.acls.acl(&self.folder(name)?, Look::Cheap)?))
    }

    /// Changes what a mailbox's file says, durably; `false` of `change` leaves it as it is and is [`Error::NotAllowed`]. Whoever
    /// keeps a dictionary publishes [`Account::shared_with`] then.
    pub fn change_acl(&self, name: &MailboxName, change: impl FnOnce(&mut Acl) -> bool) -> Result<()> {
        let folder = self.made(name)?;
        let lock = match folder::lock(&*self.disk, &folder.join(FILE), &self.settings) {
            // Deleted or renamed meanwhile.
            Err(Error::Disk(disk::Error::NotFound { .. })) => return Err(Error::NoSuchMailbox),
            other => other?,
        };
        let before = Acl::parse(&folder.read(FILE)?.unwrap_or_default());
        let mut after = before.clone();
        if !change(&mut after) {
            return Err(Error::NotAllowed("Too many identifiers in the ACL"));
        }
        if after != before {
            lock.replace_with(&after.encode())?;
        }
        lock.release()?;
        self.tell_acls()
    }

    /// Whom anything in this account is shared with: who may look up a mailbox, the owner aside.
    pub fn shared_with(&self) -> Result<BTreeSet<SharedTo>> {
        let mut with = BTreeSet::new();
        for name in self.on_disk()? {
            let acl = self.acl(&name)?;
            let given = acl.rows().iter().filter(|row| !row.negative && row.rights.has(Right::Lookup));
            with.extend(given.filter_map(|row| shared_to(&row.identifier)));
        }
        Ok(with)
    }

    /// RFC 4314 §4: a new mailbox inherits from the nearest one above it that is there, or from nobody.
    pub(crate) fn inherit_acl(&self, name: &MailboxName, folder: &Folder) -> Result<()> {
        for parent in std::iter::successors(name.parent(), MailboxName::parent) {
            let above = self.folder(&parent)?;
            match above.exists() {
                Ok(true) => {}
                // A link is no mailbox, and nothing is read through it.
                Ok(false) | Err(Error::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            }
            let Some(content) = above.read(FILE)? else { return Ok(()) };
            let lock = folder::lock(&*self.disk, &folder.join(FILE), &self.settings)?;
            lock.replace_with(&content)?;
            lock.release()?;
            return self.tell_acls();
        }
        Ok(())
    }

    /// Writes `dovecot-acl-list` anew if it does not say what the mailboxes' files say. A crash before that leaves an old one,
    /// which misleads nobody here, and which the next change mends.
    pub(crate) fn tell_acls(&self) -> Result<()> {
        let path = self.places.mail.join(LIST);
        let known = || folder::read(&*self.disk, &path);
        let list = self.acl_list()?;
        let said = known()?;
        if said.as_deref() == Some(&list) || (said.is_none() && list.is_empty()) {
            return Ok(());
        }
        let lock = folder::lock(&*self.disk, &path, &self.settings)?;
        lock.replace_with(&self.acl_list()?)?;
        Ok(lock.release()?)
    }

    /// The same after mailboxes have gone or moved, where anything was ever told.
    pub(crate) fn tell_acls_if_told(&self) -> Result<()> {
        match folder::read(&*self.disk, &self.places.mail.join(LIST))? {
            Some(list) if !list.is_empty() => self.tell_acls(),
            _ => Ok(()),
        }
    }

    fn acl_list(&self) -> Result<Vec<u8>> {
        let mut list = String::new();
        for name in self.on_disk()? {
            let folder = self.folder(&name)?;
            let Some((file, _)) = folder.look_into(FILE)? else { continue };
            let acl = self.acl(&name)?;
            if acl
                .rows()
                .iter()
                .any(|row| row.identifier != Identifier::Owner && !row.negative && row.rights.has(Right::Lookup))
            {
                let since = file.stat()?.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
                list.push_str(&format!("{} {}\n", since.as_secs(), self.places.encoding.encode(&name)));
            }
        }
        Ok(list.into_bytes())
    }
}

fn shared_to(identifier: &Identifier) -> Option<SharedTo> {
    match identifier {
        Identifier::Anyone | Identifier::Authenticated => Some(SharedTo::Anyone),
        Identifier::Group(group) | Identifier::GroupOverride(group) => Some(SharedTo::Group(group.clone())),
        Identifier::User(user) => Some(SharedTo::User(user.clone())),
        Identifier::Owner => None,
    }
}
