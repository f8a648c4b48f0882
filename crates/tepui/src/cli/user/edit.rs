//! `tepui user add|password|remove`: the accounts of a password file. A running node notices by itself.

use std::path::{Path, PathBuf};

use clap::Args;
use directory::passwd_file::{EditError, add, remove, set_password};
use directory::password::{NewHash, make};
use disk::RealDisk;
use server::config;
use server::users_file::{self, UsersFileError};

use crate::cli::typed;

/// Whose line, and in which file.
#[derive(Debug, Args)]
pub struct Line {
    /// The account's name, as ana@example.test
    name: String,
    /// In the file of master users instead
    #[arg(long)]
    master: bool,
}

/// How the new password is given.
#[derive(Debug, Args)]
pub struct NewPassword {
    /// Read it as a line of standard input, and do not ask
    #[arg(long)]
    password_stdin: bool,
    /// How it is kept: ARGON2ID, SCRAM-SHA-256, SHA512-CRYPT or BLF-CRYPT
    #[arg(long, value_name = "SCHEME", default_value = "ARGON2ID", value_parser = typed::scheme)]
    scheme: NewHash,
}

impl NewPassword {
    fn hash(&self) -> Result<String, String> {
        let typed = if self.password_stdin { typed::line() } else { typed::new_password() };
        let password = typed.map_err(|error| format!("the password: {error}"))?;
        make(self.scheme, &password).map_err(|error| format!("the password: {error}"))
    }
}

/// A new account.
///
/// # Errors
/// In words for the operator; nothing was changed.
pub fn add_account(config: &Path, line: &Line, password: &NewPassword) -> Result<String, String> {
    let (file, hash) = (file(config, line)?, password.hash()?);
    change(&file, line, |text| add(text, &line.name, &hash))?;
    Ok(format!("{} is added to {}\n", line.name, file.display()))
}

/// Another password.
///
/// # Errors
/// As `add_account`.
pub fn change_password(config: &Path, line: &Line, password: &NewPassword) -> Result<String, String> {
    let (file, hash) = (file(config, line)?, password.hash()?);
    change(&file, line, |text| set_password(text, &line.name, &hash))?;
    Ok(format!("{} has another password in {}\n", line.name, file.display()))
}

/// No account any more; its mail stays where it is.
///
/// # Errors
/// As `add_account`.
pub fn remove_account(config: &Path, line: &Line) -> Result<String, String> {
    let file = file(config, line)?;
    change(&file, line, |text| remove(text, &line.name))?;
    Ok(format!("{} is removed from {}; its mail stays\n", line.name, file.display()))
}

fn file(config: &Path, line: &Line) -> Result<PathBuf, String> {
    let settings = config::load(config).map_err(|bad| bad.to_string())?;
    let (file, option) = match line.master {
        false => (settings.directory.password_file, "password_file"),
        true => (settings.directory.master_users, "master_users"),
    };
    let file =
        file.ok_or_else(|| format!("[directory] has no `{option}`; accounts of a directory are changed there"))?;
    // What is replaced is the file itself and not a link to it.
    Ok(file.canonicalize().unwrap_or(file))
}

fn change(file: &Path, line: &Line, edit: impl FnOnce(&str) -> Result<String, EditError>) -> Result<(), String> {
    let disk = RealDisk::new().map_err(|error| error.to_string())?;
    users_file::change(&disk, file, edit).map_err(|error| match error {
        UsersFileError::Edit(error) => format!("{}: {error}", line.name),
        other => other.to_string(),
    })
}
