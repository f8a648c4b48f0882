//! What an opening does about what it found: cuts, takes away, sets aside, holds. A crash may cut each step short; the
//! next opening then does it again. Nothing that was acknowledged is thrown away: it is alive, or it is in `damaged/`
//! and told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use disk::Disk;
use mail::QueueId;

use super::index;
use super::layout::Layout;
use super::record::{About, Kind};
use super::recover::{Finding, Found};
use super::{Mark, Recovered, Spool};
use crate::{Error, Result};

/// Content without an entry goes first: while the damage is not told yet, the next opening still knows that the entry
/// may have been lost with it.
pub(super) fn before_writing(disk: &dyn Disk, layout: &Layout, found: &Found) -> Result<()> {
    let keep_orphans = found.may_have_lost_entries();
    for finding in &found.findings {
        match finding {
            Finding::Orphan { id } if keep_orphans => move_aside(disk, layout, *id)?,
            Finding::Orphan { id } => disk.remove(&layout.content_of(*id))?,
            Finding::Headless { path, empty: true } => disk.remove(path)?,
            _ => {}
        }
    }
    Ok(())
}

/// Copies the records of an entry to `damaged/ID.entry`, as far as they can be read, and moves its content there.
pub(super) fn copy_aside(disk: &dyn Disk, layout: &Layout, id: QueueId, records: &[index::Stored]) -> Result<()> {
    let payloads: Vec<u8> = records.iter().filter_map(|record| record.read(id).ok()).flatten().collect();
    disk::replace(disk, &layout.damaged().join(format!("{id}.entry")), &payloads)?;
    match move_aside(disk, layout, id) {
        Err(Error::Disk(disk::Error::NotFound { .. })) => Ok(()),
        other => other,
    }
}

fn move_aside(disk: &dyn Disk, layout: &Layout, id: QueueId) -> Result<()> {
    disk.rename(&layout.content_of(id), &layout.damaged().join(format!("{id}.msg")))?;
    disk.sync_dir(&layout.damaged())?;
    Ok(disk.sync_dir(&layout.content())?)
}

impl Spool {
    pub(super) fn repair(&self, found: Found) -> Result<Recovered> {
        let keep_orphans = found.may_have_lost_entries();
        let mut damaged = Vec::new();
        let mut held = BTreeSet::new();
        for finding in found.findings {
            damaged.extend(match finding {
                Finding::Damage { about, cut: true, segment, offset, octets } => {
                    Some(self.cut(segment, offset, octets.len(), about)?)
                }
                Finding::Damage { about, cut: false, segment, offset, octets } => {
                    self.set_octets_aside((segment, offset), &octets, about, &mut held)?
                }
                Finding::Headless { path, empty: false } => Some(self.set_segment_aside(&path)?),
                Finding::LostContent { id } => self.set_entry_aside(id)?,
                Finding::Orphan { id } if keep_orphans => {
                    Some(format!("{id}: content without a readable entry; set aside as damaged/{id}.msg"))
                }
                Finding::Stranger { path } => Some(format!("{}: not a file of a spool; left alone", path.display())),
                Finding::Orphan { .. } | Finding::Headless { .. } => None,
            });
        }
        let state = self.shared.log.lock();
        let mut entries: Vec<_> = found.entries.into_values().filter(|entry| state.index.contains(entry.id)).collect();
        entries.iter_mut().for_each(|entry| entry.held |= held.contains(&entry.id));
        Ok(Recovered { entries, damaged })
    }

    /// The end of a segment that a crash cut short: nobody was told that it is there.
    fn cut(&self, segment: u64, offset: usize, octets: usize, about: Option<About>) -> Result<String> {
        self.finish_removal(about)?;
        let path = self.shared.layout.segment(segment);
        let mut file = self.shared.disk.append(&path)?;
        file.truncate(offset as u64)?;
        file.sync()?;
        Ok(format!("{}: cut {octets} octets of an unfinished write at {offset}", path.display()))
    }

    /// Damage in the log stays where it is, and is known by its copy in `damaged/`: told once, and gone with its
    /// segment.
    fn set_octets_aside(
        &self,
        (segment, offset): (u64, usize),
        octets: &[u8],
        about: Option<About>,
        held: &mut BTreeSet<QueueId>,
    ) -> Result<Option<String>> {
        let name = format!("{segment:012X}-{offset:08X}.record");
        let copy = self.shared.layout.damaged().join(&name);
        if self.shared.disk.stat(&copy).is_ok() {
            return Ok(None);
        }
        self.finish_removal(about)?;
        let lost = match about {
            None => "a record whose entry cannot be told".to_owned(),
            Some(About { id, kind: Kind::Accepted }) => format!("{id}: the entry"),
            Some(About { id, kind: Kind::Removed }) => format!("{id}: the record of its removal, which still counts"),
            Some(About { id, kind: Kind::Status }) => {
                held.extend(self.hold_doubtful(id)?);
                format!("{id}: a record of its state; it is held, because it may say that it was delivered")
            }
        };
        disk::replace(&*self.shared.disk, &copy, octets)?;
        Ok(Some(format!("{lost}: damaged, {} octets set aside as damaged/{name}", octets.len())))
    }

    /// What was to be removed is not sent again, even if only one end of the record can be read.
    fn finish_removal(&self, about: Option<About>) -> Result<()> {
        match about {
            Some(About { id, kind: Kind::Removed }) => unless_gone(self.remove(id)).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn hold_doubtful(&self, id: QueueId) -> Result<Option<QueueId>> {
        Ok(unless_gone(self.mark(id, Mark::Held))?.map(|()| id))
    }

    fn set_entry_aside(&self, id: QueueId) -> Result<Option<String>> {
        let told = format!("{id}: its content is missing or cut; set aside as damaged/{id}.entry");
        Ok(unless_gone(self.set_aside(id))?.map(|()| told))
    }

    fn set_segment_aside(&self, path: &Path) -> Result<String> {
        let layout = &self.shared.layout;
        let aside: PathBuf = layout.damaged().join(path.file_name().unwrap_or_default());
        self.shared.disk.rename(path, &aside)?;
        self.shared.disk.sync_dir(&layout.damaged())?;
        self.shared.disk.sync_dir(&layout.log())?;
        Ok(format!("{}: no readable head; the segment is set aside as {}", path.display(), aside.display()))
    }
}

/// `None` when the entry is not there any more, which is as good.
fn unless_gone(done: Result<()>) -> Result<Option<()>> {
    match done {
        Ok(()) => Ok(Some(())),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
