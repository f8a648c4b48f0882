//! `tepui sieve list`, `show`, `put`, `activate`, `deactivate`, `remove`: the scripts of a user, with or without a running node. What
//! ManageSieve refuses is refused here too, but for the quota, which does not bind an administrator.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mail::ScriptName;
use serde::Serialize;
use server::config;
use server::{ScriptVerdict, check_script};
use store::{ScriptBounds, Scripts};

use crate::cli::user_mail;
use crate::cli::{MISUSED, fail};

/// An administrator may put what he likes.
const UNBOUNDED: ScriptBounds = ScriptBounds { size_max: 0, scripts_max: 0, storage_max: 0 };

#[derive(Debug, Args)]
struct Whose {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "tepui-demo/tepui.toml")]
    config: PathBuf,
    #[arg(value_name = "USER")]
    user: String,
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    whose: Whose,
    #[arg(value_name = "NAME")]
    name: String,
}

/// List a user's scripts; a star stands at the active one
#[derive(Debug, Args)]
pub struct List {
    /// As JSON, for machines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    whose: Whose,
}

/// Print a user's script
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    which: Which,
}

/// Check a script and keep it for a user; one of the same name is replaced
#[derive(Debug, Args)]
pub struct Put {
    #[command(flatten)]
    which: Which,
    /// The script; standard input when there is none
    #[arg(value_name = "SCRIPT")]
    file: Option<PathBuf>,
}

/// Run this script for a user's mail
#[derive(Debug, Args)]
pub struct Activate {
    #[command(flatten)]
    which: Which,
}

/// Run no script of the user's own for his mail
#[derive(Debug, Args)]
pub struct Deactivate {
    #[command(flatten)]
    whose: Whose,
}

/// Remove a user's script that is not active
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    which: Which,
}

/// A script as `list --json` shows it.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    active: bool,
}

impl List {
    pub fn run(self) -> ExitCode {
        with(&self.whose, |scripts| {
            let lines =
                scripts.list()?.into_iter().map(|one| Line { name: one.name.to_string(), active: one.is_active });
            if self.json {
                // Names and truth values can always be written.
                println!("{}", serde_json::to_string_pretty(&lines.collect::<Vec<_>>()).unwrap_or_default());
            } else {
                lines.for_each(|line| println!("{} {}", if line.active { "*" } else { " " }, line.name));
            }
            Ok(())
        })
    }
}

impl Show {
    pub fn run(self) -> ExitCode {
        named(&self.which, |scripts, name| {
            let content = scripts.read(name)?;
            // A reader who has seen enough closes the pipe.
            let _ = std::io::stdout().write_all(&content);
            Ok(())
        })
    }
}

impl Put {
    pub fn run(self) -> ExitCode {
        let content = match self.content() {
            Ok(content) => content,
            Err(why) => return fail(why),
        };
        let name = match script_name(&self.which) {
            Ok(name) => name,
            Err(code) => return code,
        };
        let settings = match config::load(&self.which.whose.config) {
            Ok(settings) => settings.sieve,
            Err(bad) => return fail(bad),
        };
        match check_script(&settings, Some(&name), &content) {
            ScriptVerdict::Good => {}
            ScriptVerdict::Warned(warnings) => eprint!("{warnings}"),
            ScriptVerdict::Faulty(errors) => {
                eprint!("{errors}");
                return fail("the script is not kept");
            }
        }
        with(&self.which.whose, |scripts| scripts.put(&name, &content, &UNBOUNDED))
    }

    fn content(&self) -> Result<Vec<u8>, String> {
        let Some(file) = &self.file else {
            let mut content = Vec::new();
            let read = std::io::stdin().take(sieve::SCRIPT_SIZE_MAX as u64 + 1).read_to_end(&mut content);
            return read.map(|_| content).map_err(|error| format!("standard input: {error}"));
        };
        std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
    }
}

impl Activate {
    pub fn run(self) -> ExitCode {
        named(&self.which, |scripts, name| scripts.activate(Some(name)))
    }
}

impl Deactivate {
    pub fn run(self) -> ExitCode {
        with(&self.whose, |scripts| scripts.activate(None))
    }
}

impl Remove {
    pub fn run(self) -> ExitCode {
        named(&self.which, Scripts::delete)
    }
}

fn script_name(which: &Which) -> Result<ScriptName, ExitCode> {
    ScriptName::parse(&which.name).map_err(|error| {
        eprintln!("tepui: {:?}: {error}", which.name);
        ExitCode::from(MISUSED)
    })
}

fn named(which: &Which, work: impl FnOnce(&Scripts, &ScriptName) -> Result<(), store::ScriptError>) -> ExitCode {
    match script_name(which) {
        Ok(name) => with(&which.whose, |scripts| work(scripts, &name)),
        Err(code) => code,
    }
}

fn with(whose: &Whose, work: impl FnOnce(&Scripts) -> Result<(), store::ScriptError>) -> ExitCode {
    let done = user_mail::scripts(&whose.config, &whose.user)
        .and_then(|scripts| work(&scripts).map_err(|error| format!("{}: {error}", whose.user)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(why),
    }
}
