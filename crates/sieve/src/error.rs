//! What is wrong with a script, where, and how badly: said as `sievec` says it, so that users and their programs know it.

use std::fmt;

/// The most problems kept of one script; a file of garbage shall not make a megabyte of them.
pub const PROBLEMS_MAX: usize = 100;

/// Where a token starts, both counted from 1. Columns count characters, not octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The script does not compile.
    Error,
    /// It compiles, and probably does not do what its author meant.
    Warning,
}

/// One mistake in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub line: u32,
    pub column: u32,
    pub severity: Severity,
    /// A sentence, with its full stop.
    pub text: String,
}

/// As `sievec` prints it, after the script's name: `line 3: error: unknown test 'foo'.`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "line {}: {severity}: {}", self.line, self.text)
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    errors: usize,
}

impl Problems {
    pub fn error(&mut self, at: Position, text: impl Into<String>) {
        self.errors += 1;
        self.push(at, Severity::Error, text.into());
    }

    pub fn warning(&mut self, at: Position, text: impl Into<String>) {
        self.push(at, Severity::Warning, text.into());
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether so many are known that looking for more helps nobody.
    pub fn is_full(&self) -> bool {
        self.list.len() >= PROBLEMS_MAX
    }

    /// All, in the order of the script.
    pub fn into_list(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|problem| (problem.line, problem.column));
        self.list
    }

    fn push(&mut self, at: Position, severity: Severity, text: String) {
        if !self.is_full() {
            self.list.push(Problem { line: at.line, column: at.column, severity, text });
        }
    }
}
