//! The file of a message being written: its content as it is, or compressed as Dovecot's zlib plugin does (`zlib_save = zstd`).
//!
//! Content up to one piece is compressed at once, by its size in little memory; a longer one in a stream, which costs about 2 MB
//! while it is written, however long it is.

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};

use disk::{Op, Stat, WriteFile};
use zstd::stream::write::Encoder;

use super::looks_packed;
use crate::{Error, Result};

/// How far back a long content is compared with itself, as a power of two: the encoder's memory, and with it the decoder's.
const WINDOW_LOG: u32 = 19;

/// How hard content is compressed, as the `zstd` program counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZstdLevel(u8);

impl ZstdLevel {
    pub const MAX: u8 = 19;

    /// From 1 to [`ZstdLevel::MAX`].
    pub fn new(level: u8) -> Option<ZstdLevel> {
        (1..=ZstdLevel::MAX).contains(&level).then_some(ZstdLevel(level))
    }
}

/// Content goes in by pieces, the last one by [`ContentFile::finish`].
pub(crate) struct ContentFile {
    file: Box<dyn WriteFile>,
    path: PathBuf,
    level: Option<ZstdLevel>,
    /// `None` before the first piece of compressed content, and when nothing is compressed.
    encoder: Option<Encoder<'static, Vec<u8>>>,
    plain_len: u64,
}

impl ContentFile {
    pub(crate) fn new(file: Box<dyn WriteFile>, path: &Path, level: Option<ZstdLevel>) -> ContentFile {
        ContentFile { file, path: path.to_owned(), level, encoder: None, plain_len: 0 }
    }

    /// Adds a piece that is not the last.
    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.take(piece)?;
        let Some(level) = self.level else { return Ok(self.file.write_all(piece)?) };
        if self.encoder.is_none() {
            self.encoder = Some(self.encoder(level, None)?);
        }
        self.compress(piece)
    }

    /// Adds the last piece and makes the content whole; it is not synced yet.
    pub(crate) fn finish(&mut self, last: &[u8]) -> Result<()> {
        self.take(last)?;
        let Some(level) = self.level else { return Ok(self.file.write_all(last)?) };
        if self.encoder.is_none() {
            // An empty file is what Dovecot makes of empty content, too.
            if last.is_empty() {
                return Ok(());
            }
            self.encoder = Some(self.encoder(level, Some(last.len() as u64))?);
        }
        self.compress(last)?;
        match self.encoder.take().map(Encoder::finish) {
            Some(Ok(rest)) => Ok(self.file.write_all(&rest)?),
            Some(Err(error)) => Err(self.failed(error)),
            None => Ok(()),
        }
    }

    /// Octets of the content, however it lies.
    pub(crate) fn plain_len(&self) -> u64 {
        self.plain_len
    }

    pub(crate) fn stat(&self) -> disk::Result<Stat> {
        self.file.stat()
    }

    pub(crate) fn file(&mut self) -> &mut dyn WriteFile {
        &mut *self.file
    }

    /// Counts a piece. What came out would not be what went in if plain content looked compressed.
    fn take(&mut self, piece: &[u8]) -> Result<()> {
        if self.level.is_none() && self.plain_len == 0 && looks_packed(piece) {
            return Err(Error::NotAllowed("a compressed message cannot be stored"));
        }
        self.plain_len += piece.len() as u64;
        Ok(())
    }

    fn encoder(&self, level: ZstdLevel, len: Option<u64>) -> Result<Encoder<'static, Vec<u8>>> {
        let made = Encoder::new(Vec::new(), level.0.into()).and_then(|mut encoder| {
            encoder.include_checksum(true)?;
            match len {
                Some(_) => encoder.set_pledged_src_size(len)?,
                None => encoder.window_log(WINDOW_LOG)?,
            }
            Ok(encoder)
        });
        made.map_err(|error| self.failed(error))
    }

    fn compress(&mut self, piece: &[u8]) -> Result<()> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        let written = encoder.write_all(piece);
        let ready = mem::take(encoder.get_mut());
        written.map_err(|error| self.failed(error))?;
        if ready.is_empty() { Ok(()) } else { Ok(self.file.write_all(&ready)?) }
    }

    /// It writes to memory, so hardly anything but a lack of that can fail.
    fn failed(&self, source: io::Error) -> Error {
        disk::Error::Io { op: Op::Write, path: self.path.clone(), source }.into()
    }
}

impl fmt::Debug for ContentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentFile").field("file", &self.file).field("level", &self.level).finish_non_exhaustive()
    }
}
