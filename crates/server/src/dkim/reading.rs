//! Reads a message once, in pieces: keeps its header, and hashes its body in the forms that somebody wants.

use aws_lc_rs::digest::{Context, SHA256};
use mail::dkim::{Body, Canon};

/// The longest header that is signed or verified.
pub const HEADER_MAX: usize = 256 * 1024;

/// A hash of a body that somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub canon: Canon,
    /// Only so many octets of the canonical form.
    pub length: Option<u64>,
}

/// A hash, and how many octets the canonical body had in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    pub hash: Vec<u8>,
    pub length: u64,
}

struct Hashing {
    body: Body,
    sink: Sink,
}

struct Sink {
    digest: Context,
    left: Option<u64>,
    length: u64,
}

impl Sink {
    fn take(&mut self, octets: &[u8]) {
        self.length += octets.len() as u64;
        let count =
            self.left.map_or(octets.len(), |left| usize::try_from(left).unwrap_or(usize::MAX).min(octets.len()));
        self.digest.update(&octets[..count]);
        self.left = self.left.map(|left| left - count as u64);
    }
}

/// A message on its way. `choose` is told the header, and says what is to be hashed of the body.
pub struct Reading<C> {
    header: Vec<u8>,
    choose: Option<C>,
    bodies: Vec<Hashing>,
    overlong: bool,
}

impl<C: FnOnce(&[u8]) -> Vec<Wanted>> Reading<C> {
    pub fn new(choose: C) -> Reading<C> {
        Reading { header: Vec::new(), choose: Some(choose), bodies: Vec::new(), overlong: false }
    }

    /// Takes the next octets.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.overlong {
            return;
        }
        if self.choose.is_none() {
            return self.hash(octets);
        }
        let searched = self.header.len().saturating_sub(3);
        self.header.extend_from_slice(octets);
        let end = match self.header.strip_prefix(b"\r\n") {
            Some(_) => Some(0),
            None => memchr::memmem::find(&self.header[searched..], b"\r\n\r\n").map(|found| searched + found + 2),
        };
        match end {
            Some(end) => {
                let body = self.header.split_off(end);
                self.begin_body();
                self.hash(&body[2..]);
            }
            None => self.overlong = self.header.len() > HEADER_MAX,
        }
    }

    /// The header without its empty line, and the hashes in the order in which they were wanted. `None`: the header is too long.
    pub fn end(mut self) -> Option<(Vec<u8>, Vec<Hashed>)> {
        if self.overlong || self.header.len() > HEADER_MAX {
            return None;
        }
        self.begin_body();
        let hashed = self.bodies.into_iter().map(|Hashing { body, mut sink }| {
            body.end(&mut |octets: &[u8]| sink.take(octets));
            Hashed { hash: sink.digest.finish().as_ref().to_vec(), length: sink.length }
        });
        Some((self.header, hashed.collect()))
    }

    fn begin_body(&mut self) {
        let Some(choose) = self.choose.take() else { return };
        self.bodies = choose(&self.header)
            .into_iter()
            .map(|wanted| Hashing {
                body: Body::new(wanted.canon),
                sink: Sink { digest: Context::new(&SHA256), left: wanted.length, length: 0 },
            })
            .collect();
    }

    fn hash(&mut self, octets: &[u8]) {
        for Hashing { body, sink } in &mut self.bodies {
            body.feed(octets, &mut |octets: &[u8]| sink.take(octets));
        }
    }
}
