//! `tepui sieve`: scripts without a mailbox.

mod check;
mod suite;
mod test;

use std::path::Path;
use std::process::ExitCode;

use ::sieve::{Options, Problem, Script};
use clap::{Args, Subcommand};

/// Check Sieve scripts, and try them on messages
#[derive(Debug, Args)]
pub struct Sieve {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Test(test::Test),
    Dump(check::Dump),
    Suite(suite::Suite),
}

impl Sieve {
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Check(command) => command.run(),
            Command::Test(command) => command.run(),
            Command::Dump(command) => command.run(),
            Command::Suite(command) => command.run(),
        }
    }
}

/// The script of a file, whose problems have been printed as `sievec` prints them.
fn compile(path: &Path) -> Option<Script> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("tepui: {}: {error}", path.display());
            return None;
        }
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let show = |problems: &[Problem]| problems.iter().for_each(|problem| eprintln!("{name}: {problem}"));
    match ::sieve::compile(&text, &Options::default()) {
        Ok((script, warnings)) => {
            show(&warnings);
            Some(script)
        }
        Err(problems) => {
            show(&problems);
            None
        }
    }
}
