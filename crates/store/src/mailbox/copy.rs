//! COPY and MOVE. A copy is a second name of the same file, since content never changes; where the file system cannot do
//! that, the content is copied.
//!
//! First every message gets a name in the other mailbox's `tmp/`, which nobody sees; then all are taken in at once under
//! its lock. The two mailboxes are never locked together, so two copies in opposite directions cannot wait for each other.

use std::path::{Path, PathBuf};

use mail::{Flags, Uid};

use super::append::Staged;
use super::digests::BATCH_MAX;
use super::view::Found;
use super::{Access, Copied, Mailbox};
use crate::draft::unique_name;
use crate::file_name::{self, Base};
use crate::folder::{TMP, copy_content};
use crate::index::{Depth, Key};
use crate::quota::{Amount, Passage};
use crate::{Error, Result, packed};

/// Which flags come along with a copy (RFC 4314 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Along {
    pub system: Flags,
    pub keywords: bool,
}

impl Along {
    pub const ALL: Along = Along { system: Flags::SYSTEM, keywords: true };
}

impl Mailbox {
    /// Copies with flags and internal date, durably; all or nothing (RFC 3501 §6.4.7). Messages that were expunged
    /// meanwhile are left out, and `Copied::source` tells.
    pub fn copy(&self, uids: &[Uid], to: &Mailbox) -> Result<Copied> {
        self.copy_with(uids, to, Along::ALL)
    }

    /// The same with some flags only.
    pub fn copy_with(&self, uids: &[Uid], to: &Mailbox, along: Along) -> Result<Copied> {
        self.copy_as(Passage::Request, uids, to, along)
    }

    fn copy_as(&self, passage: Passage<'_>, uids: &[Uid], to: &Mailbox, along: Along) -> Result<Copied> {
        to.sync(Access::Look)?;
        let mut staging = Staging { to, staged: Vec::with_capacity(uids.len()) };
        let mut source = Vec::with_capacity(uids.len());
        let mut keys = Vec::with_capacity(uids.len());
        for (&uid, id) in uids.iter().zip(self.email_ids(uids)?) {
            match self.stage(uid, to, along) {
                Ok((key, staged)) => {
                    let staged = Staged { copy_of: id, ..staged };
                    keys.push((key, Key::of(&staged.base)));
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
        let sizes = staging.staged.iter().filter_map(|staged| file_name::sizes(&staged.base).on_disk);
        let change = sizes.map(Amount::message).sum();
        let (uid_validity, target) = to.folder.quota.add(&to.name, change, passage, || to.take_in(&staging.staged))?;
        staging.staged.clear();
        self.pass_on(&keys, to);
        Ok(Copied { uid_validity, source, target })
    }

    /// Moves (RFC 6851): a copy, and when that is durable, an expunge of what was copied. A crash between them leaves
    /// messages in both mailboxes, never in none.
    pub fn move_to(&self, uids: &[Uid], to: &Mailbox) -> Result<Copied> {
        self.move_with(uids, to, Along::ALL)
    }

    /// The same with some flags only.
    pub fn move_with(&self, uids: &[Uid], to: &Mailbox, along: Along) -> Result<Copied> {
        let copied = self.copy_as(Passage::MoveFrom(&self.name), uids, to, along)?;
        self.expunge(&copied.source)?;
        Ok(copied)
    }

    /// What this node remembers of the messages holds for their copies too.
    fn pass_on(&self, keys: &[(Key, Key)], to: &Mailbox) {
        let Some((from, to)) = self.index.as_ref().zip(to.index.as_ref()) else { return };
        let mut rest = keys;
        while !rest.is_empty() {
            let sources: Vec<Key> = rest.iter().take(BATCH_MAX).map(|(source, _)| *source).collect();
            let found = from.find(&sources, Depth::All);
            let (now, later) = rest.split_at(found.len().clamp(1, rest.len()));
            let passed =
                now.iter().zip(found).filter_map(|((_, copy), found)| found.map(|it| (*copy, it.facts, it.gist)));
            to.add(&passed.collect::<Vec<_>>());
            rest = later;
        }
    }

    /// Gives a message a name in the other mailbox's `tmp/`.
    fn stage(&self, uid: Uid, to: &Mailbox, along: Along) -> Result<(Key, Staged)> {
        let unique = unique_name(&*self.folder.disk, &self.folder.settings.hostname, "");
        let path = to.folder.join(TMP).join(&unique);
        let (found, sizes) = self.with_file(uid, |found, source| {
            let sizes = file_name::sizes(&found.base);
            let mut len = self.folder.disk.stat(source)?.len;
            if sizes.on_disk.is_some_and(|named| named != len) {
                // The name lies, or the content lies compressed and it tells that one's length, or over NFS we believe
                // what the file looked like while it was being written.
                let (content, is_packed) = packed::open(self.folder.disk.open_plain(source)?, source)?;
                let told = sizes.on_disk.filter(|_| is_packed && self.told_of_packed(uid, &found.base).is_some());
                // Compressed content tells its length at its end only, so its name is believed as when it is opened.
                len = told.map_or_else(|| content.len(), Ok)?;
            }
            self.link_or_copy(source, &path)?;
            Ok((found.clone(), (len, sizes)))
        })?;
        let base = match sizes {
            (len, sizes) if sizes.on_disk == Some(len) && sizes.crlf.is_some() => {
                file_name::with_sizes(&unique, len, sizes.crlf.unwrap_or(len))
            }
            (len, _) => file_name::with_sizes(&unique, len, self.facts(uid)?.size),
        };
        Ok((Key::of(&found.base), self.staged(path, base, &found, along)))
    }

    fn staged(&self, path: PathBuf, base: Base, found: &Found, along: Along) -> Staged {
        let snapshot = self.snapshot();
        let flags = found.flags();
        let numbers = flags.keyword_numbers().filter(|_| along.keywords);
        let keywords = numbers.filter_map(|number| snapshot.keywords.name(number).cloned()).collect();
        let system = flags.without(flags.without(along.system));
        Staged { path, base, flags: system, keywords, copy_of: None }
    }

    fn link_or_copy(&self, from: &Path, to: &Path) -> disk::Result<()> {
        match self.folder.disk.link(from, to) {
            // Another file system, too many names, or a file system without links.
            Err(disk::Error::Io { .. }) => copy_content(&*self.folder.disk, from, to),
            other => other,
        }
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
