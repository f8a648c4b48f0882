//! Open files of the memory disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::bytes::Bytes;
use super::{MemoryDisk, Opened};
use crate::{Error, Op, ReadFile, Result, Stat, WriteFile};

#[derive(Debug)]
pub(super) struct MemoryFile {
    disk: MemoryDisk,
    inode: u64,
    path: PathBuf,
    len: u64,
    _pin: Arc<()>,
}

impl MemoryFile {
    pub(super) fn new(disk: MemoryDisk, opened: Opened, path: &Path) -> MemoryFile {
        let Opened { inode, len, pin } = opened;
        MemoryFile { disk, inode, path: path.to_owned(), len, _pin: pin }
    }

    fn edit(&self, op: Op, edit: impl FnOnce(&mut Bytes)) -> Result<()> {
        self.disk.change(op, &self.path, |state| {
            state.known(self.inode, &self.path)?;
            state.edit(self.inode, edit);
            Ok(())
        })
    }

    /// An NFS client writes where it believes the end to be.
    fn write(&self, content: &mut Bytes, bytes: &[u8]) {
        match usize::try_from(self.len) {
            Ok(len) if self.disk.is_client => content.write_at(len, bytes),
            _ => content.write(bytes),
        }
    }

    fn stat_now(&self) -> Result<Stat> {
        self.disk.look(Op::Stat, &self.path, |state| state.stat_open(self.inode, &self.path))
    }
}

impl WriteFile for MemoryFile {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
        let inode = self.inode;
        let mut written = 0;
        let answer = self.disk.change_or(
            Op::Write,
            &self.path,
            |state| {
                state.known(inode, &self.path)?;
                state.edit(inode, |content| self.write(content, bytes));
                Ok(())
            },
            |state| {
                state.edit(inode, |content| self.write(content, half));
                written = half.len();
            },
        );
        self.len += if answer.is_ok() { bytes.len() } else { written } as u64;
        answer
    }

    fn sync(&mut self) -> Result<()> {
        let inode = self.inode;
        self.disk.change_or(
            Op::Sync,
            &self.path,
            |state| {
                state.known(inode, &self.path)?;
                state.settle(inode, Bytes::sync);
                Ok(())
            },
            |state| state.settle(inode, Bytes::forget_unsynced),
        )
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        let cut = usize::try_from(len)
            .map_err(|_| Error::new(Op::Truncate, &self.path, std::io::ErrorKind::FileTooLarge.into()))?;
        self.edit(Op::Truncate, |content| content.cut(cut))?;
        self.len = len;
        Ok(())
    }

    fn stat(&self) -> Result<Stat> {
        self.stat_now()
    }

    fn set_modified(&mut self, time: SystemTime) -> Result<()> {
        self.disk.change(Op::SetModified, &self.path, |state| {
            state.known(self.inode, &self.path)?;
            state.set_modified(self.inode, time);
            Ok(())
        })
    }
}

impl ReadFile for MemoryFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.disk.look(Op::Read, &self.path, |state| {
            state.known(self.inode, &self.path)?;
            let content = state.file(Op::Read, self.inode, &self.path)?.current();
            let rest = usize::try_from(offset).ok().and_then(|offset| content.get(offset..)).unwrap_or_default();
            let len = rest.len().min(buf.len());
            buf[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        })
    }

    fn len(&self) -> Result<u64> {
        Ok(self.stat_now()?.len)
    }

    fn stat(&self) -> Result<Stat> {
        self.stat_now()
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.disk.close(self.inode);
    }
}
