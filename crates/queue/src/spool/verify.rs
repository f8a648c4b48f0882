//! Holds a spool folder against the table of states (`state.rs`, docs/internals/queue.md). Changes nothing.

use std::path::Path;

use disk::{Disk, Kind};
use mail::QueueId;

use super::content::Content;
use super::layout::Layout;
use super::recover::{self, Finding, Found};
use crate::state::{EntryState, Presence};
use crate::{Error, Result};

/// What large content is read in, octets.
const PIECE: usize = 64 << 10;

pub(super) fn verify(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>> {
    let layout = Layout::new(dir);
    let _lock = disk.try_lock(&layout.lock())?.ok_or_else(|| Error::InUse { dir: dir.to_owned() })?;
    let found = recover::read(disk, &layout)?;
    let mut told: Vec<String> = found.findings.iter().filter_map(|finding| tell(disk, &layout, finding)).collect();
    for (id, entry) in &found.entries {
        if entry.state().row().accepted_in_log != Presence::Always {
            told.push(format!("{id}: a state that the table does not know"));
        }
        told.extend(read_through(disk, &layout, &found, *id)?);
    }
    told.extend(strangers(disk, &layout)?);
    Ok(told)
}

/// `None` for damage that an opening has told already.
fn tell(disk: &dyn Disk, layout: &Layout, finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::Headless { path, .. } => format!("{}: no readable head", path.display()),
        Finding::Damage { segment, offset, octets, about, cut } => {
            let copy = layout.damaged().join(format!("{segment:012X}-{offset:08X}.record"));
            if !cut && disk.stat(&copy).is_ok() {
                return None;
            }
            let what = about.map_or("unknown".to_owned(), |about| format!("{} ({:?})", about.id, about.kind));
            format!("{}: {} damaged octets at {offset}: {what}", layout.segment(*segment).display(), octets.len())
        }
        Finding::LostContent { id } => format!("{id}: its content is missing or has another length"),
        Finding::Orphan { id } => {
            let may_be = EntryState::Removed.row().content_file;
            format!("{id}: content of no living entry ({may_be:?})")
        }
        Finding::Stranger { path } => format!("{}: not a file of a spool", path.display()),
    })
}

fn read_through(disk: &dyn Disk, layout: &Layout, found: &Found, id: QueueId) -> Result<Option<String>> {
    let mut piece = vec![0; PIECE];
    let read =
        found.index.accepted(id).and_then(|record| Content::open(disk, layout, id, &record)).and_then(|content| {
            let mut offset = 0;
            loop {
                match content.read_at(offset, &mut piece)? {
                    0 => return Ok(()),
                    count => offset += count as u64,
                }
            }
        });
    match read {
        Ok(()) => Ok(None),
        Err(error @ Error::Damaged { .. }) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Names in the spool's own folder that no row of the table in docs/internals/queue.md has.
fn strangers(disk: &dyn Disk, layout: &Layout) -> Result<Vec<String>> {
    let known = |name: &str, kind: Kind| match name {
        "spool.lock" => kind == Kind::File,
        "log" | "content" | "damaged" => kind == Kind::Dir,
        _ => false,
    };
    let entries = disk.list(layout.root())?;
    let strange = entries.iter().filter(|entry| !entry.name.to_str().is_some_and(|name| known(name, entry.kind)));
    Ok(strange.map(|entry| format!("{}: not a file of a spool", layout.root().join(&entry.name).display())).collect())
}
