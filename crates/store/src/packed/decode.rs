//! Compressed content as a stream, in the forms that are read. Ends with an error where the content would be too long, is damaged or
//! is cut.

use std::io::{self, BufRead, Cursor, Read};

use super::{BEGINNING, Format};

/// Content that would be longer is refused: a few octets can stand for any number.
const CONTENT_MAX: u64 = 4 << 30;
/// So much of the input is read at once.
const PIECE: usize = 32 << 10;

/// What a message's file holds, whether it lies compressed or not.
///
/// # Errors
/// Compressed content that cannot be read.
pub fn unpacked<'a>(mut input: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut beginning = Vec::with_capacity(BEGINNING);
    input.by_ref().take(BEGINNING as u64).read_to_end(&mut beginning)?;
    let format = Format::of(&beginning)?;
    let input = Cursor::new(beginning).chain(input);
    match format {
        Some(format) => decode(format, input),
        None => Ok(Box::new(input)),
    }
}

pub(super) fn decode<'a>(format: Format, input: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let input = io::BufReader::with_capacity(PIECE, input);
    Ok(match format {
        // Of several members, too: they may be put behind each other.
        Format::Gzip => Box::new(Bounded::new(flate2::bufread::MultiGzDecoder::new(input))),
        Format::Zstandard => Box::new(Bounded::new(Zstandard::new(input)?)),
    })
}

struct Bounded<R> {
    content: R,
    at: u64,
}

impl<R: Read> Bounded<R> {
    fn new(content: R) -> Bounded<R> {
        Bounded { content, at: 0 }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.content.read(buf)?;
        self.at += got as u64;
        if self.at > CONTENT_MAX { Err(bad("compressed content is too long")) } else { Ok(got) }
    }
}

/// One frame. Its checksum, where it has one, is compared at its end (RFC 8878 §3.1.1).
struct Zstandard<R: BufRead>(ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>);

impl<R: BufRead> Zstandard<R> {
    fn new(input: R) -> io::Result<Zstandard<R>> {
        ruzstd::decoding::StreamingDecoder::new(input).map(Zstandard).map_err(|error| bad(&error.to_string()))
    }
}

impl<R: BufRead> Read for Zstandard<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.0.read(buf)?;
        if got == 0 && !buf.is_empty() {
            let told = self.0.decoder.get_checksum_from_data();
            if told.is_some() && told != self.0.decoder.get_calculated_checksum() {
                return Err(bad("checksum of compressed content does not fit"));
            }
        }
        Ok(got)
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
