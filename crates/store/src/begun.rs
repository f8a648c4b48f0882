//! A file whose beginning was read when it was opened: what is asked of a small message (is it compressed, how long is it,
//! its octets) is one read, and none to find its end.

use disk::{ReadFile, Result, Stat};

/// So much is read at once.
const BEGINNING_MAX: u64 = 32 << 10;

#[derive(Debug)]
pub(crate) struct Begun {
    file: Box<dyn ReadFile>,
    beginning: Vec<u8>,
    /// As its stat says. Messages never change.
    length: u64,
}

impl Begun {
    pub(crate) fn new(file: Box<dyn ReadFile>, stat: &Stat) -> Result<Begun> {
        let wanted = usize::try_from(stat.len.min(BEGINNING_MAX)).unwrap_or_default();
        let mut beginning = vec![0; wanted];
        let got = file.read_at(0, &mut beginning)?;
        beginning.truncate(got);
        Ok(Begun { file, beginning, length: stat.len })
    }
}

impl ReadFile for Begun {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if offset >= self.length {
            return Ok(0);
        }
        let known = usize::try_from(offset).ok().and_then(|offset| self.beginning.get(offset..)).unwrap_or_default();
        if known.is_empty() {
            return self.file.read_at(offset, buf);
        }
        let count = known.len().min(buf.len());
        buf[..count].copy_from_slice(&known[..count]);
        Ok(count)
    }

    fn len(&self) -> Result<u64> {
        Ok(self.length)
    }

    fn stat(&self) -> Result<Stat> {
        self.file.stat()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use disk::{Disk, MemoryDisk};

    use super::*;

    #[test]
    fn every_place_reads_as_in_the_file() {
        let disk = MemoryDisk::new();
        for length in [0, 1, BEGINNING_MAX - 1, BEGINNING_MAX, BEGINNING_MAX + 10] {
            let content: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let path = format!("/{length}");
            disk.create_new(Path::new(&path)).unwrap().write_all(&content).unwrap();
            let file = disk.open(Path::new(&path)).unwrap();
            let stat = file.stat().unwrap();
            let begun = Begun::new(file, &stat).unwrap();
            for offset in [0, 1, length.saturating_sub(1), length, length + 1, u64::MAX] {
                let (mut read, mut buf) = (Vec::new(), [0; 700]);
                loop {
                    let got = begun.read_at(offset.saturating_add(read.len() as u64), &mut buf).unwrap();
                    read.extend_from_slice(&buf[..got]);
                    if got == 0 {
                        break;
                    }
                }
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
                assert!(read == content[from..], "{length} from {offset}");
            }
        }
    }
}
