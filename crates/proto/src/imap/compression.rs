//! COMPRESS=DEFLATE (RFC 4978): the octets of a connection, deflated and inflated.
//!
//! Promises: what comes in is inflated piece by piece, as the session takes it, however much it would become; a session that
//! waits holds no more than the window that its client may still refer to (some 40 KiB).

use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress, Status};

/// Input is inflated in pieces of at most this length.
const PIECE: usize = 16 * 1024;
/// Shorter output is not worth a compressor.
const SHORT: usize = 256;

/// What came in is not what a compressor makes, or its end, which a connection does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

#[derive(Debug)]
pub struct Compression {
    inflate: Decompress,
    /// Input that is not inflated yet.
    deflated: Vec<u8>,
    /// The last piece was full: there may be more in the decompressor.
    full: bool,
    /// Only while output flows: it takes some 300 KiB, and one that begins anew refers to nothing before it.
    deflate: Option<Compress>,
}

impl Compression {
    pub fn new() -> Compression {
        Compression { inflate: Decompress::new(false), deflated: Vec::new(), full: false, deflate: None }
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        self.deflated.extend_from_slice(bytes);
    }

    /// The next piece of the input; `None` when more must come first.
    pub fn inflate(&mut self) -> Result<Option<Vec<u8>>, Damaged> {
        let mut piece = Vec::new();
        while piece.is_empty() && (self.full || !self.deflated.is_empty()) {
            piece.reserve_exact(PIECE);
            let before = self.inflate.total_in();
            let status = self.inflate.decompress_vec(&self.deflated, &mut piece, FlushDecompress::Sync);
            let taken = usize::try_from(self.inflate.total_in() - before).unwrap_or(usize::MAX);
            self.deflated.drain(..taken.min(self.deflated.len()));
            match status {
                Ok(Status::Ok | Status::BufError) => {}
                Ok(Status::StreamEnd) | Err(_) => return Err(Damaged),
            }
            self.full = piece.len() == PIECE;
            if taken == 0 && piece.is_empty() {
                break;
            }
        }
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    /// Output as it is sent. All of it can be read by who gets it.
    pub fn deflate(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.deflate.is_none() && bytes.len() < SHORT {
            return stored(bytes);
        }
        let deflate = self.deflate.get_or_insert_with(|| Compress::new(Level::fast(), false));
        let mut sent = Vec::with_capacity(bytes.len() / 2 + SHORT);
        let (start, mut taken) = (deflate.total_in(), 0);
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            // It fails only for a stream that was ended, which this one never is.
            let status = deflate.compress_vec(rest, &mut sent, FlushCompress::Sync);
            taken = usize::try_from(deflate.total_in() - start).unwrap_or(usize::MAX);
            // Room that is left says that everything was flushed.
            if status.is_err() || (taken >= bytes.len() && sent.len() < sent.capacity()) {
                return sent;
            }
            sent.reserve(PIECE);
        }
    }

    /// The session waits: what only flowing output needs is let go.
    pub fn rest(&mut self) {
        self.deflate = None;
        self.deflated = Vec::new();
    }
}

// RFC 1951 §3.2.4: a block that is not compressed, and not the last. It begins where an octet begins, as after each flush.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut block = vec![0];
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(&(!length).to_le_bytes());
    block.extend_from_slice(bytes);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the other side reads.
    fn inflated(reader: &mut Compression, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        reader.receive(bytes);
        while let Some(piece) = reader.inflate().unwrap() {
            text.extend(piece);
        }
        text
    }

    #[test]
    fn each_piece_can_be_read_when_it_comes_and_rests_do_not_matter() {
        let (mut writer, mut reader) = (Compression::new(), Compression::new());
        for round in 0..4u32 {
            for length in [3, 255, 256, 5_000, 16_384, 100_000] {
                let text: Vec<u8> = (0..length).map(|at: u32| (at.wrapping_mul(at + round) >> 7) as u8).collect();
                let sent = writer.deflate(&text);
                assert_eq!(inflated(&mut reader, &sent), text, "{round} {length}");
            }
            writer.rest();
            reader.rest();
        }
        assert!(writer.deflate(&[b'a'; 100_000]).len() < 1_000);
    }

    #[test]
    fn a_bomb_is_inflated_piece_by_piece() {
        let (mut writer, mut reader) = (Compression::new(), Compression::new());
        reader.receive(&writer.deflate(&vec![0; 10_000_000]));
        assert_eq!(reader.inflate().unwrap().map(|piece| piece.len()), Some(PIECE));
        assert!(reader.deflated.len() < 50_000);
    }

    #[test]
    fn what_no_compressor_makes_is_damaged() {
        for bad in [&[7, 7, 7, 7][..], &[0, 1, 0, 0, 0], &[3, 0]] {
            let mut reader = Compression::new();
            reader.receive(bad);
            assert_eq!(reader.inflate(), Err(Damaged), "{bad:?}");
        }
    }
}
