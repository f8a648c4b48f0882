//! Compiled scripts, by their content: a script that many have, and one that is run often, is compiled once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sieve::{Extensions, Options, Problem, Script};

/// Octets of scripts that are kept compiled.
const KEPT_MAX: usize = 32 << 20;
/// What the compiled form of even the smallest script costs.
const COST_MIN: usize = 4096;

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
        let mut kept = self.kept();
        let cost = content.len() + COST_MIN;
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
    fn no_more_is_kept_than_allowed() {
        let programs = Programs::default();
        for number in 0..(2 * KEPT_MAX / COST_MIN) {
            let _ = programs.compile(format!("# {number}").as_bytes(), &Options::default());
            assert!(programs.kept().cost <= KEPT_MAX);
        }
    }
}
