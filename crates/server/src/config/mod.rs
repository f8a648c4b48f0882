//! The one file that describes the platform: `tepui.toml`.
//!
//! `schema` has one row for each option; `written` reads a file against the rows and finds every mistake; `settle` makes
//! `settings` of it, what the code uses, typed and checked as a whole; `report` shows mistakes with file, line and
//! column; `reference` prints `docs/reference/configuration.md` from the rows.

mod auto;
mod dkim;
mod domains;
mod hints;
mod ldap;
mod namespace;
mod nearest;
mod policy;
mod pop3;
mod quota;
pub mod reference;
mod relay;
mod report;
mod scan;
mod schema;
mod sending;
mod settings;
mod settle;
mod sieve;
mod smtp;
mod units;
mod verify;
mod written;

use std::path::Path;

pub use crate::certificate::UserField;
pub use dkim::SigningSettings;
pub use domains::SpareRecipients;
pub use ldap::{BadOption, LdapSettings};
pub use policy::{PolicyService, PolicyStage, ServiceAddress};
pub use relay::{Others, RelaySettings};
pub use scan::{OnInfected, OnScanFailure, ScanSettings, ScannerAddress};
pub use sending::{SendingLimit, limit_of};
pub use settings::{
    AuthMode, ClientCertificates, DeletedFlag, DirectorySettings, GssapiSettings, HintSettings, Limits, ListenAt,
    Listener, LmtpSettings, LogFormat, LogSettings, MailboxSettings, NextHop, OauthCheck, OauthSettings, Pop3Settings,
    Protocol, QueueSettings, QuotaSettings, Role, Route, RouteTls, Settings, SharedSettings, SieveSettings, TlsFiles,
    TlsMode, TrustedSettings, UniqueIdSettings, Warning, WhenFull,
};
pub use smtp::{AddMissing, ClientLimits, SenderLogin, SmtpSettings};
pub use units::{parse_duration, show_duration, show_size};
pub use verify::{DnsSettings, VerifySettings};

/// One thing wrong in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in bytes of the text; `None` for what is missing from the file as a whole.
    pub span: Option<std::ops::Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What was expected, or what to write instead.
    pub help: Option<String>,
}

impl Mistake {
    fn at(span: std::ops::Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake { span: Some(span), message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Mistake {
        self.help = Some(help.into());
        self
    }
}

/// A file that cannot be used: all its mistakes, ready to be shown.
#[derive(Debug)]
pub struct BadConfig {
    pub mistakes: Vec<Mistake>,
    /// The mistakes with their lines, as `tepui check` prints them.
    pub report: String,
}

impl std::fmt::Display for BadConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.report)
    }
}

impl std::error::Error for BadConfig {}

/// Reads and checks a configuration file. Relative paths in it are meant from the file's own folder.
///
/// # Errors
/// `BadConfig` with every mistake of the file, or the one that it cannot be read.
pub fn load(file: &Path) -> Result<Settings, BadConfig> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse(file, &text),
        Err(error) => {
            let message = format!("cannot read {}: {error}", file.display());
            let mistake = Mistake { span: None, message: message.clone(), help: None };
            Err(BadConfig { mistakes: vec![mistake], report: format!("error: {message}\n") })
        }
    }
}

/// Checks the text of a configuration file that lies, or will lie, at `file`.
///
/// # Errors
/// `BadConfig` with every mistake of the text.
pub fn parse(file: &Path, text: &str) -> Result<Settings, BadConfig> {
    let (written, mut mistakes) = written::read(text);
    let folder = file.parent().unwrap_or(Path::new("."));
    let settings = settle::settle(&written, folder, &mut mistakes);
    if mistakes.is_empty() {
        return Ok(settings);
    }
    mistakes.sort_by_key(|mistake| mistake.span.as_ref().map_or(usize::MAX, |span| span.start));
    let report = report::render(file, text, &mistakes);
    Err(BadConfig { mistakes, report })
}

#[cfg(test)]
mod tests;
