//! Content on its way in: what its header says, and where it is kept until somebody has it for good.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use disk::Disk;
use mail::{Address, header, received};

/// The most of a header that is looked at. What follows is not searched for Date, Message-ID or loops.
const HEADER_MAX: usize = 256 * 1024;

/// Gathers the header of a message that streams by.
#[derive(Debug, Default)]
pub struct HeaderWatch {
    block: Vec<u8>,
    complete: bool,
}

impl HeaderWatch {
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.complete {
            return;
        }
        let searched = self.block.len().saturating_sub(4);
        let room = HEADER_MAX - self.block.len();
        self.block.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let end = memchr::memmem::find(&self.block[searched..], b"\r\n\r\n").map(|found| searched + found + 2);
        if let Some(end) = end {
            self.block.truncate(end);
        }
        self.complete = end.is_some() || self.block.len() == HEADER_MAX;
    }

    /// As far as it is kept.
    pub fn block(&self) -> &[u8] {
        &self.block
    }

    pub fn has(&self, field: &str) -> bool {
        header::find(&self.block, field).is_some()
    }

    /// Whether an earlier delivery to this address has left its name (Delivered-To).
    pub fn was_delivered_to(&self, address: &Address) -> bool {
        let is_his = |text: &str| Address::parse(text.trim()).is_ok_and(|delivered| delivered.key() == address.key());
        let mut values = header::fields(&self.block).filter(|field| field.is("Delivered-To")).map(|field| field.value);
        values.any(|value| std::str::from_utf8(value).is_ok_and(is_his))
    }

    /// How many servers the message has passed (RFC 5321 §6.3).
    pub fn hops(&self) -> usize {
        received::hops(&self.block)
    }
}

/// Content up to this size is held in memory until it is in its mailboxes.
const MEMORY_MAX: usize = 256 * 1024;

/// Content that must be copied into several places: in memory when it is small, else in a file without a promise, which is
/// gone after a crash together with the session that nobody was answered in.
#[derive(Debug)]
pub struct Held {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    memory: Vec<u8>,
    file: Option<Box<dyn disk::WriteFile>>,
}

static HELD: AtomicU64 = AtomicU64::new(0);

/// How much of a held file is read at once.
const PIECE: usize = 256 * 1024;

impl Held {
    /// `folder` is where large content waits.
    pub fn new(disk: Arc<dyn Disk>, folder: &std::path::Path) -> Held {
        let name = format!("held.{}.{}", std::process::id(), HELD.fetch_add(1, Ordering::Relaxed));
        Held { disk, path: folder.join(name), memory: Vec::new(), file: None }
    }

    /// Whether the next `write` of so many octets touches the disk.
    pub fn would_block(&self, count: usize) -> bool {
        self.file.is_some() || self.memory.len() + count > MEMORY_MAX
    }

    /// Adds content.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&mut self, bytes: &[u8]) -> disk::Result<()> {
        if !self.would_block(bytes.len()) {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        if self.file.is_none() {
            let mut file = self.disk.create_new(&self.path)?;
            file.write_all(&std::mem::take(&mut self.memory))?;
            self.file = Some(file);
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    /// Gives the whole content, in pieces, to `take`.
    ///
    /// # Errors
    /// Those of the disk, and those of `take`.
    pub fn copy_to<E: From<disk::Error>>(&self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.file.is_none() {
            return take(&self.memory);
        }
        let file = self.disk.open(&self.path)?;
        let mut piece = vec![0; PIECE];
        let mut offset = 0;
        loop {
            let count = file.read_at(offset, &mut piece)?;
            if count == 0 {
                return Ok(());
            }
            take(&piece[..count])?;
            offset += count as u64;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.file.take().is_some()
            && let Err(error) = self.disk.remove(&self.path)
        {
            tracing::warn!(%error, "a held message's file stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_whatever_its_pieces() {
        let message = b"Received: a\r\nDate: b\r\nreceived: c\r\n\r\nMessage-ID: no\r\n\r\n";
        for size in 1..message.len() {
            let mut watch = HeaderWatch::default();
            message.chunks(size).for_each(|piece| watch.feed(piece));
            assert!(watch.has("date") && !watch.has("Message-ID"), "in pieces of {size}");
            assert_eq!(watch.hops(), 2);
        }
    }

    #[test]
    fn held_content_comes_back_whole_from_memory_and_from_a_file() {
        let disk = Arc::new(disk::MemoryDisk::new());
        disk.create_dir_all(std::path::Path::new("/held")).unwrap();
        for size in [0, 10, MEMORY_MAX + 1, 3 * PIECE] {
            let mut held = Held::new(disk.clone(), std::path::Path::new("/held"));
            let content: Vec<u8> = (0..size).map(|n| n as u8).collect();
            content.chunks(1000).for_each(|piece| held.write(piece).unwrap());
            let mut copy = Vec::new();
            held.copy_to::<disk::Error>(|piece| {
                copy.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
            assert!(copy == content, "{size}");
            drop(held);
            assert!(disk.list(std::path::Path::new("/held")).unwrap().is_empty());
        }
    }
}
