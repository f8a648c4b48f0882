//! Content that lies compressed, as Dovecot's zlib plugin leaves it (`zlib_save = gz` or `zstd`): known by its first octets,
//! whatever its name says, and read as if it lay there plain.
//!
//! `S=` and `W=` in such a name tell the sizes of the content, not of the file. Reading on where the last read ended costs
//! nothing more; reading an earlier place begins anew.

mod decode;
mod file;

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use disk::{Op, ReadFile, Result, Stat};

use self::decode::decode;
pub use self::decode::unpacked;
pub(crate) use self::file::ContentFile;
pub use self::file::ZstdLevel;

/// So much is passed over at once on the way to a later place.
const PIECE: usize = 32 << 10;

const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What Dovecot can write beside these.
const UNREAD: [&[u8]; 3] = [b"BZh", &[0xfd, b'7', b'z', b'X', b'Z', 0], b"Dovecot-LZ4\x0d\x2a\x9b\xc5"];
const BZIP2_BLOCK: &[u8] = &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const BEGINNING: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Gzip,
    Zstandard,
}

impl Format {
    /// `None` for plain content.
    fn of(beginning: &[u8]) -> io::Result<Option<Format>> {
        if beginning.starts_with(GZIP) {
            Ok(Some(Format::Gzip))
        } else if beginning.starts_with(ZSTD) {
            Ok(Some(Format::Zstandard))
        } else if is_unread(beginning) {
            let what = "content is compressed in a form that is not read (bzip2, xz, lz4)";
            Err(io::Error::new(io::ErrorKind::InvalidData, what))
        } else {
            Ok(None)
        }
    }
}

/// A message's file, its content readable, and whether it lies compressed.
pub(crate) fn open(file: Box<dyn ReadFile>, path: &Path) -> Result<(Box<dyn ReadFile>, bool)> {
    let mut beginning = [0; BEGINNING];
    let got = file.read_at(0, &mut beginning)?;
    let beginning = beginning.get(..got).unwrap_or_default();
    let Some(format) = Format::of(beginning).map_err(|error| unreadable(path, error))? else {
        return Ok((file, false));
    };
    let unpacked = Unpacked { source: file.into(), format, path: path.to_owned(), reader: Mutex::default() };
    Ok((Box::new(unpacked), true))
}

/// Whether content would be taken for compressed when it is read. Such a message cannot be stored as it is: what came out would
/// not be what went in.
fn looks_packed(beginning: &[u8]) -> bool {
    !matches!(Format::of(beginning), Ok(None))
}

fn is_unread(beginning: &[u8]) -> bool {
    let is_text = beginning.starts_with(b"BZh") && beginning.get(4..10) != Some(BZIP2_BLOCK);
    !is_text && UNREAD.iter().any(|magic| beginning.starts_with(magic))
}

fn unreadable(path: &Path, source: io::Error) -> disk::Error {
    disk::Error::Io { op: Op::Read, path: path.to_owned(), source }
}

struct Unpacked {
    source: Arc<dyn ReadFile>,
    format: Format,
    path: PathBuf,
    reader: Mutex<Reader>,
}

/// How far it was read.
#[derive(Default)]
struct Reader {
    decoder: Option<Box<dyn Read + Send>>,
    at: u64,
}

impl Unpacked {
    fn decoder(&self) -> Result<Box<dyn Read + Send>> {
        let source = Source { file: Arc::clone(&self.source), offset: 0 };
        decode(self.format, source).map_err(|error| self.failed(error))
    }

    /// Goes to a place; the reader stands behind the end where the content is shorter.
    fn seek(&self, reader: &mut Reader, offset: u64) -> Result<()> {
        if reader.decoder.is_none() || offset < reader.at {
            *reader = Reader { decoder: Some(self.decoder()?), at: 0 };
        }
        let mut passed = vec![0; PIECE];
        while reader.at < offset {
            let want = usize::try_from(offset - reader.at).unwrap_or(PIECE).min(PIECE);
            if self.read_on(reader, passed.get_mut(..want).unwrap_or_default())? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn read_on(&self, reader: &mut Reader, buf: &mut [u8]) -> Result<usize> {
        let Some(decoder) = &mut reader.decoder else { return Ok(0) };
        let got = match decoder.read(buf) {
            Ok(got) => got,
            // What comes behind a failure is not to be believed.
            Err(error) => {
                reader.decoder = None;
                return Err(self.failed(error));
            }
        };
        reader.at += got as u64;
        Ok(got)
    }

    /// What the disk said, or else what the decoder did.
    fn failed(&self, error: io::Error) -> disk::Error {
        error.downcast::<disk::Error>().unwrap_or_else(|error| unreadable(&self.path, error))
    }

    fn reader(&self) -> std::sync::MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadFile for Unpacked {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut reader = self.reader();
        self.seek(&mut reader, offset)?;
        if reader.at < offset { Ok(0) } else { self.read_on(&mut reader, buf) }
    }

    /// Of the content, for which all of it is read.
    fn len(&self) -> Result<u64> {
        let mut reader = self.reader();
        self.seek(&mut reader, u64::MAX)?;
        Ok(reader.at)
    }

    /// Of the file.
    fn stat(&self) -> Result<Stat> {
        self.source.stat()
    }
}

impl fmt::Debug for Unpacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacked").field("source", &self.source).field("format", &self.format).finish_non_exhaustive()
    }
}

struct Source {
    file: Arc<dyn ReadFile>,
    offset: u64,
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(self.offset, buf).map_err(io::Error::other)?;
        self.offset += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use disk::{Disk, MemoryDisk};

    use super::*;

    fn opened(content: &[u8]) -> Result<(Box<dyn ReadFile>, bool)> {
        let (disk, path) = (MemoryDisk::new(), Path::new("/m"));
        disk.create_new(path).unwrap().write_all(content).unwrap();
        open(disk.open(path).unwrap(), path)
    }

    fn all(file: &dyn ReadFile) -> Result<Vec<u8>> {
        let (mut content, mut buf) = (Vec::new(), [0; 1000]);
        loop {
            match file.read_at(content.len() as u64, &mut buf)? {
                0 => return Ok(content),
                got => content.extend_from_slice(&buf[..got]),
            }
        }
    }

    fn text() -> Vec<u8> {
        (0..5000).flat_map(|line| format!("line {line} of the message\n").into_bytes()).collect()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn content_is_read_at_any_place() {
        let text = text();
        for packed in [gzip(&text), zstd(&text), [gzip(&text[..999]), gzip(&text[999..])].concat()] {
            let (file, is_packed) = opened(&packed).unwrap();
            assert!(is_packed && packed.len() < text.len());
            assert_eq!(file.len().unwrap(), text.len() as u64);
            assert_eq!(all(&*file).unwrap(), text);
            for place in [100_000, 7, 50_000, 50_001, 0] {
                let mut buf = [0; 10];
                let got = file.read_at(place as u64, &mut buf).unwrap();
                assert!(got > 0 && buf[..got] == text[place..place + got]);
            }
            assert_eq!(file.read_at(text.len() as u64 + 5, &mut [0; 10]).unwrap(), 0);
            assert_eq!(file.stat().unwrap().len, packed.len() as u64);
        }
    }

    #[test]
    fn plain_content_stays_plain_and_unknown_forms_are_refused() {
        for plain in [&b""[..], b"B", b"BZh9 is no header\n", b"Subject: x\n\n", &[0x1f, 0x8b]] {
            let (file, is_packed) = opened(plain).unwrap();
            assert!(!is_packed);
            assert_eq!(all(&*file).unwrap(), plain);
        }
        for magic in [&b"BZh91AY&SY...."[..], &[0xfd, b'7', b'z', b'X', b'Z', 0, 0], b"Dovecot-LZ4\x0d\x2a\x9b\xc5."] {
            assert!(opened(magic).is_err());
        }
    }

    #[test]
    fn damaged_content_is_an_error_and_never_a_panic() {
        let text = text();
        for packed in [gzip(&text), zstd(&text)] {
            for cut in (5..packed.len()).step_by(packed.len() / 40) {
                let Ok((file, _)) = opened(&packed[..cut]) else { continue };
                assert!(all(&*file).is_err(), "cut at {cut} of {}", packed.len());
            }
            for at in (4..packed.len()).step_by(packed.len() / 40) {
                let mut bad = packed.clone();
                bad[at] ^= 0x55;
                // Both forms have a checksum.
                if let Ok(Ok(read)) = opened(&bad).map(|(file, _)| all(&*file)) {
                    assert!(read == text, "changed at {at}");
                }
            }
        }
    }
}
