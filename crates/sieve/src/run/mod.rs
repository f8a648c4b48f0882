//! Runs a program over a message. What it decides are values (`action`); what it asks goes through the `World`.
//!
//! Every loop is bounded: steps count commands and tests, work counts octets (`work`).

mod action;
mod body;
mod command;
mod date;
mod edit;
mod expand;
mod fields;
mod flags;
mod include;
mod matching;
mod message;
mod mime;
mod names;
mod parts;
mod rewrite;
mod structure;
mod suite;
mod test;
mod work;
mod world;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::Script;
use crate::pattern::Pattern;
use crate::program::{Comparator, Location, Program};

pub use action::{Action, Fault, FileInto, Flags, Notification, Outcome, Reports, Rewritten, RunError, Seen, Vacation};
pub use message::Message;
pub(crate) use names::{check_method, check_notify_option, is_date_part, is_special_use, parse_ret, zone_minutes};
pub use world::{Envelope, Limits, NotIncluded, World};

impl Script {
    /// Runs the script. Never fails: an error is part of the outcome, which then keeps the message.
    pub fn run(&self, message: &Message<'_>, envelope: &Envelope, world: &mut dyn World, limits: &Limits) -> Outcome {
        let flags = world.flags();
        let mut run = Run {
            message: message.clone(),
            envelope: envelope.clone(),
            world,
            limits: *limits,
            line: 1,
            steps: 0,
            work: 0,
            edits: 0,
            edited: false,
            rewritten: false,
            unenclosed: None,
            size_first: message.header().len() + message.body().len(),
            loops: Vec::new(),
            actions: Vec::new(),
            implicit_keep: true,
            flags,
            seen: Vec::new(),
            duplicates: 0,
            matched: Vec::new(),
            regexes: HashMap::new(),
            globals: HashMap::new(),
            frames: Vec::new(),
            includes: 0,
            included: HashSet::new(),
        };
        let result = run.program(&self.program);
        run.outcome(result.err())
    }
}

struct Run<'w, 'm> {
    message: Message<'m>,
    envelope: Envelope,
    world: &'w mut dyn World,
    limits: Limits,
    /// Of the command that runs.
    line: u32,
    steps: u64,
    work: u64,
    edits: usize,
    edited: bool,
    /// The body is another, too.
    rewritten: bool,
    /// What `redirect` sends, once the message was enclosed.
    unenclosed: Option<Rewritten>,
    /// The octets of the message as it came.
    size_first: usize,
    /// The loops around, the innermost last.
    loops: Vec<parts::Loop>,
    actions: Vec<Action>,
    implicit_keep: bool,
    /// The internal variable of RFC 5232 §2.
    flags: Flags,
    seen: Vec<Seen>,
    /// How often `duplicate` has asked.
    duplicates: usize,
    /// What the last pattern matched, from `${0}`.
    matched: Vec<String>,
    /// Expressions made of variables, and which could not be made.
    regexes: HashMap<(String, Comparator), Option<Arc<Pattern>>>,
    globals: HashMap<String, String>,
    /// One for each script that runs, the innermost last.
    frames: Vec<Frame>,
    includes: usize,
    included: HashSet<(Location, String)>,
}

/// The variables of a script.
struct Frame {
    program: Arc<Program>,
    values: Vec<String>,
    /// Those that are shared by all scripts (RFC 6609 §3.4.1).
    global: Vec<bool>,
}

/// Where to go on after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    /// `stop`: no script goes on.
    Stop,
    /// `return`: the script that included this one goes on.
    Return,
    /// `break`: behind the loop that is so many loops further out than the innermost.
    Break(usize),
    /// The case of a test suite is over.
    CaseFailed,
}

type Ran<T> = Result<T, RunError>;

impl Run<'_, '_> {
    fn program(&mut self, program: &Arc<Program>) -> Ran<Flow> {
        let count = program.variables.len();
        self.frames.push(Frame {
            program: program.clone(),
            values: vec![String::new(); count],
            global: vec![false; count],
        });
        let flow = self.block(&program.block);
        self.frames.pop();
        flow
    }

    fn outcome(self, error: Option<RunError>) -> Outcome {
        // A broken script loses nothing: what it has decided until then is void (RFC 5228 §2.10.6).
        let failed = error.is_some();
        let Rewritten { header, body } = if failed { Rewritten::default() } else { self.rewritten() };
        let implicit_keep = if failed { Some(Flags::new()) } else { self.implicit_keep.then_some(self.flags) };
        let redirected = self.unenclosed.filter(|_| !failed);
        let actions = if failed { Vec::new() } else { self.actions };
        Outcome {
            actions,
            implicit_keep,
            header,
            body,
            redirected,
            seen: if failed { Vec::new() } else { self.seen },
            error,
        }
    }

    fn fail<T>(&self, fault: Fault) -> Ran<T> {
        Err(RunError { line: self.line, fault })
    }

    fn has(&self, extension: crate::Extension) -> bool {
        self.frames.last().is_some_and(|frame| frame.program.extensions.contains(extension))
    }
}
