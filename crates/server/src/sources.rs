//! The sources of users that the configuration names, made into the one directory that all roles ask.

use std::path::Path;
use std::sync::Arc;

use directory::cache::Lifetimes;
use directory::chain::Directory;
use directory::chain::{ChainSettings, Masters, NoRandomNumbers, PasswordMemory, Source, SourceKind, UsersFile};
use directory::ldap::{LdapDirectory, OwnBind, TrustError};
use directory::passwd_file::{PasswdFile, PasswdFileError};
use directory::template::{Template, TemplateError};
use proto::sasl::Secret;

use crate::config::{BadOption, LdapSettings, Settings};

/// How many accounts, recipients and passwords are remembered, each.
const REMEMBERED_MAX: usize = 100_000;

/// Why the directory cannot be set up; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{file}: {source}")]
    Read { file: String, source: std::io::Error },
    #[error("{0}")]
    PasswordFile(#[from] PasswdFileError),
    #[error("[mailboxes] `home`: {0}")]
    Home(#[from] TemplateError),
    #[error("{0}")]
    Option(#[from] BadOption),
    #[error("LDAP: {0}")]
    Trust(#[from] TrustError),
    #[error("{0}")]
    NoRandomNumbers(#[from] NoRandomNumbers),
}

/// Reads the files and prepares the connections. Nothing is asked yet.
///
/// # Errors
/// A file that cannot be read or is wrong.
pub fn directory(settings: &Settings) -> Result<Directory, SourceError> {
    let written = &settings.directory;
    let mut sources = Vec::new();
    if let Some(file) = &written.password_file {
        sources.push(Source { domains: Vec::new(), kind: users(file, settings)? });
    }
    for ldap in &settings.ldap {
        sources.push(Source { domains: ldap.domains.clone(), kind: SourceKind::Ldap(ldap_directory(ldap)?) });
    }
    let masters = written.master_users.as_ref().map(|file| {
        let sources = vec![users(file, settings)?];
        Ok::<_, SourceError>(Masters { separator: written.master_separator, sources })
    });
    let lifetimes = Lifetimes {
        yes: written.remember,
        no: written.remember_unknown,
        stale_max: written.stale,
        entries_max: REMEMBERED_MAX,
    };
    Ok(Directory::new(ChainSettings {
        sources,
        masters: masters.transpose()?,
        delimiter: Some(settings.recipient_delimiter),
        accounts: lifetimes,
        recipients: lifetimes,
        passwords: PasswordMemory {
            fresh_max: written.remember,
            stale_max: written.stale,
            entries_max: REMEMBERED_MAX,
        },
    })?)
}

fn users(file: &Path, settings: &Settings) -> Result<SourceKind, SourceError> {
    let name = file.display().to_string();
    let text = read(file)?;
    let home = Template::parse(&settings.mailboxes.home.to_string_lossy())?;
    Ok(SourceKind::PasswdFile(Arc::new(UsersFile { file: PasswdFile::parse(&name, &text)?, home })))
}

fn ldap_directory(ldap: &LdapSettings) -> Result<LdapDirectory, SourceError> {
    let password = ldap.bind_password_file.as_deref().map(read).transpose()?;
    let own_bind = ldap.bind_dn.clone().zip(password).map(|(dn, password)| {
        // The file is a line; what an editor adds behind it is no part of the password.
        OwnBind { dn, password: Secret::new(password.trim_end_matches(['\r', '\n'])) }
    });
    let servers = directory::ldap::Settings { own_bind, ..ldap.servers()? };
    Ok(LdapDirectory::start(servers, ldap.description()?)?)
}

fn read(file: &Path) -> Result<String, SourceError> {
    std::fs::read_to_string(file).map_err(|source| SourceError::Read { file: file.display().to_string(), source })
}
