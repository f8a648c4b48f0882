//! The Sieve language (RFC 5228): parse, check, run to actions.
//!
//! `compile` tells every mistake of a script, or gives a `Script` that is cheap to share and to run. A run gives actions as
//! values; whoever asked carries them out, so that a failing action can keep the mail. No IO, no clock, no randomness: what the
//! language asks of the world goes through one trait. No script and no message makes it panic or run without end.

mod check;
mod compare;
mod encode;
mod error;
mod extension;
mod lexer;
mod mailto;
pub mod notify;
mod parser;
mod pattern;
mod program;
mod run;
pub mod score;
pub mod suite;
mod suite_call;
mod syntax;
pub mod vacation;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

pub use check::parse_mailbox;
pub use error::{Position, Problem, Severity};
pub use extension::{Extension, Extensions};
pub use program::Location;
pub use run::{
    Action, Envelope, Fault, FileInto, Flags, Limits, Message, NotIncluded, Notification, Outcome, Reports, Rewritten,
    RunError, Seen, Vacation, World,
};
pub use score::{Score, ScoreRule};
pub use suite_call::{SuiteAnswer, SuiteRequest, SuiteState};

use error::Problems;
use program::Program;

/// What a script may be and use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What scripts may `require`.
    pub extensions: Extensions,
    /// What they may use without: nothing, for scripts of users.
    pub always: Extensions,
    /// The largest script, in octets.
    pub script_size_max: usize,
}

/// The largest script unless the caller says otherwise, in octets.
pub const SCRIPT_SIZE_MAX: usize = 1 << 20;

impl Default for Options {
    fn default() -> Options {
        Options { extensions: Extensions::offered(), always: Extensions::NONE, script_size_max: SCRIPT_SIZE_MAX }
    }
}

/// A script that is right. Sharing it costs nothing.
#[derive(Debug, Clone)]
pub struct Script {
    pub(crate) program: Arc<Program>,
}

impl Script {
    /// The memory that the compiled form holds, in octets, about: for whoever keeps many.
    pub fn memory(&self) -> usize {
        self.program.memory
    }
}

/// Compiles a script: with its warnings, or all its problems with at least one error among them.
pub fn compile(script: &[u8], options: &Options) -> Result<(Script, Vec<Problem>), Vec<Problem>> {
    let mut problems = Problems::default();
    if script.len() > options.script_size_max {
        let text = format!("the script is larger than {} bytes.", options.script_size_max);
        problems.error(Position { line: 1, column: 1 }, text);
        return Err(problems.into_list());
    }
    let text = String::from_utf8_lossy(script);
    if let Cow::Owned(_) = text {
        problems.warning(Position { line: 1, column: 1 }, "the script is not valid UTF-8.");
    }
    let commands = parser::parse(text.strip_prefix('\u{feff}').unwrap_or(&text), &mut problems);
    // What could not be read would make good commands look wrong.
    if problems.has_errors() {
        return Err(problems.into_list());
    }
    let program = check::check(commands, options, &mut problems);
    if problems.has_errors() {
        return Err(problems.into_list());
    }
    Ok((Script { program: Arc::new(program) }, problems.into_list()))
}

/// The names of the extensions that scripts may use, with blanks between them, as ManageSieve's SIEVE capability has them.
pub fn capabilities() -> &'static str {
    static NAMES: OnceLock<String> = OnceLock::new();
    NAMES.get_or_init(|| Extensions::offered().names().collect::<Vec<_>>().join(" "))
}
