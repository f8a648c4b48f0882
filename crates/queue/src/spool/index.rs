//! Where in the log each living entry is, and which segments something living depends on. In memory only: made anew
//! from the log at every opening. Knows nothing of what an entry says, and does no IO.

use std::collections::BTreeMap;
use std::sync::Arc;

use disk::ReadFile;
use mail::QueueId;

use super::record;
use crate::{Error, Result};

/// A record in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) segment: u64,
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// What one part of a record means for the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effect {
    pub(super) id: QueueId,
    pub(super) kind: EffectKind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum EffectKind {
    Accepted {
        recipients: usize,
        has_file: bool,
    },
    /// The whole entry with its state, written again further on.
    Rewritten,
    Status {
        covered: usize,
        index_max: usize,
        marks: bool,
    },
    Removed,
}

/// A segment that is still there.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) file: Arc<dyn ReadFile>,
    pub(super) salt: u64,
    pub(super) octets: u64,
    /// How many locations of living entries point into it, and how many octets those records have.
    living: usize,
    living_octets: u64,
}

impl Segment {
    pub(super) fn new(file: Arc<dyn ReadFile>, salt: u64, octets: u64) -> Segment {
        Segment { file, salt, octets, living: 0, living_octets: 0 }
    }
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) accepted: Location,
    /// Status records since, oldest first, and whether each has marks.
    pub(super) statuses: Vec<(Location, bool)>,
    recipients: usize,
    pub(super) has_file: bool,
    /// Counts the changes that were ever asked for; unchanged means that nothing came in between.
    pub(super) generation: u64,
    /// Changes asked for and not yet written.
    pub(super) pending: u32,
    /// Its removal was asked for.
    leaving: bool,
}

/// A record, and the open file to read it from, which stays readable when the segment is deleted meanwhile.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) location: Location,
    pub(super) file: Arc<dyn ReadFile>,
    pub(super) salt: u64,
}

impl Stored {
    /// The payload, checked.
    pub(super) fn read(&self, id: QueueId) -> Result<Vec<u8>> {
        let mut octets = vec![0; self.location.len as usize];
        let mut filled = 0;
        while filled < octets.len() {
            let got = self.file.read_at(u64::from(self.location.offset) + filled as u64, &mut octets[filled..])?;
            if got == 0 {
                return Err(Error::Damaged { id, what: "the log ends within a record" });
            }
            filled += got;
        }
        let payload = record::open(&octets, self.salt).ok_or(Error::Damaged { id, what: "checksum of a record" })?;
        Ok(payload.to_vec())
    }
}

#[derive(Debug, Default)]
pub(super) struct Index {
    slots: BTreeMap<QueueId, Slot>,
    segments: BTreeMap<u64, Segment>,
}

impl Index {
    pub(super) fn slot(&self, id: QueueId) -> Result<&Slot> {
        self.slots.get(&id).filter(|slot| !slot.leaving).ok_or(Error::NotFound { id })
    }

    pub(super) fn contains(&self, id: QueueId) -> bool {
        self.slots.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn id_max(&self) -> Option<QueueId> {
        self.slots.keys().next_back().copied()
    }

    pub(super) fn ids(&self, from: QueueId, count: usize) -> Vec<QueueId> {
        self.slots.range(from..).map(|(id, _)| *id).take(count).collect()
    }

    /// The records of an entry, in the order in which they were written.
    pub(super) fn records(&self, id: QueueId) -> Result<Vec<Stored>> {
        let slot = self.slot(id)?;
        let all = std::iter::once(&slot.accepted).chain(slot.statuses.iter().map(|(location, _)| location));
        all.map(|location| self.stored(id, *location)).collect()
    }

    /// The record that accepted the entry.
    pub(super) fn accepted(&self, id: QueueId) -> Result<Stored> {
        self.stored(id, self.slot(id)?.accepted)
    }

    fn stored(&self, id: QueueId, location: Location) -> Result<Stored> {
        let gone = Error::Damaged { id, what: "a segment of the log is missing" };
        let segment = self.segments.get(&location.segment).ok_or(gone)?;
        Ok(Stored { location, file: Arc::clone(&segment.file), salt: segment.salt })
    }

    /// Counts a change that is about to be written, or says why it cannot be.
    pub(super) fn announce(&mut self, effects: &[Effect]) -> Result<()> {
        for effect in effects.iter().filter(|effect| !matches!(effect.kind, EffectKind::Accepted { .. })) {
            let slot = self.slot(effect.id)?;
            if let EffectKind::Status { index_max, .. } = effect.kind
                && index_max >= slot.recipients
            {
                return Err(Error::NoSuchRecipient { id: effect.id, index: index_max });
            }
        }
        for effect in effects {
            if let Some(slot) = self.slots.get_mut(&effect.id) {
                slot.generation += 1;
                slot.pending += 1;
                slot.leaving |= matches!(effect.kind, EffectKind::Removed);
            }
        }
        Ok(())
    }

    /// Takes back what was announced and not written.
    pub(super) fn withdraw(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Some(slot) = self.slots.get_mut(&effect.id) {
                slot.pending = slot.pending.saturating_sub(1);
                slot.leaving &= !matches!(effect.kind, EffectKind::Removed);
            }
        }
    }

    /// Takes in what stands at `location` now. Effects come in the order of the log.
    pub(super) fn apply(&mut self, effect: Effect, location: Location) {
        let Effect { id, kind } = effect;
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.pending = slot.pending.saturating_sub(1);
        }
        match kind {
            EffectKind::Accepted { recipients, has_file } => self.accept(id, location, recipients, has_file),
            EffectKind::Rewritten => self.rewrite(id, location),
            EffectKind::Status { covered, marks, .. } => self.change(id, location, covered, marks),
            EffectKind::Removed => {
                if let Some(slot) = self.slots.remove(&id) {
                    self.release(&slot);
                }
            }
        }
    }

    fn accept(&mut self, id: QueueId, location: Location, recipients: usize, has_file: bool) {
        self.depend(location);
        let (statuses, generation, pending, leaving) = (Vec::new(), 0, 0, false);
        let slot = Slot { accepted: location, statuses, recipients, has_file, generation, pending, leaving };
        if let Some(former) = self.slots.insert(id, slot) {
            self.release(&former);
        }
    }

    fn rewrite(&mut self, id: QueueId, location: Location) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let former: Vec<Location> = slot
            .statuses
            .drain(..)
            .map(|(status, _)| status)
            .chain([std::mem::replace(&mut slot.accepted, location)])
            .collect();
        self.depend(location);
        former.into_iter().for_each(|location| self.undepend(location));
    }

    /// A status that says the state of every recipient makes all before it worthless, unless they have marks.
    fn change(&mut self, id: QueueId, location: Location, covered: usize, marks: bool) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let mut former = Vec::new();
        if covered >= slot.recipients {
            former = slot.statuses.extract_if(.., |(_, marks)| !*marks).map(|(status, _)| status).collect();
        }
        slot.statuses.push((location, marks));
        self.depend(location);
        former.into_iter().for_each(|location| self.undepend(location));
    }

    fn release(&mut self, slot: &Slot) {
        self.undepend(slot.accepted);
        slot.statuses.iter().for_each(|(location, _)| self.undepend(*location));
    }

    fn depend(&mut self, location: Location) {
        if let Some(segment) = self.segments.get_mut(&location.segment) {
            segment.living += 1;
            segment.living_octets += u64::from(location.len);
        }
    }

    fn undepend(&mut self, location: Location) {
        if let Some(segment) = self.segments.get_mut(&location.segment) {
            segment.living = segment.living.saturating_sub(1);
            segment.living_octets = segment.living_octets.saturating_sub(u64::from(location.len));
        }
    }

    pub(super) fn add_segment(&mut self, number: u64, segment: Segment) {
        self.segments.insert(number, segment);
    }

    pub(super) fn grow_segment(&mut self, number: u64, octets: u64) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.octets = octets;
        }
    }

    /// The oldest segment, unless it is the one being written.
    pub(super) fn oldest_segment(&self) -> Option<(u64, OldestSegment)> {
        let (number, oldest) = self.segments.first_key_value().filter(|_| self.segments.len() > 1)?;
        let living_octets = self.segments.values().map(|segment| segment.living_octets).sum();
        let log_octets = self.segments.values().map(|segment| segment.octets).sum();
        let facts = OldestSegment {
            is_dead: oldest.living == 0,
            living_octets: oldest.living_octets,
            log_octets,
            log_living_octets: living_octets,
        };
        Some((*number, facts))
    }

    pub(super) fn forget_segment(&mut self, number: u64) {
        self.segments.remove(&number);
    }

    /// Ids from `from` on that depend on a segment. Looks at no more than `looks` slots, so that the lock on the index
    /// is short, and says where to go on.
    pub(super) fn depending_on(&self, segment: u64, from: QueueId, looks: usize) -> (Vec<QueueId>, Option<QueueId>) {
        let depends = |slot: &Slot| {
            slot.accepted.segment == segment || slot.statuses.iter().any(|(status, _)| status.segment == segment)
        };
        let mut slots = self.slots.range(from..);
        let found = slots.by_ref().take(looks).filter(|(_, slot)| depends(slot)).map(|(id, _)| *id).collect();
        (found, slots.next().map(|(id, _)| *id))
    }
}

/// What the decision to compact looks at, octets.
#[derive(Debug)]
pub(super) struct OldestSegment {
    /// Nothing living depends on it.
    pub(super) is_dead: bool,
    pub(super) living_octets: u64,
    pub(super) log_octets: u64,
    pub(super) log_living_octets: u64,
}
