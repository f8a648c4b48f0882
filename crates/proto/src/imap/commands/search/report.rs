//! What of a search is returned (ESEARCH, RFC 4731, ESORT, RFC 5267, and PARTIAL, RFC 9394), with mod-sequences (RFC 7162 §3.1.5), and what is kept of
//! it (SEARCHRES, RFC 5182).

use mail::{ModSeq, NumberSet, Uid};

use crate::Outbox;
use crate::imap::context::{Context, State};
use crate::imap::page::Page;
use crate::imap::parse::{Parsed, Parser, syntax, syntax_at};
use crate::imap::response::string;
use crate::imap::view::{Numbers, View};

/// The result options of `RETURN (..)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Returns {
    min: bool,
    max: bool,
    all: bool,
    count: bool,
    /// RFC 9394 §3.1
    page: Option<Page>,
    pub save: bool,
}

impl Returns {
    fn shows_any(self) -> bool {
        self.min || self.max || self.all || self.count || self.page.is_some()
    }

    /// RFC 5182 §2.4, RFC 4731 §3.2: with MIN, MAX or PARTIAL (RFC 9394 §3.3) alone only those are saved, and asked for their
    /// mod-sequence.
    fn representatives(self, found: &[Found]) -> Vec<Uid> {
        let few = self.min || self.max || self.page.is_some();
        if self.all || self.count || !few {
            return found.iter().map(|message| message.uid).collect();
        }
        let page = self.page.map(|page| page.cut(found)).unwrap_or_default();
        let first = found.first().filter(|_| self.min);
        let last = found.last().filter(|_| self.max);
        let mut uids: Vec<Uid> = page.iter().chain(first).chain(last).map(|message| message.uid).collect();
        uids.sort_unstable();
        uids.dedup();
        uids
    }
}

/// What is told of what is found.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// `SEARCH` or `SORT`, as a response without options is called.
    pub word: &'static str,
    pub returns: Option<Returns>,
    pub numbers: Numbers,
    /// With the highest mod-sequence (RFC 7162 §3.1.6).
    pub modseq: bool,
}

impl Report {
    /// Those of these UIDs that the client was told of: others do not exist for it yet.
    pub fn tell(self, uids: Vec<Uid>, context: &mut Context) {
        let Context { state: State::Selected(view), out, tag, .. } = context else { return };
        let found = &self.known(view, uids);
        let Some(returns) = self.returns else { return self.tell_plainly(view, found, out) };
        if returns.save {
            view.save(returns.representatives(found));
        }
        if !returns.shows_any() {
            return;
        }
        // esearch-response = "ESEARCH" [SP "(" "TAG" SP tag-string ")"] [SP "UID"] *(SP search-return-data)
        out.push(b"* ESEARCH (TAG ");
        string(tag, out);
        out.push(if self.numbers == Numbers::Uid { b") UID" } else { b")" });
        let mut item = |name: &[u8], number: u64| {
            out.push(name);
            out.number(number);
        };
        // RFC 4731 §3.1: without a result there is no MIN, MAX or ALL.
        if let (Some(first), Some(last)) = (found.first(), found.last()) {
            if returns.min {
                item(b" MIN ", first.number.into());
            }
            if returns.max {
                item(b" MAX ", last.number.into());
            }
            if returns.all {
                out.push(b" ALL ");
                out.push(NumberSet::from_numbers(found.iter().map(|message| message.number)).to_string().as_bytes());
            }
        }
        if returns.count {
            out.push(b" COUNT ");
            out.number(found.len() as u64);
        }
        if let Some(page) = returns.page {
            write_page(page, found, out);
        }
        // RFC 4731 §3.2: of MIN or MAX alone, if only those are told.
        if let Some(highest) = self.modseq.then(|| highest(view, returns.representatives(found))).flatten() {
            out.push(format!(" MODSEQ {highest}").as_bytes());
        }
        out.push(b"\r\n");
    }

    fn known(self, view: &View, uids: Vec<Uid>) -> Vec<Found> {
        let found = uids.into_iter().filter_map(|uid| {
            let seq = view.seq(uid)?;
            let number = if self.numbers == Numbers::Uid { uid.number() } else { seq.number() };
            Some(Found { uid, number })
        });
        found.collect()
    }

    // mailbox-data =/ "SEARCH" [1*(SP nz-number) SP search-sort-mod-seq]
    // sort-data = "SORT" [1*(SP nz-number) SP search-sort-mod-seq]
    // search-sort-mod-seq = "(" "MODSEQ" SP mod-sequence-value ")"
    fn tell_plainly(self, view: &View, found: &[Found], out: &mut Outbox) {
        out.push(b"* ");
        out.push(self.word.as_bytes());
        for message in found {
            out.push(b" ");
            out.number(message.number.into());
        }
        if let Some(highest) = self.modseq.then(|| highest(view, found.iter().map(|message| message.uid))).flatten() {
            out.push(format!(" (MODSEQ {highest})").as_bytes());
        }
        out.push(b"\r\n");
    }
}

// search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
pub fn returns(args: &mut Parser<'_>) -> Parsed<Option<Returns>> {
    let mut ahead = args.clone();
    ahead.space()?;
    if !ahead.take_while(|byte| byte.is_ascii_alphabetic()).eq_ignore_ascii_case(b"RETURN") {
        return Ok(None);
    }
    ahead.space()?;
    let mut returns = Returns::default();
    ahead.list(0, |args| {
        let name = args.atom()?.to_ascii_uppercase();
        match name.as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            "PARTIAL" if returns.page.is_some() => return syntax("PARTIAL is there twice"),
            "PARTIAL" => returns.page = Some(Page::parse(args)?),
            _ => return syntax_at("Unknown return option", name.as_bytes()),
        }
        Ok(())
    })?;
    *args = ahead;
    // RFC 9394 §3.1: a BAD.
    if returns.all && returns.page.is_some() {
        return syntax("PARTIAL and ALL exclude each other");
    }
    // RFC 4731 §3.1: nothing named is ALL.
    returns.all |= !returns.shows_any() && !returns.save;
    Ok(Some(returns))
}

// search-return-data =/ "PARTIAL" SP "(" partial-range SP partial-results ")"
// partial-results = sequence-set / "NIL"
fn write_page(page: Page, found: &[Found], out: &mut Outbox) {
    let numbers: Vec<u32> = page.cut(found).iter().map(|message| message.number).collect();
    let results = if numbers.is_empty() { "NIL".to_owned() } else { NumberSet::from_numbers(numbers).to_string() };
    out.push(format!(" PARTIAL ({page} {results})").as_bytes());
}

/// A message found, and the number it is told by.
struct Found {
    uid: Uid,
    number: u32,
}

fn highest(view: &View, uids: impl IntoIterator<Item = Uid>) -> Option<ModSeq> {
    uids.into_iter().map(|uid| view.modseq(uid)).max()
}
