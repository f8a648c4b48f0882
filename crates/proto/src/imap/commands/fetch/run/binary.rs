//! BINARY, BINARY.PEEK and BINARY.SIZE (RFC 3516): parts without their transfer encoding. A part is read twice, a piece at a time:
//! once to know how long it becomes, which a literal says first, and once to be sent.

use std::ops::Range;

use mail::mime::{Children, Decoder, Packed};

use super::{Fetch, Opened};
use crate::Outbox;
use crate::imap::ask::{Answer, Ask, READ_MAX};
use crate::imap::command::Step;
use crate::imap::commands::fetch::section::{Partial, Place};
use crate::imap::commands::fetch::{Binary, Item};
use crate::imap::context::Context;

/// The octets of a part, and how they are decoded.
#[derive(Debug, Clone)]
struct Source {
    range: Range<u64>,
    decoder: Decoder,
}

/// A part on its way.
#[derive(Debug)]
struct Decoding {
    /// Of the item.
    index: usize,
    source: Source,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Measure {
        size: u64,
        has_nul: bool,
    },
    /// So many decoded octets are passed over, and so many are sent.
    Send {
        skip: u64,
        left: u64,
    },
}

impl Binary {
    /// `Err`: nobody knows how to decode it; `Ok(None)`: there is no such part.
    fn source(&self, opened: &Opened) -> Result<Option<Source>, ()> {
        // A message as a whole has no encoding; its parts keep theirs.
        if self.section.path.is_empty() {
            return Ok(Some(Source { range: 0..opened.size, decoder: Decoder::identity() }));
        }
        let structure = opened.digest.as_ref().and_then(|digest| digest.structure.as_ref()).and_then(Packed::part);
        let Some(part) = structure.as_ref().and_then(|message| message.section(&self.section.path)) else {
            return Ok(None);
        };
        let decoder = match part.children {
            Children::Leaf => Decoder::new(&part.media.encoding).ok_or(())?,
            // RFC 2045 §6.4: what has parts is not encoded itself.
            Children::Multipart(_) | Children::Message(_) => Decoder::identity(),
        };
        Ok(Some(Source { range: part.body.clone(), decoder }))
    }
}

impl Fetch {
    /// Whether something is wanted of this message that nobody knows how to decode.
    pub(super) fn is_undecodable(&self, opened: &Opened) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Binary(binary) if binary.source(opened).is_err()))
    }

    /// Writes an item of these, and what follows it.
    pub(super) fn decode(self: Box<Self>, opened: Opened, index: usize, context: &mut Context) -> Step {
        let Some(Item::Binary(binary)) = self.items.get(index) else { return Step::Broken };
        match binary.source(&opened) {
            Ok(Some(source)) => {
                let decoding = Decoding { index, source, phase: Phase::Measure { size: 0, has_nul: false } };
                self.pump(opened, decoding, context)
            }
            // Empty, as BODY of what is not there.
            Ok(None) => {
                context.out.push(binary.name.as_bytes());
                context.out.push(if binary.size_only { b" 0" } else { b" {0}\r\n" });
                self.go_on(opened, index + 1, context)
            }
            Err(()) => Step::Broken,
        }
    }

    fn pump(self: Box<Self>, opened: Opened, mut decoding: Decoding, context: &mut Context) -> Step {
        if context.out.is_full() {
            return Step::Flush(Box::new(move |context| self.pump(opened, decoding, context)));
        }
        let range = decoding.source.range.clone();
        if range.is_empty() || decoding.is_over() {
            decoding.finish(&mut context.out);
            return self.decoded(opened, decoding, context);
        }
        if let Some(here) = opened.at_hand(&range) {
            decoding.feed(here, &mut context.out);
            return self.pump(opened, decoding, context);
        }
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(READ_MAX);
        Step::ask(Ask::Read { uid: opened.message.uid, offset: range.start, length }, move |context, answer| {
            match answer {
                Answer::Bytes(bytes) if !bytes.is_empty() && bytes.len() <= length => {
                    decoding.feed(&bytes, &mut context.out);
                    self.pump(opened, decoding, context)
                }
                // The response was begun already.
                _ => Step::Broken,
            }
        })
    }

    /// A part is measured, or sent.
    fn decoded(self: Box<Self>, opened: Opened, decoding: Decoding, context: &mut Context) -> Step {
        let index = decoding.index;
        let Some(Item::Binary(binary)) = self.items.get(index) else { return Step::Broken };
        let (size, has_nul) = match decoding.phase {
            Phase::Send { left: 0, .. } => return self.go_on(opened, index + 1, context),
            // Less came than was promised.
            Phase::Send { .. } => return Step::Broken,
            Phase::Measure { size, has_nul } => (size, has_nul),
        };
        context.out.push(binary.name.as_bytes());
        if binary.size_only {
            context.out.push(b" ");
            context.out.number(size);
            return self.go_on(opened, index + 1, context);
        }
        let (skip, left) = cut(size, binary.partial);
        // RFC 3516 §4.3: a literal8 only where there is a NUL.
        context.out.push(if has_nul { b" ~{" } else { b" {" });
        context.out.number(left);
        context.out.push(b"}\r\n");
        match binary.source(&opened) {
            Ok(Some(source)) => {
                self.pump(opened, Decoding { index, source, phase: Phase::Send { skip, left } }, context)
            }
            _ => Step::Broken,
        }
    }
}

/// Of so many octets, which are wanted: how many are passed over, and how many are sent.
fn cut(size: u64, partial: Option<Partial>) -> (u64, u64) {
    match Place::Range(0..size).cut(partial) {
        Place::Range(range) => (range.start, range.end - range.start),
        Place::Bytes(_) => (0, 0),
    }
}

impl Decoding {
    fn feed(&mut self, bytes: &[u8], out: &mut Outbox) {
        let mut decoded = Vec::new();
        self.source.decoder.feed(bytes, &mut decoded);
        self.source.range.start += bytes.len() as u64;
        self.take(&decoded, out);
    }

    fn finish(&mut self, out: &mut Outbox) {
        let mut decoded = Vec::new();
        self.source.decoder.finish(&mut decoded);
        self.take(&decoded, out);
    }

    fn take(&mut self, decoded: &[u8], out: &mut Outbox) {
        match &mut self.phase {
            Phase::Measure { size, has_nul } => {
                *size += decoded.len() as u64;
                *has_nul |= memchr::memchr(0, decoded).is_some();
            }
            Phase::Send { skip, left } => {
                let from = usize::try_from(*skip).unwrap_or(usize::MAX).min(decoded.len());
                let rest = decoded.get(from..).unwrap_or_default();
                let to = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *skip -= from as u64;
                *left -= to as u64;
                out.push(rest.get(..to).unwrap_or_default());
            }
        }
    }

    /// Nothing more is wanted.
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Send { left: 0, .. })
    }
}
