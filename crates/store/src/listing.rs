//! Which mailboxes an account has, and which of them its user wants to see.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use disk::{Disk, Kind};
use mail::MailboxName;
use mail::mailbox_name::LEVELS_MAX;

use crate::folder::{self, CUR};
use crate::layout::{Layout, is_reserved};
use crate::location::Places;
use crate::special_use::{self, SpecialUses};
use crate::{Account, Error, Result, SpecialUse};

/// A line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: MailboxName,
    /// False for a name that is only there because mailboxes lie below it.
    pub selectable: bool,
    pub has_children: bool,
    pub special_use: Option<SpecialUse>,
    pub subscribed: bool,
    /// Whether it is on disk already: an auto mailbox is made when it is first opened.
    pub exists: bool,
}

impl Account {
    /// Every mailbox, sorted by name, with auto mailboxes and with missing parents as not selectable. INBOX is always
    /// there, but for what is public.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let on_disk = self.on_disk()?;
        let subscribed: BTreeSet<MailboxName> = self.subscriptions()?.into_iter().collect();
        let uses = self.special_uses()?;
        let autos = self.settings.auto_mailboxes.iter().map(|auto| auto.name.clone());
        let selectable: BTreeSet<MailboxName> = on_disk.iter().cloned().chain(autos).collect();
        // Whether each name has children.
        let mut names: BTreeMap<MailboxName, bool> = selectable.iter().map(|name| (name.clone(), false)).collect();
        for name in &selectable {
            for parent in std::iter::successors(name.parent(), MailboxName::parent) {
                names.insert(parent, true);
            }
        }
        let listed = |(name, has_children)| Listed {
            selectable: selectable.contains(&name),
            has_children,
            special_use: self.auto(&name).and_then(|auto| auto.special_use).or_else(|| uses.of(&name)),
            subscribed: subscribed.contains(&name),
            exists: on_disk.contains(&name),
            name,
        };
        Ok(names.into_iter().map(listed).collect())
    }

    /// Every subscribed name, whether or not it exists.
    pub fn subscriptions(&self) -> Result<Vec<MailboxName>> {
        let mut names: Vec<MailboxName> = self.read_subscriptions()?.names().cloned().collect();
        for auto in self.settings.auto_mailboxes.iter().filter(|auto| auto.subscribe) {
            // Once it is made, the file tells.
            if !names.contains(&auto.name) && !self.folder(&auto.name)?.exists()? {
                names.push(auto.name.clone());
            }
        }
        Ok(names)
    }

    /// [`Error::NoSuchMailbox`] for a name that is not listed.
    pub fn subscribe(&self, name: &MailboxName) -> Result<()> {
        if !self.list()?.iter().any(|listed| listed.name == *name) {
            return Err(Error::NoSuchMailbox);
        }
        self.change_subscriptions(|subscriptions| subscriptions.add(name))
    }

    /// For a name that leads into another account: the caller knows that it is there.
    pub fn subscribe_to_anothers(&self, name: &MailboxName) -> Result<()> {
        self.change_subscriptions(|subscriptions| subscriptions.add(name))
    }

    /// Not being subscribed is no error.
    pub fn unsubscribe(&self, name: &MailboxName) -> Result<()> {
        // An auto mailbox counts as subscribed until it is made; so it is made, for the file to tell otherwise.
        if self.auto(name).is_some_and(|auto| auto.subscribe) && !self.folder(name)?.exists()? {
            self.made(name)?;
        }
        self.change_subscriptions(|subscriptions| subscriptions.remove(name))
    }

    /// The mailboxes that have a folder.
    pub(crate) fn on_disk(&self) -> Result<BTreeSet<MailboxName>> {
        let mut names = Tree { disk: &*self.disk, places: &self.places }.mailboxes()?;
        if !self.has_inbox {
            names.remove(&MailboxName::inbox());
        }
        Ok(names)
    }

    pub(crate) fn special_uses(&self) -> Result<SpecialUses> {
        let content = folder::read(&*self.disk, &self.account_file(special_use::FILE))?;
        Ok(SpecialUses::parse(&content.unwrap_or_default()))
    }

    /// Changes the file under its lock, if there is anything to change.
    pub(crate) fn change_special_uses(&self, change: impl Fn(&mut SpecialUses)) -> Result<()> {
        let changed = || -> Result<Option<SpecialUses>> {
            let before = self.special_uses()?;
            let mut after = before.clone();
            change(&mut after);
            Ok((after != before).then_some(after))
        };
        if changed()?.is_none() {
            return Ok(());
        }
        let lock = folder::lock(&*self.disk, &self.account_file(special_use::FILE), &self.settings)?;
        match changed()? {
            Some(after) => Ok(lock.replace_with(&after.encode())?),
            None => Ok(()),
        }
    }
}

/// The folders of an account's mailboxes.
pub(crate) struct Tree<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) places: &'a Places,
}

impl Tree<'_> {
    /// The mailboxes that have a folder.
    pub(crate) fn mailboxes(&self) -> Result<BTreeSet<MailboxName>> {
        let mut names = BTreeSet::from([MailboxName::inbox()]);
        match self.places.layout {
            Layout::MaildirPlusPlus => names.extend(
                self.folders_in(&self.places.mail)?
                    .iter()
                    .filter_map(|folder| self.places.layout.mailbox(folder, self.places.encoding)),
            ),
            Layout::Fs => self.walk(Path::new(""), 0, &mut names)?,
        }
        Ok(names)
    }

    /// The fs layout: a folder that holds `cur` is a mailbox, and there may be more below it.
    fn walk(&self, above: &Path, depth: usize, names: &mut BTreeSet<MailboxName>) -> Result<()> {
        let folders = self.folders_in(&self.places.mail.join(above))?;
        // None for the place of all, and for `INBOX` in it: INBOX has a place of its own, but others may be below.
        let name = self.places.layout.mailbox(above.as_os_str(), self.places.encoding);
        if folders.iter().any(|part| part == CUR) {
            names.extend(name);
        }
        let below =
            folders.iter().filter(|folder| depth < LEVELS_MAX && folder.to_str().is_some_and(|f| !is_reserved(f)));
        below.into_iter().try_for_each(|folder| self.walk(&above.join(folder), depth + 1, names))
    }

    /// Symbolic links are none.
    fn folders_in(&self, path: &Path) -> Result<Vec<OsString>> {
        match self.disk.list(path) {
            Ok(entries) => {
                Ok(entries.into_iter().filter(|entry| entry.kind == Kind::Dir).map(|entry| entry.name).collect())
            }
            // Deleted or renamed since its name was read.
            Err(disk::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}
