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

    /// Whether so many errors are known that looking for more helps nobody.
    pub fn is_full(&self) -> bool {
        self.errors >= PROBLEMS_MAX
    }

    /// All, in the order of the script.
    pub fn into_list(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|problem| (problem.line, problem.column));
        self.list
    }

    fn push(&mut self, at: Position, severity: Severity, text: String) {
        let problem = Problem { line: at.line, column: at.column, severity, text };
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem);
        } else if severity == Severity::Error
            && let Some(warning) = self.list.iter_mut().rfind(|known| known.severity == Severity::Warning)
        {
            // Why a script does not compile must be told, however much else there is to say.
            *warning = problem;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_after_any_number_of_warnings() {
        let mut problems = Problems::default();
        (1..=200).for_each(|line| problems.warning(Position { line, column: 1 }, "warning"));
        assert!(!problems.is_full());
        problems.error(Position { line: 300, column: 1 }, "error");
        let list = problems.into_list();
        assert_eq!((list.len(), list.last().map(|last| last.severity)), (PROBLEMS_MAX, Some(Severity::Error)));
    }
}
