//! COPY and MOVE. A copy is a second name of the same file, since content never changes; where the file system cannot do
//! that, the content is copied.
//!
//! First every message gets a name in the other mailbox's `tmp/`, which nobody sees; then all are taken in at once under
//! its lock. The two mailboxes are never locked together, so two copies in opposite directions cannot wait for each other.

use std::path::{Path, PathBuf};

use mail::{Flags, Uid};

use super::append::Staged;
use super::view::Found;
use super::{Access, Copied, Mailbox};
use crate::draft::unique_name;
use crate::file_name::{self, Base};
use crate::folder::TMP;
use crate::{Error, Result};

impl Mailbox {
    /// Copies with flags and internal date, durably; all or nothing (RFC 3501 §6.4.7). Messages that were expunged
    /// meanwhile are left out, and `Copied::source` tells.
    pub fn copy(&self, uids: &[Uid], to: &Mailbox) -> Result<Copied> {
        to.sync(Access::Look)?;
        let mut staging = Staging { to, staged: Vec::with_capacity(uids.len()) };
        let mut source = Vec::with_capacity(uids.len());
        for &uid in uids {
            match self.stage(uid, to) {
                Ok(staged) => {
                    staging.staged.push(staged);
                    source.push(uid);
                }
                Err(Error::Gone) if to.folder.exists()? => {}
                Err(Error::Gone) => return Err(Error::NoSuchMailbox),
                Err(error) => return Err(error),
            }
        }
        if staging.staged.is_empty() {
            return Ok(Copied { uid_validity: to.snapshot().uid_validity, source, target: Vec::new() });
        }
        let (uid_validity, target) = to.take_in(&staging.staged)?;
        staging.staged.clear();
        Ok(Copied { uid_validity, source, target })
    }

    /// Moves (RFC 6851): a copy, and when that is durable, an expunge of what was copied. A crash between them leaves
    /// messages in both mailboxes, never in none.
    pub fn move_to(&self, uids: &[Uid], to: &Mailbox) -> Result<Copied> {
        let copied = self.copy(uids, to)?;
        self.expunge(&copied.source)?;
        Ok(copied)
    }

    /// Gives a message a name in the other mailbox's `tmp/`.
    fn stage(&self, uid: Uid, to: &Mailbox) -> Result<Staged> {
        let unique = unique_name(&*self.folder.disk, &self.folder.settings.hostname, "");
        let path = to.folder.join(TMP).join(&unique);
        let (found, sizes) = self.with_file(uid, |found, source| {
            let stat = self.folder.disk.stat(source)?;
            self.link_or_copy(source, &path)?;
            Ok((found.clone(), (stat.len, file_name::sizes(&found.base))))
        })?;
        let base = match sizes {
            (len, sizes) if sizes.on_disk == Some(len) && sizes.crlf.is_some() => {
                file_name::with_sizes(&unique, len, sizes.crlf.unwrap_or(len))
            }
            (len, _) => file_name::with_sizes(&unique, len, self.facts(uid)?.size),
        };
        Ok(self.staged(path, base, &found))
    }

    fn staged(&self, path: PathBuf, base: Base, found: &Found) -> Staged {
        let snapshot = self.snapshot();
        let flags = found.flags();
        let keywords = flags.keyword_numbers().filter_map(|number| snapshot.keywords.name(number).cloned()).collect();
        let system = flags.without(flags.without(Flags::SYSTEM));
        Staged { path, base, flags: system, keywords }
    }

    fn link_or_copy(&self, from: &Path, to: &Path) -> disk::Result<()> {
        match self.folder.disk.link(from, to) {
            // Another file system, too many names, or a file system without links.
            Err(disk::Error::Io { .. }) => self.copy_content(from, to),
            other => other,
        }
    }

    fn copy_content(&self, from: &Path, to: &Path) -> disk::Result<()> {
        let source = self.folder.disk.open(from)?;
        let mut target = self.folder.disk.create_new(to)?;
        let mut buf = vec![0; 64 << 10];
        let mut offset = 0;
        loop {
            let got = source.read_at(offset, &mut buf)?;
            let Some(piece) = buf.get(..got).filter(|piece| !piece.is_empty()) else { break };
            target.write_all(piece)?;
            offset += got as u64;
        }
        target.set_modified(source.stat()?.modified)?;
        target.sync()
    }
}

/// Takes the staged names away again unless they were taken in.
struct Staging<'a> {
    to: &'a Mailbox,
    staged: Vec<Staged>,
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        for staged in &self.staged {
            // What stays in `tmp/` is swept later.
            let _ = self.to.folder.disk.remove(&staged.path);
        }
    }
}
