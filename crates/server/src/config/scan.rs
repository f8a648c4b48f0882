//! `[scan]` and `[[scanner]]`: from their texts to settings.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Mistake;
use super::settings::{PROTOCOLS, Protocol};
use super::settle::host_and_port;
use super::written::{Written, WrittenTable};

/// One message may ask each of them in turn while its client waits.
const SCANNERS_MAX: usize = 8;
/// The longest `reject_text`.
const TEXT_LENGTH_MAX: usize = 200;

/// How messages are scanned for viruses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanSettings {
    pub scanners: Vec<ScannerAddress>,
    /// What comes in by these.
    pub protocols: Vec<Protocol>,
    pub on_infected: OnInfected,
    /// `%v` is what was found.
    pub reject_text: String,
    pub on_failure: OnScanFailure,
    pub size: u64,
    pub timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInfected {
    Reject,
    Quarantine,
    Tag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnScanFailure {
    Accept,
    Defer,
    Reject,
}

/// Where a scanner takes connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScannerAddress {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl fmt::Display for ScannerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScannerAddress::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            ScannerAddress::Tcp { host, port } => write!(f, "{host}:{port}"),
            ScannerAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
impl ScanSettings {
    pub fn for_tests() -> ScanSettings {
        ScanSettings {
            scanners: Vec::new(),
            protocols: vec![Protocol::Submission],
            on_infected: OnInfected::Reject,
            reject_text: "%v virus detected".to_owned(),
            on_failure: OnScanFailure::Defer,
            size: 25 << 20,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Reads the tables; `None` where there is no scanner. What is wrong with their texts is added to the mistakes.
pub fn settle(written: &Written, folder: &Path, mistakes: &mut Vec<Mistake>) -> Option<ScanSettings> {
    let table = written.table("scan")?;
    let tables = written.tables("scanner");
    if tables.is_empty() {
        let mistake = table.span.clone().map(|span| Mistake::at(span, "there is no [[scanner]]"));
        mistakes.extend(mistake.map(|mistake| mistake.help("nothing would be scanned")));
        return None;
    }
    if let Some(one_too_many) = tables.get(SCANNERS_MAX) {
        let place = one_too_many.span.clone().unwrap_or_default();
        mistakes.push(Mistake::at(place, format!("more than {SCANNERS_MAX} scanners")));
    }
    let scanners = tables.iter().filter_map(|table| scanner(table, folder, mistakes)).collect();
    let text = table.text("reject_text").unwrap_or_default();
    if text.len() > TEXT_LENGTH_MAX || !text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        let help = "as \"%v virus detected\"";
        let message = format!("expected at most {TEXT_LENGTH_MAX} printable ASCII characters");
        mistakes.push(Mistake::at(table.place("reject_text").unwrap_or_default(), message).help(help));
    }
    let named = |word: &str| PROTOCOLS.iter().find(|(known, _)| *known == word).map(|(_, protocol)| *protocol);
    Some(ScanSettings {
        scanners,
        protocols: table.texts("protocols").iter().filter_map(|(word, _)| named(word)).collect(),
        on_infected: match table.text("on_infected") {
            Some("quarantine") => OnInfected::Quarantine,
            Some("tag") => OnInfected::Tag,
            _ => OnInfected::Reject,
        },
        reject_text: text.to_owned(),
        on_failure: match table.text("on_failure") {
            Some("accept") => OnScanFailure::Accept,
            Some("reject") => OnScanFailure::Reject,
            _ => OnScanFailure::Defer,
        },
        size: table.size("size"),
        timeout: table.duration("timeout"),
    })
}

fn scanner(table: &WrittenTable, folder: &Path, mistakes: &mut Vec<Mistake>) -> Option<ScannerAddress> {
    let text = table.text("address")?;
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Some(ScannerAddress::Unix(folder.join(path)));
    }
    let address = host_and_port(text).map(|(host, port)| ScannerAddress::Tcp { host, port });
    if address.is_none() {
        let help = "as \"127.0.0.1:3310\" or \"unix:/run/clamav/clamd.ctl\"";
        let place = table.place("address").unwrap_or_default();
        mistakes.push(Mistake::at(place, "expected a host and a port, or a socket").help(help));
    }
    address
}
