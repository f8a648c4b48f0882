//! Contents by their SHA-256: `blobs/ab/abcdef…`. A blob has its name only when it is whole and durable, so whoever finds
//! one need not write it again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use disk::{Disk, Kind, ReadFile, WriteFile};

use crate::digest::{self, Hasher};
use crate::{Error, Result};

const PIECE: usize = 64 << 10;
/// Contents on their way in.
const TMP: &str = "tmp.";

#[derive(Debug)]
pub(crate) struct Blobs<'d> {
    disk: &'d dyn Disk,
    folder: PathBuf,
}

impl<'d> Blobs<'d> {
    pub(crate) fn new(disk: &'d dyn Disk, backup: &Path) -> Blobs<'d> {
        Blobs { disk, folder: backup.join("blobs") }
    }

    pub(crate) fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(digest.get(..2).unwrap_or_default()).join(digest)
    }

    pub(crate) fn has(&self, digest: &str) -> bool {
        self.disk.stat(&self.path(digest)).is_ok()
    }

    /// Keeps a content; answers with its name, its length, and whether it was new.
    pub(crate) fn keep(&self, source: &dyn ReadFile) -> Result<(String, u64, bool)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        self.disk.create_dir_all(&self.folder)?;
        let who = self.disk.holder().replace([':', '/'], ".");
        let tmp = self.folder.join(format!("{TMP}{who}.{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut file = match self.disk.create_new(&tmp) {
            Err(disk::Error::Exists { .. }) => {
                self.disk.remove(&tmp)?;
                self.disk.create_new(&tmp)?
            }
            other => other?,
        };
        let kept = copy(source, &mut *file, |_| {}).and_then(|(digest, len)| {
            let is_new = !self.has(&digest);
            if is_new {
                file.sync()?;
                let path = self.path(&digest);
                let folder = path.parent().unwrap_or(&self.folder);
                self.disk.create_dir_all(folder)?;
                self.disk.rename(&tmp, &path)?;
                self.disk.sync_dir(folder)?;
            }
            Ok((digest, len, is_new))
        });
        drop(file);
        if !matches!(kept, Ok((_, _, true))) {
            let _ = self.disk.remove(&tmp);
        }
        kept
    }

    pub(crate) fn keep_bytes(&self, bytes: &[u8]) -> Result<String> {
        let digest = digest::of(bytes);
        if !self.has(&digest) {
            let path = self.path(&digest);
            self.disk.create_dir_all(path.parent().unwrap_or(&self.folder))?;
            disk::replace(self.disk, &path, bytes)?;
        }
        Ok(digest)
    }

    /// Writes a content out, and fails when it is not what its name says.
    pub(crate) fn write_to(&self, digest: &str, target: &mut dyn WriteFile) -> Result<u64> {
        let path = self.checked(digest)?;
        let source = self.disk.open(&path).map_err(unreadable)?;
        let (found, len) = copy(&*source, target, |_| {})?;
        if found == digest { Ok(len) } else { Err(Error::Damaged { path, what: "content is not what its name says" }) }
    }

    pub(crate) fn read(&self, digest: &str) -> Result<Vec<u8>> {
        let path = self.checked(digest)?;
        let content = self.disk.read(&path).map_err(unreadable)?;
        if digest::of(&content) == digest {
            Ok(content)
        } else {
            Err(Error::Damaged { path, what: "content is not what its name says" })
        }
    }

    /// Reads a content and says whether it is whole.
    pub(crate) fn is_whole(&self, digest: &str) -> Result<bool> {
        let source = match self.disk.open(&self.checked(digest)?) {
            Ok(source) => source,
            Err(disk::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut hasher = Hasher::new();
        each_piece(&*source, |piece| {
            hasher.feed(piece);
            Ok(())
        })?;
        Ok(hasher.finish() == digest)
    }

    /// Removes contents that are not needed, and what crashes left; tells how many contents and octets. Nobody may add any
    /// meanwhile.
    pub(crate) fn sweep(&self, dry_run: bool, mut is_needed: impl FnMut(&str) -> bool) -> Result<(usize, u64)> {
        let (mut count, mut octets) = (0, 0);
        for part in self.entries(&self.folder)? {
            let path = self.folder.join(&part.name);
            if part.kind == Kind::File && part.name.to_string_lossy().starts_with(TMP) {
                self.remove(&path, dry_run)?;
            }
            if part.kind != Kind::Dir {
                continue;
            }
            for entry in self.entries(&path)?.iter().filter(|entry| entry.kind == Kind::File) {
                let (name, path) = (entry.name.to_string_lossy(), path.join(&entry.name));
                if name.contains(".tmp.") {
                    self.remove(&path, dry_run)?;
                } else if digest::is_digest(&name) && !is_needed(&name) {
                    count += 1;
                    octets += self.disk.stat(&path)?.len;
                    self.remove(&path, dry_run)?;
                }
            }
        }
        Ok((count, octets))
    }

    fn entries(&self, folder: &Path) -> Result<Vec<disk::Entry>> {
        match self.disk.list(folder) {
            Err(disk::Error::NotFound { .. }) => Ok(Vec::new()),
            other => Ok(other?),
        }
    }

    fn remove(&self, path: &Path, dry_run: bool) -> Result<()> {
        if dry_run { Ok(()) } else { Ok(self.disk.remove(path)?) }
    }

    fn checked(&self, digest: &str) -> Result<PathBuf> {
        let path = self.path(digest);
        if digest::is_digest(digest) { Ok(path) } else { Err(Error::Damaged { path, what: "is no name of a content" }) }
    }
}

fn copy(source: &dyn ReadFile, target: &mut dyn WriteFile, mut each: impl FnMut(&[u8])) -> Result<(String, u64)> {
    let mut hasher = Hasher::new();
    let len = each_piece(source, |piece| {
        hasher.feed(piece);
        each(piece);
        Ok(target.write_all(piece)?)
    })?;
    Ok((hasher.finish(), len))
}

fn each_piece(source: &dyn ReadFile, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    let mut buf = vec![0; PIECE];
    let mut offset = 0;
    loop {
        let got = source.read_at(offset, &mut buf).map_err(unreadable)?;
        let Some(piece) = buf.get(..got).filter(|piece| !piece.is_empty()) else { return Ok(offset) };
        each(piece)?;
        offset += got as u64;
    }
}

fn unreadable(error: disk::Error) -> Error {
    if matches!(error, disk::Error::PowerOff) { error.into() } else { Error::Unreadable(error) }
}
