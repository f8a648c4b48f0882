//! Compiled scripts, by their content: a script that many have, and one that is run often, is compiled once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sieve::{Extensions, Options, Problem, Script};

/// Octets of memory for scripts that are kept compiled, with their texts.
const KEPT_MAX: usize = 32 << 20;
/// What one of them may have of it: a larger one is compiled each time, and does not drive all others out.
const ONE_MAX: usize = KEPT_MAX / 4;
/// What even the smallest script costs.
const COST_MIN: usize = 1024;

/// A script, or all its problems.
pub type Compiled = Result<Script, Arc<[Problem]>>;

/// The scripts compiled lately.
#[derive(Debug, Default)]
pub struct Programs(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// With which all of them were compiled.
    extensions: Option<Extensions>,
    compiled: HashMap<Arc<[u8]>, Compiled>,
    cost: usize,
}

impl Programs {
    /// Compiles a script, or finds it compiled.
    ///
    /// # Errors
    /// All its problems.
    pub fn compile(&self, content: &[u8], options: &Options) -> Compiled {
        self.kept().renew(options.extensions);
        if let Some(known) = self.kept().compiled.get(content) {
            return known.clone();
        }
        let compiled = sieve::compile(content, options).map(|(script, _)| script).map_err(Arc::from);
        let cost = COST_MIN + content.len() + memory(&compiled);
        if cost > ONE_MAX {
            return compiled;
        }
        let mut kept = self.kept();
        if kept.extensions != Some(options.extensions) {
            // The settings were read anew meanwhile.
            return compiled;
        }
        if kept.cost + cost > KEPT_MAX {
            *kept = Kept { extensions: kept.extensions, ..Kept::default() };
        }
        kept.cost += cost;
        kept.compiled.insert(content.into(), compiled.clone());
        compiled
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Forgets what was compiled with other extensions, before the settings were read anew.
    fn renew(&mut self, extensions: Extensions) {
        if self.extensions.replace(extensions).is_some_and(|before| before != extensions) {
            *self = Kept { extensions: Some(extensions), ..Kept::default() };
        }
    }
}

/// What is held of a script beside its text.
fn memory(compiled: &Compiled) -> usize {
    match compiled {
        Ok(script) => script.memory(),
        Err(problems) => problems.iter().map(|problem| size_of::<Problem>() + problem.text.len()).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_and_bad_scripts_are_known_again() {
        let programs = Programs::default();
        for _ in 0..2 {
            assert!(programs.compile(b"keep;", &Options::default()).is_ok());
            assert_eq!(programs.compile(b"kep;", &Options::default()).unwrap_err().len(), 1);
        }
        assert_eq!(programs.kept().compiled.len(), 2);
    }

    #[test]
    fn what_is_kept_is_counted_as_it_is_held() {
        let list = |text: &str, count: usize| vec![format!("\"{text}\""); count].join(",");
        let script = |keys: &str| format!("require \"regex\"; if header :regex \"subject\" [{keys}] {{ keep; }}");
        let programs = Programs::default();
        // A few octets of text, and a hundred kilobytes of expression.
        let small = script(&list("[a-z]{0,90}b", 10));
        assert!(programs.compile(small.as_bytes(), &Options::default()).is_ok());
        let cost = programs.kept().cost;
        assert!(cost > 10 * small.len() && cost > 10 * COST_MIN, "{cost}");
        // One that holds much is not kept, and leaves the others.
        let large = format!("keep; if header \"subject\" [{}] {{ keep; }}", list("a", 60_000));
        assert!(programs.compile(large.as_bytes(), &Options::default()).is_ok());
        assert_eq!(programs.kept().compiled.len(), 1);
        assert_eq!(programs.kept().cost, cost);
        // Its problems are held, too.
        assert!(programs.compile(b"kep;", &Options::default()).is_err());
        assert!(programs.kept().cost > cost + COST_MIN + size_of::<Problem>());
    }

    #[test]
    fn no_more_is_kept_than_allowed() {
        let programs = Programs::default();
        for number in 0..(2 * KEPT_MAX / COST_MIN) {
            let _ = programs.compile(format!("# {number}").as_bytes(), &Options::default());
            assert!(programs.kept().cost <= KEPT_MAX);
        }
    }
}
