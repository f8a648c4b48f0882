//! FETCH at work, asking only for what the items need, and never holding a message in memory.
//!
//! Messages go in batches: `\Seen` is set, and what lists of messages show is asked for, once for many. Only who wants
//! octets of a message opens it; they are read and sent in pieces. Within a message the items are written in their order.

mod binary;

use std::collections::VecDeque;
use std::ops::Range;

use mail::date::DateTime;
use mail::digest::{Digest, Fields, Want};
use mail::mime::{HEADER_KEPT_MAX, Packed};
use mail::{Flags, header};

use super::section::{Known, Place};
use super::{Content, Item, facts, structure};
use crate::Outbox;
use crate::imap::ask::{Answer, Ask, DIGESTS_MAX, FlagChange, How, READ_MAX, Refusal};
use crate::imap::command::{MAILBOX_LOST, Step};
use crate::imap::context::{Context, Enabled, State};
use crate::imap::response::{Completion, refused};
use crate::imap::view::{Numbered, View};

/// Most headers fit; a longer one is read in more pieces.
const HEADER_PIECE: usize = 8 * 1024;

/// A FETCH under way.
#[derive(Debug)]
struct Fetch {
    items: Vec<Item>,
    needs: Needs,
    waiting: VecDeque<Numbered>,
    batch: VecDeque<Numbered>,
    /// So many of the batch were looked at, and this is what was found of those that are there.
    looked_at: usize,
    digests: VecDeque<Digest>,
    /// These became `\Seen` by this command, and are told so.
    now_seen: Vec<mail::Uid>,
    /// Some messages were expunged by somebody else.
    some_gone: bool,
    /// Of some a part was wanted that nobody knows how to decode.
    some_undecodable: bool,
    opened_any: bool,
}

/// What must be asked for before a message's items can be written.
#[derive(Debug, Clone)]
struct Needs {
    digests: Option<Want>,
    /// How many of the message's first octets are read when it is opened; `None` when it need not be.
    octets: Option<usize>,
    /// Where the header ends, which the structure does not tell.
    header_end: bool,
    marks_seen: bool,
}

/// The message in hand.
#[derive(Debug)]
struct Opened {
    message: Numbered,
    size: u64,
    internal_date: DateTime,
    digest: Option<Digest>,
    /// Its first octets.
    start: Vec<u8>,
    /// With the empty line, once it is known.
    header_length: u64,
}

impl Needs {
    fn of(items: &[Item]) -> Needs {
        let contents =
            || items.iter().filter_map(|item| if let Item::Content(content) = item { Some(content) } else { None });
        let structures = items.iter().any(|item| matches!(item, Item::Structure { .. }));
        let mut fields = contents().map(|content| content.section.needed_fields()).fold(Fields::None, Fields::and);
        if items.contains(&Item::Envelope) {
            fields = fields.and(Fields::envelope());
        }
        let binaries =
            || items.iter().filter_map(|item| if let Item::Binary(binary) = item { Some(binary) } else { None });
        let structure = structures
            || contents().any(|content| content.section.needs_structure())
            || binaries().any(|binary| binary.section.needs_structure());
        let reads = || contents().filter(|content| content.section.needs_octets());
        let octets = reads().map(|content| if content.is_header() { HEADER_PIECE } else { READ_MAX });
        let octets = octets.chain(binaries().map(|_| READ_MAX)).max();
        let facts = octets.is_none() && items.iter().any(|item| matches!(item, Item::Size | Item::InternalDate));
        let date = octets.is_none() && items.contains(&Item::InternalDate);
        let has = |item| items.contains(&item);
        let (email_id, thread_id, saved) = (has(Item::EmailId), has(Item::ThreadId), has(Item::SaveDate));
        let preview = facts::wanted_preview(items);
        let want = Want { fields, structure, date, email_id, thread_id, saved, preview };
        let digests = (facts || want != Want::SIZE).then_some(want);
        let header_end = !structure && contents().any(|content| content.section.needs_header());
        let marks_seen = contents().any(|content| !content.peek) || binaries().any(|binary| !binary.peek);
        Needs { digests, octets, header_end, marks_seen }
    }
}

pub fn run(items: Vec<Item>, messages: Vec<Numbered>, context: &mut Context) -> Step {
    let fetch = Fetch {
        needs: Needs::of(&items),
        items,
        waiting: messages.into(),
        batch: VecDeque::new(),
        looked_at: 0,
        digests: VecDeque::new(),
        now_seen: Vec::new(),
        some_gone: false,
        some_undecodable: false,
        opened_any: false,
    };
    Box::new(fetch).next_batch(context)
}

impl Fetch {
    fn next_batch(mut self: Box<Self>, context: &mut Context) -> Step {
        let Some(view) = context.view() else { return Step::Done(Completion::misunderstood()) };
        let count = self.waiting.len().min(DIGESTS_MAX);
        self.batch = self.waiting.drain(..count).collect();
        if self.batch.is_empty() {
            return self.finish();
        }
        if !self.needs.marks_seen || view.is_read_only() {
            return self.ask_digests(context);
        }
        self.now_seen = self.batch.iter().map(|message| message.uid).collect();
        self.now_seen.retain(|uid| view.is_there(*uid) && !view.flags(*uid).contains(Flags::SEEN));
        if self.now_seen.is_empty() {
            return self.ask_digests(context);
        }
        let change = FlagChange { how: How::Add, flags: Flags::SEEN, keywords: Vec::new() };
        Step::ask(Ask::Store { uids: self.now_seen.clone(), change }, move |context, answer| {
            // A message that cannot be marked can still be read.
            if matches!(answer, Answer::Synced { .. }) && !context.hear(answer) {
                return Step::Bye(MAILBOX_LOST);
            }
            self.ask_digests(context)
        })
    }

    fn ask_digests(mut self: Box<Self>, context: &mut Context) -> Step {
        let Some(want) = &self.needs.digests else {
            self.looked_at = self.batch.len();
            return self.next_message(context);
        };
        let uids = self.batch.iter().map(|message| message.uid).collect();
        Step::ask(Ask::Digests { uids, want: want.clone() }, move |context, answer| match answer {
            Answer::Digests(found) if found.looked_at > 0 => {
                self.looked_at = found.looked_at;
                self.digests = found.digests.into();
                self.next_message(context)
            }
            other => Step::failed(other),
        })
    }

    fn next_message(mut self: Box<Self>, context: &mut Context) -> Step {
        while self.looked_at > 0 {
            if context.out.is_full() {
                return Step::Flush(Box::new(move |context| self.next_message(context)));
            }
            self.looked_at -= 1;
            let Some(message) = self.batch.pop_front() else { break };
            let digest = self.digests.pop_front_if(|digest| digest.uid == message.uid);
            if self.needs.digests.is_some() && digest.is_none() {
                self.some_gone = true;
                continue;
            }
            if let Some(length) = self.needs.octets {
                return self.open(message, digest, length);
            }
            let (size, internal_date) =
                digest.as_ref().map_or((0, DateTime::utc(0)), |digest| (digest.size, digest.internal_date));
            let known = Opened { message, size, internal_date, digest, start: Vec::new(), header_length: 0 };
            self.begin(message, context);
            // Nothing must be read, so all is written at once.
            let _ = self.write_items(&known, 0, context);
            context.out.push(b")\r\n");
        }
        if self.batch.is_empty() { self.next_batch(context) } else { self.ask_digests(context) }
    }

    fn open(mut self: Box<Self>, message: Numbered, digest: Option<Digest>, length: usize) -> Step {
        self.opened_any = true;
        Step::ask(Ask::Open { uid: message.uid, length }, move |context, answer| match answer {
            Answer::Message { size, internal_date, start } => {
                let opened = Opened { message, size, internal_date, digest, start, header_length: 0 };
                self.find_header_end(opened, 0, context)
            }
            // RFC 2180 §4.1.2: what somebody else expunged is left out, and the end says so.
            Answer::Refused(Refusal::Gone) => {
                self.some_gone = true;
                self.next_message(context)
            }
            other => Step::failed(other),
        })
    }

    /// Reads on until the header's empty line; what was looked through already has none.
    fn find_header_end(self: Box<Self>, mut opened: Opened, looked: usize, context: &mut Context) -> Step {
        let read = opened.start.len();
        opened.header_length = read as u64;
        if !self.needs.header_end {
            return self.begin_content(opened, context);
        }
        if let Some(end) = header::header_end(opened.start.get(looked..).unwrap_or_default()) {
            opened.header_length = (looked + end) as u64;
            return self.begin_content(opened, context);
        }
        if read as u64 >= opened.size {
            return self.begin_content(opened, context);
        }
        if read >= HEADER_KEPT_MAX {
            return self.ask_header_end(opened);
        }
        // The empty line may straddle two pieces: look again from the line that was not finished.
        let line = memchr::memrchr(b'\n', &opened.start).map_or(0, |at| at + 1);
        Step::ask(Ask::Read { uid: opened.message.uid, offset: read as u64, length: HEADER_PIECE }, {
            move |context, answer| match answer {
                Answer::Bytes(bytes) if !bytes.is_empty() => {
                    opened.start.extend_from_slice(&bytes);
                    self.find_header_end(opened, line, context)
                }
                other => self.give_up(other, context),
            }
        })
    }

    /// The header is too long to be held: the structure knows where it ends.
    fn ask_header_end(self: Box<Self>, mut opened: Opened) -> Step {
        let want = Want { structure: true, ..Want::SIZE };
        Step::ask(Ask::Digests { uids: vec![opened.message.uid], want }, move |context, answer| match answer {
            Answer::Digests(found) => {
                match found.digests.first().and_then(|digest| digest.structure.as_ref()?.parts().next()) {
                    Some(message) => {
                        opened.header_length = message.header.end;
                        self.begin_content(opened, context)
                    }
                    None => self.give_up(Answer::Refused(Refusal::Gone), context),
                }
            }
            other => self.give_up(other, context),
        })
    }

    /// Before anything was written of a message, it was found to be gone.
    fn give_up(mut self: Box<Self>, answer: Answer, context: &mut Context) -> Step {
        match answer {
            Answer::Refused(Refusal::Gone) => {
                self.some_gone = true;
                self.next_message(context)
            }
            other => Step::failed(other),
        }
    }

    fn begin_content(mut self: Box<Self>, opened: Opened, context: &mut Context) -> Step {
        if self.is_undecodable(&opened) {
            self.some_undecodable = true;
            return self.next_message(context);
        }
        self.begin(opened.message, context);
        self.go_on(opened, 0, context)
    }

    /// `* 3 FETCH (`, and the flags, if they changed by this and were not asked for.
    fn begin(&self, message: Numbered, context: &mut Context) {
        let Context { state: State::Selected(view), out, enabled, .. } = context else { return };
        view.announce_keywords(out);
        out.push(b"* ");
        out.number(message.seq.number().into());
        out.push(b" FETCH (");
        let changed = self.now_seen.contains(&message.uid) && view.flags(message.uid).contains(Flags::SEEN);
        if changed {
            self.tell_seen(message, *enabled, view, out);
        }
    }

    /// What changed by this command and was not asked for. RFC 7162 §3.2.4: with CONDSTORE, with UID and MODSEQ.
    fn tell_seen(&self, message: Numbered, enabled: Enabled, view: &mut View, out: &mut Outbox) {
        if enabled.condstore && !self.items.contains(&Item::Uid) {
            out.push(format!("UID {} ", message.uid).as_bytes());
        }
        if !self.items.contains(&Item::Flags) {
            view.tell_flags(message.uid, out);
            out.push(b" ");
        }
        if enabled.condstore && !self.items.contains(&Item::ModSeq) {
            view.tell_modseq(message.uid, out);
            out.push(b" ");
        }
    }

    fn go_on(self: Box<Self>, opened: Opened, index: usize, context: &mut Context) -> Step {
        match self.write_items(&opened, index, context) {
            Some((index, Some(range))) => self.send(opened, range, index, context),
            Some((index, None)) => self.decode(opened, index, context),
            None => {
                context.out.push(b")\r\n");
                self.next_message(context)
            }
        }
    }

    /// Writes the items from `index` on, up to one whose octets must be sent: its index, and where they are, unless they must be
    /// decoded.
    fn write_items(&self, known: &Opened, index: usize, context: &mut Context) -> Option<(usize, Option<Range<u64>>)> {
        for (index, item) in self.items.iter().enumerate().skip(index) {
            if index > 0 {
                context.out.push(b" ");
            }
            if matches!(item, Item::Binary(_)) {
                return Some((index, None));
            }
            let Item::Content(content) = item else {
                known.write(item, context);
                continue;
            };
            context.out.push(content.name.as_bytes());
            match known.place(content) {
                Place::Bytes(bytes) => {
                    literal_length(bytes.len() as u64, &mut context.out);
                    context.out.push(&bytes);
                }
                Place::Range(range) => {
                    literal_length(range.end - range.start, &mut context.out);
                    if !range.is_empty() {
                        return Some((index, Some(range)));
                    }
                }
            }
        }
        None
    }

    /// Sends octets of the message, a piece at a time, as fast as the client takes them.
    fn send(self: Box<Self>, opened: Opened, range: Range<u64>, index: usize, context: &mut Context) -> Step {
        if range.is_empty() {
            return self.go_on(opened, index + 1, context);
        }
        if context.out.is_full() {
            return Step::Flush(Box::new(move |context| self.send(opened, range, index, context)));
        }
        if let Some(here) = opened.at_hand(&range) {
            context.out.push(here);
            let sent = range.start + here.len() as u64;
            return self.send(opened, sent..range.end, index, context);
        }
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(READ_MAX);
        Step::ask(Ask::Read { uid: opened.message.uid, offset: range.start, length }, move |context, answer| {
            match answer {
                Answer::Bytes(bytes) if !bytes.is_empty() && bytes.len() <= length => {
                    context.out.push(&bytes);
                    self.send(opened, range.start + bytes.len() as u64..range.end, index, context)
                }
                // The literal's length was promised already.
                _ => Step::Broken,
            }
        })
    }

    fn finish(&self) -> Step {
        let completion = match (self.some_gone, self.some_undecodable) {
            // RFC 5530 §3: a client that sees this asks NOOP.
            (true, _) => refused(Refusal::Gone),
            // RFC 3516 §4.3
            (false, true) => Completion::no("A part's transfer encoding is not known.").code("UNKNOWN-CTE"),
            (false, false) => Completion::ok("Fetch completed."),
        };
        if self.opened_any {
            return Step::ask(Ask::CloseMessage, move |_, _| Step::Done(completion));
        }
        Step::Done(completion)
    }
}

impl Opened {
    fn place(&self, content: &Content) -> Place {
        let packed = self.digest.as_ref().and_then(|digest| digest.structure.as_ref());
        let structure = packed
            .filter(|_| content.section.needs_structure() || content.section.needs_header())
            .and_then(Packed::part);
        let structure = structure.as_ref();
        let known = Known { size: self.size, fields: self.header(), header_length: self.header_length, structure };
        content.section.place(&known).cut(content.partial)
    }

    fn header(&self) -> &[u8] {
        self.digest.as_ref().map_or(&[], |digest| &digest.header)
    }

    /// The octets of a range that were read already, from its start.
    fn at_hand(&self, range: &Range<u64>) -> Option<&[u8]> {
        let start = usize::try_from(range.start).ok()?;
        let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(self.start.len());
        self.start.get(start..end).filter(|here| !here.is_empty())
    }

    /// What needs no octets.
    fn write(&self, item: &Item, context: &mut Context) {
        let Context { state: State::Selected(view), out, .. } = context else { return };
        match item {
            Item::Flags => view.tell_flags(self.message.uid, out),
            Item::ModSeq => view.tell_modseq(self.message.uid, out),
            Item::Uid => {
                out.push(b"UID ");
                out.number(self.message.uid.number().into());
            }
            Item::Size => {
                out.push(b"RFC822.SIZE ");
                out.number(self.size);
            }
            Item::InternalDate => facts::date("INTERNALDATE", Some(self.internal_date), out),
            Item::EmailId | Item::ThreadId | Item::SaveDate | Item::Preview { .. } => {
                if let Some(digest) = &self.digest {
                    facts::write(item, digest, out);
                }
            }
            Item::Envelope => {
                out.push(b"ENVELOPE ");
                structure::envelope(self.header(), out);
            }
            Item::Structure { extensible } => {
                out.push(if *extensible { b"BODYSTRUCTURE " } else { b"BODY " });
                if let Some(structure) = self.digest.as_ref().and_then(|digest| digest.structure.as_ref()) {
                    structure::body(structure, *extensible, out);
                }
            }
            Item::Content(_) | Item::Binary(_) => {}
        }
    }
}

fn literal_length(length: u64, out: &mut Outbox) {
    out.push(b" {");
    out.number(length);
    out.push(b"}\r\n");
}
