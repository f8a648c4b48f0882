//! A message open for reading, as CR LF octets, never whole in memory.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use mail::Uid;
use mail::date::DateTime;
use mail::header::header_end;
use mail::mime::{Indexer, Part};

use crate::crlf::CrlfFile;
use crate::{Error, Result};

/// A header block is read no further than this.
const HEADER_MAX: usize = 1 << 20;
const PIECE: usize = 64 << 10;

/// It stays readable when the message is expunged meanwhile, except on NFS: [`Error::Gone`].
#[derive(Debug)]
pub struct Message {
    content: CrlfFile,
    size: u64,
    internal_date: DateTime,
    structure: Option<Arc<Part>>,
    path: PathBuf,
    /// When the size is what the name tells: whom to tell that it is not true.
    liars: Option<(Uid, Arc<Liars>)>,
}

/// Messages whose names do not tell their true size. Nobody knows before one is read to its end.
#[derive(Debug, Default)]
pub(crate) struct Liars(Mutex<BTreeSet<Uid>>);

impl Liars {
    pub(crate) fn contain(&self, uid: Uid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&uid)
    }

    pub(crate) fn contain_none(&self, uids: &[Uid]) -> bool {
        let liars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        liars.is_empty() || !uids.iter().any(|uid| liars.contains(uid))
    }

    fn add(&self, uid: Uid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid);
    }
}

impl Message {
    pub(crate) fn new(
        content: CrlfFile,
        size: u64,
        internal_date: DateTime,
        path: PathBuf,
        liars: Option<(Uid, Arc<Liars>)>,
    ) -> Message {
        Message { content, size, internal_date, structure: None, path, liars }
    }

    /// Octets with CR LF line ends.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When it was received: the modification time of the file.
    pub fn internal_date(&self) -> DateTime {
        self.internal_date
    }

    /// Fills `buf` with content from `offset`, both counted with CR LF line ends; gives less than fits only at the end of
    /// the message. All reads together give exactly `size` octets: [`Error::Damaged`] when the file holds fewer or more than
    /// its name tells. Opened again, it has its true size.
    pub fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let space = buf.len().min(left);
        let got = match self.content.read_at(offset, &mut buf[..space]) {
            // NFS forgets a file that another node has removed, even while we have it open.
            Err(disk::Error::Stale { .. }) => return Err(Error::Gone),
            other => other?,
        };
        if got < space {
            return Err(self.lies("content is shorter than its name says"));
        }
        let ends = got > 0 && offset.saturating_add(got as u64) == self.size;
        // A client that got less than there is would keep half a message for ever.
        if ends && self.liars.is_some() && self.content.read_at(self.size, &mut [0])? > 0 {
            return Err(self.lies("content is longer than its name says"));
        }
        Ok(got)
    }

    fn lies(&self, what: &'static str) -> Error {
        if let Some((uid, liars)) = &self.liars {
            liars.add(*uid);
        }
        Error::Damaged { path: self.path.clone(), what }
    }

    /// The MIME structure, found by reading the message once.
    pub fn structure(&mut self) -> Result<Arc<Part>> {
        if let Some(structure) = &self.structure {
            return Ok(Arc::clone(structure));
        }
        let mut indexer = Indexer::new();
        self.read_range(0, self.size, |piece| indexer.feed(piece))?;
        let structure = Arc::new(indexer.finish());
        self.structure = Some(Arc::clone(&structure));
        Ok(structure)
    }

    /// The header block with its empty line; at most `HEADER_MAX` octets.
    pub fn header(&mut self) -> Result<Vec<u8>> {
        self.header_up_to(HEADER_MAX).map(|(header, _)| header)
    }

    /// As much of the header block as is no longer than this, and whether that is all.
    pub(crate) fn header_up_to(&mut self, max: usize) -> Result<(Vec<u8>, bool)> {
        let mut header = Vec::new();
        let mut buf = vec![0; 8 << 10];
        let mut whole = false;
        while header.len() < max && !whole {
            let got = self.read_at(header.len() as u64, &mut buf)?;
            // The line that was not finished is looked at again.
            let line = memchr::memrchr(b'\n', &header).map_or(0, |at| at + 1);
            header.extend_from_slice(&buf[..got]);
            let end = header_end(&header[line..]);
            header.truncate(end.map_or(header.len(), |end| line + end));
            whole = end.is_some() || got == 0;
        }
        whole &= header.len() <= max;
        header.truncate(max);
        Ok((header, whole))
    }

    /// Reads a range in pieces.
    pub fn read_range(&mut self, start: u64, end: u64, mut each: impl FnMut(&[u8])) -> Result<()> {
        let mut buf = vec![0; PIECE];
        let mut offset = start;
        while offset < end {
            let want = usize::try_from(end - offset).unwrap_or(PIECE).min(PIECE);
            let got = self.read_at(offset, &mut buf[..want])?;
            if got == 0 {
                break;
            }
            each(&buf[..got]);
            offset += got as u64;
        }
        Ok(())
    }
}
