//! `tepui user`: what the directory knows of an account.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use directory::Account;
use directory::chain::Lookup;
use server::config::show_size;

use super::directory_asked::ask;

/// See what the directory knows of accounts
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
}

impl User {
    pub fn run(self) -> ExitCode {
        let Action::Show { name } = self.action;
        let asked = name.clone();
        match ask(&self.config, |directory, _| async move { directory.account(&asked).await }) {
            Ok(Lookup::Account(account)) => {
                print!("{}", page(&account));
                ExitCode::SUCCESS
            }
            Ok(Lookup::Unknown) => super::fail(format_args!("{name}: no such account")),
            Ok(Lookup::Unavailable(why)) => super::fail(format_args!("{name}: no directory answers: {why}")),
            Err(error) => super::fail(error),
        }
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
