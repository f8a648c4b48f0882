//! `foreverypart`, `break` and `extracttext` (RFC 5703 §3, §7).

use mail::html;
use mail::mime::decode_transfer;
use mail::text::decode_charset;

use crate::check::LOOPS_NESTED_MAX;
use crate::program::{Block, ExtractText, MimeCommand};

use super::expand::modified;
use super::message::{Message, is_html, media_type};
use super::structure::Node;
use super::{Fault, Flow, Ran, Run};

/// The most octets of a part that are decoded to be put into a variable, as they stand in the message.
pub const PART_TEXT_MAX: usize = 1 << 20;
/// The transfer encodings that are known (RFC 2045 §6.1).
const ENCODINGS: &[&str] = &["7bit", "8bit", "binary", "quoted-printable", "base64"];
/// Octets read per unit of work where a message's structure is found out: that is quick.
const OCTETS_PER_WORK: usize = 8;

/// A loop that runs. Numbers are those of the message's structure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loop {
    /// Where it is.
    pub part: usize,
    pub next: usize,
    /// Behind the last.
    pub end: usize,
}

impl Run<'_, '_> {
    pub(super) fn mime_command(&mut self, command: &MimeCommand) -> Ran<Flow> {
        match command {
            MimeCommand::ForEveryPart(block) => return self.for_every_part(block),
            MimeCommand::Break(loops) => return Ok(Flow::Break(*loops)),
            MimeCommand::ExtractText(extract) => self.extract_text(extract)?,
            MimeCommand::Replace(replace) => self.replace(replace)?,
            MimeCommand::Enclose(enclose) => self.enclose(enclose)?,
        }
        Ok(Flow::Next)
    }

    /// The part of the innermost loop; outside of loops the message.
    pub(super) fn current_part(&self) -> usize {
        self.loops.last().map_or(0, |around| around.part)
    }

    /// Counts what finding out the structure of the message costs, once for each state of the message.
    pub(super) fn look_into(&mut self, message: &Message<'_>) -> Ran<()> {
        if message.is_structure_known() {
            return Ok(());
        }
        self.work((message.header().len() + message.body().len()) / OCTETS_PER_WORK)
    }

    fn for_every_part(&mut self, block: &Block) -> Ran<Flow> {
        // Scripts that include each other may nest deeper than each of them.
        if self.loops.len() >= LOOPS_NESTED_MAX {
            return self.fail(Fault::TooMuch("foreverypart nesting"));
        }
        let message = self.message.clone();
        self.look_into(&message)?;
        let structure = message.structure();
        // A loop within a loop walks over what is within the part (§3).
        let (start, end) = match self.loops.last() {
            None => (0, structure.len()),
            Some(around) => (around.part + 1, structure.end_of(around.part)),
        };
        let depth = self.loops.len();
        self.loops.push(Loop { part: start, next: start, end });
        let mut flow = Flow::Next;
        while flow == Flow::Next && self.go_to_next(depth) {
            self.step()?;
            flow = self.block(block)?;
        }
        self.loops.truncate(depth);
        Ok(match flow {
            Flow::Break(0) => Flow::Next,
            Flow::Break(loops) => Flow::Break(loops - 1),
            other => other,
        })
    }

    fn go_to_next(&mut self, depth: usize) -> bool {
        let Some(around) = self.loops.get_mut(depth).filter(|around| around.next < around.end) else { return false };
        (around.part, around.next) = (around.next, around.next + 1);
        true
    }

    fn extract_text(&mut self, extract: &ExtractText) -> Ran<()> {
        let message = self.message.clone();
        let part = self.loops.last().and_then(|around| message.structure().part(around.part));
        let mut text = match part {
            Some(part) => {
                self.work(part.body.len().min(PART_TEXT_MAX))?;
                part_text(&message, part)
            }
            None => String::new(),
        };
        if let Some(first) = extract.first {
            let first = usize::try_from(first).unwrap_or(usize::MAX);
            let end = text.char_indices().nth(first).map_or(text.len(), |(at, _)| at);
            text.truncate(end);
        }
        self.made(text.len() * (1 + extract.modifiers.len()))?;
        for modifier in &extract.modifiers {
            text = modified(&text, *modifier);
        }
        self.assign(&extract.variable, text)
    }
}

/// The content of a part as text: nothing of one that has parts itself, or that is encoded in an unknown way (§7).
fn part_text(message: &Message<'_>, part: &Node) -> String {
    let encoding = String::from_utf8_lossy(&part.media.encoding).trim().to_ascii_lowercase();
    if !part.is_leaf || !ENCODINGS.contains(&encoding.as_str()) {
        return String::new();
    }
    let octets = message.part_octets(&part.body);
    let octets = decode_transfer(&part.media.encoding, octets.get(..PART_TEXT_MAX).unwrap_or(octets));
    let charset = part.media.param("charset").filter(|charset| !charset.eq_ignore_ascii_case(b"us-ascii"));
    let text = decode_charset(charset.unwrap_or(b"utf-8"), &octets);
    if is_html(&media_type(&part.media)) { html::to_text(&text) } else { text }
}
