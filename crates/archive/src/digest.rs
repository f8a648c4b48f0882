//! SHA-256 in hex: the name of a content.

use aws_lc_rs::digest::{Context, SHA256};

#[derive(Clone)]
pub(crate) struct Hasher(Context);

impl Hasher {
    pub(crate) fn new() -> Hasher {
        Hasher(Context::new(&SHA256))
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// 64 hex digits.
    pub(crate) fn finish(self) -> String {
        self.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

pub(crate) fn of(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new();
    hasher.feed(bytes);
    hasher.finish()
}

/// Whether it may be a name of a content: it becomes a part of a path.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The name in half of the room; `None` when it is none.
pub(crate) fn to_octets(text: &str) -> Option<[u8; 32]> {
    let mut octets = [0; 32];
    for (octet, digits) in octets.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    is_digest(text).then_some(octets)
}
