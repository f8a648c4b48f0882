//! `tepui sieve suite`: runs the test files of a folder in the language of Pigeonhole's own test-suite.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::sieve::suite::{self, Verdict};
use clap::Args;

use crate::cli::{FAILED, fail};

/// Run test files (*.svtest) and count how many pass
#[derive(Debug, Args)]
pub struct Suite {
    /// A folder, with those below it, or one file
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

impl Suite {
    pub fn run(self) -> ExitCode {
        let mut found = Vec::new();
        if let Err(error) = files(&self.path, &mut found) {
            return fail(format_args!("{}: {error}", self.path.display()));
        }
        let (mut files, mut cases, mut good) = (0, 0, 0);
        for path in &found {
            let verdict = run(path);
            show(path, &verdict);
            files += usize::from(verdict.passed());
            cases += verdict.cases.len();
            good += verdict.cases.iter().filter(|case| case.failed.is_none()).count();
        }
        println!("{files} of {} files passed, {good} of {cases} cases", found.len());
        if files == found.len() && files > 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
    }
}

fn run(path: &Path) -> Verdict {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    match std::fs::read(path) {
        Ok(text) => {
            suite::run(&text, &format!("{}/", folder.display()), &mut |name| std::fs::read(folder.join(name)).ok())
        }
        Err(error) => Verdict { cases: Vec::new(), error: Some(error.to_string()) },
    }
}

fn show(path: &Path, verdict: &Verdict) {
    let file = path.display();
    verdict.error.iter().for_each(|error| println!("{file}: {error}"));
    for case in &verdict.cases {
        if let Some(reason) = &case.failed {
            println!("{file}: {}: {reason}", case.name);
        }
    }
}

/// The test files of a folder and those below it, by name.
fn files(path: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        let wanted = entry.extension().is_some_and(|extension| extension == "svtest");
        if wanted || (entry.is_dir() && !entry.is_symlink()) {
            files(&entry, found)?;
        }
    }
    Ok(())
}
