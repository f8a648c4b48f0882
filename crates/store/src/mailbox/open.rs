//! Reaching a message's file, which another node may rename at any moment.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use disk::Stat;
use mail::Uid;
use mail::date::DateTime;

use super::view::Found;
use super::{Access, Facts, Mailbox, RENAME_RETRIES_MAX};
use crate::crlf::CrlfFile;
use crate::file_name;
use crate::{Error, Message, Result};

impl Mailbox {
    /// Opens a message for reading. [`Error::Gone`] when it was expunged.
    pub fn message(&self, uid: Uid) -> Result<Message> {
        let (file, stat, found) = self.with_file(uid, |found, path| {
            let file = self.folder.disk.open(path)?;
            let stat = file.stat()?;
            Ok((file, stat, found.clone()))
        })?;
        let sizes = file_name::sizes(&found.base);
        let named = sizes.crlf.filter(|_| sizes.on_disk == Some(stat.len));
        let mut content = CrlfFile::new(file, named == Some(stat.len));
        let size = match named.or_else(|| self.measured(uid)) {
            Some(size) => size,
            None => self.measure(uid, &mut content)?,
        };
        Ok(Message::new(content, size, date(stat.modified), found.path(&self.folder.path)))
    }

    /// Size and date of a message without opening it: the name tells the size, unless another program wrote the file and
    /// left it out; then it is counted, once.
    pub fn facts(&self, uid: Uid) -> Result<Facts> {
        let (stat, sizes) = self.with_file(uid, |found, path| {
            let stat: Stat = self.folder.disk.stat(path)?;
            Ok((stat, file_name::sizes(&found.base)))
        })?;
        let internal_date = date(stat.modified);
        let named = sizes.crlf.filter(|_| sizes.on_disk == Some(stat.len));
        if let Some(size) = named.or_else(|| self.measured(uid)) {
            return Ok(Facts { size, internal_date });
        }
        Ok(Facts { size: self.message(uid)?.size(), internal_date })
    }

    /// The sum of all sizes as the names tell them; what they do not tell is counted.
    pub(crate) fn total_size(&self) -> Result<u64> {
        let (sum, untold) = self.with_work(|work| {
            let mut untold = Vec::new();
            let told = work.files.iter().filter_map(|held| {
                let size = file_name::sizes(&held.file.base).crlf;
                if size.is_none() {
                    untold.push(held.uid);
                }
                size
            });
            let sum = told.fold(0, u64::saturating_add);
            Ok((sum, untold))
        })?;
        untold.into_iter().try_fold(sum, |sum, uid| match self.facts(uid) {
            Ok(facts) => Ok(sum.saturating_add(facts.size)),
            Err(Error::Gone) => Ok(sum),
            Err(error) => Err(error),
        })
    }

    /// Does something with a message's file by its path, looking for its new name as often as it was renamed.
    pub(super) fn with_file<T>(&self, uid: Uid, op: impl Fn(&Found, &Path) -> disk::Result<T>) -> Result<T> {
        for _ in 0..RENAME_RETRIES_MAX {
            let found = self.with_work(|work| work.held(uid).map(|held| held.file.clone()).ok_or(Error::Gone))?;
            match op(&found, &found.path(&self.folder.path)) {
                Ok(done) => return Ok(done),
                Err(disk::Error::NotFound { .. } | disk::Error::Stale { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            self.with_work(|work| {
                work.distrust();
                self.refresh(work, Access::Look)
            })?;
        }
        Err(Error::Gone)
    }

    fn measured(&self, uid: Uid) -> Option<u64> {
        self.with_work(|work| Ok(work.measured.get(&uid).copied())).ok().flatten()
    }

    fn measure(&self, uid: Uid, content: &mut CrlfFile) -> Result<u64> {
        let size = content.measure()?;
        self.with_work(|work| Ok(work.measured.insert(uid, size)))?;
        Ok(size)
    }
}

fn date(modified: SystemTime) -> DateTime {
    let seconds = match modified.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    };
    DateTime::utc(seconds)
}
