//! `tepui check`: every mistake of a configuration file, nothing started.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use server::config;

/// Check a configuration file and say every mistake in it
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration file
    #[arg(long, value_name = "FILE", required_unless_present = "reference")]
    config: Option<PathBuf>,
    /// Print the reference of all options, as Markdown, instead
    #[arg(long)]
    reference: bool,
}

impl Check {
    pub fn run(self) -> ExitCode {
        if self.reference {
            print!("{}", config::reference::markdown());
            return ExitCode::SUCCESS;
        }
        let file = self.config.unwrap_or_default();
        match config::load(&file) {
            Ok(settings) => {
                println!(
                    "{}: good; {} listeners, {} local domains",
                    file.display(),
                    settings.listeners.len(),
                    settings.local_domains.len()
                );
                ExitCode::SUCCESS
            }
            Err(bad) => {
                eprint!("{bad}");
                ExitCode::from(super::MISUSED)
            }
        }
    }
}
