//! Open files of the real disk.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::stat_of;
use crate::{Error, Op, ReadFile, Result, Stat, WriteFile};

#[derive(Debug)]
pub(super) struct RealWriteFile {
    file: File,
    path: PathBuf,
    len: u64,
    /// A time was set since the last sync, which fdatasync would leave behind.
    time_set: bool,
}

impl RealWriteFile {
    pub(super) fn new(file: File, path: &Path, len: u64) -> RealWriteFile {
        RealWriteFile { file, path: path.to_owned(), len, time_set: false }
    }

    fn error(&self, op: Op, source: io::Error) -> Error {
        Error::new(op, &self.path, source)
    }
}

impl WriteFile for RealWriteFile {
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(self.error(Op::Write, io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    // Counted one by one, so that `len` is right when a later part finds the disk full.
                    self.len += written as u64;
                    bytes = bytes.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(Op::Write, error)),
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let synced = if self.time_set { self.file.sync_all() } else { self.file.sync_data() };
        synced.map_err(|error| self.error(Op::Sync, error))?;
        self.time_set = false;
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        let cut = self.file.set_len(len).and_then(|()| self.file.seek(SeekFrom::Start(len)));
        cut.map_err(|error| self.error(Op::Truncate, error))?;
        self.len = len;
        Ok(())
    }

    fn stat(&self) -> Result<Stat> {
        self.file.metadata().and_then(|metadata| stat_of(&metadata)).map_err(|error| self.error(Op::Stat, error))
    }

    fn take_after(&mut self, other: &Path) -> Result<()> {
        let metadata = match std::fs::metadata(other) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::new(Op::Stat, other, error)),
        };
        // Only root may give files away; who is not root owns both already, or could not read the other one.
        let _ = std::os::unix::fs::fchown(&self.file, Some(metadata.uid()), Some(metadata.gid()));
        self.file.set_permissions(metadata.permissions()).map_err(|error| self.error(Op::Stat, error))
    }

    fn set_modified(&mut self, time: SystemTime) -> Result<()> {
        self.file.set_modified(time).map_err(|error| self.error(Op::SetModified, error))?;
        self.time_set = true;
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct RealReadFile {
    file: File,
    path: PathBuf,
}

impl RealReadFile {
    pub(super) fn new(file: File, path: &Path) -> RealReadFile {
        RealReadFile { file, path: path.to_owned() }
    }
}

impl ReadFile for RealReadFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        loop {
            match self.file.read_at(buf, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|error| Error::new(Op::Read, &self.path, error)),
            }
        }
    }

    fn len(&self) -> Result<u64> {
        Ok(self.stat()?.len)
    }

    fn stat(&self) -> Result<Stat> {
        let metadata = self.file.metadata().and_then(|metadata| stat_of(&metadata));
        metadata.map_err(|error| Error::new(Op::Stat, &self.path, error))
    }
}
