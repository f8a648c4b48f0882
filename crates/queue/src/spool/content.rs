//! Reading an entry and its content back, with what was written checked against what is read.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use disk::{Disk, ReadFile};
use mail::QueueId;
use xxhash_rust::xxh3::Xxh3;

use super::index;
use super::layout::Layout;
use super::payload::{self, Change, Stored};
use crate::{Entry, Error, Result};

const GRAMMAR: &str = "a record does not follow the grammar";

/// An entry with its state, and its acceptance as it stands in the log.
pub(super) struct ReadEntry {
    pub(super) entry: Entry,
    /// The payload of the record that accepted it.
    pub(super) accepted: Vec<u8>,
}

/// Puts an entry together from its records, oldest first.
pub(super) fn read_entry(id: QueueId, records: &[index::Stored]) -> Result<ReadEntry> {
    let (first, later) = records.split_first().ok_or(Error::NotFound { id })?;
    let accepted = first.read(id)?;
    let mut entry = find_accepted(id, &accepted)?.0;
    for record in later {
        let payload = record.read(id)?;
        for part in payload::parse(&payload).ok_or(Error::Damaged { id, what: GRAMMAR })? {
            match part.change {
                Change::Status(status) if part.id == id => status.apply(&mut entry),
                _ => {}
            }
        }
    }
    Ok(ReadEntry { entry, accepted })
}

/// The entry as it was accepted, and where its content is.
pub(super) fn find_accepted(id: QueueId, payload: &[u8]) -> Result<(Entry, Stored<'_>)> {
    let parts = payload::parse(payload).ok_or(Error::Damaged { id, what: GRAMMAR })?;
    let accepted = parts.into_iter().find_map(|part| match part.change {
        Change::Accepted(entry, stored) if part.id == id => Some((*entry, stored)),
        _ => None,
    });
    accepted.ok_or(Error::Damaged { id, what: "its record is about another entry" })
}

/// The content of an entry, trace header first. Small content is in memory while this lives; large content is read
/// from its file as asked, and checked when it is read from its beginning to its end in order.
pub struct Content {
    id: QueueId,
    /// The trace header, and small content after it.
    front: Vec<u8>,
    file: Option<ContentFile>,
}

struct ContentFile {
    file: Box<dyn ReadFile>,
    len: u64,
    check: u64,
    progress: Mutex<Progress>,
}

/// How far the file was read in order, and the checksum of that.
struct Progress {
    read: u64,
    checksum: Xxh3,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("id", &self.id).field("len", &self.len()).finish_non_exhaustive()
    }
}

#[allow(clippy::len_without_is_empty)] // a message is never empty: it has its trace header
impl Content {
    pub(super) fn open(disk: &dyn Disk, layout: &Layout, id: QueueId, record: &index::Stored) -> Result<Content> {
        let payload = record.read(id)?;
        match find_accepted(id, &payload)?.1 {
            Stored::Inline(octets) => Ok(Content { id, front: octets.to_vec(), file: None }),
            Stored::File { header, len, check } => {
                let file = ContentFile::open(disk, layout, id, len, check)?;
                Ok(Content { id, front: header.to_vec(), file: Some(file) })
            }
        }
    }

    /// Octets, the trace header included.
    pub fn len(&self) -> u64 {
        self.front.len() as u64 + self.file.as_ref().map_or(0, |file| file.len)
    }

    /// Fills `buf` from `offset`; gives the octets read, 0 at the end. May give fewer than fit.
    /// [`Error::Damaged`] with the last octets when they are not what was written, so that a next hop that was sent the
    /// rest never sees the end.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let front = usize::try_from(offset).ok().and_then(|offset| self.front.get(offset..)).unwrap_or_default();
        if !front.is_empty() {
            let count = front.len().min(buf.len());
            buf[..count].copy_from_slice(&front[..count]);
            return Ok(count);
        }
        match &self.file {
            Some(file) => file.read_at(self.id, offset - self.front.len() as u64, buf),
            None => Ok(0),
        }
    }
}

impl ContentFile {
    fn open(disk: &dyn Disk, layout: &Layout, id: QueueId, len: u64, check: u64) -> Result<ContentFile> {
        let file = match disk.open(&layout.content_of(id)) {
            Ok(file) => file,
            Err(disk::Error::NotFound { .. }) => {
                return Err(Error::Damaged { id, what: "its content file is missing" });
            }
            Err(error) => return Err(error.into()),
        };
        if file.len()? != len {
            return Err(Error::Damaged { id, what: "its content file has another length" });
        }
        let progress = Mutex::new(Progress { read: 0, checksum: Xxh3::new() });
        Ok(ContentFile { file, len, check, progress })
    }

    fn read_at(&self, id: QueueId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let count = self.file.read_at(offset, &mut buf[..wanted])?;
        if count == 0 && wanted > 0 {
            return Err(Error::Damaged { id, what: "its content file was cut" });
        }
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if offset == 0 && progress.read > 0 {
            *progress = Progress { read: 0, checksum: Xxh3::new() };
        }
        if offset == progress.read {
            progress.checksum.update(&buf[..count]);
            progress.read += count as u64;
        }
        if progress.read == self.len && progress.checksum.digest() != self.check {
            return Err(Error::Damaged { id, what: "checksum of its content file" });
        }
        Ok(count)
    }
}
