//! A message while it arrives, and the one moment in which it becomes ours. Small content waits in memory and goes into
//! the log with its envelope; larger content is written to its own file as it comes.

use std::fmt;

use disk::WriteFile;
use mail::{Envelope, QueueId};
use xxhash_rust::xxh3::Xxh3;

use super::index::{Effect, EffectKind};
use super::log::Change;
use super::payload::{Status, Stored, Writer};
use super::record::Kind;
use super::{RecipientState, Spool};
use crate::{Entry, Error, Result, Timestamp};

/// How much of a file is read back at once.
const PIECE: usize = 256 * 1024;

/// What a report says the last word on, in the same atomic write that accepts the report.
#[derive(Debug, Clone, Copy)]
pub enum Settles<'a> {
    /// Everything is said of this entry: it is removed.
    Entry(QueueId),
    /// These recipients of an entry that goes on; usually each is [`RecipientState::Reported`].
    Recipients(QueueId, &'a [(usize, RecipientState)]),
    /// The delay of this entry, which goes on ([`super::Mark::Warned`]).
    Delay(QueueId),
}

/// A message that is being received. Dropped without a commit, it is abandoned and leaves nothing.
pub struct Incoming {
    spool: Spool,
    id: QueueId,
    /// Content not yet in the file; all of it while there is none.
    buffer: Vec<u8>,
    file: Option<Box<dyn WriteFile>>,
    /// Octets in the file, and their running checksum.
    written: u64,
    checksum: Xxh3,
    /// A write failed, so that the content has a hole.
    failed: bool,
    held: bool,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("id", &self.id).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Incoming {
    pub(super) fn new(spool: Spool, id: QueueId) -> Incoming {
        Incoming {
            spool,
            id,
            buffer: Vec::new(),
            file: None,
            written: 0,
            checksum: Xxh3::new(),
            failed: false,
            held: false,
        }
    }

    /// The id that the entry will have.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// Octets received so far.
    pub fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry will be on hold from the beginning: it is not tried before somebody releases it.
    pub fn hold(&mut self) {
        self.held = true;
    }

    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Gives what was received so far, in pieces, to `take`.
    pub fn copy_to(&self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if self.file.is_some() {
            let shared = &self.spool.shared;
            let file = shared.disk.open(&shared.layout.content_of(self.id))?;
            let mut piece = vec![0; PIECE];
            let mut offset = 0;
            while offset < self.written {
                let count = file.read_at(offset, &mut piece)?;
                if count == 0 {
                    return Err(Error::Incomplete { id: self.id });
                }
                take(&piece[..count])?;
                offset += count as u64;
            }
        }
        if self.buffer.is_empty() { Ok(()) } else { take(&self.buffer) }
    }

    /// Takes the next octets of the content. After an error the message cannot be committed any more; drop it.
    pub fn write(&mut self, octets: &[u8]) -> Result<()> {
        let taken = self.take(octets);
        self.failed |= taken.is_err();
        taken
    }

    fn take(&mut self, octets: &[u8]) -> Result<()> {
        let inline_max = self.spool.shared.settings.inline_max;
        if self.buffer.len() + octets.len() > inline_max {
            self.spill()?;
        }
        if octets.len() > inline_max {
            return self.write_to_file(octets);
        }
        self.buffer.extend_from_slice(octets);
        Ok(())
    }

    /// Makes it an entry of the queue. Returns when `header`, content and envelope are durable: 250 may be said.
    /// On an error nothing may be said to be accepted.
    ///
    /// `header` is the trace header block that goes before the content.
    pub fn commit(self, envelope: Envelope, header: &[u8], arrived: Timestamp) -> Result<QueueId> {
        self.accept(envelope, header, arrived, None)
    }

    /// The same for a report, which settles something about another entry. Both happen or neither, whatever dies: a
    /// report is never lost and never made twice. [`Error::NotFound`] when the other entry is gone; then there is
    /// nothing to report.
    pub fn commit_report(
        self,
        envelope: Envelope,
        header: &[u8],
        arrived: Timestamp,
        settles: Settles<'_>,
    ) -> Result<QueueId> {
        self.accept(envelope, header, arrived, Some(settles))
    }

    fn accept(
        mut self,
        envelope: Envelope,
        header: &[u8],
        arrived: Timestamp,
        settles: Option<Settles<'_>>,
    ) -> Result<QueueId> {
        if self.failed {
            return Err(Error::Incomplete { id: self.id });
        }
        self.finish_file()?;
        let (octets, effects) = self.record(envelope, header, arrived, settles)?;
        let log = &self.spool.shared.log;
        let state = log.lock();
        let removed = match settles {
            Some(Settles::Entry(id)) => Some((id, state.index.slot(id)?.has_file)),
            _ => None,
        };
        let end = log.submit(state, Change { octets, durable: true, effects, roll: false });
        if matches!(end, Ok(()) | Err(Error::Poisoned)) {
            // After a failed sync nobody knows whether the record is there: if it is, it must find its content.
            self.file = None;
        }
        end?;
        if let Some((id, has_file)) = removed {
            self.spool.remove_content(id, has_file);
        }
        Ok(self.id)
    }

    fn record(
        &mut self,
        envelope: Envelope,
        header: &[u8],
        arrived: Timestamp,
        settles: Option<Settles<'_>>,
    ) -> Result<(Vec<u8>, Vec<Effect>)> {
        let (len, check) = (self.written, self.checksum.digest());
        let stored = if self.file.is_some() { Stored::File { header, len, check } } else { Stored::Inline(header) };
        let recipients = envelope.recipients.len();
        let states = vec![RecipientState::Waiting; recipients];
        let entry = Entry { id: self.id, arrived, envelope, states, held: self.held, warned: false, size: 0 };
        let mut writer = Writer::with_room_for(self.buffer.len() + header.len());
        writer.accepted(&entry, &stored, &std::mem::take(&mut self.buffer));
        let kind = EffectKind::Accepted { recipients, has_file: self.file.is_some() };
        let mut effects = vec![Effect { id: self.id, kind }];
        effects.extend(settles.map(|settles| settle(&mut writer, settles)));
        Ok((self.spool.sealed(writer, Kind::Accepted, self.id)?, effects))
    }

    /// Writes what waits in memory to the file.
    fn spill(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let spilled = self.write_to_file(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        spilled
    }

    fn write_to_file(&mut self, octets: &[u8]) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let shared = &self.spool.shared;
                self.file.insert(shared.disk.create_new(&shared.layout.content_of(self.id))?)
            }
        };
        file.write_all(octets)?;
        self.checksum.update(octets);
        self.written += octets.len() as u64;
        Ok(())
    }

    /// Makes large content durable, before any record speaks of it.
    fn finish_file(&mut self) -> Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        self.spill()?;
        let shared = &self.spool.shared;
        let synced = self.file.as_mut().map_or(Ok(()), |file| file.sync());
        synced.and_then(|()| shared.disk.sync_dir(&shared.layout.content())).map_err(|_| shared.log.poison())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Best effort: the next opening removes what stays behind.
            let shared = &self.spool.shared;
            let _ = shared.disk.remove(&shared.layout.content_of(self.id));
        }
    }
}

fn settle(writer: &mut Writer, settles: Settles<'_>) -> Effect {
    let (id, status) = match settles {
        Settles::Entry(id) => {
            writer.removed(id);
            return Effect { id, kind: EffectKind::Removed };
        }
        Settles::Recipients(id, states) => (id, Status { states: states.to_vec(), ..Status::default() }),
        Settles::Delay(id) => (id, Status { warned: true, ..Status::default() }),
    };
    writer.status(id, &status);
    Effect { id, kind: status.effect() }
}
