//! Line ends. The protocols speak CR LF; files hold LF, as Dovecot writes them. A file written with CR LF reads the same.
//!
//! Going in, CR LF becomes LF, except after another CR, so that what comes out is octet for octet what went in. (A bare LF
//! comes out as CR LF.) Coming out, an LF without a CR before it gets one.

use disk::{ReadFile, Result};

/// How many octets of the file are read at once.
const CHUNK: usize = 32 << 10;
/// How far apart, in octets of the file, places are remembered to jump back to.
const CHECKPOINT_EVERY: u64 = 256 << 10;

/// Turns CR LF into LF, in pieces cut anywhere, and counts.
#[derive(Debug, Default)]
pub(crate) struct ToLf {
    /// A CR whose next octet is not known yet.
    held: bool,
    /// The octet before the held CR was a CR.
    after_cr: bool,
    /// What the content will measure when it is read as CR LF.
    pub(crate) crlf_size: u64,
}

impl ToLf {
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            if !self.held && !matches!(first, b'\r' | b'\n') {
                let run = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                let (text, next) = rest.split_at(run);
                out.extend_from_slice(text);
                self.crlf_size += text.len() as u64;
                rest = next;
                continue;
            }
            match first {
                b'\n' => self.line_end(out),
                _ => self.release(out),
            }
            rest = if matches!(first, b'\r' | b'\n') { after } else { rest };
            self.held = first == b'\r';
        }
    }

    /// The content is over: a last CR stands for itself.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.release(out);
        self.held = false;
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        if self.held && self.after_cr {
            out.push(b'\r');
        }
        out.push(b'\n');
        self.crlf_size += 2;
        self.after_cr = false;
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        if self.held {
            out.push(b'\r');
            self.crlf_size += 1;
        }
        self.after_cr = self.held;
    }
}

/// A file seen with CR LF line ends, read at any place; reading on where the last read ended costs no search.
#[derive(Debug)]
pub(crate) struct CrlfFile {
    file: Box<dyn ReadFile>,
    /// The file holds CR LF only, so places are the same in both counts.
    verbatim: bool,
    at: Place,
    /// Ascending; jumped back to by a read of an earlier place.
    checkpoints: Vec<Place>,
    chunk: Vec<u8>,
    chunk_start: u64,
    /// How many octets of the file are read at once.
    chunk_max: usize,
}

/// Whether the first line of a file ends in CR LF, so that the others may.
pub(crate) fn begins_with_crlf(file: &dyn ReadFile) -> Result<bool> {
    let mut beginning = vec![0; 4 << 10];
    let got = file.read_at(0, &mut beginning)?;
    let beginning = beginning.get(..got).unwrap_or_default();
    let end = memchr::memchr(b'\n', beginning);
    Ok(end.is_none_or(|end| end > 0 && beginning.get(end - 1) == Some(&b'\r')))
}

/// The size of a whole file, seen with CR LF line ends.
pub(crate) fn size_of(file: Box<dyn ReadFile>) -> Result<u64> {
    CrlfFile::new(file, false).measure()
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    crlf: u64,
    file: u64,
    /// The last octet given was a CR: the file's own, or the one we add before an LF.
    after_cr: bool,
}

impl CrlfFile {
    pub(crate) fn new(file: Box<dyn ReadFile>, verbatim: bool) -> CrlfFile {
        let checkpoints = vec![Place::default()];
        let chunk_max = CHUNK;
        CrlfFile { file, verbatim, at: Place::default(), checkpoints, chunk: Vec::new(), chunk_start: 0, chunk_max }
    }

    /// A file that is not longer than this takes no more memory.
    pub(crate) fn up_to(self, length: u64) -> CrlfFile {
        CrlfFile { chunk_max: usize::try_from(length).unwrap_or(CHUNK).clamp(1, CHUNK), ..self }
    }

    /// Fills `buf` from `offset`; less than it holds only at the end.
    pub(crate) fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if self.verbatim {
            return self.read_verbatim(offset, buf);
        }
        if !self.seek(offset)? {
            return Ok(0);
        }
        self.fill(buf)
    }

    /// Reads on to the end and tells the size of the whole.
    pub(crate) fn measure(&mut self) -> Result<u64> {
        if self.verbatim {
            return self.file.len();
        }
        loop {
            self.load()?;
            let start = usize::try_from(self.at.file - self.chunk_start).unwrap_or(usize::MAX);
            let Some(raw) = self.chunk.get(start..).filter(|raw| !raw.is_empty()) else { return Ok(self.at.crlf) };
            let (given, after_cr) = given_by(raw, self.at.after_cr);
            self.at = Place { crlf: self.at.crlf + given, file: self.at.file + raw.len() as u64, after_cr };
        }
    }

    fn read_verbatim(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(space) = buf.get_mut(filled..).filter(|space| !space.is_empty()) {
            match self.file.read_at(offset.saturating_add(filled as u64), space)? {
                0 => break,
                got => filled += got,
            }
        }
        Ok(filled)
    }

    /// False when the content ends before.
    fn seek(&mut self, offset: u64) -> Result<bool> {
        let index = self.checkpoints.partition_point(|place| place.crlf <= offset);
        let nearest = self.checkpoints.get(index.saturating_sub(1)).copied().unwrap_or_default();
        if self.at.crlf > offset || self.at.crlf < nearest.crlf {
            self.at = nearest;
        }
        let mut skipped = [0; 4096];
        while self.at.crlf < offset {
            let want = usize::try_from(offset - self.at.crlf).unwrap_or(usize::MAX).min(skipped.len());
            if self.fill(&mut skipped[..want])? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            self.load()?;
            let start = usize::try_from(self.at.file - self.chunk_start).unwrap_or(usize::MAX);
            let Some(raw) = self.chunk.get(start..).filter(|raw| !raw.is_empty()) else { break };
            let (given, taken, after_cr) = translate(raw, self.at.after_cr, &mut buf[filled..]);
            filled += given;
            self.at = Place { crlf: self.at.crlf + given as u64, file: self.at.file + taken as u64, after_cr };
        }
        Ok(filled)
    }

    /// Makes the chunk hold the octet at the present place, if there is one.
    fn load(&mut self) -> Result<()> {
        let end = self.chunk_start + self.chunk.len() as u64;
        if (self.chunk_start..end).contains(&self.at.file) {
            return Ok(());
        }
        if self.checkpoints.last().is_none_or(|last| self.at.file >= last.file + CHECKPOINT_EVERY) {
            self.checkpoints.push(self.at);
        }
        self.chunk.resize(self.chunk_max, 0);
        self.chunk_start = self.at.file;
        // Emptied first, so that after a failed read no old content is taken for this place.
        let read = self.file.read_at(self.at.file, &mut self.chunk);
        self.chunk.truncate(*read.as_ref().unwrap_or(&0));
        read.map(|_| ())
    }
}

/// How many octets are given for all of these, and whether the last is a CR.
fn given_by(raw: &[u8], after_cr: bool) -> (u64, bool) {
    let is_cr = |before: Option<usize>| before.map_or(after_cr, |at| raw.get(at) == Some(&b'\r'));
    let bare = memchr::memchr_iter(b'\n', raw).filter(|at| !is_cr(at.checked_sub(1))).count();
    ((raw.len() + bare) as u64, raw.last() == Some(&b'\r'))
}

/// Up to one line, or one half of a line end: octets given, octets of the file used up, whether the last given is a CR.
fn translate(raw: &[u8], after_cr: bool, buf: &mut [u8]) -> (usize, usize, bool) {
    match (raw, buf) {
        ([b'\n', ..], [first, ..]) if after_cr => {
            *first = b'\n';
            (1, 1, false)
        }
        ([b'\n', ..], [first, ..]) => {
            *first = b'\r';
            (1, 0, true)
        }
        (raw, buf) => {
            let line = memchr::memchr(b'\n', raw).unwrap_or(raw.len()).min(buf.len());
            buf[..line].copy_from_slice(&raw[..line]);
            (line, line, raw[..line].last() == Some(&b'\r'))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use disk::{Disk, MemoryDisk};

    use super::*;

    fn stored(pieces: &[&[u8]]) -> (Vec<u8>, u64) {
        let (mut to_lf, mut out) = (ToLf::default(), Vec::new());
        pieces.iter().for_each(|piece| to_lf.feed(piece, &mut out));
        to_lf.finish(&mut out);
        (out, to_lf.crlf_size)
    }

    fn file_with(content: &[u8]) -> CrlfFile {
        let disk = MemoryDisk::new();
        let path = Path::new("/f");
        disk.create_new(path).unwrap().write_all(content).unwrap();
        CrlfFile::new(disk.open(path).unwrap(), false)
    }

    fn read_in_steps(file: &mut CrlfFile, step: usize) -> Vec<u8> {
        let (mut content, mut buf) = (Vec::new(), vec![0; step]);
        loop {
            let got = file.read_at(content.len() as u64, &mut buf).unwrap();
            if got == 0 {
                return content;
            }
            content.extend_from_slice(&buf[..got]);
        }
    }

    #[test]
    fn what_went_in_comes_out_however_it_is_cut() {
        for content in [&b"a\r\nb\r\n"[..], b"\r\n\r\n", b"a\r\r\n\r\r\r\nb\rc\r", b"", b"x", b"\r", b"ab\r\n\rc"] {
            for cut in 0..=content.len() {
                let (left, right) = content.split_at(cut);
                let (file, size) = stored(&[left, right]);
                assert_eq!(size, content.len() as u64);
                for step in 1..4 {
                    assert_eq!(read_in_steps(&mut file_with(&file), step), content, "{content:?} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn files_hold_lf_and_a_bare_lf_becomes_a_line_end() {
        assert_eq!(stored(&[b"a\r\nb\r", b"\n"]), (b"a\nb\n".to_vec(), 6));
        assert_eq!(stored(&[b"a\nb"]), (b"a\nb".to_vec(), 4));
        assert_eq!(read_in_steps(&mut file_with(b"a\nb\r\nc"), 100), b"a\r\nb\r\nc");
    }

    #[test]
    fn any_place_reads_the_same_as_on_the_way_there() {
        let lines: Vec<u8> = (0..60_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let mut file = file_with(&lines);
        let whole = read_in_steps(&mut file, 7000);
        assert_eq!(file.measure().unwrap(), whole.len() as u64);
        for offset in [0, 400_001, 17, 300_000, 299_999, whole.len() - 3, whole.len()] {
            let mut buf = [0; 50];
            let got = file.read_at(offset as u64, &mut buf).unwrap();
            assert_eq!(buf[..got], whole[offset..(offset + 50).min(whole.len())], "at {offset}");
        }
        assert_eq!(file.read_at(u64::MAX, &mut [0; 4]).unwrap(), 0);
    }
}
