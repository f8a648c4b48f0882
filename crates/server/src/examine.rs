//! Tries what a configuration names outside of itself, for `tepui check`: password files are read, LDAP servers are
//! connected to, bound and asked, scripts are compiled. Starts nothing and changes nothing.

mod scripts;

use std::path::Path;
use std::sync::Arc;

use directory::ldap::{Step, Url, examine};
use directory::passwd_file::PasswdFile;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::config::{LdapSettings, OnScanFailure, ScanSettings, ScannerAddress, Settings, SigningSettings};
use crate::dkim::{KeyError, KeyRow, SigningKey, Tables};
use crate::{scan, sources};

/// Servers that are tried at the same time.
const AT_ONCE_MAX: usize = 8;

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examined {
    /// A file or a server's URL.
    pub what: String,
    pub steps: Vec<ExaminedStep>,
}

/// One step, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExaminedStep {
    pub step: &'static str,
    pub good: bool,
    pub said: String,
    /// What to do about it, when it is not good.
    pub advice: Option<String>,
}

impl Examined {
    pub fn is_good(&self) -> bool {
        self.steps.iter().all(|step| step.good)
    }
}

impl ExaminedStep {
    fn failed(step: &'static str, said: impl ToString, advice: &str) -> ExaminedStep {
        ExaminedStep { step, good: false, said: said.to_string(), advice: Some(advice.to_owned()) }
    }
}

impl From<Step> for ExaminedStep {
    fn from(step: Step) -> ExaminedStep {
        match step.result {
            Ok(said) => ExaminedStep { step: step.name, good: true, said, advice: None },
            Err(trouble) => {
                ExaminedStep { step: step.name, good: false, said: trouble.what, advice: Some(trouble.advice) }
            }
        }
    }
}

/// Tries everything, in the order of the file.
pub async fn everything(settings: &Settings) -> Vec<Examined> {
    let directory = &settings.directory;
    let files = [&directory.password_file, &directory.master_users].into_iter().flatten();
    let mut examined: Vec<Examined> = files.map(|file| password_file(file)).collect();
    examined.extend(settings.dkim.iter().map(examine_signing));
    examined.extend(scripts::of_the_platform(&settings.sieve));
    let turns = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let mut servers = JoinSet::new();
    let all = settings.ldap.iter().flat_map(|ldap| ldap.servers.iter().map(move |url| (ldap.clone(), url.clone())));
    for (place, (ldap, url)) in all.enumerate() {
        let turns = Arc::clone(&turns);
        servers.spawn(async move {
            let _turn = turns.acquire().await;
            (place, server(&ldap, &url).await)
        });
    }
    let mut tried = servers.join_all().await;
    tried.sort_by_key(|(place, _)| *place);
    examined.extend(tried.into_iter().map(|(_, examined)| examined));
    for (scan, scanner) in
        settings.scan.iter().flat_map(|scan| scan.scanners.iter().map(move |scanner| (scan, scanner)))
    {
        examined.push(examine_scanner(scan, scanner).await);
    }
    examined
}

fn password_file(file: &Path) -> Examined {
    let what = file.display().to_string();
    let step = match std::fs::read_to_string(file) {
        Err(error) => ExaminedStep::failed("read", error, "make it, with `tepui user add`, and readable for this user"),
        Ok(text) => match PasswdFile::parse(&what, &text) {
            Err(error) => ExaminedStep::failed("read", error, "correct these lines"),
            Ok(users) => {
                let said = format!("{} accounts", users.entries().count());
                ExaminedStep { step: "read", good: true, said, advice: None }
            }
        },
    };
    Examined { what, steps: vec![step] }
}

async fn server(ldap: &LdapSettings, url: &str) -> Examined {
    let parts = sources::ldap_settings(ldap).map_err(|error| error.to_string());
    let parsed = Url::parse(url).map_err(|error| error.to_string());
    let steps = match parts.and_then(|parts| Ok((parts, parsed?))) {
        Ok(((settings, description), url)) => {
            examine(&url, &settings, &description).await.into_iter().map(ExaminedStep::from).collect()
        }
        Err(error) => vec![ExaminedStep::failed("settings", error, "correct this [[ldap]]")],
    };
    Examined { what: url.to_owned(), steps }
}

async fn examine_scanner(settings: &ScanSettings, scanner: &ScannerAddress) -> Examined {
    let step = match scan::version(scanner, settings.timeout).await {
        Ok(said) => ExaminedStep { step: "version", good: true, said, advice: None },
        Err(error) => ExaminedStep::failed("version", error, "start clamd, or correct this [[scanner]]"),
    };
    Examined { what: format!("scanner {scanner}"), steps: vec![step] }
}

fn examine_signing(settings: &SigningSettings) -> Examined {
    let what = settings.key_table.display().to_string();
    let tables = match Tables::load(settings) {
        Ok(tables) => tables,
        Err(error) => {
            return Examined { what, steps: vec![ExaminedStep::failed("tables", error, "correct this file")] };
        }
    };
    let step = |(row, key): (&KeyRow, Result<&SigningKey, &KeyError>)| match key {
        Ok(key) => {
            let said = format!("{}: {} signs for {}", row.name, key.algorithm().word(), row.domain);
            ExaminedStep { step: "key", good: true, said, advice: None }
        }
        Err(error) => {
            ExaminedStep::failed("key", error, "make it readable for this user, or make one: `tepui dkim keygen`")
        }
    };
    Examined { what, steps: tables.keys().map(step).collect() }
}

/// What is allowed and probably not meant.
pub fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(scan) = &settings.scan {
        if scan.on_failure == OnScanFailure::Accept {
            warnings.push(
                "[scan] `on_failure` = \"accept\": while no scanner answers, viruses go on to their recipients".into(),
            );
        }
        if scan.size < settings.limits.message_size {
            warnings.push(
                "[scan] `size` is less than `message_size`: whatever is longer goes on without being scanned".into(),
            );
        }
    }
    for trusted in &settings.trusted {
        for network in trusted.networks.iter().filter(|network| is_wide(network.is_ipv4(), network.bits())) {
            warnings.push(format!(
                "[[trusted]] {network} is wide: everybody in it may read every mailbox without a password"
            ));
        }
        let named = |name: &Option<String>| name.as_ref().is_some_and(|name| trusted.listeners.contains(name));
        for listener in settings.listeners.iter().filter(|listener| named(&listener.name)) {
            let address = listener.address.ip().map(|address| address.ip().to_canonical());
            let is_loopback_only = trusted.networks.iter().all(|network| network.is_loopback());
            if address.is_some_and(|address| !address.is_loopback()) && !is_loopback_only {
                warnings.push(format!(
                    "[[trusted]] listener {} takes connections at {}: let a firewall keep out who is not meant",
                    listener.name.as_deref().unwrap_or_default(),
                    listener.address
                ));
            }
        }
    }
    for network in settings.relay.networks.iter().filter(|network| is_wide(network.is_ipv4(), network.bits())) {
        warnings.push(format!("[relay] {network} is wide: everybody in it may send mail to the world"));
    }
    if !settings.relay.domains.is_empty() && !settings.relay.check_recipients {
        warnings.push(
            "[relay] `recipients = \"any\"`: what the next server refuses is returned to senders who may never have sent it"
                .to_owned(),
        );
    }
    warnings
}

/// More than a company's own networks are likely to have.
fn is_wide(is_ipv4: bool, bits: u32) -> bool {
    if is_ipv4 { bits < 16 } else { bits < 48 }
}
