//! The journal on disk: reading what other nodes recorded, and recording what is new. Everything is recorded after it was
//! done, under the same lock: a crash in between leaves a change that whoever looks next finds and records.
//!
//! No record is synced. What a power cut takes is found again as a difference between the files and the journal, and is
//! recorded with a mod-sequence higher than the one that was told, so that a client hears of it once more, never less.

use disk::{Dotlock, ReadFile, WHOLE_FILE_MAX, WriteFile};
use mail::ModSeq;

use super::Mailbox;
use super::view::Work;
use crate::folder::Stamp;
use crate::journal::{self, Change, FILE, History, Position};
use crate::{Error, Result};

/// What is known of the file.
#[derive(Debug, Default)]
pub(super) struct Journal {
    stamp: Option<Stamp>,
    /// `None` when it is missing or damaged, so that it must be written anew.
    position: Option<Position>,
}

impl Journal {
    /// How far it is known: what tells this end from any other.
    pub(super) fn parts(&self) -> Option<(u64, u64)> {
        self.position.map(|position| position.end())
    }
}

/// What the journal told that was not known.
pub(super) enum Told {
    Nothing,
    /// Some changes. What it tells of them is taken for what the files are: other nodes record what they did.
    More,
    /// All of it, for the first time or once more.
    Anew,
}

impl Mailbox {
    /// Reads what came to the journal since it was read last. `seen` is how it looks now.
    pub(super) fn read_journal(&self, work: &mut Work, seen: Option<(Box<dyn ReadFile>, Stamp)>) -> Result<Told> {
        let told = match seen {
            Some((file, stamp)) => self.read_on(work, &*file, stamp),
            None => {
                work.journal = Journal::default();
                Ok(Told::Nothing)
            }
        };
        // NFS: another node replaced it a moment ago. Its successor is what the next look finds.
        if let Err(Error::Disk(disk::Error::Stale { .. })) = told {
            work.journal.stamp = None;
            return Ok(Told::Nothing);
        }
        told
    }

    fn read_on(&self, work: &mut Work, file: &dyn ReadFile, stamp: Stamp) -> Result<Told> {
        if work.journal.stamp.replace(stamp) == Some(stamp) {
            return Ok(Told::Nothing);
        }
        let known = work.history.as_mut().zip(work.journal.position.as_mut());
        if let Some((history, position)) = known
            && journal::read_tail(history, position, &read_from(file, position.offset, stamp.len())?)
        {
            work.tidy();
            work.mark_changed();
            return Ok(Told::More);
        }
        // Another file under this name, or nothing that fits behind what we know.
        let known = journal::read_whole(&read_from(file, 0, stamp.len())?);
        let known = known.filter(|(history, _)| self.identity.get() == Some(&history.validity));
        work.journal.position = known.as_ref().map(|(_, position)| *position);
        let Some((history, _)) = known else { return Ok(Told::Nothing) };
        work.history = Some(history);
        work.mark_changed();
        Ok(Told::Anew)
    }

    /// Gives what is new its mod-sequence and writes it down. The lock lost is the only failure that counts: without room
    /// for the journal a mailbox is still of use, and what is missing in it is found again.
    pub(super) fn record(&self, work: &mut Work, lock: &Dotlock<'_>) -> Result<()> {
        if !work.has_news() {
            return Ok(());
        }
        let validity = self.identity.get().copied().ok_or(Error::NoSuchMailbox)?;
        let clock = lock.taken_at()?;
        let is_known = work.history.is_some();
        let mut history = work.history.take().unwrap_or_else(|| History::begin(validity, clock));
        if !is_known {
            work.compare_with(&history);
        }
        let before = history.highest;
        let change = work.take_news(&history, clock);
        if !change.is_empty() {
            history.apply(&change);
        } else if is_known {
            work.history = Some(history);
            work.all_is_written();
            return Ok(());
        }
        let journal = std::mem::take(&mut work.journal);
        work.journal = match self.write_journal(&journal, &history, &change, before, lock) {
            // Another gives the mod-sequences now; what we know is read again.
            Err(error @ Error::Disk(disk::Error::LockLost { .. })) => return Err(error),
            Err(_) => {
                work.live_in_memory(&change);
                self.unwritten_journal(lock)
            }
            Ok(journal) => {
                work.all_is_written();
                journal
            }
        };
        work.history = Some(history);
        work.tidy();
        work.mark_changed();
        Ok(())
    }

    fn write_journal(
        &self,
        journal: &Journal,
        history: &History,
        change: &Change,
        before: ModSeq,
        lock: &Dotlock<'_>,
    ) -> Result<Journal> {
        let mut file = self.folder.disk.append(&self.folder.join(FILE))?;
        // Opened before we ask: who overrides our lock after that gives the journal another inode.
        lock.verify()?;
        let position = journal.position.filter(|position| !position.is_long() && position.offset <= file.len());
        match position {
            Some(position) => {
                let (record, next) = journal::append(&position, change, before);
                write_from(&mut *file, position.offset, &record)?;
                Ok(Journal { stamp: Some(own_stamp(&*file, lock)?), position: Some(next) })
            }
            None => self.write_base(file, history, lock),
        }
    }

    /// Writes the whole journal in short form.
    fn write_base(&self, mut file: Box<dyn WriteFile>, history: &History, lock: &Dotlock<'_>) -> Result<Journal> {
        let (content, position) = journal::base(history);
        if file.is_empty() {
            // A power cut may leave half of it, or zeros: then it is damaged, and written once more.
            write_from(&mut *file, 0, &content)?;
            return Ok(Journal { stamp: Some(own_stamp(&*file, lock)?), position: Some(position) });
        }
        drop(file);
        lock.replace_beside(&self.folder.join(FILE), &content)?;
        Ok(Journal { stamp: self.own_look(FILE, lock)?, position: Some(position) })
    }

    /// The journal could not be written. As long as it stays as it is, it is not read: what lives in memory goes further.
    fn unwritten_journal(&self, lock: &Dotlock<'_>) -> Journal {
        Journal { stamp: self.own_look(FILE, lock).ok().flatten(), position: None }
    }

    /// How a file looks that we have written, or know: another who holds the lock now may have written it since.
    pub(super) fn own_look(&self, name: &str, lock: &Dotlock<'_>) -> Result<Option<Stamp>> {
        let stamp = self.folder.look(name)?;
        lock.verify()?;
        Ok(stamp)
    }
}

/// How a file looks that we have appended to. If the lock was lost meanwhile, nobody has it but we. Asked in this order: over
/// NFS it is the stat that brings to the server what was written.
pub(super) fn own_stamp(file: &dyn WriteFile, lock: &Dotlock<'_>) -> Result<Stamp> {
    let stamp = Stamp::of(&file.stat()?);
    lock.verify()?;
    Ok(stamp)
}

/// Puts a record behind the last whole one, in the place of what is torn.
fn write_from(file: &mut dyn WriteFile, offset: u64, record: &[u8]) -> disk::Result<()> {
    if file.len() > offset {
        file.truncate(offset)?;
    }
    let written = file.write_all(record);
    if written.is_err() {
        // Best effort: what stays is no record, and is cut off by the next writer.
        let _ = file.truncate(offset);
    }
    written
}

/// What stands from an offset up to the length that was seen; nothing of a file that is too long to be a journal.
fn read_from(file: &dyn ReadFile, offset: u64, len: u64) -> Result<Vec<u8>> {
    let len = usize::try_from(len.saturating_sub(offset)).ok().filter(|len| *len <= WHOLE_FILE_MAX).unwrap_or(0);
    let mut content = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(offset + filled as u64, &mut content[filled..])? {
            0 => break,
            got => filled += got,
        }
    }
    content.truncate(filled);
    Ok(content)
}
