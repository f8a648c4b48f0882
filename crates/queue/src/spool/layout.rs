//! The names in a spool folder (docs/internals/queue.md). Knows nothing of what is in the files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use disk::Disk;
use mail::QueueId;

use crate::Result;

#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Layout {
        Layout { root: root.to_owned() }
    }

    pub(super) fn create(&self, disk: &dyn Disk) -> Result<()> {
        for folder in [self.log(), self.content(), self.damaged()] {
            disk.create_dir_all(&folder)?;
        }
        Ok(())
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("spool.lock")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.log().join(format!("{number:012X}.log"))
    }

    pub(super) fn content(&self) -> PathBuf {
        self.root.join("content")
    }

    pub(super) fn content_of(&self, id: QueueId) -> PathBuf {
        self.content().join(format!("{id}.msg"))
    }

    pub(super) fn damaged(&self) -> PathBuf {
        self.root.join("damaged")
    }
}

/// The number in the name of a segment.
pub(super) fn segment_number(name: &OsStr) -> Option<u64> {
    Some(QueueId::parse(name.to_str()?.strip_suffix(".log")?)?.0)
}

/// The id in the name of a content file.
pub(super) fn content_id(name: &OsStr) -> Option<QueueId> {
    QueueId::parse(name.to_str()?.strip_suffix(".msg")?)
}
