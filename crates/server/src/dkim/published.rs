//! Whether the DNS has the keys that sign, for `tepui dkim check`.

use mail::dkim::KeyRecord;

use super::keygen;
use super::sign::{TableError, Tables};
use crate::config::SigningSettings;
use crate::dns::{Dns, DnsError};

/// One key, and what is wrong with it or its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// `selector._domainkey.domain`.
    pub name: String,
    pub result: Result<String, String>,
}

/// Compares each key of the table with the DNS. Those for any domain (`%`) are passed over.
///
/// # Errors
/// What is wrong with a table.
pub async fn check(settings: &SigningSettings, dns: &dyn Dns) -> Result<Vec<Checked>, TableError> {
    let tables = Tables::load(settings)?;
    let mut checked = Vec::new();
    for (row, key) in tables.keys().filter(|(row, _)| row.domain != "%") {
        let name = format!("{}._domainkey.{}", row.selector, row.domain);
        let result = match key {
            Err(error) => Err(error.to_string()),
            Ok(key) => {
                let wanted = keygen::record(key).and_then(|text| KeyRecord::parse(&text, key.algorithm()).ok());
                compare(wanted.as_ref(), dns.texts(&name).await)
            }
        };
        checked.push(Checked { name, result });
    }
    Ok(checked)
}

fn compare(wanted: Option<&KeyRecord>, texts: Result<Vec<Vec<u8>>, DnsError>) -> Result<String, String> {
    let wanted = wanted.ok_or("the key has no public part")?;
    let texts = texts.map_err(|error| error.to_string())?;
    let mut said = "no key record".to_owned();
    for text in &texts {
        match KeyRecord::parse(&String::from_utf8_lossy(text), wanted.algorithm) {
            Ok(record) if record.public == wanted.public && texts.len() > 1 => {
                return Err(format!("{} records, of which a verifier may take any", texts.len()));
            }
            Ok(record) if record.public == wanted.public => {
                let testing = if record.testing { ", marked as a test (t=y)" } else { "" };
                return Ok(format!("the DNS has this key{testing}"));
            }
            Ok(_) => said = "the DNS has another key".to_owned(),
            Err(why) => said = why.to_string(),
        }
    }
    Err(said)
}
