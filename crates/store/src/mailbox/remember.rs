//! What the last scan said, kept on the node's own disk, so that a mailbox that nobody changed is opened without a scan after
//! a restart. Never truth: it counts only where the looks of all files are what they were, and may be deleted.
//!
//! ```text
//! tepui scan 1\n · checksum (xxh3, 8 octets) · the rest, as `varint` has numbers
//! new, cur       each: look, when it was seen first (own clock), whether it is settled
//! uidlist        look
//! journal        offset and seal of its last record
//! odd files      how many; each UID, 0 for no file, or 1 for `new`, 2 for `cur`, and its suffix
//! ```

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mail::Uid;
use xxhash_rust::xxh3::xxh3_64;

use super::Mailbox;
use super::odd::Odd;
use super::view::{Place, Tail, Work};
use crate::Result;
use crate::folder::{Scanned, Stamp};
use crate::index::place;
use crate::varint::{Octets, number};

const FILE: &str = "scan";
const MAGIC: &[u8] = b"tepui scan 1\n";

/// More odd files than this are not worth remembering.
pub(super) const ODD_MAX: usize = 10_000;

impl Mailbox {
    /// Takes up what an earlier process of this node knew, if nothing has changed since.
    pub(super) fn recall_scan(&self, work: &mut Work) {
        let content = self.memory().and_then(|path| self.folder.disk.read(&path.join(FILE)).ok());
        if let Some(content) = content {
            work.remembered = content;
            let _ = decode(work);
        }
    }

    /// Writes down what is known, if it is whole and not written yet. A failure costs a scan after the next restart.
    pub(super) fn remember_scan(&self, work: &mut Work) {
        let Some(path) = self.memory().filter(|_| work.is_whole()) else { return };
        let content = encode(work);
        if content != work.remembered && self.write_memory(&path, &content).is_ok() {
            work.remembered = content;
        }
    }

    /// Not synced: what a power cut leaves of it is known by its checksum.
    fn write_memory(&self, path: &std::path::Path, content: &[u8]) -> Result<()> {
        let disk = &*self.folder.disk;
        disk.create_dir_all(path)?;
        let unique = crate::draft::unique_name(disk, &self.folder.settings.hostname, "");
        let beside = path.join(format!("{FILE}.tmp.{unique}"));
        let written = disk.create_new(&beside).and_then(|mut file| file.write_all(content));
        if let Err(error) = written.and_then(|()| disk.rename(&beside, &path.join(FILE))) {
            let _ = disk.remove(&beside);
            return Err(error.into());
        }
        Ok(())
    }

    fn memory(&self) -> Option<PathBuf> {
        let index = self.folder.settings.index.as_ref()?;
        Some(place::of_mailbox(index, &self.root, &self.folder.path))
    }
}

fn encode(work: &Work) -> Vec<u8> {
    let mut out = Vec::new();
    for scanned in [&work.new, &work.cur] {
        let (stamp, first_seen, settled) = scanned.parts();
        look(&mut out, stamp);
        time(&mut out, first_seen.unwrap_or(UNIX_EPOCH));
        number(&mut out, settled.into());
    }
    look(&mut out, work.list_stamp);
    let (offset, seal) = work.journal.parts().unwrap_or_default();
    number(&mut out, offset);
    number(&mut out, seal);
    number(&mut out, work.odd().iter().count() as u64);
    for (uid, tail) in work.odd().iter() {
        number(&mut out, uid.number().into());
        let Some(tail) = tail else {
            number(&mut out, 0);
            continue;
        };
        number(&mut out, if tail.place == Place::New { 1 } else { 2 });
        let suffix = tail.suffix();
        number(&mut out, suffix.len() as u64);
        out.extend_from_slice(&suffix);
    }
    [MAGIC, &xxh3_64(&out).to_le_bytes(), &out].concat()
}

/// `None` where nothing could be taken up; then nothing was.
fn decode(work: &mut Work) -> Option<()> {
    let (checksum, payload) = work.remembered.strip_prefix(MAGIC)?.split_at_checked(8)?;
    if xxh3_64(payload).to_le_bytes() != checksum {
        return None;
    }
    let mut octets = Octets(payload);
    let mut scanned = || -> Option<Scanned> {
        let (stamp, first_seen, settled) = (seen(&mut octets)?, moment(&mut octets)?, octets.number()? == 1);
        Some(Scanned::of(stamp, first_seen, settled))
    };
    let (new, cur) = (scanned()?, scanned()?);
    let same_list = seen(&mut octets)? == work.list_stamp && work.list_stamp.is_some();
    let position = (octets.number()?, octets.number()?);
    if !same_list || work.journal.parts() != Some(position) {
        return None;
    }
    let mut odd = Odd::default();
    for _ in 0..octets.number()? {
        let uid = Uid::new(u32::try_from(octets.number()?).ok()?)?;
        let place = match octets.number()? {
            0 => None,
            1 => Some(Place::New),
            _ => Some(Place::Cur),
        };
        let tail = match place {
            Some(place) => {
                let len = octets.number()?;
                Some(Tail::new(place, octets.take(len)?))
            }
            None => None,
        };
        odd.push(uid, tail);
    }
    work.take_up(odd);
    (work.new, work.cur) = (new, cur);
    Some(())
}

fn look(out: &mut Vec<u8>, stamp: Option<Stamp>) {
    let Some(stamp) = stamp else { return number(out, 0) };
    number(out, 1);
    let (numbers, times) = stamp.parts();
    numbers.into_iter().for_each(|part| number(out, part));
    times.into_iter().for_each(|part| time(out, part));
}

fn seen(octets: &mut Octets<'_>) -> Option<Option<Stamp>> {
    if octets.number()? == 0 {
        return Some(None);
    }
    let numbers = [octets.number()?, octets.number()?, octets.number()?];
    Some(Some(Stamp::from_parts(numbers, [moment(octets)?, moment(octets)?])))
}

/// Times before 1970 are not told apart: such a look is never the same, and costs a scan.
fn time(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    number(out, since.as_secs());
    number(out, since.subsec_nanos().into());
}

fn moment(octets: &mut Octets<'_>) -> Option<SystemTime> {
    let (seconds, nanos) =
        (octets.number()?, u32::try_from(octets.number()?).ok().filter(|nanos| *nanos < 1_000_000_000)?);
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}
