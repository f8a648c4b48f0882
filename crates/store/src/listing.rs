//! Which mailboxes an account has, and which of them its user wants to see.

use std::collections::{BTreeMap, BTreeSet};

use disk::Kind;
use mail::MailboxName;

use crate::folder;
use crate::special_use::{self, SpecialUses};
use crate::{Account, Error, Result, SpecialUse, layout};

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
    /// there.
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
        let entries = self.disk.list(&self.root)?;
        let folders = entries.iter().filter(|entry| entry.kind == Kind::Dir);
        let names = folders.filter_map(|entry| layout::mailbox(&entry.name));
        Ok(names.chain([MailboxName::inbox()]).collect())
    }

    pub(crate) fn special_uses(&self) -> Result<SpecialUses> {
        let content = folder::read(&*self.disk, &self.root.join(special_use::FILE))?;
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
        let lock = folder::lock(&*self.disk, &self.root.join(special_use::FILE), &self.settings)?;
        match changed()? {
            Some(after) => Ok(lock.replace_with(&after.encode())?),
            None => Ok(()),
        }
    }
}
