//! FETCH at work: message by message, asking only for what the items need, and never holding a message in memory.
//!
//! Messages go in batches, so that `\Seen` is set and sizes are asked for once for many. Within a message the items are
//! written in their order; octets of the message are read and sent in pieces.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use mail::date::DateTime;
use mail::mime::{HEADER_KEPT_MAX, Part};
use mail::{Flags, Uid, header};

use super::section::Place;
use super::{Content, Item, structure};
use crate::imap::ask::{Answer, Ask, FACTS_MAX, Fact, FlagChange, How, READ_MAX, Refusal};
use crate::imap::command::{MAILBOX_LOST, Step};
use crate::imap::context::{Context, State};
use crate::imap::response::{Completion, refused};
use crate::imap::view::Numbered;

/// Most headers fit; a longer one is read in more pieces.
const HEADER_PIECE: usize = 8 * 1024;

/// A FETCH under way.
#[derive(Debug)]
struct Fetch {
    items: Vec<Item>,
    needs: Needs,
    waiting: VecDeque<Numbered>,
    /// What the batch in hand still holds, and what is known of it.
    batch: VecDeque<Numbered>,
    facts: BTreeMap<Uid, Fact>,
    /// These became `\Seen` by this command, and are told so.
    now_seen: Vec<Uid>,
    /// Some messages were expunged by somebody else.
    some_gone: bool,
    opened_any: bool,
}

/// What must be asked for before a message's items can be written.
#[derive(Debug, Clone, Copy)]
struct Needs {
    facts: bool,
    message: bool,
    header: bool,
    structure: bool,
    marks_seen: bool,
}

/// The message in hand.
#[derive(Debug)]
struct Opened {
    message: Numbered,
    size: u64,
    internal_date: DateTime,
    structure: Option<Arc<Part>>,
    /// The header with its empty line, if the structure is not there to tell.
    head: Vec<u8>,
}

impl Needs {
    fn of(items: &[Item]) -> Needs {
        let contents =
            || items.iter().filter_map(|item| if let Item::Content(content) = item { Some(content) } else { None });
        let structure = items.iter().any(|item| matches!(item, Item::Structure { .. }))
            || contents().any(|content| content.section.needs_structure());
        let envelope = items.contains(&Item::Envelope);
        let header = !structure && (envelope || contents().any(|content| content.section.needs_header()));
        let message = structure || envelope || contents().next().is_some();
        let facts = !message && items.iter().any(|item| matches!(item, Item::Size | Item::InternalDate));
        Needs { facts, message, header, structure, marks_seen: contents().any(|content| !content.peek) }
    }
}

pub fn run(items: Vec<Item>, messages: Vec<Numbered>, context: &mut Context) -> Step {
    let fetch = Fetch {
        needs: Needs::of(&items),
        items,
        waiting: messages.into(),
        batch: VecDeque::new(),
        facts: BTreeMap::new(),
        now_seen: Vec::new(),
        some_gone: false,
        opened_any: false,
    };
    Box::new(fetch).next_batch(context)
}

impl Fetch {
    fn next_batch(mut self: Box<Self>, context: &mut Context) -> Step {
        let Some(view) = context.view() else { return Step::Done(Completion::misunderstood()) };
        let count = self.waiting.len().min(FACTS_MAX);
        self.batch = self.waiting.drain(..count).collect();
        if self.batch.is_empty() {
            return self.finish();
        }
        if !self.needs.marks_seen || view.is_read_only() {
            return self.ask_facts(context);
        }
        self.now_seen = self.batch.iter().map(|message| message.uid).collect();
        self.now_seen.retain(|uid| view.is_there(*uid) && !view.flags(*uid).contains(Flags::SEEN));
        if self.now_seen.is_empty() {
            return self.ask_facts(context);
        }
        let change = FlagChange { how: How::Add, flags: Flags::SEEN, keywords: Vec::new() };
        Step::ask(Ask::Store { uids: self.now_seen.clone(), change }, move |context, answer| {
            // A message that cannot be marked can still be read.
            if matches!(answer, Answer::Synced { .. }) && !context.hear(answer) {
                return Step::Bye(MAILBOX_LOST);
            }
            self.ask_facts(context)
        })
    }

    fn ask_facts(mut self: Box<Self>, context: &mut Context) -> Step {
        if !self.needs.facts {
            return self.next_message(context);
        }
        let uids = self.batch.iter().map(|message| message.uid).collect();
        Step::ask(Ask::Facts { uids }, move |context, answer| match answer {
            Answer::Facts(facts) => {
                self.facts = facts.into_iter().map(|fact| (fact.uid, fact)).collect();
                self.next_message(context)
            }
            other => Step::failed(other),
        })
    }

    fn next_message(mut self: Box<Self>, context: &mut Context) -> Step {
        while let Some(message) = self.batch.pop_front() {
            if self.needs.message {
                let structure = self.needs.structure;
                return self.open(message, structure);
            }
            let fact = self.facts.get(&message.uid).copied();
            if self.needs.facts && fact.is_none() {
                self.some_gone = true;
                continue;
            }
            let fact = fact.map(|fact| (fact.size, fact.internal_date));
            self.begin(message, context);
            for index in 0..self.items.len() {
                space(index, context);
                self.write_fact(index, message, fact, context);
            }
            context.out.push(b")\r\n");
            if context.out.is_full() {
                return Step::Flush(Box::new(move |context| self.next_message(context)));
            }
        }
        self.next_batch(context)
    }

    fn open(mut self: Box<Self>, message: Numbered, structure: bool) -> Step {
        self.opened_any = true;
        Step::ask(Ask::Open { uid: message.uid, structure }, move |context, answer| match answer {
            Answer::Message { size, internal_date, structure } => {
                let opened = Opened { message, size, internal_date, structure, head: Vec::new() };
                self.read_head(opened, context)
            }
            // RFC 2180 §4.1.2: what somebody else expunged is left out, and the end says so.
            Answer::Refused(Refusal::Gone) => {
                self.some_gone = true;
                self.next_message(context)
            }
            other => Step::failed(other),
        })
    }

    /// Reads the header as far as its empty line, unless the structure knows it already.
    fn read_head(self: Box<Self>, opened: Opened, context: &mut Context) -> Step {
        let offset = opened.head.len() as u64;
        if !self.needs.header || opened.structure.is_some() || offset >= opened.size {
            return self.begin_content(opened, context);
        }
        if opened.head.len() >= HEADER_KEPT_MAX {
            // Too long to be held: the structure knows where it ends, and its first fields.
            return self.open(opened.message, true);
        }
        let length = usize::try_from(opened.size - offset).unwrap_or(usize::MAX).min(HEADER_PIECE);
        Step::ask(Ask::Read { uid: opened.message.uid, offset, length }, move |context, answer| {
            self.take_head(opened, answer, context)
        })
    }

    fn take_head(mut self: Box<Self>, mut opened: Opened, answer: Answer, context: &mut Context) -> Step {
        match answer {
            Answer::Bytes(bytes) if !bytes.is_empty() => {
                // The empty line may straddle two pieces: look again from the line that was not finished.
                let from = memchr::memrchr(b'\n', &opened.head).map_or(0, |at| at + 1);
                opened.head.extend_from_slice(&bytes);
                match header::header_end(&opened.head[from..]) {
                    Some(end) => {
                        opened.head.truncate(from + end);
                        self.begin_content(opened, context)
                    }
                    None => self.read_head(opened, context),
                }
            }
            Answer::Refused(Refusal::Gone) => {
                self.some_gone = true;
                self.next_message(context)
            }
            other => Step::failed(other),
        }
    }

    fn begin_content(self: Box<Self>, opened: Opened, context: &mut Context) -> Step {
        self.begin(opened.message, context);
        self.write_items(opened, 0, context)
    }

    /// `* 3 FETCH (`, and the flags, if they changed by this and were not asked for.
    fn begin(&self, message: Numbered, context: &mut Context) {
        let Context { state: State::Selected(view), out, .. } = context else { return };
        view.announce_keywords(out);
        out.push(format!("* {} FETCH (", message.seq).as_bytes());
        let changed = self.now_seen.contains(&message.uid) && view.flags(message.uid).contains(Flags::SEEN);
        if changed && !self.items.contains(&Item::Flags) {
            out.push(format!("{} ", view.tell_flags(message.uid)).as_bytes());
        }
    }

    /// Writes the items from `index` on; stops where octets must be read first.
    fn write_items(self: Box<Self>, opened: Opened, index: usize, context: &mut Context) -> Step {
        for index in index..self.items.len() {
            space(index, context);
            if let Item::Content(content) = &self.items[index] {
                let place = opened.place(content);
                context.out.push(content.name.as_bytes());
                match place {
                    Place::Bytes(bytes) => literal(&bytes, context),
                    Place::Range(range) => {
                        context.out.push(format!(" {{{}}}\r\n", range.end - range.start).as_bytes());
                        return self.send(opened, range, index, context);
                    }
                }
                continue;
            }
            self.write_fact(index, opened.message, Some((opened.size, opened.internal_date)), context);
            opened.write(&self.items[index], context);
        }
        context.out.push(b")\r\n");
        self.next_message(context)
    }

    /// Sends octets of the message, a piece at a time, as fast as the client takes them.
    fn send(self: Box<Self>, opened: Opened, range: Range<u64>, index: usize, context: &mut Context) -> Step {
        if range.is_empty() {
            return self.write_items(opened, index + 1, context);
        }
        if context.out.is_full() {
            return Step::Flush(Box::new(move |context| self.send(opened, range, index, context)));
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

    /// What needs no content.
    fn write_fact(&self, index: usize, message: Numbered, fact: Option<(u64, DateTime)>, context: &mut Context) {
        let text = match (&self.items[index], fact) {
            (Item::Flags, _) => context.view().map(|view| view.tell_flags(message.uid)).unwrap_or_default(),
            (Item::Uid, _) => format!("UID {}", message.uid),
            (Item::Size, Some((size, _))) => format!("RFC822.SIZE {size}"),
            (Item::InternalDate, Some((_, date))) => format!("INTERNALDATE \"{}\"", date.to_imap()),
            _ => return,
        };
        context.out.push(text.as_bytes());
    }

    fn finish(&self) -> Step {
        let completion = match self.some_gone {
            // RFC 5530 §3: a client that sees this asks NOOP.
            true => refused(Refusal::Gone),
            false => Completion::ok("Fetch completed."),
        };
        if self.opened_any {
            return Step::ask(Ask::CloseMessage, move |_, _| Step::Done(completion));
        }
        Step::Done(completion)
    }
}

impl Opened {
    fn place(&self, content: &Content) -> Place {
        let place = match &self.structure {
            Some(root) => content.section.place(self.size, root),
            None => content.section.place_by_header(self.size, &self.head),
        };
        place.cut(content.partial)
    }

    fn write(&self, item: &Item, context: &mut Context) {
        let out = &mut context.out;
        match (item, &self.structure) {
            (Item::Envelope, structure) => {
                out.push(b"ENVELOPE ");
                structure::envelope(structure.as_ref().map_or(&self.head, |root| &root.fields), out);
            }
            (Item::Structure { extensible }, Some(root)) => {
                out.push(if *extensible { b"BODYSTRUCTURE " } else { b"BODY " });
                structure::body(root, *extensible, out);
            }
            _ => {}
        }
    }
}

fn space(index: usize, context: &mut Context) {
    if index > 0 {
        context.out.push(b" ");
    }
}

fn literal(bytes: &[u8], context: &mut Context) {
    context.out.push(format!(" {{{}}}\r\n", bytes.len()).as_bytes());
    context.out.push(bytes);
}
