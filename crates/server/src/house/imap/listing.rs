//! What LIST tells: the mailboxes in some namespaces that the session's user may look up, as clients call them, with the
//! folders above them.

use std::collections::BTreeMap;

use mail::MailboxName;
use mail::namespace::{InList, Namespace, NamespaceKind, Namespaces};
use proto::imap::ask::MailboxInfo;
use store::{Account, Listed, SpecialUse, Viewer};

use super::others::{Met, Shared};
use super::permission;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing<'a> {
    pub(super) namespaces: &'a Namespaces,
    pub(super) account: &'a Account,
    pub(super) viewer: &'a Viewer,
    /// `None`: there are only own mailboxes.
    pub(super) shared: Option<&'a Shared>,
    pub(super) met: &'a Met,
}

impl Listing<'_> {
    /// The mailboxes in one namespace.
    pub(super) fn mailboxes(self, space: &Namespace) -> store::Result<Vec<MailboxInfo>> {
        let mut mailboxes = match space.kind {
            NamespaceKind::Private => self.own(space)?,
            NamespaceKind::Shared => self.others(space)?,
            NamespaceKind::Public(place) => self.publics(space, place)?,
        };
        // INBOX is its own folder.
        let root = space.root.as_ref().filter(|root| !root.is_inbox());
        let has_any = root.is_some_and(|root| mailboxes.iter().any(|mailbox| mailbox.name.is_below(root)));
        if has_any || space.list == InList::Yes {
            for above in std::iter::successors(root.cloned(), MailboxName::parent) {
                mailboxes.push(folder(above, false, has_any));
            }
        }
        Ok(mailboxes)
    }

    fn own(self, space: &Namespace) -> store::Result<Vec<MailboxInfo>> {
        let listed = permission::visible(self.account, self.viewer, self.account.list()?)?;
        let below_inbox = space.root.as_ref().is_some_and(MailboxName::is_inbox);
        let mut mailboxes = Vec::new();
        for listed in listed {
            // Mailboxes below the inner INBOX are below another name than the outer one.
            let moved = space.root.is_some() && listed.name.is_inbox() && listed.has_children;
            let middle = space
                .root
                .as_ref()
                .filter(|_| moved)
                .and_then(|root| MailboxName::parse(&format!("{root}/INBOX")).ok());
            mailboxes.extend(middle.map(|middle| folder(middle, false, true)));
            let Some(name) = self.namespaces.in_space(space, "", &listed.name) else { continue };
            mailboxes.push(MailboxInfo {
                has_children: listed.has_children && !moved,
                name,
                selectable: listed.selectable,
                special_use: listed.special_use.map(SpecialUse::attribute),
                subscribed: listed.subscribed,
            });
        }
        let has_children = below_inbox && mailboxes.len() > 1;
        mailboxes
            .iter_mut()
            .filter(|mailbox| mailbox.name.is_inbox())
            .for_each(|inbox| inbox.has_children |= has_children);
        Ok(mailboxes)
    }

    /// Others' special uses are not shown.
    fn others(self, space: &Namespace) -> store::Result<Vec<MailboxInfo>> {
        let mut mailboxes = Vec::new();
        // By their one names: of an account that the dictionary has under two there is one.
        let neighbours: BTreeMap<_, _> = self.met.values().map(|neighbour| (&neighbour.name, neighbour)).collect();
        for (owner, neighbour) in neighbours.into_iter().filter(|(owner, _)| **owner != self.viewer.user) {
            let Some(account) = &neighbour.account else { continue };
            let Some(inbox) = self.namespaces.in_space(space, owner, &MailboxName::inbox()) else { continue };
            let (inboxes, rest): (Vec<_>, Vec<_>) =
                self.visible(account)?.into_iter().partition(|listed| listed.name.is_inbox());
            if !inboxes.is_empty() || !rest.is_empty() {
                mailboxes.push(folder(inbox, inboxes.iter().any(|inbox| inbox.selectable), !rest.is_empty()));
            }
            mailboxes.extend(self.named(space, owner, rest));
        }
        Ok(mailboxes)
    }

    fn publics(self, space: &Namespace, place: usize) -> store::Result<Vec<MailboxInfo>> {
        let Some(shared) = self.shared else { return Ok(Vec::new()) };
        let visible = self.visible(&*shared.public(place)?)?;
        Ok(self.named(space, "", visible).collect())
    }

    fn named(self, space: &Namespace, owner: &str, listed: Vec<Listed>) -> impl Iterator<Item = MailboxInfo> {
        listed.into_iter().filter_map(move |listed| {
            let name = self.namespaces.in_space(space, owner, &listed.name)?;
            Some(folder(name, listed.selectable, listed.has_children))
        })
    }

    fn visible(self, account: &Account) -> store::Result<Vec<Listed>> {
        let viewer = Viewer { owner: false, ..self.viewer.clone() };
        permission::visible(account, &viewer, account.list()?)
    }
}

fn folder(name: MailboxName, selectable: bool, has_children: bool) -> MailboxInfo {
    MailboxInfo { name, selectable, has_children, special_use: None, subscribed: false }
}
