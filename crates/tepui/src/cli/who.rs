//! Whose mail a command works on: users by name, or every account of every directory.

use std::path::Path;
use std::time::SystemTime;

use clap::Args;
use directory::Account;
use directory::chain::{Directory, Lookup, SourceKind};
use directory::ldap::Listing;
use server::config::Settings;

use super::directory_asked::ask;

/// An account or why there is none, and the name it was asked for by.
pub type Found = (Result<Account, String>, String);

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Who {
    #[arg(value_name = "USER")]
    pub users: Vec<String>,
    /// Every account of every directory
    #[arg(long)]
    pub all: bool,
}

impl Who {
    /// Asks the directories of the configuration.
    ///
    /// # Errors
    /// The configuration is bad, or with `--all` a source did not answer; in words for the operator.
    pub fn find(&self, config: &Path) -> Result<(Vec<Found>, Settings), String> {
        ask(config, |directory, settings| async move {
            let mut found = Vec::new();
            for name in &self.users {
                found.push((account(&directory, name).await, name.clone()));
            }
            if self.all {
                found = every_account(&directory).await?;
            }
            Ok::<_, String>((found, settings))
        })
        .and_then(|found| found)
    }
}

/// The accounts of all sources, those that are closed too: their mail is still there.
///
/// # Errors
/// A source did not answer: nobody is told that half of the accounts were all.
async fn every_account(directory: &Directory) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut add = |account: Account| {
        let name = account.name.clone();
        found.push((Ok(account), name));
    };
    for source in directory.sources() {
        match &source.kind {
            SourceKind::PasswdFile(users) => {
                users.file.entries().filter_map(|entry| users.account_of(&entry.name)).for_each(&mut add);
            }
            SourceKind::Ldap(ldap) => {
                let told = ldap.each_account(SystemTime::now(), |listings| {
                    for listing in listings {
                        match listing {
                            Listing::Person(person) => add(person.account),
                            Listing::Unusable { dn, why } => eprintln!("tepui: {dn}: {why}"),
                        }
                    }
                });
                told.await.map_err(|fault| fault.to_string())?;
            }
            SourceKind::Trusted(_) => {}
        }
    }
    Ok(found)
}

async fn account(directory: &Directory, name: &str) -> Result<Account, String> {
    match directory.account(name).await {
        Lookup::Account(account) => Ok(account),
        Lookup::Unknown => Err("no such account".to_owned()),
        Lookup::Unavailable(why) => Err(format!("no directory answers: {why}")),
    }
}
