//! SEARCH (RFC 3501 §6.4.4) and SORT (RFC 5256): what is searched for, and in which order it is told. `report.rs` tells it.

mod criteria;
mod keys;
mod outside;
mod report;
mod thread;

use mail::Uid;
use mail::search::Key;
use mail::sort::Criterion;

use keys::Program;
use report::Report;

use crate::imap::ask::{Answer, Ask};
use crate::imap::command::{MAILBOX_LOST, Step};
use crate::imap::context::Context;
use crate::imap::parse::{Fault, Parsed, Parser};
use crate::imap::response::Completion;
use crate::imap::view::{Numbers, View};

pub use outside::search_key;
pub use thread::start as thread;

/// How what is found is told.
#[derive(Debug)]
enum Order {
    Mailbox,
    Sorted(Vec<Criterion>),
}

// search = "SEARCH" [search-return-opts] SP search-program
pub fn search(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    start(args, context, numbers, |args, view| Ok((Order::Mailbox, keys::program(args, view)?)))
}

// sort = "SORT" [search-return-opts] SP sort-criteria SP search-criteria
pub fn sort(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    start(args, context, numbers, |args, view| {
        args.space()?;
        let criteria = criteria::parse(args)?;
        Ok((Order::Sorted(criteria), keys::in_charset(args, view)?))
    })
}

type Request = fn(&mut Parser<'_>, &View) -> Parsed<(Order, Program)>;

fn start(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers, request: Request) -> Parsed<Step> {
    let Some(view) = context.view() else { return Err(Fault::Refused(Completion::misunderstood())) };
    let returns = report::returns(args)?;
    let (order, program) = match request(args, view) {
        Err(refused @ Fault::Refused(_)) if returns.is_some_and(|returns| returns.save) => {
            view.save([]);
            return Err(refused);
        }
        other => other?,
    };
    let report = Report { word: order.word(), returns, numbers, modseq: program.modseq };
    Ok(prepared(program, context, move |key| run(order, key, report)))
}

/// Searches once the view is ready for it.
fn prepared(program: Program, context: &mut Context, then: impl FnOnce(Key) -> Step + Send + 'static) -> Step {
    // RFC 7162 §3.2.10.2: no VANISHED "during a UID SEARCH command that contains message numbers in the search criteria".
    context.named_numbers = program.numbers && context.enabled.qresync;
    if !program.modseq {
        return then(program.key);
    }
    context.enable_condstore();
    // The highest mod-sequence of what is found is told, so the view must know what the store knows.
    Step::ask(Ask::Sync, move |context, answer| match context.hear(answer) {
        true => then(program.key),
        false => Step::Bye(MAILBOX_LOST),
    })
}

impl Order {
    fn word(&self) -> &'static str {
        match self {
            Order::Mailbox => "SEARCH",
            Order::Sorted(_) => "SORT",
        }
    }
}

fn run(order: Order, key: Key, report: Report) -> Step {
    let (ask, sorts, text) = match order {
        Order::Mailbox => (Ask::Search(key), false, "Search completed."),
        Order::Sorted(criteria) => (Ask::Sort { key, criteria }, true, "Sort completed."),
    };
    let saves = report.returns.is_some_and(|returns| returns.save);
    Step::ask(ask, move |context, answer| match (answer, context.view()) {
        (Answer::Found(mut uids), Some(_)) => {
            if !sorts {
                uids.sort_unstable();
            }
            report.tell(uids, context);
            Step::ok(text)
        }
        (other, view) => {
            // RFC 5182 §2.1: whoever gets NO has saved nothing.
            if let (true, Some(view)) = (saves, view) {
                view.save(Vec::<Uid>::new());
            }
            Step::failed(other)
        }
    })
}
