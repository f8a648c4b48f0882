//! SEARCH (RFC 3501 §6.4.4), what of its result is returned (ESEARCH, RFC 4731), and what is kept of it (SEARCHRES, RFC 5182).

mod keys;

use mail::{NumberSet, Uid};

use crate::imap::ask::{Answer, Ask};
use crate::imap::command::Step;
use crate::imap::context::{Context, State};
use crate::imap::parse::{Fault, Parsed, Parser, syntax_at};
use crate::imap::response::{Completion, string};
use crate::imap::view::{Numbers, View};

/// The result options of `RETURN (..)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Returns {
    min: bool,
    max: bool,
    all: bool,
    count: bool,
    save: bool,
}

impl Returns {
    fn shows_any(self) -> bool {
        self.min || self.max || self.all || self.count
    }
}

// search = "SEARCH" [search-return-opts] SP search-program
pub fn start(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    let Some(view) = context.view() else { return Err(Fault::Refused(Completion::misunderstood())) };
    let returns = returns(args)?;
    let saves = returns.is_some_and(|returns| returns.save);
    let key = match keys::program(args, view) {
        Err(refused @ Fault::Refused(_)) if saves => {
            view.save([]);
            return Err(refused);
        }
        other => other?,
    };
    Ok(Step::ask(Ask::Search(key), move |context, answer| match (answer, context.view()) {
        (Answer::Found(uids), Some(view)) => {
            let found = known(view, uids, numbers);
            tell(context, &found, returns, numbers);
            Step::ok("Search completed.")
        }
        (other, view) => {
            // RFC 5182 §2.1: whoever gets NO has saved nothing.
            if let (true, Some(view)) = (saves, view) {
                view.save([]);
            }
            Step::failed(other)
        }
    }))
}

// search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
fn returns(args: &mut Parser<'_>) -> Parsed<Option<Returns>> {
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
            _ => return syntax_at("Unknown SEARCH return option", name.as_bytes()),
        }
        Ok(())
    })?;
    *args = ahead;
    // RFC 4731 §3.1: nothing named is ALL.
    returns.all |= !returns.shows_any() && !returns.save;
    Ok(Some(returns))
}

/// A message found, and the number it is told by.
struct Found {
    uid: Uid,
    number: u32,
}

/// Those that the client was told of: others do not exist for it yet.
fn known(view: &View, mut uids: Vec<Uid>, numbers: Numbers) -> Vec<Found> {
    uids.sort_unstable();
    let found = uids.into_iter().filter_map(|uid| {
        let seq = view.seq(uid)?;
        let number = if numbers == Numbers::Uid { uid.number() } else { seq.number() };
        Some(Found { uid, number })
    });
    found.collect()
}

fn tell(context: &mut Context, found: &[Found], returns: Option<Returns>, numbers: Numbers) {
    let Context { state: State::Selected(view), out, tag, .. } = context else { return };
    // mailbox-data =/ "SEARCH" *(SP nz-number)
    let Some(returns) = returns else {
        out.push(b"* SEARCH");
        for message in found {
            out.push(b" ");
            out.number(message.number.into());
        }
        return out.push(b"\r\n");
    };
    if returns.save {
        save(view, found, returns);
    }
    if !returns.shows_any() {
        return;
    }
    // esearch-response = "ESEARCH" [SP "(" "TAG" SP tag-string ")"] [SP "UID"] *(SP search-return-data)
    out.push(b"* ESEARCH (TAG ");
    string(tag, out);
    out.push(if numbers == Numbers::Uid { b") UID" } else { b")" });
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
    out.push(b"\r\n");
}

/// RFC 5182 §2.4: with MIN or MAX alone only those are saved.
fn save(view: &mut View, found: &[Found], returns: Returns) {
    let uids = found.iter().map(|message| message.uid);
    if returns.all || returns.count || !(returns.min || returns.max) {
        return view.save(uids);
    }
    let first = found.first().filter(|_| returns.min).map(|message| message.uid);
    let last = found.last().filter(|_| returns.max).map(|message| message.uid);
    view.save(first.into_iter().chain(last.filter(|last| Some(*last) != first)));
}
