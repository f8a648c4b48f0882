//! Counting what mailboxes hold, by the names of their files.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use disk::{Disk, Kind};
use mail::Quota;

use super::Amount;
use crate::folder::{CUR, NEW};
use crate::listing::Tree;
use crate::location::Places;
use crate::{Result, file_name};

/// The messages of an account, as far as they count.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) places: Places,
}

impl Messages {
    /// What all mailboxes that count hold. `alive` is called before each, since it may take a while.
    pub(super) fn count(&self, rules: &Quota, mut alive: impl FnMut() -> Result<()>) -> Result<Amount> {
        let mut total = Amount::NOTHING;
        for name in (Tree { disk: &*self.disk, places: &self.places }).mailboxes()? {
            if rules.counts(name.as_str()) {
                alive()?;
                total = total.plus(self.count_mailbox(&self.places.mailbox(&name)?.mail)?);
            }
        }
        Ok(total)
    }

    /// What one mailbox holds. A message that has two names for a moment counts once.
    pub(super) fn count_mailbox(&self, folder: &Path) -> Result<Amount> {
        let mut total = Amount::NOTHING;
        let mut seen = HashSet::new();
        // `new/` first: a file on its way to `cur/` is then seen at least once. `cur/` twice: a listing can miss a file that is
        // renamed meanwhile. One that is removed meanwhile and still counts is written down by whoever removed it.
        for part in [NEW, CUR, CUR].map(|part| folder.join(part)) {
            let entries = match self.disk.list(&part) {
                Err(disk::Error::NotFound { .. }) => continue,
                // What cannot be read now is not empty.
                other => other?,
            };
            for entry in entries {
                let (base, _) = file_name::split(&entry.name);
                let is_message = entry.kind == Kind::File && !base.starts_with(b".");
                if is_message && !seen.contains(base) {
                    total = total.plus(self.message(&part.join(&entry.name), base)?);
                    seen.insert(base.to_vec());
                }
            }
        }
        Ok(total)
    }

    fn message(&self, path: &Path, base: &[u8]) -> Result<Amount> {
        if let Some(len) = file_name::sizes(base).on_disk {
            return Ok(Amount::message(len));
        }
        match self.disk.stat(path) {
            Ok(stat) => Ok(Amount::message(stat.len)),
            // It was renamed or expunged since it was listed.
            Err(disk::Error::NotFound { .. } | disk::Error::Stale { .. }) => Ok(Amount::NOTHING),
            Err(error) => Err(error.into()),
        }
    }
}
