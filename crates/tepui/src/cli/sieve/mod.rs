//! `tepui sieve`: scripts, alone and in users' homes.

mod check;
mod run;
mod scripts;
mod suite;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::sieve::{Problem, Script};
use clap::{Args, Subcommand};
use server::config::{self, SieveSettings};

use crate::cli::MISUSED;

/// Check Sieve scripts, try them on messages, and keep those of users
#[derive(Debug, Args)]
pub struct Sieve {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Test(test::Test),
    Run(run::Run),
    Dump(check::Dump),
    Suite(suite::Suite),
    List(scripts::List),
    Show(scripts::Show),
    Put(scripts::Put),
    Activate(scripts::Activate),
    Deactivate(scripts::Deactivate),
    Remove(scripts::Remove),
}

impl Sieve {
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Check(command) => command.run(),
            Command::Test(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Dump(command) => command.run(),
            Command::Suite(command) => command.run(),
            Command::List(command) => command.run(),
            Command::Show(command) => command.run(),
            Command::Put(command) => command.run(),
            Command::Activate(command) => command.run(),
            Command::Deactivate(command) => command.run(),
            Command::Remove(command) => command.run(),
        }
    }
}

/// As which platform a script is looked at.
#[derive(Debug, Args)]
struct Platform {
    /// The node's configuration file, for spamtest, virustest and the scripts that may be included
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Platform {
    /// What is said about scripts there, or what has been said about a file that says nothing good.
    fn settings(&self) -> Result<SieveSettings, ExitCode> {
        let Some(file) = &self.config else { return Ok(SieveSettings::default()) };
        config::load(file).map(|settings| settings.sieve).map_err(|bad| {
            eprint!("{bad}");
            ExitCode::from(MISUSED)
        })
    }
}

/// The script of a file, whose problems have been printed as `sievec` prints them.
fn compile(path: &Path, settings: &SieveSettings) -> Option<Script> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("tepui: {}: {error}", path.display());
            return None;
        }
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let show = |problems: &[Problem]| problems.iter().for_each(|problem| eprintln!("{name}: {problem}"));
    match ::sieve::compile(&text, &server::script_options(settings)) {
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
