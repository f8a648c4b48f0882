//! Reaching a message's file, which another node may rename at any moment.

use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use disk::Stat;
use mail::Uid;
use mail::date::DateTime;
use mail::digest::Want;

use super::digests::BATCH_MAX;
use super::view::Found;
use super::{Access, Facts, Mailbox, RENAME_RETRIES_MAX};
use crate::begun::Begun;
use crate::crlf::{self, CrlfFile};
use crate::file_name::{self, Base, Sizes};
use crate::index::{self, Key};
use crate::{Error, Message, Result, packed};

/// A file up to this size is counted whenever it is opened, whatever its name tells: it is about to be read.
const COUNTED_MAX: u64 = 64 << 10;

/// So many are compared at once.
const OUTSIDES_MAX: usize = 64;

/// How files looked that were opened and are still to be compared with what is remembered of them.
#[derive(Debug, Default)]
pub struct Outsides(Vec<(Key, index::Facts)>);

impl Mailbox {
    /// Opens a message for reading. [`Error::Gone`] when it was expunged.
    pub fn message(&self, uid: Uid) -> Result<Message> {
        let mut seen = Outsides::default();
        let message = self.one_of_many(uid, &mut seen)?;
        self.confirm(&mut seen);
        Ok(message)
    }

    /// The same of many, which are compared with what is remembered of them a few at a time: `confirm` the last ones.
    pub fn one_of_many(&self, uid: Uid, seen: &mut Outsides) -> Result<Message> {
        let (message, key, facts) = self.open_message(uid)?;
        seen.0.push((key, facts));
        if seen.0.len() >= OUTSIDES_MAX {
            self.confirm(seen);
        }
        Ok(message)
    }

    /// What is remembered of other files than those that were seen is worth nothing.
    pub fn confirm(&self, seen: &mut Outsides) {
        let seen = std::mem::take(&mut seen.0);
        if let Some(index) = self.index.as_ref().filter(|_| !seen.is_empty()) {
            index.confirm(&seen);
        }
    }

    pub(super) fn open_message(&self, uid: Uid) -> Result<(Message, Key, index::Facts)> {
        let (file, stat, found) = self.with_file(uid, |found, path| {
            let (file, stat) = self.folder.disk.open_and_stat(path)?;
            let file = Begun::new(file, &stat)?;
            Ok((Box::new(file), stat, found.clone()))
        })?;
        let path = found.path(&self.folder.path);
        let (file, is_packed) = packed::open(file, &path)?;
        let told =
            if is_packed { self.told_of_packed(uid, &found.base) } else { self.told_size(uid, &found.base, &stat) };
        // What stands as CR LF in the file needs no counting to find a place in it, as long as it is true.
        let verbatim = told == Some(stat.len) && crlf::begins_with_crlf(&*file)?;
        let told = told.filter(|size| stat.len > COUNTED_MAX && (verbatim || *size != stat.len));
        let mut content = CrlfFile::new(file, verbatim && told.is_some());
        if !is_packed {
            content = content.up_to(stat.len);
        }
        let size = match told.or_else(|| self.measured(uid)) {
            Some(size) => size,
            None => self.measure(uid, &found.base, &mut content)?,
        };
        let facts = facts_of(&stat, size);
        let date = DateTime::utc(facts.internal_date);
        let liars = told.map(|_| (uid, Arc::clone(&self.liars)));
        Ok((Message::new(content, size, date, path, liars), Key::of(&found.base), facts))
    }

    /// The size that the name tells, where nothing speaks against it.
    fn told_size(&self, uid: Uid, base: &[u8], stat: &Stat) -> Option<u64> {
        let Sizes { on_disk, crlf } = file_name::sizes(base);
        // Each octet may be an LF that gets a CR.
        let fits = |size: &u64| (stat.len..=stat.len.saturating_mul(2)).contains(size);
        crlf.filter(fits).filter(|_| on_disk == Some(stat.len) && !self.liars.contain(uid))
    }

    /// The same of content that lies compressed: how long it is only its end tells.
    pub(super) fn told_of_packed(&self, uid: Uid, base: &[u8]) -> Option<u64> {
        let Sizes { on_disk, crlf } = file_name::sizes(base);
        crlf.filter(|size| on_disk.is_some_and(|plain| plain <= *size) && !self.liars.contain(uid))
    }

    /// Size and date of a message: as the node remembers them, or else as the file tells.
    pub fn facts(&self, uid: Uid) -> Result<Facts> {
        let want = Want::FACTS;
        let seen = self.see(&[uid], &want)?.into_iter().flatten().next().ok_or(Error::Gone)?;
        Ok(Facts { size: seen.facts.size, internal_date: DateTime::utc(seen.facts.internal_date) })
    }

    /// Looks at a message's file without opening it: the name tells the size, unless another program wrote the file and
    /// left it out; then it is counted, once.
    pub(super) fn look_at(&self, uid: Uid) -> Result<index::Facts> {
        let (stat, base) = self.with_file(uid, |found, path| {
            let stat: Stat = self.folder.disk.stat(path)?;
            Ok((stat, Base::clone(&found.base)))
        })?;
        match self.measured(uid).or_else(|| self.told_size(uid, &base, &stat)) {
            Some(size) => Ok(facts_of(&stat, size)),
            None => self.open_message(uid).map(|(.., facts)| facts),
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
        let want = Want::FACTS;
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

    fn measure(&self, uid: Uid, base: &[u8], content: &mut CrlfFile) -> Result<u64> {
        let size = content.measure()?;
        // What the name tells need not be kept.
        if file_name::sizes(base).crlf != Some(size) {
            self.with_work(|work| Ok(work.measured.insert(uid, size)))?;
        }
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
