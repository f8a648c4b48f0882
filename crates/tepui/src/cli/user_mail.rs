//! Opens a user's mail, or the mailboxes of a public namespace, as a node does, without a node: any number of processes may
//! work on a tree at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use directory::chain::Lookup;
use mail::MailboxName;
use mail::namespace::{Named, NamespaceKind};
use server::Mailboxes;
use server::config::Settings;
use store::{Account, Scripts};

use super::directory_asked::ask;

/// One user's mail, or what is public below a prefix, open.
#[derive(Debug)]
pub struct UserMail {
    /// The account's name as the directory has it, or the prefix.
    pub user: String,
    /// `None`: what is public is nobody's.
    pub home: Option<PathBuf>,
    pub account: Arc<Account>,
    pub settings: Settings,
    /// Which of the namespaces these mailboxes are in.
    within: NamespaceKind,
}

impl UserMail {
    /// One of the mailboxes, by the name that mail programs show.
    ///
    /// # Errors
    /// In words for the operator.
    pub fn named(&self, outer: &str) -> Result<MailboxName, String> {
        let wrong = |why: String| format!("{}: {outer}: {why}", self.user);
        let name = self.settings.namespaces.separator.parse(outer).map_err(|error| wrong(error.to_string()))?;
        match (self.within, self.settings.namespaces.named(&name)) {
            (NamespaceKind::Private, Named::Own(inner)) => Ok(inner),
            (NamespaceKind::Public(here), Named::Public { place, name }) if here == place => Ok(name),
            (NamespaceKind::Private, Named::Outside) => Err(wrong(self.settings.namespaces.hint())),
            (NamespaceKind::Private, _) => Err(wrong("this is none of the user's own mailboxes".to_owned())),
            _ => Err(wrong(format!("names of these mailboxes begin with {}", self.user))),
        }
    }

    /// The account with the file of subscriptions.
    ///
    /// # Errors
    /// What is public has none: each user subscribes for himself.
    pub fn subscriptions(&self) -> Result<&Account, String> {
        match self.within {
            NamespaceKind::Private => Ok(&self.account),
            _ => Err(format!("{}: only users subscribe to mailboxes", self.user)),
        }
    }

    /// What mail programs show for one of the mailboxes; for one that they are not shown, its name in the store.
    pub fn shown(&self, inner: &MailboxName) -> String {
        let spaces = &self.settings.namespaces;
        let space = spaces.all.iter().find(|space| space.kind == self.within);
        let outer = space.and_then(|space| spaces.in_space(space, "", inner));
        outer.map_or_else(|| inner.to_string(), |outer| self.settings.namespaces.separator.show(&outer))
    }
}

/// Opens what lies in the home of whom the directory of the configuration knows, or at the place of a public namespace.
///
/// # Errors
/// In words for the operator.
pub fn open(config: &Path, user: &str) -> Result<UserMail, String> {
    let mail = find(config, user)?;
    // Whoever only looks makes no home.
    if let Whose::User(directory::Account { home, .. }) = &mail.whose
        && !home.exists()
    {
        return Err(format!("{user}: there is no mail yet: {} is not there", home.display()));
    }
    mail.open(user)
}

/// The same, and makes what is missing.
///
/// # Errors
/// In words for the operator.
pub fn open_or_make(config: &Path, user: &str) -> Result<UserMail, String> {
    find(config, user)?.open(user)
}

/// The user's Sieve scripts. Makes nothing.
///
/// # Errors
/// In words for the operator.
pub fn scripts(config: &Path, user: &str) -> Result<Scripts, String> {
    let Place { whose: Whose::User(account), settings } = find(config, user)? else {
        return Err(format!("{user}: what is public has no scripts"));
    };
    let mailboxes = Mailboxes::open(&settings).map_err(|error| error.to_string())?;
    Ok(mailboxes.scripts(&account))
}

/// Where mail is.
struct Place {
    whose: Whose,
    settings: Settings,
}

enum Whose {
    User(directory::Account),
    /// Which of the places that are nobody's.
    Public(usize),
}

fn find(config: &Path, user: &str) -> Result<Place, String> {
    let asked = user.to_owned();
    let found = ask(config, |directory, settings| async move {
        if let Some(place) = public(&settings, &asked) {
            return Ok(Place { whose: Whose::Public(place), settings });
        }
        match directory.account(&asked).await {
            Lookup::Account(account) => Ok(Place { whose: Whose::User(account), settings }),
            Lookup::Unknown => Err(format!("{asked}: no such account")),
            Lookup::Unavailable(why) => Err(format!("{asked}: no directory answers: {why}")),
        }
    });
    found.and_then(|found| found)
}

/// The place of the public namespace with this prefix.
fn public(settings: &Settings, prefix: &str) -> Option<usize> {
    let separator = settings.namespaces.separator;
    let root = separator.parse(prefix.strip_suffix(separator.char())?).ok();
    let space = settings.namespaces.all.iter().find(|space| space.root == root)?;
    let NamespaceKind::Public(place) = space.kind else { return None };
    Some(place)
}

impl Place {
    fn open(self, asked: &str) -> Result<UserMail, String> {
        let Place { whose, settings } = self;
        let mailboxes = Mailboxes::open(&settings).map_err(|error| error.to_string())?;
        let (opened, user, home, within) = match whose {
            Whose::User(account) => {
                (mailboxes.account(&account), account.name, Some(account.home), NamespaceKind::Private)
            }
            Whose::Public(place) => {
                (mailboxes.public(&settings, place), asked.to_owned(), None, NamespaceKind::Public(place))
            }
        };
        let account = opened.map_err(|error| format!("{user}: {error}"))?;
        Ok(UserMail { account, user, home, settings, within })
    }
}
