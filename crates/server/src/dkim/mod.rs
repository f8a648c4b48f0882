//! DKIM: signs what users send, verifies what comes from elsewhere (RFC 6376). `mail::dkim` has the forms; here are keys, tables, files.
//!
//! Signing and hashing take milliseconds a message and belong to the disk threads.

mod crypto;
pub mod keygen;
mod public;
pub mod published;
mod reading;
mod sign;
mod tables;
#[cfg(test)]
mod tests;
pub mod verify;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use disk::{Disk, Stat};

use crate::config::{Protocol, SigningSettings};
pub use crypto::{KeyError, SigningKey};
pub use sign::{SignError, TableError, Tables, sign};
pub use tables::{KeyRow, TableFile};

/// How messages are signed, with tables and keys that are read again when their files change.
#[derive(Debug)]
pub struct Signing {
    pub settings: SigningSettings,
    tables: RwLock<Arc<Tables>>,
    seen: Mutex<Seen>,
}

/// The files as they were at one moment.
type Seen = Vec<(PathBuf, Option<Stat>)>;

/// Whether a message is to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Yes,
    No,
    /// A stranger's, in the name of a domain of ours.
    Stranger,
}

impl Signing {
    /// # Errors
    /// What is wrong with a table.
    pub fn load(settings: SigningSettings, disk: &dyn Disk) -> Result<Signing, TableError> {
        let seen = look(disk, &Tables::load(&settings)?.files(&settings));
        // What changed since it was looked at is found by the next look.
        let tables = Tables::load(&settings)?;
        for (row, error) in tables.keys().filter_map(|(row, key)| Some((row, key.err()?))) {
            tracing::error!(key = row.name, %error, "a DKIM key cannot be used");
        }
        Ok(Signing { settings, tables: RwLock::new(Arc::new(tables)), seen: Mutex::new(seen) })
    }

    pub fn tables(&self) -> Arc<Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads everything again when a file changed. Bad tables are told once, and the old ones stay in force. Blocking.
    pub fn look_again(&self, disk: &dyn Disk) {
        let now = look(disk, &self.tables().files(&self.settings));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        match Tables::load(&self.settings) {
            Ok(tables) => {
                *seen = look(disk, &tables.files(&self.settings));
                *self.tables.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tables);
                tracing::info!("DKIM tables or keys changed and are in force");
            }
            Err(error) => {
                *seen = now;
                tracing::error!(%error, "a DKIM table changed and is bad; the old ones stay in force");
            }
        }
    }

    /// Whether a message is to be signed that comes in from a peer by a protocol: of users and of hosts inside (OpenDKIM's `InternalHosts`).
    pub fn is_due(&self, protocol: Protocol, peer: IpAddr, authenticated: bool, header: &[u8]) -> Due {
        if !self.settings.protocols.contains(&protocol) {
            return Due::No;
        }
        let tables = self.tables();
        match (authenticated || tables.internal.contains(peer), tables.has_key_for(header)) {
            (_, false) => Due::No,
            (true, true) => Due::Yes,
            (false, true) if tables.external_ignore.contains(peer) => Due::No,
            (false, true) => Due::Stranger,
        }
    }

    /// The fields to be put on top of a message. Blocking.
    ///
    /// # Errors
    /// Why there are none.
    pub fn sign(&self, copy: impl FnOnce(&mut dyn FnMut(&[u8])) -> queue::Result<()>) -> Result<String, SignError> {
        sign(&self.tables(), &self.settings, seconds_now(), copy)
    }
}

/// Seconds since 1970.
pub fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn look(disk: &dyn Disk, files: &[PathBuf]) -> Seen {
    files.iter().map(|file| (file.clone(), disk.stat(file).ok())).collect()
}
