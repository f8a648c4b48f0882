//! Opens a user's mail as a node does, without a node: any number of processes may work on a tree at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use directory::chain::Lookup;
use mail::MailboxName;
use mail::namespace::{Named, Namespaces};
use server::Mailboxes;
use server::config::Settings;
use store::{Account, Scripts};

use super::directory_asked::ask;

/// One user's mail, open.
#[derive(Debug)]
pub struct UserMail {
    /// The account's name as the directory has it.
    pub user: String,
    pub home: PathBuf,
    pub account: Arc<Account>,
    namespaces: Namespaces,
}

impl UserMail {
    /// One of the user's own mailboxes, by the name that mail programs show.
    ///
    /// # Errors
    /// In words for the operator.
    pub fn named(&self, outer: &str) -> Result<MailboxName, String> {
        let wrong = |why: String| format!("{}: {outer}: {why}", self.user);
        let name = self.namespaces.separator.parse(outer).map_err(|error| wrong(error.to_string()))?;
        match self.namespaces.named(&name) {
            Named::Own(inner) => Ok(inner),
            Named::Outside => Err(wrong(self.namespaces.hint())),
            _ => Err(wrong("this is none of the user's own mailboxes".to_owned())),
        }
    }

    /// What mail programs show for one of the mailboxes; for one that they are not shown, its name in the store.
    pub fn shown(&self, inner: &MailboxName) -> String {
        let outer = self.namespaces.own(inner);
        outer.map_or_else(|| inner.to_string(), |outer| self.namespaces.separator.show(&outer))
    }
}

/// Asks the directory of the configuration for the home, and opens what lies there.
///
/// # Errors
/// In words for the operator.
pub fn open(config: &Path, user: &str) -> Result<UserMail, String> {
    let mail = find(config, user)?;
    // Whoever only looks makes no home.
    let home = &mail.account.home;
    if !home.exists() {
        return Err(format!("{user}: there is no mail yet: {} is not there", home.display()));
    }
    mail.open()
}

/// The same, and makes what is missing.
///
/// # Errors
/// In words for the operator.
pub fn open_or_make(config: &Path, user: &str) -> Result<UserMail, String> {
    find(config, user)?.open()
}

/// The user's Sieve scripts. Makes nothing.
///
/// # Errors
/// In words for the operator.
pub fn scripts(config: &Path, user: &str) -> Result<Scripts, String> {
    let Place { account, settings } = find(config, user)?;
    let mailboxes = Mailboxes::open(&settings).map_err(|error| error.to_string())?;
    Ok(mailboxes.scripts(&account))
}

/// Where one user's mail is.
struct Place {
    account: directory::Account,
    settings: Settings,
}

fn find(config: &Path, user: &str) -> Result<Place, String> {
    let asked = user.to_owned();
    let (lookup, settings) =
        ask(config, |directory, settings| async move { (directory.account(&asked).await, settings) })?;
    let account = match lookup {
        Lookup::Account(account) => account,
        Lookup::Unknown => return Err(format!("{user}: no such account")),
        Lookup::Unavailable(why) => return Err(format!("{user}: no directory answers: {why}")),
    };
    Ok(Place { account, settings })
}

impl Place {
    fn open(self) -> Result<UserMail, String> {
        let Place { account, settings } = self;
        let directory::Account { name: user, home, .. } = account.clone();
        let mailboxes = Mailboxes::open(&settings).map_err(|error| error.to_string())?;
        let account = mailboxes.account(&account).map_err(|error| format!("{user}: {error}"))?;
        Ok(UserMail { account, user, home, namespaces: settings.namespaces })
    }
}
