//! `tepui quota`: what accounts hold and may hold, with or without a running node: the numbers lie in the accounts' homes, and
//! any number of processes may work on them.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use directory::Account;
use serde::Serialize;
use server::Mailboxes;
use server::config::{Settings, show_size};

use super::who::{Found, Who};

/// See and recalculate what accounts hold of what they may
#[derive(Debug, Args)]
pub struct Quota {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "tepui-demo/tepui.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what accounts hold, and their limits
    Show {
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        who: Who,
    },
    /// Count the messages of accounts anew
    Recalculate {
        #[command(flatten)]
        who: Who,
    },
}

/// One account's line.
#[derive(Debug, Serialize)]
struct Line {
    user: String,
    storage: Share,
    messages: Share,
}

/// What is used of a limit; without one, there is none.
#[derive(Debug, Serialize)]
struct Share {
    used: i64,
    limit: Option<u64>,
}

impl Quota {
    pub fn run(self) -> ExitCode {
        let (Action::Show { who, .. } | Action::Recalculate { who }) = &self.action;
        match who.find(&self.config) {
            Ok((found, settings)) => self.work(found, &settings),
            Err(error) => super::fail(error),
        }
    }

    /// One account's trouble is told and keeps nobody else waiting.
    fn work(&self, found: Vec<Found>, settings: &Settings) -> ExitCode {
        let mailboxes = match Mailboxes::open(settings) {
            Ok(mailboxes) => mailboxes,
            Err(error) => return super::fail(error),
        };
        let (count, mut failed, mut lines) = (found.len(), false, Vec::new());
        for (done, (account, name)) in found.into_iter().enumerate() {
            progress(done, count);
            let told = account.and_then(|account| self.one(&mailboxes, &account));
            match told {
                Ok(line) => lines.extend(line),
                Err(error) => {
                    progress_away();
                    super::fail(format_args!("{name}: {error}"));
                    failed = true;
                }
            }
        }
        progress_away();
        match &self.action {
            Action::Show { json: true, .. } => match serde_json::to_string_pretty(&lines) {
                Ok(text) => println!("{text}"),
                Err(error) => return super::fail(error),
            },
            Action::Show { .. } => print!("{}", table(&lines)),
            Action::Recalculate { .. } => {}
        }
        if failed { ExitCode::from(super::FAILED) } else { ExitCode::SUCCESS }
    }

    fn one(&self, mailboxes: &Mailboxes, account: &Account) -> Result<Option<Line>, String> {
        // Whoever only looks makes no home.
        if !account.home.exists() {
            return match self.action {
                Action::Show { .. } => Err(format!("there is no mail yet: {} is not there", account.home.display())),
                Action::Recalculate { .. } => Ok(None),
            };
        }
        let text = |error: store::Error| error.to_string();
        let open = mailboxes.account(account).map_err(text)?;
        if matches!(self.action, Action::Recalculate { .. }) {
            let (before, after) = open.recount_quota().map_err(text)?;
            let shown = |amount: store::Amount| format!("{} octets, {} messages", amount.storage, amount.messages);
            progress_away();
            match before {
                Some(before) if before == after => println!("{}: {}, as it was", account.name, shown(after)),
                Some(before) => println!("{}: {}; it was {}", account.name, shown(after), shown(before)),
                None => println!("{}: {}; nobody had counted", account.name, shown(after)),
            }
            return Ok(None);
        }
        let state = open.quota().map_err(text)?.ok_or("quotas are off: `storage` in [quota]")?;
        Ok(Some(Line {
            user: account.name.clone(),
            storage: Share { used: state.used.storage, limit: state.limits.storage },
            messages: Share { used: state.used.messages, limit: state.limits.messages },
        }))
    }
}

fn table(lines: &[Line]) -> String {
    let size = |share: &Share| {
        let limit = share.limit.map_or("no limit".to_owned(), show_size);
        (show_size(u64::try_from(share.used).unwrap_or(0)), limit, percent(share))
    };
    let count = |share: &Share| {
        (share.used.to_string(), share.limit.map_or("no limit".to_owned(), |limit| limit.to_string()), percent(share))
    };
    let mut text = format!(
        "{:30} {:>12} {:>12} {:>5} {:>10} {:>10} {:>5}\n",
        "USER", "STORAGE", "LIMIT", "%", "MESSAGES", "LIMIT", "%"
    );
    for line in lines {
        let (storage, messages) = (size(&line.storage), count(&line.messages));
        text.push_str(&format!(
            "{:30} {:>12} {:>12} {:>5} {:>10} {:>10} {:>5}\n",
            line.user, storage.0, storage.1, storage.2, messages.0, messages.1, messages.2
        ));
    }
    text
}

fn percent(share: &Share) -> String {
    let percent = |limit: u64| i128::from(share.used) * 100 / i128::from(limit);
    share.limit.filter(|limit| *limit > 0).map_or("-".to_owned(), |limit| percent(limit).to_string())
}

/// How many accounts make a line that counts worth while.
const PROGRESS_MIN: usize = 100;

/// A line that counts, on a terminal.
fn progress(done: usize, count: usize) {
    if count >= PROGRESS_MIN && std::io::stderr().is_terminal() {
        eprint!("\r{done} of {count} accounts");
        // Nobody is harmed when it is not seen.
        let _ = std::io::stderr().flush();
    }
}

fn progress_away() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_shown_with_and_without_limits() {
        let share = |used, limit| Share { used, limit };
        let line = Line { user: "ana".to_owned(), storage: share(1024, Some(4096)), messages: share(7, None) };
        let text = table(&[line]);
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(words, ["ana", "1.0", "KiB", "4.0", "KiB", "25", "7", "no", "limit", "-"]);
        assert_eq!(percent(&share(5, Some(0))), "-");
    }
}
