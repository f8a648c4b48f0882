//! `tepui sieve test`: what a script would do with a message. Nothing is done.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use ::sieve::{Action, Envelope, Limits, Location, Message, NotIncluded, Outcome, Score, Script, World};
use clap::Args;
use mail::date::DateTime;
use server::config::SieveSettings;

use super::Platform;
use crate::cli::{FAILED, fail};

/// Show what a script would do with a message
#[derive(Debug, Args)]
pub struct Test {
    #[arg(value_name = "SCRIPT")]
    script: PathBuf,
    /// The message, with its header
    #[arg(value_name = "MESSAGE")]
    message: PathBuf,
    /// The sender of the envelope; empty for nobody
    #[arg(long, value_name = "ADDRESS", default_value = "sender@example.com")]
    from: String,
    /// The recipient of the envelope
    #[arg(long, value_name = "ADDRESS", default_value = "recipient@example.com")]
    to: String,
    #[command(flatten)]
    platform: Platform,
}

impl Test {
    pub fn run(self) -> ExitCode {
        let settings = match self.platform.settings() {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        let Some(script) = super::compile(&self.script, &settings) else { return ExitCode::from(FAILED) };
        let content = match std::fs::read(&self.message) {
            Ok(content) => content,
            Err(error) => return fail(format_args!("{}: {error}", self.message.display())),
        };
        let envelope = Envelope { from: self.from, original_to: Some(self.to.clone()), to: self.to, auth: None };
        let mut world = Beside { folder: self.script.parent().unwrap_or(Path::new("")).to_owned(), settings };
        let outcome = script.run(&Message::new(&content), &envelope, &mut world, &Limits::default());
        show(&outcome);
        match outcome.error {
            None => ExitCode::SUCCESS,
            Some(error) => fail(error),
        }
    }
}

/// A world that holds nothing but the scripts beside the one that is tried and those of the platform.
struct Beside {
    folder: PathBuf,
    settings: SieveSettings,
}

impl World for Beside {
    fn now(&mut self) -> DateTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        DateTime::utc(since.as_secs().try_into().unwrap_or(i64::MAX))
    }

    fn mailbox_exists(&mut self, _mailbox: &str) -> bool {
        true
    }

    fn include(&mut self, location: Location, name: &str) -> Result<Script, NotIncluded> {
        let global = self.settings.global.as_ref().filter(|_| location == Location::Global);
        let folder = global.unwrap_or(&self.folder);
        let text = std::fs::read(folder.join(format!("{name}.sieve"))).map_err(|_| NotIncluded::Missing)?;
        ::sieve::compile(&text, &server::script_options(&self.settings))
            .map(|(script, _)| script)
            .map_err(NotIncluded::Broken)
    }

    fn score(&mut self, virus: bool, message: &Message<'_>) -> Option<Score> {
        let rule = if virus { &self.settings.virus } else { &self.settings.spam };
        rule.as_ref()?.judge(message)
    }

    fn log(&mut self, line: u32, text: &str) {
        eprintln!("line {line}: {text}");
    }
}

/// As `sieve-test` shows it.
fn show(outcome: &Outcome) {
    println!("\nPerformed actions:\n");
    if outcome.actions.is_empty() {
        println!("  (none)");
    }
    outcome.actions.iter().for_each(|action| println!(" * {}", told(action)));
    println!("\nImplicit keep:\n");
    match &outcome.implicit_keep {
        None => println!("  (none)"),
        Some(flags) => println!(" * {}", stored("INBOX", flags)),
    }
    if let Some(header) = &outcome.header {
        println!("\nChanged header:\n\n{}", String::from_utf8_lossy(header));
    }
    if let Some(body) = &outcome.body {
        println!("\nChanged body:\n\n{}", String::from_utf8_lossy(body));
    }
    println!();
}

fn told(action: &Action) -> String {
    match action {
        Action::Keep { flags } => stored("INBOX", flags),
        Action::FileInto(into) => stored(&into.mailbox, &into.flags),
        Action::Redirect { address, .. } => format!("redirect message to: {address}"),
        Action::Reject { reason, .. } => format!("reject message with reason: {reason}"),
        Action::Discard => "discard".to_owned(),
        Action::Vacation(vacation) => format!("send vacation message:\n{}", vacation.reason),
        Action::Notify(notification) => format!("send notification with method '{}'", notification.method),
    }
}

fn stored(mailbox: &str, flags: &[String]) -> String {
    if flags.is_empty() {
        return format!("store message in folder: {mailbox}");
    }
    format!("store message in folder: {mailbox}\n   + add IMAP flags: {}", flags.join(" "))
}
