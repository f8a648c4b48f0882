//! `tepui backup`: copies of accounts that keep UIDs, flags, subscriptions and scripts, and back again.

mod create;
mod prune;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use archive::backup::Backups;
use clap::{Args, Subcommand};
use disk::RealDisk;
use mail::MailboxName;
use mail::date::DateTime;
use serde_json::{Value, json};
use server::config::show_size;

use super::outcome::{self, Outcome, each};
use super::progress::Progress;
use super::user_mail;
use super::who::Who;

/// Back accounts up, and restore them
///
/// A backup is taken of a live account, beside running nodes. Each holds all of the account; what an earlier one holds already
/// is not stored again. A restore leaves what is there as it is, and may be done again after it was interrupted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tepui backup create --to /backup ana@example.test bob@example.test
  tepui backup create --to /backup --all
  tepui backup list --to /backup ana@example.test
  tepui backup verify --to /backup ana@example.test
  tepui backup restore --to /backup ana@example.test --mailbox Projects/2026
  tepui backup restore --to /backup ana@example.test --mailbox INBOX --as Restored --id 1795220146000
  tepui backup prune --to /backup --keep-daily 14 --keep-monthly 6 --dry-run

Exit codes: 0 done, 1 failed, damage was found or something could not be read (all else was done), 2 the command line is wrong.")]
pub struct Backup {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "tepui-demo/tepui.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Args)]
struct Place {
    /// The folder of backups; made when it is not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Back accounts up
    Create {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        who: Who,
        /// A line of JSON for each account
        #[arg(long)]
        json: bool,
    },
    /// Remove old backups, and the contents that no other needs
    ///
    /// A backup stays when any of the rules keeps it; days, weeks and months are those of UTC. The last backup of an account in
    /// which nothing is missing always stays. Backups that are being made, on any node, are waited for a while.
    Prune {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        pruning: prune::Pruning,
    },
    /// List an account's backups, the oldest first
    List {
        #[command(flatten)]
        place: Place,
        user: String,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Read all that an account's backups need, and say what is missing or changed
    Verify {
        #[command(flatten)]
        place: Place,
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Put mailboxes back with their UIDs: all, or one
    Restore {
        #[command(flatten)]
        place: Place,
        user: String,
        /// Which backup; the last when not said
        #[arg(long)]
        id: Option<String>,
        /// Only this mailbox
        #[arg(long, value_name = "NAME")]
        mailbox: Option<String>,
        /// Under this name, which no other mailbox may have
        #[arg(long = "as", value_name = "NAME", requires = "mailbox")]
        target: Option<String>,
    },
}

impl Backup {
    pub fn run(self) -> ExitCode {
        let disk = match RealDisk::new() {
            Ok(disk) => disk,
            Err(error) => return super::fail(error),
        };
        let answer = match &self.action {
            Action::Create { place, who, json } => {
                create::run(&self.config, &Backups::new(&disk, &place.to), who, *json)
            }
            Action::Prune { place, pruning } => pruning.run(&Backups::new(&disk, &place.to)),
            Action::List { place, user, json } => list(&Backups::new(&disk, &place.to), user, *json),
            Action::Verify { place, users } => each(users, |user| verify(&Backups::new(&disk, &place.to), user)),
            Action::Restore { place, user, id, mailbox, target } => {
                let only = mailbox.as_deref().map(|mailbox| (mailbox, target.as_deref().unwrap_or(mailbox)));
                self.restore(&Backups::new(&disk, &place.to), user, id.as_deref(), only)
            }
        };
        outcome::end(answer)
    }

    fn restore(&self, backups: &Backups<'_>, user: &str, id: Option<&str>, only: Option<(&str, &str)>) -> Outcome {
        let name = |text: &str| MailboxName::parse(text).map_err(|error| format!("{text}: {error}"));
        let only = only.map(|(from, to)| Ok::<_, String>((name(from)?, name(to)?))).transpose()?;
        let mail = user_mail::open_or_make(&self.config, user)?;
        let home = mail.home.as_ref().ok_or_else(|| format!("{user}: backups are of users"))?;
        let wrong = |error: archive::Error| format!("{user}: {error}");
        let (id, snapshot) = backups.find(&mail.user, id).map_err(wrong)?;
        let progress = Progress::start(format!("restore of {user}"));
        let only = only.as_ref().map(|(from, to)| (from, to));
        let restored = backups.restore(&snapshot, home, &mail.account, only, || progress.step()).map_err(wrong)?;
        drop(progress);
        restored.missing.iter().for_each(|what| eprintln!("tepui: {user}: {what}"));
        let lines =
            restored.mailboxes.iter().map(|(name, count)| format!("{name}: {count} messages came back from {id}\n"));
        Ok((lines.collect(), restored.missing.is_empty()))
    }
}

fn list(backups: &Backups<'_>, user: &str, as_json: bool) -> Outcome {
    let snapshots = backups.list(user).map_err(|error| error.to_string())?;
    if as_json {
        let row = |(id, snapshot): &(String, archive::Snapshot)| {
            json!({"id": id, "taken": snapshot.taken, "mailboxes": snapshot.mailboxes.len(),
                "messages": snapshot.messages(), "octets": snapshot.octets(), "missing": snapshot.missing})
        };
        return Ok((format!("{:#}\n", Value::from(snapshots.iter().map(row).collect::<Vec<_>>())), true));
    }
    let mut text = format!("{:15} {:31} {:>9} {:>9} {:>9}\n", "ID", "TAKEN", "MAILBOXES", "MESSAGES", "SIZE");
    for (id, snapshot) in &snapshots {
        let taken = (UNIX_EPOCH + Duration::from_millis(snapshot.taken)).duration_since(UNIX_EPOCH).unwrap_or_default();
        let taken = DateTime::utc(i64::try_from(taken.as_secs()).unwrap_or(i64::MAX)).to_rfc5322();
        let (mailboxes, messages) = (snapshot.mailboxes.len(), snapshot.messages());
        text.push_str(&format!(
            "{id:15} {taken:31} {mailboxes:>9} {messages:>9} {:>9}{}\n",
            show_size(snapshot.octets()),
            if snapshot.missing.is_empty() { "" } else { "  not all could be read" }
        ));
    }
    Ok((text, true))
}

fn verify(backups: &Backups<'_>, user: &str) -> Outcome {
    let progress = Progress::start(format!("backups of {user}"));
    let findings = backups.verify(user, || progress.step()).map_err(|error| format!("{user}: {error}"))?;
    let lines: String = findings.iter().map(|finding| format!("{user}: {finding}\n")).collect();
    let good = findings.is_empty();
    Ok((format!("{lines}{user}: {}\n", if good { "good" } else { "damaged" }), good))
}
