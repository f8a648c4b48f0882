//! Whether a script is good, and what is told about it: the texts of `sievec`, as users and their programs know them.

use std::fmt::Write;

use mail::ScriptName;
use sieve::{Problem, Severity};

use super::options;
use crate::config::SieveSettings;

/// What a script is. Texts have a line for each problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Good, but probably not what its author meant.
    Warned(String),
    Faulty(String),
}

/// Compiles a script, only to see. With its name, each line begins with it.
pub fn check(settings: &SieveSettings, name: Option<&ScriptName>, content: &[u8]) -> Verdict {
    match sieve::compile(content, &options(settings)) {
        Ok((_, warnings)) if warnings.is_empty() => Verdict::Good,
        Ok((_, warnings)) => Verdict::Warned(text(name, &warnings)),
        Err(problems) => {
            let mut told = text(name, &problems);
            line(&mut told, name, "error: validation failed.");
            Verdict::Faulty(told)
        }
    }
}

/// Errors first: a program may show no more than the first line.
fn text(name: Option<&ScriptName>, problems: &[Problem]) -> String {
    let mut told = String::new();
    for severity in [Severity::Error, Severity::Warning] {
        for problem in problems.iter().filter(|problem| problem.severity == severity) {
            line(&mut told, name, problem);
        }
    }
    told
}

fn line(told: &mut String, name: Option<&ScriptName>, what: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = match name {
        Some(name) => write!(told, "{name}: {what}\r\n"),
        None => write!(told, "{what}\r\n"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_are_told_with_the_name_of_the_script() {
        let name = ScriptName::parse("malo").unwrap();
        let Verdict::Faulty(told) = check(&SieveSettings::default(), Some(&name), b"kep;\r\nfileinto \"x\";\r\n")
        else {
            panic!()
        };
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[0].starts_with("malo: line 1: error: ") && lines[0].contains("kep"), "{told}");
        assert!(lines[1].starts_with("malo: line 2: error: ") && lines[1].contains("fileinto"), "{told}");
        assert_eq!(lines[2..], ["malo: error: validation failed."]);
    }

    #[test]
    fn a_good_script_is_good() {
        assert_eq!(
            check(&SieveSettings::default(), None, b"require \"fileinto\";\r\nfileinto \"x\";\r\n"),
            Verdict::Good
        );
    }
}
