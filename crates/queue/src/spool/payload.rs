//! What is in a record: the changes that one commit makes to entries, octet for octet. Pure.
//! Knows nothing of frames and checksums (`record`) and of files.
//!
//! All numbers are little-endian; a *text* or *octets* is its length (4) and then so many octets; an *option* is one
//! octet, 0 or 1, and for 1 the value. A payload is parts without gaps:
//!
//! | octets | what                                                          |
//! |--------|---------------------------------------------------------------|
//! | 1      | kind: 1 accepted, 2 status, 3 removed                         |
//! | 8      | id of the entry                                               |
//! | 4 + n  | octets: the body                                              |
//!
//! *accepted* is a whole entry with its state. It takes the place of everything said of this id before:
//!
//! | octets | what                                                          |
//! |--------|---------------------------------------------------------------|
//! | 8      | when it arrived, milliseconds since 1970                      |
//! | 1      | marks: 1 held, 2 the sender was told of the delay             |
//! | text   | trace id                                                      |
//! | text   | reverse path; empty is `<>`                                   |
//! | 1      | 1: 8BITMIME, 2: SMTPUTF8, 4: RET=HDRS, added up               |
//! | option | text: ENVID                                                   |
//! | 4      | recipients, each: text (address), option text (ORCPT), 1 octet NOTIFY (1 success, 2 failure, 4 delay) |
//! | 4      | states that are not *waiting*, each: 4 (index) and the state  |
//! | 1      | where the content is: 0 here, 1 in `content/ID.msg`           |
//! | 8 + 8  | only for 1: octets in the file, XXH3-64 of them               |
//! | octets | trace header, and for 0 the content after it                  |
//!
//! *status* changes some of it: 1 octet for hold (0 as it was, 1 held, 2 released), 1 octet for the delay warning
//! (0 as it was, 1 sent), and states as above. *removed* has no body.
//!
//! A state is its tag (the table in `state.rs`); then, unless it is *waiting*, the reply: 2 code, option of 1 + 2 + 2
//! enhanced status, text; then for *deferred* 4 attempts, 8 next try.

use mail::envelope::{Body as Encoding, Notify};
use mail::{Address, EnhancedStatus, Envelope, QueueId, Recipient, Reply, ReversePath, TraceId};

use super::record::{FRONT, Kind};
use crate::{Entry, RecipientState, Timestamp};

/// The longest reply text that is kept, octets; what a next hop said beyond it is cut.
pub(super) const REPLY_TEXT_MAX: usize = 2048;

const MARK_HELD: u8 = 1;
const MARK_WARNED: u8 = 2;

/// One change to one entry.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) id: QueueId,
    pub(super) change: Change<'a>,
}

#[derive(Debug)]
pub(super) enum Change<'a> {
    Accepted(Box<Entry>, Stored<'a>),
    Status(Status),
    Removed,
}

/// Where the content of an accepted entry is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stored<'a> {
    /// In the record, after the trace header.
    Inline(&'a [u8]),
    /// In its own file, of `len` octets with this checksum; the trace header is in the record.
    File { header: &'a [u8], len: u64, check: u64 },
}

impl Stored<'_> {
    /// Octets of the content with its trace header.
    fn size(&self) -> u64 {
        match self {
            Stored::Inline(octets) => octets.len() as u64,
            Stored::File { header, len, .. } => len.saturating_add(header.len() as u64),
        }
    }
}

/// A change of some recipients, of the hold, or of the delay warning.
#[derive(Debug, Default, Clone)]
pub(super) struct Status {
    pub(super) held: Option<bool>,
    pub(super) warned: bool,
    pub(super) states: Vec<(usize, RecipientState)>,
}

impl Status {
    pub(super) fn apply(&self, entry: &mut Entry) {
        entry.held = self.held.unwrap_or(entry.held);
        entry.warned |= self.warned;
        for (index, state) in &self.states {
            if let Some(place) = entry.states.get_mut(*index) {
                *place = state.clone();
            }
        }
    }

    /// Whether it says anything that a later change of all recipients does not say again.
    pub(super) fn marks(&self) -> bool {
        self.held.is_some() || self.warned
    }

    /// How many recipients it says the state of.
    pub(super) fn covered(&self) -> usize {
        let mut indices: Vec<usize> = self.states.iter().map(|(index, _)| *index).collect();
        indices.sort_unstable();
        indices.dedup();
        indices.len()
    }
}

/// Writes parts one after the other behind the room for the front of a record.
#[derive(Debug)]
pub(super) struct Writer {
    octets: Vec<u8>,
    part_at: usize,
}

impl Writer {
    pub(super) fn with_room_for(content: usize) -> Writer {
        let mut octets = Vec::with_capacity(content.saturating_add(1024));
        octets.resize(FRONT, 0);
        Writer { octets, part_at: 0 }
    }

    /// The front's room and the payload, to be sealed.
    pub(super) fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// The content is given in pieces, which are joined here and nowhere before.
    pub(super) fn accepted(&mut self, entry: &Entry, stored: &Stored<'_>, content: &[u8]) {
        self.begin(Kind::Accepted, entry.id);
        self.u64(entry.arrived.0);
        self.u8(if entry.held { MARK_HELD } else { 0 } | if entry.warned { MARK_WARNED } else { 0 });
        self.envelope(&entry.envelope);
        let told = entry.states.iter().enumerate().filter(|(_, state)| **state != RecipientState::Waiting);
        self.states(told.collect::<Vec<_>>().into_iter());
        let (Stored::Inline(header) | Stored::File { header, .. }) = *stored;
        match stored {
            Stored::Inline(_) => self.u8(0),
            Stored::File { len, check, .. } => {
                self.u8(1);
                self.u64(*len);
                self.u64(*check);
            }
        }
        self.u32(header.len() + content.len());
        self.octets.extend_from_slice(header);
        self.octets.extend_from_slice(content);
        self.end();
    }

    pub(super) fn status(&mut self, id: QueueId, status: &Status) {
        self.begin(Kind::Status, id);
        self.u8(match status.held {
            None => 0,
            Some(true) => 1,
            Some(false) => 2,
        });
        self.u8(u8::from(status.warned));
        self.states(status.states.iter().map(|(index, state)| (*index, state)));
        self.end();
    }

    pub(super) fn removed(&mut self, id: QueueId) {
        self.begin(Kind::Removed, id);
        self.end();
    }

    fn begin(&mut self, kind: Kind, id: QueueId) {
        self.u8(kind as u8);
        self.u64(id.0);
        self.part_at = self.octets.len();
        self.u32(0);
    }

    fn end(&mut self) {
        let body = self.octets.len() - self.part_at - 4;
        self.octets[self.part_at..self.part_at + 4].copy_from_slice(&(body as u32).to_le_bytes());
    }

    fn envelope(&mut self, envelope: &Envelope) {
        self.text(envelope.trace.as_str());
        self.text(&envelope.reverse_path.to_string());
        let eight_bit = envelope.body == Encoding::EightBitMime;
        self.u8(flags([eight_bit, envelope.smtputf8, envelope.return_headers_only]));
        self.option(envelope.envelope_id.as_deref());
        self.u32(envelope.recipients.len());
        for recipient in &envelope.recipients {
            self.text(&recipient.address.to_string());
            self.option(recipient.original.as_deref());
            self.u8(flags([recipient.notify.success, recipient.notify.failure, recipient.notify.delay]));
        }
    }

    fn states<'s>(&mut self, states: impl ExactSizeIterator<Item = (usize, &'s RecipientState)>) {
        self.u32(states.len());
        for (index, state) in states {
            self.u32(index);
            self.u8(state.row().tag);
            if let Some(reply) = state.reply() {
                self.reply(reply);
            }
            if let RecipientState::Deferred { attempts, next, .. } = state {
                self.octets.extend_from_slice(&attempts.to_le_bytes());
                self.u64(next.0);
            }
        }
    }

    fn reply(&mut self, reply: &Reply) {
        self.octets.extend_from_slice(&reply.code.to_le_bytes());
        self.u8(u8::from(reply.status.is_some()));
        if let Some(status) = reply.status {
            self.u8(status.class);
            self.octets.extend_from_slice(&status.subject.to_le_bytes());
            self.octets.extend_from_slice(&status.detail.to_le_bytes());
        }
        self.text(&reply.text[..reply.text.floor_char_boundary(REPLY_TEXT_MAX)]);
    }

    fn option(&mut self, text: Option<&str>) {
        self.u8(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn text(&mut self, text: &str) {
        self.u32(text.len());
        self.octets.extend_from_slice(text.as_bytes());
    }

    fn u8(&mut self, number: u8) {
        self.octets.push(number);
    }

    /// Lengths and indices. The size of the whole payload is checked against a bound far below 4 GiB before it is used.
    fn u32(&mut self, number: usize) {
        self.octets.extend_from_slice(&(number as u32).to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.octets.extend_from_slice(&number.to_le_bytes());
    }
}

fn flags(bits: [bool; 3]) -> u8 {
    u8::from(bits[0]) | u8::from(bits[1]) << 1 | u8::from(bits[2]) << 2
}

/// The parts of a payload; `None` when it does not follow the grammar above.
pub(super) fn parse(payload: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut reader = Reader(payload);
    let mut parts = Vec::new();
    while !reader.0.is_empty() {
        let (kind, id) = (Kind::parse(reader.u8()?)?, QueueId(reader.u64()?));
        let mut body = Reader(reader.octets()?);
        let change = match kind {
            Kind::Accepted => body.accepted(id)?,
            Kind::Status => Change::Status(body.status()?),
            Kind::Removed => Change::Removed,
        };
        body.0.is_empty().then_some(())?;
        parts.push(Part { id, change });
    }
    Some(parts)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn accepted(&mut self, id: QueueId) -> Option<Change<'a>> {
        let (arrived, marks) = (Timestamp(self.u64()?), self.u8()?);
        let envelope = self.envelope()?;
        let changes = Status { states: self.states()?, ..Status::default() };
        let stored = match self.u8()? {
            0 => Stored::Inline(self.octets()?),
            1 => Stored::File { len: self.u64()?, check: self.u64()?, header: self.octets()? },
            _ => return None,
        };
        let states = vec![RecipientState::Waiting; envelope.recipients.len()];
        let (held, warned) = (marks & MARK_HELD != 0, marks & MARK_WARNED != 0);
        let mut entry = Entry { id, arrived, envelope, states, held, warned, size: stored.size() };
        changes.apply(&mut entry);
        Some(Change::Accepted(Box::new(entry), stored))
    }

    fn envelope(&mut self) -> Option<Envelope> {
        let trace = TraceId::parse(self.text()?)?;
        let reverse_path = ReversePath::parse(self.text()?).ok()?;
        let bits = self.u8()?;
        let envelope_id = self.option()?;
        let count = self.u32()?;
        let recipients = (0..count).map(|_| self.recipient()).collect::<Option<Vec<_>>>()?;
        let body = if bits & 1 != 0 { Encoding::EightBitMime } else { Encoding::SevenBit };
        let (smtputf8, return_headers_only) = (bits & 2 != 0, bits & 4 != 0);
        Some(Envelope { trace, reverse_path, recipients, body, smtputf8, envelope_id, return_headers_only })
    }

    fn recipient(&mut self) -> Option<Recipient> {
        let (address, original, bits) = (Address::parse(self.text()?).ok()?, self.option()?, self.u8()?);
        let notify = Notify { success: bits & 1 != 0, failure: bits & 2 != 0, delay: bits & 4 != 0 };
        Some(Recipient { address, original, notify })
    }

    fn status(&mut self) -> Option<Status> {
        let held = match self.u8()? {
            0 => None,
            1 => Some(true),
            2 => Some(false),
            _ => return None,
        };
        Some(Status { held, warned: self.u8()? != 0, states: self.states()? })
    }

    fn states(&mut self) -> Option<Vec<(usize, RecipientState)>> {
        let count = self.u32()?;
        (0..count).map(|_| Some((self.u32()?, self.state()?))).collect()
    }

    fn state(&mut self) -> Option<RecipientState> {
        Some(match self.u8()? {
            0 => RecipientState::Waiting,
            1 => RecipientState::Deferred {
                reply: self.reply()?,
                attempts: u32::try_from(self.u32()?).ok()?,
                next: Timestamp(self.u64()?),
            },
            2 => RecipientState::Delivered(self.reply()?),
            3 => RecipientState::Bounced(self.reply()?),
            4 => RecipientState::Reported(self.reply()?),
            _ => return None,
        })
    }

    fn reply(&mut self) -> Option<Reply> {
        let code = self.u16()?;
        let status = match self.u8()? {
            0 => None,
            _ => Some(EnhancedStatus { class: self.u8()?, subject: self.u16()?, detail: self.u16()? }),
        };
        Some(Reply { code, status, text: self.text()?.to_owned() })
    }

    fn option(&mut self) -> Option<Option<String>> {
        match self.u8()? {
            0 => Some(None),
            _ => Some(Some(self.text()?.to_owned())),
        }
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.octets()?).ok()
    }

    fn octets(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let recipient = |text: &str| Recipient::new(Address::parse(text).unwrap());
        let mut rewritten = recipient("\"a b\"@ñandú.test");
        rewritten.original = Some("rfc822;x@example.test".to_owned());
        rewritten.notify = Notify { success: true, failure: false, delay: false };
        let deferred =
            RecipientState::Deferred { reply: Reply::new(451, (4, 3, 0), "later"), attempts: 3, next: Timestamp(99) };
        Entry {
            id: QueueId(7),
            arrived: Timestamp(1_700_000_000_000),
            envelope: Envelope {
                trace: TraceId::parse("t-1").unwrap(),
                reverse_path: ReversePath::parse("ana@example.test").unwrap(),
                recipients: vec![recipient("bob@example.test"), rewritten, recipient("c@example.test")],
                body: Encoding::EightBitMime,
                smtputf8: true,
                envelope_id: Some("QQ314159".to_owned()),
                return_headers_only: true,
            },
            states: vec![RecipientState::Waiting, deferred, RecipientState::Bounced(Reply::plain(550, "no"))],
            held: true,
            warned: true,
            size: 6,
        }
    }

    fn payload(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::with_room_for(0);
        write(&mut writer);
        writer.into_octets().split_off(FRONT)
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let octets = payload(|writer| writer.accepted(&entry(), &Stored::Inline(b"head"), b"er"));
        let parts = parse(&octets).unwrap();
        let [Part { change: Change::Accepted(read, Stored::Inline(content)), .. }] = &parts[..] else {
            panic!("{parts:?}")
        };
        assert_eq!((&**read, *content), (&entry(), &b"header"[..]));
    }

    #[test]
    fn a_cut_payload_is_refused_wherever_it_is_cut() {
        let status = Status { held: Some(false), warned: true, states: vec![(2, entry().states[2].clone())] };
        let octets = payload(|writer| {
            writer.accepted(&entry(), &Stored::File { header: b"h", len: 5, check: 1 }, b"");
            writer.status(QueueId(8), &status);
        });
        let second = payload(|writer| writer.status(QueueId(8), &status)).len();
        for len in (1..octets.len()).filter(|len| *len != octets.len() - second) {
            assert!(parse(&octets[..len]).is_none(), "{len}");
        }
        assert_eq!(parse(&octets).unwrap().len(), 2);
    }

    #[test]
    fn an_endless_reply_is_cut_at_a_character() {
        let long = RecipientState::Bounced(Reply::plain(550, "ñ".repeat(100_000)));
        let status = Status { states: vec![(0, long)], ..Status::default() };
        let octets = payload(|writer| writer.status(QueueId(1), &status));
        assert!(octets.len() < REPLY_TEXT_MAX + 100);
        assert!(parse(&octets).is_some());
    }
}
