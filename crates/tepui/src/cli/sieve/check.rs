//! `tepui sieve check` and `dump`: is a script right, and what was understood of it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Platform;
use crate::cli::FAILED;

/// Say every mistake of scripts, with its line
#[derive(Debug, Args)]
pub struct Check {
    /// The scripts
    #[arg(required = true, value_name = "SCRIPT")]
    scripts: Vec<PathBuf>,
    #[command(flatten)]
    platform: Platform,
}

impl Check {
    pub fn run(self) -> ExitCode {
        let settings = match self.platform.settings() {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        // All are looked at, also after one that is wrong.
        let wrong = self.scripts.iter().filter(|path| super::compile(path, &settings).is_none()).count();
        if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
    }
}

/// Print the compiled form of a script
#[derive(Debug, Args)]
pub struct Dump {
    #[arg(value_name = "SCRIPT")]
    script: PathBuf,
    #[command(flatten)]
    platform: Platform,
}

impl Dump {
    pub fn run(self) -> ExitCode {
        let settings = match self.platform.settings() {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        let Some(script) = super::compile(&self.script, &settings) else { return ExitCode::from(FAILED) };
        println!("{script:#?}");
        ExitCode::SUCCESS
    }
}
