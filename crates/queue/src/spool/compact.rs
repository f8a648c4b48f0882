//! Giving disk space back: segments on which nothing living depends are deleted from the oldest on, and what lives long
//! in an old segment is written again at the tail so that the segment can go.
//!
//! Only from the oldest on, because a removal must not vanish while the record that it removes is still there. Works
//! through the group commit like everybody else, an entry at a time, so that acceptance never waits for more than one
//! such record.

use std::sync::PoisonError;

use mail::QueueId;

use super::Spool;
use super::content::{find_accepted, read_entry};
use super::index::{Effect, EffectKind, OldestSegment};
use super::log::Change;
use super::payload::Writer;
use super::record::Kind;
use crate::{Error, Result};

/// How much one call writes again, octets.
const STEP_OCTETS_MAX: usize = 4 << 20;
/// How many entries are looked at under one lock.
const LOOKS_MAX: usize = 4096;
/// A segment is written again when no more than this part of a whole one lives in it.
const LIVING_PART: u64 = 4;
/// Or, whatever lives in the oldest, when the log has this many times the octets that live, and some segments more.
const LOG_TIMES: u64 = 2;

impl Spool {
    /// One bounded step of compaction. True when there is more to do; call it again then, and every few seconds anyway.
    pub fn compact(&self) -> Result<bool> {
        let _alone = self.shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        self.drop_dead_segments()?;
        let Some(segment) = self.segment_to_empty() else { return Ok(false) };
        let mut rewritten = 0;
        let mut next = Some(QueueId(0));
        while let Some(from) = next {
            let (ids, rest) = self.shared.log.lock().index.depending_on(segment, from, LOOKS_MAX);
            for id in ids {
                rewritten += self.rewrite(id)?;
                if rewritten > STEP_OCTETS_MAX {
                    return Ok(true);
                }
            }
            next = rest;
        }
        self.drop_dead_segments()?;
        Ok(self.segment_to_empty().is_some_and(|oldest| oldest != segment))
    }

    /// The oldest segment, when it is worth writing again what lives in it.
    fn segment_to_empty(&self) -> Option<u64> {
        let (number, oldest) = self.shared.log.lock().index.oldest_segment()?;
        let segment_size = self.shared.settings.segment_size;
        let OldestSegment { living_octets, log_octets, log_living_octets, .. } = oldest;
        let mostly_dead = living_octets <= segment_size / LIVING_PART;
        let log_mostly_dead = log_octets > log_living_octets * LOG_TIMES + segment_size * LOG_TIMES;
        (mostly_dead || log_mostly_dead).then_some(number)
    }

    /// Deletes segments from the oldest on as far as nothing living depends on them.
    pub(super) fn drop_dead_segments(&self) -> Result<()> {
        let oldest_dead = || self.shared.log.lock().index.oldest_segment().filter(|(_, oldest)| oldest.is_dead);
        if oldest_dead().is_none() {
            return Ok(());
        }
        // What was written again may not be durable yet, and what it replaces goes now.
        self.shared.log.submit(self.shared.log.lock(), Change { durable: true, ..Change::default() })?;
        while let Some((number, _)) = oldest_dead() {
            self.shared.disk.remove(&self.shared.layout.segment(number))?;
            // One by one: if a later segment went and this one came back, what was removed would come back with it.
            self.shared.disk.sync_dir(&self.shared.layout.log()).map_err(|_| self.shared.log.poison())?;
            self.shared.log.lock().index.forget_segment(number);
        }
        Ok(())
    }

    /// Writes an entry with its present state at the tail. Gives the octets written; none when somebody is changing it
    /// at the moment, or when it is gone or cannot be read (which whoever needs it will see).
    pub(super) fn rewrite(&self, id: QueueId) -> Result<usize> {
        match self.copy(id) {
            Ok(Some(copy)) => self.submit_copy(id, copy),
            Ok(None) | Err(Error::NotFound { .. } | Error::Damaged { .. }) => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn copy(&self, id: QueueId) -> Result<Option<Rewriting>> {
        let state = self.shared.log.lock();
        let slot = state.index.slot(id)?;
        let generation = slot.generation;
        if slot.pending > 0 {
            return Ok(None);
        }
        let records = state.index.records(id)?;
        drop(state);
        let read = read_entry(id, &records)?;
        let (_, stored) = find_accepted(id, &read.accepted)?;
        let mut writer = Writer::with_room_for(read.accepted.len());
        writer.accepted(&read.entry, &stored, b"");
        Ok(Some(Rewriting { octets: self.sealed(writer, Kind::Accepted, id)?, generation }))
    }

    /// A copy of a state that somebody has asked to change since would undo that change, and is dropped.
    fn submit_copy(&self, id: QueueId, Rewriting { octets, generation }: Rewriting) -> Result<usize> {
        let state = self.shared.log.lock();
        if state.index.slot(id).map_or(true, |slot| slot.generation != generation) {
            return Ok(0);
        }
        let len = octets.len();
        let effects = vec![Effect { id, kind: EffectKind::Rewritten }];
        self.shared.log.submit(state, Change { octets, durable: false, effects, roll: false })?;
        Ok(len)
    }
}

/// An entry with its state as it was when so many changes had been asked for.
struct Rewriting {
    octets: Vec<u8>,
    generation: u64,
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use disk::MemoryDisk;
    use mail::{Address, Envelope, Recipient, Reply, ReversePath, TraceId};

    use crate::{RecipientState, Spool, SpoolSettings, Timestamp};

    #[test]
    fn a_change_between_reading_and_writing_again_is_kept() {
        let disk = MemoryDisk::new();
        let (spool, _) = Spool::open(Arc::new(disk), Path::new("/s"), SpoolSettings::default()).unwrap();
        let envelope = Envelope {
            trace: TraceId::parse("t").unwrap(),
            reverse_path: ReversePath::Null,
            recipients: vec![Recipient::new(Address::parse("bob@example.test").unwrap())],
            body: mail::envelope::Body::SevenBit,
            smtputf8: false,
            envelope_id: None,
            return_headers_only: false,
        };
        let id = spool.begin().unwrap().commit(envelope, b"h", Timestamp(1)).unwrap();
        let stale = spool.copy(id).unwrap().unwrap();
        let delivered = RecipientState::Delivered(Reply::new(250, (2, 0, 0), "Ok"));
        spool.record(id, &[(0, delivered.clone())], true).unwrap();
        assert_eq!(spool.submit_copy(id, stale).unwrap(), 0);
        assert_eq!(spool.entry(id).unwrap().states, std::slice::from_ref(&delivered));
        assert!(spool.rewrite(id).unwrap() > 0);
        assert_eq!(spool.entry(id).unwrap().states, [delivered]);
    }
}
