//! A write handle that refuses everything after a failed sync, around the handle of either twin.
//!
//! After a failed fsync Linux marks the pages clean: the next fsync succeeds although the content never reached the
//! disk. So the first failure is final for the handle, and its owner must restart from what is durable.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Error, Op, Result, Stat, WriteFile};

#[derive(Debug)]
pub(crate) struct Poisonable<F> {
    file: F,
    path: PathBuf,
    poisoned: bool,
}

impl<F: WriteFile + 'static> Poisonable<F> {
    pub(crate) fn boxed(file: F, path: PathBuf) -> Box<dyn WriteFile> {
        Box::new(Poisonable { file, path, poisoned: false })
    }

    fn healthy(&self, op: Op) -> Result<()> {
        if !self.poisoned {
            return Ok(());
        }
        let source = io::Error::other("an earlier sync of this file failed");
        Err(Error::Io { op, path: self.path.clone(), source })
    }
}

impl<F: WriteFile + 'static> WriteFile for Poisonable<F> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.healthy(Op::Write)?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.healthy(Op::Sync)?;
        let synced = self.file.sync();
        self.poisoned = synced.is_err();
        synced
    }

    fn len(&self) -> u64 {
        self.file.len()
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        self.healthy(Op::Truncate)?;
        self.file.truncate(len)
    }

    fn stat(&self) -> Result<Stat> {
        self.healthy(Op::Stat)?;
        self.file.stat()
    }

    fn take_after(&mut self, other: &Path) -> Result<()> {
        self.healthy(Op::Stat)?;
        self.file.take_after(other)
    }

    fn set_modified(&mut self, time: SystemTime) -> Result<()> {
        self.healthy(Op::SetModified)?;
        self.file.set_modified(time)
    }
}
