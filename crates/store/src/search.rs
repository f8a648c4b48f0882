//! SEARCH: evaluates the whole tree of conditions, message by message.
//!
//! What can be told from the snapshot is asked first, then size and date, then the header, then the body. Each is asked in
//! batches, only of the messages whose cheaper conditions leave the question open, and of the node's index before any file.
//! Texts are compared without case, headers with their encoded words decoded, bodies as the decoded text of the text parts.
//! Of each message no more than `TEXT_SEARCH_MAX` octets of text are looked at.

mod resolve;

use std::time::{SystemTime, UNIX_EPOCH};

use mail::date::DateTime;
use mail::digest::{Fields, Want};
use mail::header::{fields, find};
use mail::mime::{Children, Part, decode_transfer};
use mail::preview::{charset, decode};
use mail::search::{Day, Key};
use mail::text::{decode_words, fold_case};
use mail::{Flags, ModSeq, NumberSet, ObjectId, Row, Uid};

use self::resolve::Resolver;
use crate::index;
use crate::mailbox::{BATCH_MAX, Seen, first_fields, thread_id};
use crate::{Error, Mailbox, Message, Result};

/// The most octets of bodies, still encoded, that are searched in one message.
pub const TEXT_SEARCH_MAX: u64 = 8 << 20;

impl Mailbox {
    /// The messages of the last snapshot that fit, ascending. Messages that vanish meanwhile do not fit.
    pub fn search(&self, key: &Key) -> Result<Vec<Uid>> {
        let snapshot = self.snapshot();
        let star = snapshot.rows.last().map_or(0, |row| row.uid.number());
        let letter = |keyword: &_| snapshot.keywords.number(keyword).and_then(Flags::keyword);
        let now = seconds(self.now());
        let key = Resolver::new(self, snapshot.rows.iter().map(|row| row.uid).collect()).resolve(key)?;
        let plan = Plan::new(&key, &Known { star, now, letter: &letter });
        let mut fitting = Vec::new();
        for start in (0..snapshot.rows.len()).step_by(BATCH_MAX) {
            let rows = snapshot.rows.range(start, start + BATCH_MAX);
            let candidates = rows.map(|row| Candidate::new(self, row)).collect();
            fitting.extend(self.search_batch(&plan, candidates)?);
        }
        Ok(fitting)
    }

    /// Asks more and more of the candidates that are still in question.
    fn search_batch(&self, plan: &Plan, mut candidates: Vec<Candidate<'_>>) -> Result<Vec<Uid>> {
        let mut fitting = Vec::new();
        let levels = [Knowledge::Row, Knowledge::Facts, Knowledge::Header, Knowledge::All];
        // What no condition needs is not asked for; at the end all may be.
        for knowledge in levels.into_iter().filter(|level| *level == Knowledge::All || plan.has(*level)) {
            let mut open = Vec::new();
            for mut candidate in self.informed(plan, candidates, knowledge)? {
                match plan.fits(&mut candidate, knowledge) {
                    Ok(Some(true)) => fitting.push(candidate.row.uid),
                    Ok(Some(false)) | Err(Error::Gone) => {}
                    Ok(None) => open.push(candidate),
                    Err(error) => return Err(error),
                }
            }
            candidates = open;
            if candidates.is_empty() {
                break;
            }
        }
        fitting.sort_unstable();
        Ok(fitting)
    }

    /// The candidates with what is to be known of them, without those that are gone.
    fn informed<'a>(
        &self,
        plan: &Plan,
        candidates: Vec<Candidate<'a>>,
        knowledge: Knowledge,
    ) -> Result<Vec<Candidate<'a>>> {
        let want = match knowledge {
            Knowledge::Row | Knowledge::All => return Ok(candidates),
            Knowledge::Facts => Want::FACTS,
            Knowledge::Header => Want { fields: plan.fields(), ..Want::SIZE },
        };
        let uids: Vec<Uid> = candidates.iter().map(|candidate| candidate.row.uid).collect();
        let mut informed = Vec::with_capacity(candidates.len());
        let mut candidates = candidates.into_iter();
        let mut rest = uids.as_slice();
        while !rest.is_empty() {
            let seen = self.see(rest, &want)?;
            rest = rest.get(seen.len().max(1)..).unwrap_or_default();
            for (seen, candidate) in seen.into_iter().zip(&mut candidates) {
                informed.extend(seen.map(|seen| Candidate { seen: Some(seen), ..candidate }));
            }
        }
        Ok(informed)
    }
}

/// How much is known of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Knowledge {
    Row,
    Facts,
    Header,
    All,
}

/// What conditions are made ready with.
struct Known<'a> {
    star: u32,
    now: i64,
    letter: &'a dyn Fn(&mail::Keyword) -> Option<Flags>,
}

/// The tree of conditions made ready: texts folded, keywords as letters, cheap conditions first.
enum Plan {
    Never,
    All(Vec<Plan>),
    Any(Vec<Plan>),
    Not(Box<Plan>),
    Flags(Flags),
    Uids(Vec<Uid>),
    UidSet(NumberSet, u32),
    /// At least.
    ModSeq(ModSeq),
    Larger(u64),
    Smaller(u64),
    Received(When, Day),
    /// In seconds since 1970.
    ReceivedBy(i64),
    Sent(When, Day),
    Thread(ObjectId),
    Header {
        name: String,
        text: String,
    },
    Body(String),
    Text(String),
}

#[derive(Clone, Copy)]
enum When {
    Before,
    On,
    Since,
}

impl When {
    fn fits(self, day: Day, than: Day) -> bool {
        match self {
            When::Before => day < than,
            When::On => day == than,
            When::Since => day >= than,
        }
    }
}

impl Plan {
    fn new(key: &Key, known: &Known<'_>) -> Plan {
        let plan = |key: &Key| Plan::new(key, known);
        match key {
            Key::All => Plan::All(Vec::new()),
            Key::And(keys) => Plan::All(cheap_first(keys.iter().map(plan).collect())),
            Key::Or(a, b) => Plan::Any(cheap_first(vec![plan(a), plan(b)])),
            Key::Not(key) => Plan::Not(Box::new(plan(key))),
            Key::Flags(flags) => Plan::Flags(*flags),
            Key::Keyword(keyword) => (known.letter)(keyword).map_or(Plan::Never, Plan::Flags),
            Key::Uids(uids) => {
                let mut uids = uids.clone();
                uids.sort_unstable();
                Plan::Uids(uids)
            }
            Key::ModSeq(modseq) => Plan::ModSeq(*modseq),
            Key::UidSet(set) => Plan::UidSet(set.clone(), known.star),
            Key::Larger(size) => Plan::Larger(*size),
            Key::Smaller(size) => Plan::Smaller(*size),
            Key::Before(day) => Plan::Received(When::Before, *day),
            Key::On(day) => Plan::Received(When::On, *day),
            Key::Since(day) => Plan::Received(When::Since, *day),
            Key::Older(age) => Plan::ReceivedBy(known.now.saturating_sub((*age).into())),
            // What was received at that second is both.
            Key::Younger(age) => {
                let before = known.now.saturating_sub(i64::from(*age)).saturating_sub(1);
                Plan::Not(Box::new(Plan::ReceivedBy(before)))
            }
            Key::SentBefore(day) => Plan::Sent(When::Before, *day),
            Key::SentOn(day) => Plan::Sent(When::On, *day),
            Key::SentSince(day) => Plan::Sent(When::Since, *day),
            // They are resolved before.
            Key::EmailId(_) | Key::SavedBefore(_) | Key::SavedOn(_) | Key::SavedSince(_) => Plan::Never,
            Key::ThreadId(id) => Plan::Thread(*id),
            Key::Header { name, text } => Plan::Header { name: name.clone(), text: fold_case(text) },
            Key::Body(text) => Plan::Body(fold_case(text)),
            Key::Text(text) => Plan::Text(fold_case(text)),
        }
    }

    /// How much must be asked of the disk: nothing, a stat, the header, all.
    fn cost(&self) -> u8 {
        match self {
            Plan::Never | Plan::Flags(_) | Plan::Uids(_) | Plan::UidSet(..) | Plan::ModSeq(_) => 0,
            Plan::Larger(_) | Plan::Smaller(_) | Plan::Received(..) | Plan::ReceivedBy(_) => 1,
            // Lines that are no fields have no name; none of them is remembered.
            Plan::Header { name, .. } if name.is_empty() => 3,
            Plan::Sent(..) | Plan::Thread(_) | Plan::Header { .. } => 2,
            Plan::Body(_) | Plan::Text(_) => 3,
            Plan::Not(plan) => plan.cost(),
            Plan::All(plans) | Plan::Any(plans) => plans.iter().map(Plan::cost).max().unwrap_or(0),
        }
    }

    /// The fields that conditions ask about.
    fn fields(&self) -> Fields {
        match self {
            Plan::Header { name, .. } => Fields::Named(vec![name.as_bytes().to_ascii_lowercase()]),
            Plan::Sent(..) => Fields::Named(vec![b"date".to_vec()]),
            Plan::Thread(_) => first_fields(),
            Plan::Not(plan) => plan.fields(),
            Plan::All(plans) | Plan::Any(plans) => plans.iter().map(Plan::fields).fold(Fields::None, Fields::and),
            _ => Fields::None,
        }
    }

    /// `None` when more must be known to decide. Everything is decided with [`Knowledge::All`].
    fn fits(&self, message: &mut Candidate<'_>, known: Knowledge) -> Result<Option<bool>> {
        let enough = known >= self.needs();
        Ok(Some(match self {
            Plan::All(plans) => return decide(plans, false, message, known),
            Plan::Any(plans) => return decide(plans, true, message, known),
            Plan::Not(plan) => return Ok(plan.fits(message, known)?.map(|fits| !fits)),
            _ if !enough => return Ok(None),
            Plan::Never => false,
            Plan::Flags(flags) => message.row.flags.contains(*flags),
            Plan::Uids(uids) => uids.binary_search(&message.row.uid).is_ok(),
            Plan::UidSet(set, star) => set.contains(message.row.uid.number(), *star),
            Plan::ModSeq(modseq) => message.row.modseq >= *modseq,
            Plan::Larger(size) => message.facts()?.size > *size,
            Plan::Smaller(size) => message.facts()?.size < *size,
            Plan::Received(when, day) => {
                let received = DateTime::utc(message.facts()?.internal_date);
                when.fits(received.day(), *day)
            }
            Plan::ReceivedBy(second) => message.facts()?.internal_date <= *second,
            Plan::Sent(when, day) => {
                let Some(header) = message.header(known)? else { return Ok(None) };
                let sent = find(header, "Date").and_then(|field| DateTime::parse_rfc5322(field.value));
                sent.is_some_and(|sent| when.fits(sent.day(), *day))
            }
            Plan::Thread(id) => {
                let Some(header) = message.header(known)? else { return Ok(None) };
                thread_id(header) == Some(*id)
            }
            Plan::Header { name, text } => {
                let Some(header) = message.header(known)? else { return Ok(None) };
                header_holds(header, name, text)
            }
            Plan::Body(text) => message.body_holds(text)?,
            Plan::Text(text) => message.any_header_holds(text)? || message.body_holds(text)?,
        }))
    }

    /// Whether there is a condition that needs just this.
    fn has(&self, level: Knowledge) -> bool {
        match self {
            Plan::Not(plan) => plan.has(level),
            Plan::All(plans) | Plan::Any(plans) => plans.is_empty() || plans.iter().any(|plan| plan.has(level)),
            _ => self.needs() == level,
        }
    }

    /// What a condition that is no combination needs.
    fn needs(&self) -> Knowledge {
        match self.cost() {
            0 => Knowledge::Row,
            1 => Knowledge::Facts,
            2 => Knowledge::Header,
            _ => Knowledge::All,
        }
    }
}

/// Whether all of them are `!until`, or one is `until`.
fn decide(plans: &[Plan], until: bool, message: &mut Candidate<'_>, known: Knowledge) -> Result<Option<bool>> {
    let mut open = false;
    for plan in plans {
        match plan.fits(message, known)? {
            Some(fits) if fits == until => return Ok(Some(until)),
            Some(_) => {}
            None => open = true,
        }
    }
    Ok((!open).then_some(!until))
}

// RFC 3501 §6.4.4: an empty text asks whether the field is there.
fn header_holds(header: &[u8], name: &str, text: &str) -> bool {
    let holds = |value: &[u8]| text.is_empty() || fold_case(&decode_words(value)).contains(text);
    fields(header).any(|field| field.is(name) && holds(field.value))
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn cheap_first(mut plans: Vec<Plan>) -> Vec<Plan> {
    plans.sort_by_key(Plan::cost);
    plans
}

/// A message in question, with what was asked of the disk so far.
struct Candidate<'a> {
    mailbox: &'a Mailbox,
    row: &'a Row,
    seen: Option<Seen>,
    message: Option<Message>,
    /// All of the header, once the message was opened for it.
    header: Option<Vec<u8>>,
    /// Folded text, a part each.
    texts: Option<Vec<String>>,
}

impl<'a> Candidate<'a> {
    fn new(mailbox: &'a Mailbox, row: &'a Row) -> Candidate<'a> {
        Candidate { mailbox, row, seen: None, message: None, header: None, texts: None }
    }

    fn facts(&self) -> Result<index::Facts> {
        self.seen.as_ref().map(|seen| seen.facts).ok_or(Error::Gone)
    }

    fn message(&mut self) -> Result<&mut Message> {
        match &mut self.message {
            Some(message) => Ok(message),
            none => Ok(none.insert(self.mailbox.message(self.row.uid)?)),
        }
    }

    /// A header block with the fields in question. `None` when the file must be asked, because the header is longer than
    /// what is looked at for lists.
    fn header(&mut self, known: Knowledge) -> Result<Option<&[u8]>> {
        let enough = self.seen.as_ref().is_some_and(|seen| seen.whole_header);
        match enough {
            true => Ok(self.seen.as_ref().map(|seen| seen.header.as_slice())),
            false if known == Knowledge::All => self.file_header().map(Some),
            false => Ok(None),
        }
    }

    fn file_header(&mut self) -> Result<&[u8]> {
        if self.header.is_none() {
            self.header = Some(self.message()?.header()?);
        }
        Ok(self.header.as_deref().unwrap_or_default())
    }

    fn any_header_holds(&mut self, text: &str) -> Result<bool> {
        Ok(block_holds(self.file_header()?, text))
    }

    fn body_holds(&mut self, text: &str) -> Result<bool> {
        if self.texts.is_none() {
            let message = self.message()?;
            let structure = message.structure()?;
            let mut texts = Texts { message, left: TEXT_SEARCH_MAX, folded: Vec::new() };
            texts.collect(&structure)?;
            self.texts = Some(texts.folded);
        }
        Ok(self.texts.iter().flatten().any(|part| part.contains(text)))
    }
}

/// Whether a field of a header block, name and value, holds a folded text.
fn block_holds(block: &[u8], text: &str) -> bool {
    fields(block).any(|field| fold_case(&decode_words(field.whole)).contains(text))
}

/// The texts of a message's body.
struct Texts<'m> {
    message: &'m mut Message,
    /// Octets that may still be read.
    left: u64,
    folded: Vec<String>,
}

impl Texts<'_> {
    fn collect(&mut self, part: &Part) -> Result<()> {
        match &part.children {
            Children::Multipart(parts) => parts.iter().try_for_each(|part| self.collect(part)),
            Children::Message(inner) => {
                let fields = fields(&inner.fields).map(|field| fold_case(&decode_words(field.whole)));
                self.folded.extend(fields);
                self.collect(inner)
            }
            Children::Leaf if part.media.kind.eq_ignore_ascii_case(b"text") => self.read(part),
            Children::Leaf => Ok(()),
        }
    }

    fn read(&mut self, part: &Part) -> Result<()> {
        let len = part.body.end.saturating_sub(part.body.start).min(self.left);
        self.left -= len;
        let mut raw = Vec::new();
        self.message.read_range(part.body.start, part.body.start + len, |piece| raw.extend_from_slice(piece))?;
        let octets = decode_transfer(&part.media.encoding, &raw);
        drop(raw);
        self.folded.push(fold_case(&decode(charset(part), &octets)));
        Ok(())
    }
}
