//! THREAD (RFC 5256): what is found, as trees of who answers whom.

use mail::search::Key;
use mail::thread::{Algorithm, Node, Threads};
use mail::{NumberSet, Uid};

use super::{keys, prepared};
use crate::Outbox;
use crate::imap::ask::{Answer, Ask};
use crate::imap::command::Step;
use crate::imap::context::{Context, State};
use crate::imap::parse::{Fault, Parsed, Parser, syntax_at};
use crate::imap::response::Completion;
use crate::imap::view::{Numbers, View};

const ALGORITHMS: [(&str, Algorithm); 3] =
    [("ORDEREDSUBJECT", Algorithm::OrderedSubject), ("REFERENCES", Algorithm::References), ("REFS", Algorithm::Refs)];

// thread = "THREAD" SP thread-alg SP search-criteria
pub fn start(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.atom()?;
    let Some((_, algorithm)) = ALGORITHMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        return syntax_at("Unknown thread algorithm", name.as_bytes());
    };
    let Some(view) = context.view() else { return Err(Fault::Refused(Completion::misunderstood())) };
    let program = keys::in_charset(args, view)?;
    // Messages that the client does not know yet would tear holes into its trees.
    let last = view.shown().rows.last().map(|row| row.uid);
    Ok(prepared(program, context, move |key| {
        let known = Key::UidSet(NumberSet::from_ranges(last.map(|last| (1, last.number()))));
        let ask = Ask::Thread { key: Key::And(vec![known, key]), algorithm: *algorithm };
        Step::ask(ask, move |context, answer| match answer {
            Answer::Threads(threads) => {
                let Context { state: State::Selected(view), out, .. } = context else {
                    return Step::Done(Completion::misunderstood());
                };
                write(&threads, view, numbers, out);
                Step::ok("Thread completed.")
            }
            other => Step::failed(other),
        })
    }))
}

/// What is still to be written.
enum Piece {
    Text(&'static [u8]),
    Node(usize),
}

// thread-data = "THREAD" [SP 1*thread-list]
// thread-list = "(" (thread-members / thread-nested) ")"
// thread-members = nz-number *(SP nz-number) [SP thread-nested], thread-nested = 2*thread-list
/// Threads may be deep: nothing calls itself here.
fn write(threads: &Threads, view: &View, numbers: Numbers, out: &mut Outbox) {
    out.push(b"* THREAD");
    if !threads.roots.is_empty() {
        out.push(b" ");
    }
    let mut waiting = Vec::new();
    for &root in &threads.roots {
        waiting.extend(list(root));
        while let Some(piece) = waiting.pop() {
            match piece {
                Piece::Text(text) => out.push(text),
                Piece::Node(at) => {
                    let Some(Node { uid, children }) = threads.nodes.get(at) else { continue };
                    if let Some(number) = uid.and_then(|uid| number(uid, view, numbers)) {
                        out.number(number.into());
                        out.push(if children.is_empty() { b"" } else { b" " });
                    }
                    match children[..] {
                        [only] => waiting.push(Piece::Node(only)),
                        _ => waiting.extend(children.iter().rev().flat_map(|child| list(*child))),
                    }
                }
            }
        }
    }
    out.push(b"\r\n");
}

/// What is written last comes first.
fn list(node: usize) -> [Piece; 3] {
    [Piece::Text(b")"), Piece::Node(node), Piece::Text(b"(")]
}

fn number(uid: Uid, view: &View, numbers: Numbers) -> Option<u32> {
    let seq = view.seq(uid)?;
    Some(if numbers == Numbers::Uid { uid.number() } else { seq.number() })
}
