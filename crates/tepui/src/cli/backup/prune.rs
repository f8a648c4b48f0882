//! `tepui backup prune`: which backups stay, and what goes with the others.

use archive::backup::{Backups, Keep, Pruned};
use clap::Args;
use serde_json::json;
use server::config::show_size;

use super::super::outcome::Outcome;
use super::super::progress::Progress;

/// What to prune, and how it is told.
#[derive(Debug, Args)]
pub struct Pruning {
    /// Whose; of every account in the folder when not said
    #[arg(value_name = "USER")]
    users: Vec<String>,
    #[command(flatten)]
    rules: Rules,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// As JSON, for machines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Rules {
    /// Keep the last N
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_last: usize,
    /// Keep the last of each of the last N days that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_daily: usize,
    /// The same for weeks, which begin on Monday
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_weekly: usize,
    /// The same for months
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_monthly: usize,
}

impl Pruning {
    pub fn run(&self, backups: &Backups<'_>) -> Outcome {
        let Rules { keep_last: last, keep_daily: daily, keep_weekly: weekly, keep_monthly: monthly } = self.rules;
        let keep = Keep { last, daily, weekly, monthly };
        if keep.is_nothing() {
            return Err("nothing would be kept: one of the rules must be above 0".to_owned());
        }
        let users = Some(&self.users[..]).filter(|users| !users.is_empty());
        let progress = Progress::of("pruning".to_owned(), "backups and contents");
        let pruned = backups.prune(users, keep, self.dry_run, || progress.step()).map_err(|error| error.to_string())?;
        drop(progress);
        for path in &pruned.damaged {
            eprintln!("tepui: {}: not whole, so nobody knows what it needs, and no content is removed", path.display());
        }
        let text = if self.json { self.json(&pruned) } else { self.table(&pruned) };
        Ok((text, pruned.damaged.is_empty()))
    }

    fn json(&self, pruned: &Pruned) -> String {
        let account = |account: &archive::backup::PrunedAccount| json!({"account": account.name, "kept": account.kept, "removed": account.removed});
        let accounts: Vec<_> = pruned.accounts.iter().map(account).collect();
        let told = json!({"dry_run": self.dry_run, "accounts": accounts, "contents": pruned.contents,
            "octets": pruned.octets, "damaged": pruned.damaged});
        format!("{told:#}\n")
    }

    fn table(&self, pruned: &Pruned) -> String {
        let mut text = format!("{:30} {:>9} {:>9}\n", "ACCOUNT", "KEPT", "REMOVED");
        for account in &pruned.accounts {
            text.push_str(&format!("{:30} {:>9} {:>9}\n", account.name, account.kept.len(), account.removed.len()));
        }
        let (contents, size) = (pruned.contents, show_size(pruned.octets));
        let what = if self.dry_run { "would be removed" } else { "removed" };
        text.push_str(&format!("{contents} contents {what} ({size})\n"));
        text
    }
}
