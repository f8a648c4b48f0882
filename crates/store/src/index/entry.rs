//! What is remembered of a message's content, and the octets it is kept as.
//!
//! ```text
//! entry = check (8) key (16) form header [preview] [structure]
//! form  = number: 1 the header was seen whole, 2 the structure follows, 4 the preview follows, 8 the structure follows that
//! ```
//!
//! `form` says what is there; with a number that it does not know a program finds neither of what it knows. Pure.

use mail::mime::Packed;
use mail::octets::{Reader, Writer};

use super::Depth;
use super::row::{Key, check, number};

const WHOLE_HEADER: u64 = 1;
const STRUCTURE: u64 = 2;
const PREVIEW: u64 = 4;
const STRUCTURE_BEHIND: u64 = 8;
const KEY_END: usize = 24;

/// The remembered part of a message's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gist {
    /// The remembered fields of the header's first `HEADER_KEPT_MAX` octets.
    pub(crate) header: Vec<u8>,
    /// The header is no longer than that.
    pub(crate) whole_header: bool,
    /// Of messages within it, the remembered fields.
    pub(crate) structure: Option<Packed>,
    pub(crate) preview: Option<String>,
}

impl Gist {
    /// About as many as it takes on disk.
    pub(super) fn octets(&self) -> usize {
        let preview = self.preview.as_ref().map_or(0, String::len);
        let structure = self.structure.as_ref().map_or(0, |structure| structure.as_octets().len());
        KEY_END + self.header.len() + preview + structure
    }

    pub(super) fn encode(&self, key: Key, generation: u64) -> Vec<u8> {
        let mut out = Writer(vec![0; 8]);
        out.0.extend(key.to_octets());
        let form = [
            (self.whole_header, WHOLE_HEADER),
            (self.preview.is_some(), PREVIEW),
            (self.structure.is_some() && self.preview.is_none(), STRUCTURE),
            (self.structure.is_some() && self.preview.is_some(), STRUCTURE_BEHIND),
        ];
        out.number(form.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum());
        out.octets(&self.header);
        if let Some(preview) = &self.preview {
            out.octets(preview.as_bytes());
        }
        if let Some(structure) = &self.structure {
            out.0.extend_from_slice(structure.as_octets());
        }
        let sum = check(out.0.get(8..).unwrap_or_default(), generation);
        if let Some(place) = out.0.get_mut(..8) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        out.0
    }

    /// `None` when the octets are not the entry of this message. What is beyond the depth is left empty.
    pub(super) fn decode(octets: &[u8], key: Key, generation: u64, depth: Depth) -> Option<Gist> {
        let content = octets.get(8..)?;
        if number(octets, 0)? != check(content, generation) || octets.get(8..KEY_END)? != key.to_octets() {
            return None;
        }
        let mut from = Reader(octets.get(KEY_END..)?);
        let form = from.number()?;
        let header = from.octets()?;
        let header = if depth == Depth::Structure { Vec::new() } else { header.to_vec() };
        let preview = match form & PREVIEW != 0 {
            true => Some(String::from_utf8(from.octets()?.to_vec()).ok()?),
            false => None,
        };
        let with_structure = matches!(depth, Depth::Structure | Depth::All);
        let structure = match with_structure && form & (STRUCTURE | STRUCTURE_BEHIND) != 0 {
            true => Some(Packed::from_octets(from.0)?),
            false => None,
        };
        Some(Gist { header, whole_header: form & WHOLE_HEADER != 0, structure, preview })
    }
}
