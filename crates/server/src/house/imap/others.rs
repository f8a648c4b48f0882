//! Mailboxes that are not the session's own: whom a question has to do with, and places that are nobody's.
//!
//! Where a name leads say the namespaces (`mail::namespace`), who its owner is the directory, what one may do there
//! `permission`.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::MailboxName;
use mail::acl::Identifier;
use mail::namespace::{Named, Namespaces};
use proto::imap::Ask;
use store::{Location, Rights, SharedDict, Viewer};

use crate::config::Settings;

/// The most accounts that one listing looks into. Beyond it, the first by name.
pub const OWNERS_MAX: usize = 1_000;

/// What all sessions of a node know of mailboxes' names, and of those that are not their own.
#[derive(Debug)]
pub struct Shared {
    pub namespaces: Namespaces,
    /// How users share with each other, if they do.
    pub sharing: Option<Sharing>,
    pub store: store::Store,
    /// Where mailboxes lie that are nobody's.
    pub public: Vec<Location>,
}

#[derive(Debug)]
pub struct Sharing {
    pub dict: SharedDict,
    /// Whether users may share with everybody.
    pub anyone: bool,
}

impl Shared {
    pub fn new(settings: &Settings, store: &store::Store) -> Shared {
        let sharing = settings
            .shared
            .as_ref()
            .map(|shared| Sharing { dict: store.shared_dict(shared.dictionary.clone()), anyone: shared.anyone });
        let (namespaces, public) = (settings.namespaces.clone(), settings.public.clone());
        Shared { namespaces, sharing, store: store.clone(), public }
    }

    /// The mailboxes at one of the places that are nobody's.
    pub fn public(&self, place: usize) -> store::Result<Arc<store::Account>> {
        self.store.public(self.public.get(place).ok_or(store::Error::NoSuchMailbox)?)
    }
}

/// Somebody whom the directory knows.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// The account's one name.
    pub name: String,
    /// `None` where there are no mailboxes yet.
    pub account: Option<Arc<store::Account>>,
}

/// By the name that was asked for. Who is unknown is not in it.
pub type Met = BTreeMap<String, Neighbour>;

/// A mailbox, and who looks at it.
#[derive(Debug, Clone)]
pub struct Place {
    pub account: Arc<store::Account>,
    /// The account's one name; `None`: the mailbox is nobody's.
    pub owner: Option<String>,
    pub viewer: Viewer,
    pub name: MailboxName,
}

impl Place {
    pub fn rights(&self) -> store::Result<Rights> {
        self.account.rights(&self.name, &self.viewer)
    }

    /// The same for what is asked all the time. In his own mailbox the owner may wait for what another node changed.
    pub fn rights_again(&self) -> store::Result<Rights> {
        if self.viewer.owner { self.account.rights_lately(&self.name, &self.viewer) } else { self.rights() }
    }

    /// Whether there is such a mailbox; one that every account has is, before it is made.
    pub fn is_there(&self) -> store::Result<bool> {
        Ok(self.account.exists(&self.name)?
            || (self.viewer.owner && self.account.list()?.iter().any(|listed| listed.name == self.name)))
    }
}

/// Whom a question names: owners of mailboxes, and users in ACLs.
pub fn people(namespaces: &Namespaces, ask: &Ask) -> Vec<String> {
    let owners = names(ask).into_iter().filter_map(|name| match namespaces.named(name) {
        Named::Of { owner, .. } => Some(owner),
        _ => None,
    });
    let user = match ask {
        Ask::SetAcl { who, .. } | Ask::DeleteAcl { who, .. } => match &who.identifier {
            Identifier::User(user) => Some(user.clone()),
            _ => None,
        },
        _ => None,
    };
    owners.chain(user).collect()
}

/// The mailboxes that a question names.
pub fn names(ask: &Ask) -> Vec<&MailboxName> {
    match ask {
        Ask::Status { name }
        | Ask::Create { name, .. }
        | Ask::Delete { name }
        | Ask::Subscribe { name }
        | Ask::Unsubscribe { name }
        | Ask::Select { name, .. }
        | Ask::Acl { name }
        | Ask::SetAcl { name, .. }
        | Ask::DeleteAcl { name, .. }
        | Ask::MayAdminister { name }
        | Ask::MyRights { name } => vec![name],
        Ask::Rename { from, to } => vec![from, to],
        Ask::Copy { to: name, .. } | Ask::Move { to: name, .. } | Ask::AppendBegin { mailbox: name, .. } => vec![name],
        Ask::Quota { mailbox } | Ask::Borrow { mailbox, .. } => mailbox.iter().collect(),
        _ => Vec::new(),
    }
}
