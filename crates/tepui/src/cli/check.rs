//! `tepui check`: every mistake of a configuration file, and whether the servers and files it names are as it says.
//! Nothing is started.
//!
//! Exit codes: 0 all good, 1 the file is good and something it names is not, 2 the file is wrong.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use server::config::{self, Settings};
use server::examine::{self, Examined};

/// Check a configuration file, and the directory servers it names
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration file
    #[arg(long, value_name = "FILE", required_unless_present = "reference")]
    config: Option<PathBuf>,
    /// Look at the file alone; ask no server
    #[arg(long)]
    offline: bool,
    /// As JSON, for machines
    #[arg(long)]
    json: bool,
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
        let file = self.config.clone().unwrap_or_default();
        let settings = match config::load(&file) {
            Ok(settings) => settings,
            Err(bad) => {
                if self.json {
                    let mistakes: Vec<&str> = bad.mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
                    println!("{}", serde_json::json!({ "good": false, "mistakes": mistakes }));
                }
                eprint!("{bad}");
                return ExitCode::from(super::MISUSED);
            }
        };
        let examined = match self.examine(&settings) {
            Ok(examined) => examined,
            Err(error) => return super::fail(error),
        };
        let good = examined.iter().all(Examined::is_good);
        let warnings = examine::warnings(&settings);
        if self.json {
            println!("{}", serde_json::json!({ "good": good, "warnings": warnings, "examined": examined }));
        } else {
            show(&file, &settings, &examined);
            warnings.iter().for_each(|warning| println!("warning: {warning}"));
        }
        if good { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) }
    }

    fn examine(&self, settings: &Settings) -> std::io::Result<Vec<Examined>> {
        if self.offline {
            return Ok(Vec::new());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(examine::everything(settings)))
    }
}

fn show(file: &Path, settings: &Settings, examined: &[Examined]) {
    let (listeners, domains) = (settings.listeners.len(), settings.local_domains.len());
    println!("{}: good; {listeners} listeners, {domains} local domains", file.display());
    for Examined { what, steps } in examined {
        println!("{what}");
        for step in steps {
            println!(
                "  {:16} {}",
                step.step,
                if step.good { step.said.clone() } else { format!("FAILED: {}", step.said) }
            );
            step.advice.iter().for_each(|advice| println!("  {:16} -> {advice}", ""));
        }
    }
}
