//! What a spool folder holds: read at every opening and by `verify`. Changes nothing on disk (`repair` does).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::Disk;
use mail::QueueId;

use super::index::{Effect, EffectKind, Index, Location, Segment};
use super::layout::{Layout, content_id, segment_number};
use super::payload::{self, Change, Part, Status, Stored};
use super::record::{About, FORMAT_VERSION, Head, Kind, Piece, SEGMENT_HEAD, Scan};
use crate::{Entry, Error, Result};

/// What was found in a spool folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) index: Index,
    pub(super) entries: BTreeMap<QueueId, Entry>,
    pub(super) findings: Vec<Finding>,
    /// A number that no segment has or had.
    pub(super) next_segment: u64,
    /// Length of the content files that accepted entries speak of.
    files: BTreeMap<QueueId, u64>,
}

/// Something that is not as it was written.
#[derive(Debug)]
pub(super) enum Finding {
    /// A segment without a readable head. `empty` when nothing can have been acknowledged in it.
    Headless { path: PathBuf, empty: bool },
    /// Octets in a segment that are no record.
    Damage { segment: u64, octets: Vec<u8>, offset: usize, about: Option<About>, cut: bool },
    /// The content file of a living entry is not there, or not as long as it was.
    LostContent { id: QueueId },
    /// A content file of no living entry.
    Orphan { id: QueueId },
    /// A name that no state of the table has.
    Stranger { path: PathBuf },
}

pub(super) fn read(disk: &dyn Disk, layout: &Layout) -> Result<Found> {
    let mut found = Found::default();
    let numbers = found.segment_numbers(disk, &layout.log())?;
    found.next_segment = numbers.last().map_or(1, |last| last + 1);
    for number in &numbers {
        found.read_segment(disk, layout, *number, Some(number) == numbers.last())?;
    }
    found.look_at_content(disk, layout)?;
    Ok(found)
}

impl Found {
    /// Whether an entry may have been lost with what cannot be read, so that its content must be kept.
    pub(super) fn may_have_lost_entries(&self) -> bool {
        self.findings.iter().any(|finding| match finding {
            Finding::Headless { empty, .. } => !empty,
            Finding::Damage { about, cut, .. } => !cut && about.is_none_or(|about| about.kind == Kind::Accepted),
            _ => false,
        })
    }

    fn segment_numbers(&mut self, disk: &dyn Disk, folder: &Path) -> Result<BTreeSet<u64>> {
        let mut numbers = BTreeSet::new();
        for entry in disk.list(folder)? {
            match segment_number(&entry.name) {
                Some(number) => _ = numbers.insert(number),
                None => self.findings.push(Finding::Stranger { path: folder.join(entry.name) }),
            }
        }
        Ok(numbers)
    }

    fn read_segment(&mut self, disk: &dyn Disk, layout: &Layout, number: u64, is_last: bool) -> Result<()> {
        let path = layout.segment(number);
        let octets = disk.read(&path)?;
        let Some(head) = Head::parse(&octets).filter(|head| head.number == number) else {
            let empty = is_last && octets.len() <= SEGMENT_HEAD || octets.iter().all(|octet| *octet == 0);
            self.findings.push(Finding::Headless { path, empty });
            return Ok(());
        };
        if head.version != FORMAT_VERSION {
            return Err(Error::Format { path, version: head.version });
        }
        let file = Arc::from(disk.open(&path)?);
        self.index.add_segment(number, Segment::new(file, head.salt, octets.len() as u64));
        for piece in Scan::new(&octets, head.salt) {
            self.take_piece(number, &octets, piece);
        }
        Ok(())
    }

    fn take_piece(&mut self, segment: u64, octets: &[u8], piece: Piece<'_>) {
        let (offset, len, about, cut) = match piece {
            Piece::Record { offset, len, payload, about } => match payload::parse(payload) {
                Some(parts) => {
                    let location = Location { segment, offset: offset as u32, len: len as u32 };
                    parts.into_iter().for_each(|part| self.take_part(part, location));
                    return;
                }
                None => (offset, len, Some(about), false),
            },
            Piece::Damage { offset, len, about, cut } => (offset, len, about, cut),
        };
        let octets = octets.get(offset..offset + len).unwrap_or_default().to_vec();
        self.findings.push(Finding::Damage { segment, octets, offset, about, cut });
    }

    fn take_part(&mut self, part: Part<'_>, location: Location) {
        let Part { id, change } = part;
        let kind = match change {
            Change::Accepted(entry, stored) => {
                let kind = EffectKind::Accepted {
                    recipients: entry.states.len(),
                    has_file: matches!(stored, Stored::File { .. }),
                };
                if let Stored::File { len, .. } = stored {
                    self.files.insert(id, len);
                }
                self.entries.insert(id, *entry);
                kind
            }
            Change::Status(status) => {
                if let Some(entry) = self.entries.get_mut(&id) {
                    status.apply(entry);
                }
                status.effect()
            }
            Change::Removed => {
                self.entries.remove(&id);
                self.files.remove(&id);
                EffectKind::Removed
            }
        };
        self.index.apply(Effect { id, kind }, location);
    }

    fn look_at_content(&mut self, disk: &dyn Disk, layout: &Layout) -> Result<()> {
        let folder = layout.content();
        let mut missing = std::mem::take(&mut self.files);
        for entry in disk.list(&folder)? {
            let Some(id) = content_id(&entry.name) else {
                self.findings.push(Finding::Stranger { path: folder.join(entry.name) });
                continue;
            };
            match missing.remove(&id) {
                None => self.findings.push(Finding::Orphan { id }),
                Some(len) if disk.stat(&folder.join(&entry.name))?.len == len => {}
                Some(_) => self.findings.push(Finding::LostContent { id }),
            }
        }
        self.findings.extend(missing.into_keys().map(|id| Finding::LostContent { id }));
        Ok(())
    }
}

impl Status {
    pub(super) fn effect(&self) -> EffectKind {
        let index_max = self.states.iter().map(|(index, _)| *index).max().unwrap_or(0);
        EffectKind::Status { covered: self.covered(), index_max, marks: self.marks() }
    }
}
