//! `tepui user`: what the directory knows of accounts, and the accounts of password files.

mod edit;
mod list;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use directory::Account;
use directory::chain::Lookup;
use server::config::show_size;

use super::directory_asked::ask;
use edit::{Line, NewPassword};
use list::List;

/// See accounts; add, change and remove those of the password file
#[derive(Debug, Args)]
pub struct User {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "tepui-demo/tepui.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show an account: its home, its quota, and every other field
    Show { name: String },
    /// List all accounts of all sources
    List(List),
    /// Add an account to the password file
    Add {
        #[command(flatten)]
        line: Line,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Change the password of an account in the password file
    Password {
        #[command(flatten)]
        line: Line,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Remove an account from the password file; its mail stays
    Remove {
        #[command(flatten)]
        line: Line,
    },
}

impl User {
    pub fn run(self) -> ExitCode {
        let config = &self.config;
        let edited = match &self.action {
            Action::Show { name } => return show(config, name),
            Action::List(List { json }) => {
                match ask(config, |directory, _| async move { list::list(&directory, *json).await }) {
                    Ok(listed) => listed.map(|()| String::new()),
                    Err(error) => Err(error),
                }
            }
            Action::Add { line, password } => edit::add_account(config, line, password),
            Action::Password { line, password } => edit::change_password(config, line, password),
            Action::Remove { line } => edit::remove_account(config, line),
        };
        match edited {
            Ok(said) => {
                print!("{said}");
                ExitCode::SUCCESS
            }
            Err(error) => super::fail(error),
        }
    }
}

fn show(config: &Path, name: &str) -> ExitCode {
    let asked = name.to_owned();
    match ask(config, |directory, _| async move { directory.account(&asked).await }) {
        Ok(Lookup::Account(account)) => {
            print!("{}", page(&account));
            ExitCode::SUCCESS
        }
        Ok(Lookup::Unknown) => super::fail(format_args!("{name}: no such account")),
        Ok(Lookup::Unavailable(why)) => super::fail(format_args!("{name}: no answer from the directory: {why}")),
        Err(error) => super::fail(error),
    }
}

fn page(account: &Account) -> String {
    let quota = account.quota.as_ref().map(directory::account::Quota::limits).unwrap_or_default();
    let mut rows = vec![
        ("name", account.name.clone()),
        ("home", account.home.display().to_string()),
        ("storage", quota.storage.map_or("no limit".to_owned(), |octets| format!("{octets} ({})", show_size(octets)))),
        ("messages", quota.messages.map_or("no limit".to_owned(), |count| count.to_string())),
    ];
    rows.extend(account.uid.map(|uid| ("uid", uid.to_string())));
    rows.extend(account.gid.map(|gid| ("gid", gid.to_string())));
    rows.extend(account.fields.iter().map(|(name, value)| (name.as_str(), value.clone())));
    rows.iter().map(|(name, value)| format!("{name:12} {value}\n")).collect()
}
