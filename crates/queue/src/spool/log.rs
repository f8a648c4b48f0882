//! The tail of the log and the group commit: many threads ask for a change at once, one of them writes all that were
//! asked for and syncs once, and all of them learn the end of it.
//!
//! There is no thread for it. Who finds nobody writing leads: it takes what is queued (its own change at least), lets
//! go of the lock, writes, syncs, and tells. One alone therefore waits for nobody; those who come while a leader
//! writes form the next group. Promises that a change is told as done only after it is on the disk, and that the order
//! of changes in the log is the order in which they were asked for. Knows nothing of what a change says.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use disk::{Disk, WriteFile};
use mail::QueueId;
use xxhash_rust::xxh3::xxh3_64;

use super::index::{Effect, Index, Location, Segment};
use super::layout::Layout;
use super::record::{Head, SEGMENT_HEAD};
use crate::{Error, Result};

/// A group is closed when it has this many octets; what is queued beyond it goes into the next.
const GROUP_OCTETS_MAX: usize = 8 << 20;
/// How many ids belong to one segment. The next segment is begun when they are used up, so that an id is never given
/// again: the number of the segment is durable before the first of its ids is given.
const IDS_IN_SEGMENT: u64 = 1 << 24;

/// A change to be written.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// A sealed record, or nothing for a barrier: wait until all before it is durable.
    pub(super) octets: Vec<u8>,
    pub(super) durable: bool,
    pub(super) effects: Vec<Effect>,
    /// Begin a new segment first.
    pub(super) roll: bool,
}

#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    layout: Layout,
    segment_size: u64,
    /// Of every segment written since this opening.
    pub(super) salt: u64,
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) index: Index,
    /// Taken by the leader while it writes.
    tail: Option<Tail>,
    queue: VecDeque<(u64, Change)>,
    last_ticket: u64,
    /// Every ticket up to this one has its answer.
    answered: u64,
    failed: BTreeMap<u64, Failure>,
    poisoned: bool,
    next_id: u64,
}

#[derive(Debug)]
struct Tail {
    number: u64,
    /// The number to try for the next segment.
    next_number: u64,
    file: Box<dyn WriteFile>,
}

#[derive(Debug, Clone, Copy)]
enum Failure {
    Full,
    Poisoned,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Full => Error::Full,
            Failure::Poisoned => Error::Poisoned,
        }
    }
}

/// How the writing of a group ended.
struct End {
    /// The segment that was begun for it, whatever happened then.
    began: Option<Segment>,
    /// Where in its segment the group starts.
    base: std::result::Result<u64, Failure>,
}

impl End {
    fn failed(failure: Failure) -> End {
        End { began: None, base: Err(failure) }
    }
}

impl Log {
    /// Begins a new segment behind all that were ever there and goes on with it.
    pub(super) fn begin(
        disk: Arc<dyn Disk>,
        layout: Layout,
        segment_size: u64,
        mut index: Index,
        number: u64,
    ) -> Result<Log> {
        let nanos = disk.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let salt = xxh3_64(format!("{nanos} {} {number}", disk.holder()).as_bytes());
        let (file, segment) = create_segment(&*disk, &layout, number, salt)?;
        index.add_segment(number, segment);
        let first_id = number.saturating_mul(IDS_IN_SEGMENT);
        let next_id = first_id.max(index.id_max().map_or(0, |id| id.0.saturating_add(1)));
        let state = State {
            index,
            tail: Some(Tail { number, next_number: number + 1, file }),
            queue: VecDeque::new(),
            last_ticket: 0,
            answered: 0,
            failed: BTreeMap::new(),
            poisoned: false,
            next_id,
        };
        Ok(Log { disk, layout, segment_size, salt, state: Mutex::new(state), told: Condvar::new() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an id that was never given before and never will be again.
    pub(super) fn next_id(&self) -> Result<QueueId> {
        loop {
            let mut state = self.lock();
            if state.poisoned {
                return Err(Error::Poisoned);
            }
            let id = state.next_id;
            if id % IDS_IN_SEGMENT != IDS_IN_SEGMENT - 1 {
                state.next_id += 1;
                return Ok(QueueId(id));
            }
            self.submit(state, Change { roll: true, ..Change::default() })?;
        }
    }

    /// Refuses every change from now on.
    pub(super) fn poison(&self) -> Error {
        self.lock().poisoned = true;
        Error::Poisoned
    }

    /// Returns when the change is written, and durable if it asked for that; or says that nothing of it is kept
    /// ([`Error::Full`]), or that nobody knows ([`Error::Poisoned`]).
    pub(super) fn submit<'s>(&'s self, mut state: MutexGuard<'s, State>, change: Change) -> Result<()> {
        if state.poisoned {
            return Err(Error::Poisoned);
        }
        state.index.announce(&change.effects)?;
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        state.queue.push_back((ticket, change));
        while state.answered < ticket {
            state = match state.tail.take() {
                Some(tail) => self.lead(state, tail),
                None => self.told.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.failed.remove(&ticket).map_or(Ok(()), |failure| Err(failure.into()))
    }

    fn lead<'s>(&'s self, mut state: MutexGuard<'s, State>, mut tail: Tail) -> MutexGuard<'s, State> {
        let group = state.take_group();
        let poisoned = state.poisoned;
        drop(state);
        let end = if poisoned { End::failed(Failure::Poisoned) } else { self.write(&mut tail, &group) };
        let mut state = self.lock();
        state.answer(group, &tail, end);
        state.tail = Some(tail);
        self.told.notify_all();
        state
    }

    fn write(&self, tail: &mut Tail, group: &[(u64, Change)]) -> End {
        let mut began = None;
        if tail.file.len() >= self.segment_size || group.iter().any(|(_, change)| change.roll) {
            match self.roll(tail) {
                Ok(segment) => began = Some(segment),
                Err(failure) => return End::failed(failure),
            }
        }
        let base = append(tail, group).and_then(|base| {
            let durable = group.iter().any(|(_, change)| change.durable);
            // A sync that failed for whatever reason, lack of space among them, may have lost what it was for.
            let synced = if durable { tail.file.sync() } else { Ok(()) };
            synced.map(|()| base).map_err(|_| Failure::Poisoned)
        });
        End { began, base }
    }

    /// What was written to the old segment without a sync is synced now: a torn end is a thing of the last one only.
    fn roll(&self, tail: &mut Tail) -> std::result::Result<Segment, Failure> {
        tail.file.sync().map_err(|_| Failure::Poisoned)?;
        let number = tail.next_number;
        tail.next_number += 1;
        let (file, segment) =
            create_segment(&*self.disk, &self.layout, number, self.salt).map_err(|error| match error {
                Error::Full => Failure::Full,
                _ => Failure::Poisoned,
            })?;
        (tail.file, tail.number) = (file, number);
        Ok(segment)
    }
}

impl State {
    fn take_group(&mut self) -> Vec<(u64, Change)> {
        let mut octets = 0;
        let mut group = Vec::new();
        while let Some((ticket, change)) = self.queue.pop_front() {
            octets += change.octets.len();
            group.push((ticket, change));
            if octets >= GROUP_OCTETS_MAX {
                break;
            }
        }
        group
    }

    fn answer(&mut self, group: Vec<(u64, Change)>, tail: &Tail, end: End) {
        self.answered = group.last().map_or(self.answered, |(ticket, _)| *ticket);
        if let Some(segment) = end.began {
            self.index.add_segment(tail.number, segment);
            self.next_id = self.next_id.max(tail.number.saturating_mul(IDS_IN_SEGMENT));
        }
        match end.base {
            Ok(base) => self.take_in(group, tail, base),
            Err(failure) => self.give_up(group, failure),
        }
    }

    fn take_in(&mut self, group: Vec<(u64, Change)>, tail: &Tail, base: u64) {
        self.index.grow_segment(tail.number, tail.file.len());
        let mut offset = base as u32;
        for (_, change) in group {
            let len = change.octets.len() as u32;
            let location = Location { segment: tail.number, offset, len };
            offset += len;
            change.effects.into_iter().for_each(|effect| self.index.apply(effect, location));
        }
    }

    fn give_up(&mut self, group: Vec<(u64, Change)>, failure: Failure) {
        self.poisoned |= matches!(failure, Failure::Poisoned);
        for (ticket, change) in group {
            self.index.withdraw(&change.effects);
            self.failed.insert(ticket, failure);
        }
    }
}

/// Appends a group in one write and says where. What does not fit is cut off again, so that the log stays whole.
fn append(tail: &mut Tail, group: &[(u64, Change)]) -> std::result::Result<u64, Failure> {
    let base = tail.file.len();
    let written = match group {
        [(_, alone)] if alone.octets.is_empty() => return Ok(base),
        [(_, alone)] => tail.file.write_all(&alone.octets),
        many => {
            let pieces: Vec<&[u8]> = many.iter().map(|(_, change)| change.octets.as_slice()).collect();
            tail.file.write_all(&pieces.concat())
        }
    };
    match written {
        Ok(()) => Ok(base),
        Err(disk::Error::NoSpace { .. }) if tail.file.truncate(base).is_ok() => Err(Failure::Full),
        Err(_) => Err(Failure::Poisoned),
    }
}

/// Makes a segment durable, head and name, and opens it for reading as well.
fn create_segment(disk: &dyn Disk, layout: &Layout, number: u64, salt: u64) -> Result<(Box<dyn WriteFile>, Segment)> {
    let path: PathBuf = layout.segment(number);
    let mut file = disk.create_new(&path)?;
    let made = (|| {
        file.write_all(&Head::encode(number, salt))?;
        file.sync()?;
        disk.sync_dir(&layout.log())?;
        disk.open(&path)
    })();
    match made {
        Ok(reader) => Ok((file, Segment::new(Arc::from(reader), salt, SEGMENT_HEAD as u64))),
        Err(error) => {
            // Best effort: a segment with nothing but a head, or a part of one, means nothing to anybody.
            let _ = disk.remove(&path);
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::thread;

    use disk::MemoryDisk;
    use mail::{Address, Envelope, Recipient, ReversePath, TraceId};

    use super::*;
    use crate::{Spool, SpoolSettings, Timestamp};

    const THREADS: usize = 8;
    const ROUNDS: usize = 50;

    fn envelope() -> Envelope {
        Envelope {
            trace: TraceId::parse("t").unwrap(),
            reverse_path: ReversePath::Null,
            recipients: vec![Recipient::new(Address::parse("bob@example.test").unwrap())],
            body: mail::envelope::Body::SevenBit,
            smtputf8: false,
            envelope_id: None,
            return_headers_only: false,
        }
    }

    fn commit(spool: &Spool) {
        spool.begin().unwrap().commit(envelope(), b"h", Timestamp(1)).unwrap();
    }

    #[test]
    fn those_who_come_while_the_disk_is_busy_share_one_write_and_one_sync() {
        let disk = MemoryDisk::new();
        let (spool, _) = Spool::open(Arc::new(disk.clone()), Path::new("/s"), SpoolSettings::default()).unwrap();
        let log = &spool.shared.log;
        let before = disk.calls();
        for _ in 0..ROUNDS {
            // As a leader does that is at the disk, so that it is not left to chance who comes meanwhile.
            let tail = log.lock().tail.take();
            thread::scope(|scope| {
                (0..THREADS).for_each(|_| _ = scope.spawn(|| commit(&spool)));
                while log.lock().queue.len() < THREADS {
                    thread::yield_now();
                }
                log.lock().tail = tail;
                log.told.notify_all();
            });
        }
        assert_eq!(disk.calls() - before, 2 * ROUNDS as u64);
        assert_eq!(spool.len(), THREADS * ROUNDS);
    }

    #[test]
    fn one_alone_writes_and_syncs_at_once() {
        let disk = MemoryDisk::new();
        let (spool, _) = Spool::open(Arc::new(disk.clone()), Path::new("/s"), SpoolSettings::default()).unwrap();
        let before = disk.calls();
        commit(&spool);
        assert_eq!(disk.calls() - before, 2);
    }

    #[test]
    fn ids_that_are_used_up_begin_a_new_segment() {
        let disk = MemoryDisk::new();
        let (spool, _) = Spool::open(Arc::new(disk.clone()), Path::new("/s"), SpoolSettings::default()).unwrap();
        spool.shared.log.lock().next_id = 2 * IDS_IN_SEGMENT - 2;
        let ids: Vec<u64> = (0..3).map(|_| spool.begin().unwrap().id().0).collect();
        assert_eq!(ids, [2 * IDS_IN_SEGMENT - 2, 2 * IDS_IN_SEGMENT, 2 * IDS_IN_SEGMENT + 1]);
    }
}
