//! Other users' mailboxes below `shared/%u/`: whose a name is, and whom a question has to do with.
//!
//! Pure. Who these are says the directory, what one may do there `permission`.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::MailboxName;
use mail::acl::Identifier;
use mail::mailbox_name::SEPARATOR;
use proto::imap::Ask;
use store::{Rights, SharedDict, Viewer};

use crate::config::SharedSettings;

/// The most accounts that one listing looks into. Beyond it, the first by name.
pub const OWNERS_MAX: usize = 1_000;

/// What all sessions of a node know of sharing.
#[derive(Debug)]
pub struct Shared {
    pub settings: SharedSettings,
    pub dict: SharedDict,
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

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Own,
    /// The folder of all others, where nothing is.
    Nobodys,
    Of {
        owner: String,
        /// As the owner calls it. His own name stands for his INBOX.
        name: MailboxName,
    },
}

/// A mailbox, and who looks at it.
#[derive(Debug, Clone)]
pub struct Place {
    pub account: Arc<store::Account>,
    /// The account's one name.
    pub owner: String,
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

/// `root`: below which name the others are.
pub fn named(root: Option<&MailboxName>, name: &MailboxName) -> Named {
    let Some(root) = root.filter(|root| *root == name || name.is_below(root)) else { return Named::Own };
    let rest = name.as_str().get(root.as_str().len() + 1..).unwrap_or_default();
    let (owner, rest) = rest.split_once(SEPARATOR).unwrap_or((rest, "INBOX"));
    match MailboxName::parse(rest) {
        Ok(name) if !owner.is_empty() => Named::Of { owner: owner.to_owned(), name },
        _ => Named::Nobodys,
    }
}

/// A mailbox of another as this session calls it. `None` when that would be too long a name.
pub fn name_of(root: &MailboxName, owner: &str, name: &MailboxName) -> Option<MailboxName> {
    let whole = if name.is_inbox() { format!("{root}/{owner}") } else { format!("{root}/{owner}/{name}") };
    MailboxName::parse(&whole).ok()
}

/// Whom a question names: owners of mailboxes, and users in ACLs.
pub fn people(root: Option<&MailboxName>, ask: &Ask) -> Vec<String> {
    let owners = names(ask).into_iter().filter_map(|name| match named(root, name) {
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

fn names(ask: &Ask) -> Vec<&MailboxName> {
    match ask {
        Ask::Status { name }
        | Ask::Create { name, .. }
        | Ask::Delete { name }
        | Ask::Subscribe { name }
        | Ask::Select { name, .. }
        | Ask::Acl { name }
        | Ask::SetAcl { name, .. }
        | Ask::DeleteAcl { name, .. }
        | Ask::MayAdminister { name }
        | Ask::MyRights { name } => vec![name],
        Ask::Rename { from, to } => vec![from, to],
        Ask::Copy { to: name, .. } | Ask::Move { to: name, .. } | Ask::AppendBegin { mailbox: name, .. } => vec![name],
        Ask::Quota { mailbox } => mailbox.iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> MailboxName {
        MailboxName::parse(name).unwrap()
    }

    #[test]
    fn names_below_the_root_are_their_owners() {
        let root = parse("user/shared");
        let of = |owner: &str, name: &str| Named::Of { owner: owner.to_owned(), name: parse(name) };
        for (name, expected) in [
            ("user/shared", Named::Nobodys),
            ("user/shared/ana", of("ana", "INBOX")),
            ("user/shared/ana/inbox", of("ana", "INBOX")),
            ("user/shared/ana@example.test/Team/a.b", of("ana@example.test", "Team/a.b")),
            ("user/shares/ana", Named::Own),
            ("user", Named::Own),
            ("INBOX", Named::Own),
        ] {
            assert_eq!(named(Some(&root), &parse(name)), expected, "{name}");
            assert_eq!(named(None, &parse(name)), Named::Own);
            if let Named::Of { owner, name } = expected {
                assert_eq!(named(Some(&root), &name_of(&root, &owner, &name).unwrap()), of(&owner, name.as_str()));
            }
        }
    }
}
