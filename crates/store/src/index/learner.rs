//! Learns of a message while its content passes by, on the way in or on a first reading. Memory: what `mail::mime::Indexer`
//! holds, which is bounded.

use mail::mime::{Indexer, Packed, Part};

use super::entry::Gist;
use super::fields::remembered;

/// Is fed all of a message with CR LF line ends.
#[derive(Debug, Default)]
pub(crate) struct Learner {
    indexer: Indexer,
    fed: u64,
}

impl Learner {
    pub(crate) fn feed(&mut self, crlf_bytes: &[u8]) {
        self.indexer.feed(crlf_bytes);
        self.fed += crlf_bytes.len() as u64;
    }

    /// `None` when what was fed is not what the message reads like: it has `size` octets then.
    pub(crate) fn finish(self, size: u64) -> Option<Gist> {
        (self.fed == size).then(|| gist_of(&self.indexer.finish()))
    }
}

/// What is remembered of a message with this structure.
pub(crate) fn gist_of(structure: &Part) -> Gist {
    let header_length = structure.header.end.saturating_sub(structure.header.start);
    let header = remembered(&structure.fields);
    let whole_header = header_length == structure.fields.len() as u64;
    Gist { header, whole_header, structure: Some(Packed::of(structure, remembered)) }
}
