//! Reaching a message's file, which another node may rename at any moment.

use std::path::Path;
use std::time::UNIX_EPOCH;

use disk::Stat;
use mail::Uid;
use mail::date::DateTime;
use mail::digest::{Fields, Want};

use super::digests::BATCH_MAX;
use super::view::Found;
use super::{Access, Facts, Mailbox, RENAME_RETRIES_MAX};
use crate::crlf::CrlfFile;
use crate::file_name;
use crate::index::{self, Key};
use crate::{Error, Message, Result};

impl Mailbox {
    /// Opens a message for reading. [`Error::Gone`] when it was expunged.
    pub fn message(&self, uid: Uid) -> Result<Message> {
        let (message, facts) = self.open_message(uid)?;
        if let Some(index) = &self.index
            && let Some(key) = self.with_work(|work| Ok(work.base(uid).map(|base| Key::of(&base))))?
        {
            index.confirm(key, facts);
        }
        Ok(message)
    }

    pub(super) fn open_message(&self, uid: Uid) -> Result<(Message, index::Facts)> {
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
        let facts = facts_of(&stat, size);
        let date = DateTime::utc(facts.internal_date);
        Ok((Message::new(content, size, date, found.path(&self.folder.path)), facts))
    }

    /// Size and date of a message: as the node remembers them, or else as the file tells.
    pub fn facts(&self, uid: Uid) -> Result<Facts> {
        let want = Want { fields: Fields::None, structure: false };
        let seen = self.see(&[uid], &want)?.into_iter().flatten().next().ok_or(Error::Gone)?;
        Ok(Facts { size: seen.facts.size, internal_date: DateTime::utc(seen.facts.internal_date) })
    }

    /// Looks at a message's file without opening it: the name tells the size, unless another program wrote the file and
    /// left it out; then it is counted, once.
    pub(super) fn look_at(&self, uid: Uid) -> Result<index::Facts> {
        let (stat, sizes) = self.with_file(uid, |found, path| {
            let stat: Stat = self.folder.disk.stat(path)?;
            Ok((stat, file_name::sizes(&found.base)))
        })?;
        let named = sizes.crlf.filter(|_| sizes.on_disk == Some(stat.len));
        match named.or_else(|| self.measured(uid)) {
            Some(size) => Ok(facts_of(&stat, size)),
            None => self.open_message(uid).map(|(_, facts)| facts),
        }
    }

    /// The sum of all sizes as the names tell them; what they do not tell is counted.
    pub(crate) fn total_size(&self) -> Result<u64> {
        let (sum, untold) = self.with_work(|work| {
            let (mut sum, mut untold) = (0_u64, Vec::new());
            work.each_base(|uid, base| match file_name::sizes(base).crlf {
                Some(size) => sum = sum.saturating_add(size),
                None => untold.push(uid),
            });
            Ok((sum, untold))
        })?;
        Ok(sum.saturating_add(self.size_of(&untold)?))
    }

    /// The sum of the sizes of these messages, without those that are gone.
    pub(crate) fn size_of(&self, uids: &[Uid]) -> Result<u64> {
        let want = Want { fields: Fields::None, structure: false };
        uids.chunks(BATCH_MAX).try_fold(0_u64, |sum, uids| {
            let seen = self.see(uids, &want)?;
            Ok(seen.into_iter().flatten().map(|seen| seen.facts.size).fold(sum, u64::saturating_add))
        })
    }

    /// Does something with a message's file by its path, looking for its new name as often as it was renamed.
    pub(super) fn with_file<T>(&self, uid: Uid, op: impl Fn(&Found, &Path) -> disk::Result<T>) -> Result<T> {
        for _ in 0..RENAME_RETRIES_MAX {
            let found = self.with_work(|work| work.found(uid).ok_or(Error::Gone))?;
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

pub(crate) fn facts_of(stat: &Stat, size: u64) -> index::Facts {
    let internal_date = match stat.modified.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    };
    index::Facts { on_disk: stat.len, size, internal_date }
}
