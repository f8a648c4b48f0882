//! Learns of a message while its content passes by, on the way in or on a first reading. Memory: what `mail::mime::Indexer`
//! holds, which is bounded, and `BEGINNING_MAX`.

use std::ops::Range;

use mail::mime::{Indexer, Packed, Part};
use mail::preview::{self, PREVIEW_CHARS_MAX};

use super::entry::Gist;
use super::fields::remembered;

/// So many of the first octets are kept for the preview. A text that neither ends within them nor fills a preview gets one
/// when it is asked for.
const BEGINNING_MAX: usize = 32 << 10;

/// Is fed all of a message with CR LF line ends.
#[derive(Debug, Default)]
pub(crate) struct Learner {
    indexer: Indexer,
    beginning: Vec<u8>,
    fed: u64,
}

impl Learner {
    pub(crate) fn feed(&mut self, crlf_bytes: &[u8]) {
        self.indexer.feed(crlf_bytes);
        self.fed += crlf_bytes.len() as u64;
        let room = BEGINNING_MAX.saturating_sub(self.beginning.len()).min(crlf_bytes.len());
        self.beginning.extend_from_slice(&crlf_bytes[..room]);
    }

    /// `None` when what was fed is not what the message reads like: it has `size` octets then.
    pub(crate) fn finish(self, size: u64) -> Option<Gist> {
        let structure = (self.fed == size).then(|| self.indexer.finish())?;
        let preview = preview_of(&structure, &self.beginning);
        Some(Gist { preview, ..gist_of(&structure) })
    }
}

/// The preview, if enough of the message is at hand.
fn preview_of(structure: &Part, beginning: &[u8]) -> Option<String> {
    let Some(Range { start, end }) = preview::place(structure) else { return Some(String::new()) };
    let there = end.min(beginning.len() as u64);
    let octets = beginning.get(usize::try_from(start).ok()?..usize::try_from(there).ok()?)?;
    let preview = preview::preview(structure, octets);
    (there == end || preview.chars().count() + 1 >= PREVIEW_CHARS_MAX).then_some(preview)
}

/// What is remembered of a message with this structure, without its preview.
pub(crate) fn gist_of(structure: &Part) -> Gist {
    let header_length = structure.header.end.saturating_sub(structure.header.start);
    let header = remembered(&structure.fields);
    let whole_header = header_length == structure.fields.len() as u64;
    Gist { header, whole_header, structure: Some(Packed::of(structure, remembered)), preview: None }
}
