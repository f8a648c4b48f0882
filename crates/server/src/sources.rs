//! The sources of users that the configuration names, made into the one directory that all roles ask.

use std::path::Path;
use std::sync::Arc;

use directory::cache::Lifetimes;
use directory::chain::Directory;
use directory::chain::{
    ChainSettings, Masters, NoRandomNumbers, PasswordMemory, Source, SourceKind, Trusted, UsersFile,
};
use directory::ldap::{Description, LdapDirectory, OwnBind, TrustError};
use directory::oauth::{self, Bearer};
use directory::passwd_file::{Coverage, MadeUp, PasswdFile, PasswdFileError};
use directory::template::{Template, TemplateError};
use proto::sasl::{Mechanism, Offers, Secret};
use serde_json::json;

use crate::config::{BadOption, LdapSettings, OauthCheck, OauthSettings, Settings};

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
    #[error("[oauth]: {0}")]
    Oauth(#[from] oauth::SetupError),
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
    directory_with(settings, None)
}

/// The same, with the secret that all nodes have in common, for logins by SCRAM.
///
/// # Errors
/// A file that cannot be read or is wrong.
pub fn directory_with(settings: &Settings, made_up: Option<MadeUp>) -> Result<Directory, SourceError> {
    let written = &settings.directory;
    // First, because a client that needs no password sends any: asked of a server, it would count as a wrong one there.
    let trusted = settings.trusted.iter().map(|trusted| Source {
        domains: trusted.domains.clone(),
        kind: SourceKind::Trusted(Trusted { networks: trusted.networks.clone(), listeners: trusted.listeners.clone() }),
    });
    let mut sources: Vec<Source> = trusted.collect();
    if let Some(file) = &written.password_file {
        sources.push(Source { domains: Vec::new(), kind: users(file, settings)? });
    }
    let mut masters = Vec::new();
    if let Some(file) = &written.master_users {
        masters.push(users(file, settings)?);
    }
    for ldap in &settings.ldap {
        let kind = SourceKind::Ldap(ldap_directory(ldap)?);
        if ldap.has_masters() {
            masters.push(kind.clone());
        }
        sources.push(Source { domains: ldap.domains.clone(), kind });
    }
    let lifetimes = Lifetimes {
        yes: written.remember,
        no: written.remember_unknown,
        stale_max: written.stale,
        entries_max: REMEMBERED_MAX,
    };
    Ok(Directory::new(ChainSettings {
        sources,
        masters: (!masters.is_empty()).then(|| Masters::new(written.master_separator, masters, lifetimes)),
        delimiter: Some(settings.recipient_delimiter),
        accounts: lifetimes,
        recipients: lifetimes,
        bearer: settings.oauth.as_ref().map(bearer).transpose()?,
        made_up,
        passwords: PasswordMemory {
            fresh_max: written.remember,
            stale_max: written.stale,
            entries_max: REMEMBERED_MAX,
        },
    })?)
}

/// How one may log in: what the settings want and the sources can serve.
pub fn offers(settings: &Settings, directory: &Directory) -> Offers {
    let wanted = settings.directory.mechanisms.as_deref();
    // Clients take the strongest they know, and never another: what some accounts lack must be asked for.
    let scram_from = if wanted.is_some() { Coverage::Some } else { Coverage::All };
    let can_serve = |mechanism: &Mechanism| match mechanism {
        Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => directory.scram_coverage() >= scram_from,
        Mechanism::External => settings.tls.as_ref().is_some_and(|tls| tls.clients.is_some()),
        Mechanism::Gssapi => settings.gssapi.is_some(),
        Mechanism::OauthBearer | Mechanism::Xoauth2 => settings.oauth.is_some(),
        Mechanism::Plain | Mechanism::Login => true,
    };
    let offered: Vec<Mechanism> =
        wanted.unwrap_or(&Mechanism::ALL).iter().copied().filter(|mechanism| can_serve(mechanism)).collect();
    let offers = Offers::new(&offered);
    match &settings.oauth {
        Some(oauth) => with_oauth_errors(offers, oauth),
        None => offers,
    }
}

/// What a client hears whose token was refused: where and for what it gets another one.
fn with_oauth_errors(mut offers: Offers, oauth: &OauthSettings) -> Offers {
    let discovery = format!("{}/.well-known/openid-configuration", oauth.issuer.trim_end_matches('/'));
    let scope = oauth.scope.as_deref().unwrap_or("openid");
    // RFC 7628 §3.2.2
    let bearer = json!({"status": "invalid_token", "scope": scope, "openid-configuration": discovery});
    let xoauth2 = json!({"status": "401", "schemes": "bearer", "scope": scope});
    (offers.bearer_error, offers.xoauth2_error) = (bearer.to_string(), xoauth2.to_string());
    offers
}

fn bearer(settings: &OauthSettings) -> Result<Bearer, SourceError> {
    let settings = settings.clone();
    let check = match settings.check {
        OauthCheck::KeysUrl(url) => {
            oauth::Check::KeysUrl { url, stale_max: settings.stale, refetch_min: settings.keys_pause }
        }
        OauthCheck::KeysFile(file) => oauth::Check::KeysFile(file),
        OauthCheck::Introspection { url, client_id, client_secret_file } => oauth::Check::Introspection {
            url,
            client_id,
            client_secret: Secret::new(read(&client_secret_file)?.trim_end_matches(['\r', '\n'])),
            remember: settings.remember,
        },
    };
    Ok(Bearer::new(oauth::Settings {
        issuer: settings.issuer,
        audience: settings.audience,
        check,
        user_claim: settings.user_claim,
        scope: settings.scope,
        leeway: settings.leeway,
        ca_file: settings.ca_file,
        timeout: settings.timeout,
    })?)
}

fn users(file: &Path, settings: &Settings) -> Result<SourceKind, SourceError> {
    let name = file.display().to_string();
    let text = read(file)?;
    let home = Template::parse(&settings.mailboxes.home.to_string_lossy())?;
    Ok(SourceKind::PasswdFile(Arc::new(UsersFile { file: PasswdFile::parse(&name, &text)?, home })))
}

fn ldap_directory(ldap: &LdapSettings) -> Result<LdapDirectory, SourceError> {
    let (servers, description) = ldap_settings(ldap)?;
    Ok(LdapDirectory::start(servers, description)?)
}

/// The servers of an `[[ldap]]`, with the password out of its file, and how it is laid out.
///
/// # Errors
/// The password's file cannot be read.
pub fn ldap_settings(ldap: &LdapSettings) -> Result<(directory::ldap::Settings, Description), SourceError> {
    let password = ldap.bind_password_file.as_deref().map(read).transpose()?;
    let own_bind = ldap.bind_dn.clone().zip(password).map(|(dn, password)| {
        // The file is a line; what an editor adds behind it is no part of the password.
        OwnBind { dn, password: Secret::new(password.trim_end_matches(['\r', '\n'])) }
    });
    Ok((directory::ldap::Settings { own_bind, ..ldap.servers()? }, ldap.description()?))
}

fn read(file: &Path) -> Result<String, SourceError> {
    std::fs::read_to_string(file).map_err(|source| SourceError::Read { file: file.display().to_string(), source })
}
