//! `tepui backup create`: one account, some, or all of every directory. Each is told as it is done; one's trouble keeps nobody
//! else waiting.

use std::path::Path;

use archive::backup::{Backups, Created};
use directory::Account;
use serde_json::json;
use server::Mailboxes;
use server::config::show_size;

use super::super::outcome::Outcome;
use super::super::progress::Progress;
use super::super::who::{Found, Who};

/// What all accounts together came to.
#[derive(Default)]
struct Sum {
    done: usize,
    without_mail: usize,
    incomplete: usize,
    failed: usize,
    messages: usize,
    new_contents: usize,
    new_octets: u64,
}

pub fn run(config: &Path, backups: &Backups<'_>, who: &Who, json: bool) -> Outcome {
    let (found, settings) = who.find(config)?;
    let mailboxes = Mailboxes::open(&settings).map_err(|error| error.to_string())?;
    let (count, mut sum) = (found.len(), Sum::default());
    let progress = Progress::start(String::new());
    let is_table = !json && (count > 1 || who.all);
    if is_table {
        println!("{:30} {:>15} {:>9} {:>9} {:>9}", "USER", "ID", "MESSAGES", "NEW", "SIZE");
    }
    for (number, (account, name)) in (1..).zip(found) {
        progress.say(format!("backup of {name} ({number} of {count})"));
        match one(backups, &mailboxes, (account, name.clone()), who.all, &progress) {
            Ok(None) => sum.without_mail += 1,
            Ok(Some(created)) => {
                sum.add(&created);
                progress.beside(|| tell(&name, &created, json, is_table));
            }
            Err(error) => {
                sum.failed += 1;
                progress.beside(|| tell_failure(&name, &error, json));
            }
        }
    }
    drop(progress);
    let text = if is_table { sum.line() } else { String::new() };
    Ok((text, sum.failed == 0 && sum.incomplete == 0))
}

/// `None` for an account that nobody has used yet, where all were asked for.
fn one(
    backups: &Backups<'_>,
    mailboxes: &Mailboxes,
    (account, name): Found,
    all: bool,
    progress: &Progress,
) -> Result<Option<Created>, String> {
    let account: Account = account?;
    // Whoever only looks makes no home.
    if !account.home.exists() {
        let nothing = format!("there is no mail yet: {} is not there", account.home.display());
        return if all { Ok(None) } else { Err(nothing) };
    }
    let open = mailboxes.account(&account).map_err(|error| error.to_string())?;
    let created = backups.create(&account.name, &account.home, &open, || progress.step());
    created.map(Some).map_err(|error| format!("{name}: {error}"))
}

fn tell(name: &str, created: &Created, json: bool, is_table: bool) {
    let Created { id, messages, new_contents, new_octets, missing } = created;
    let size = show_size(*new_octets);
    if json {
        println!(
            "{}",
            json!({"account": name, "id": id, "messages": messages, "new_contents": new_contents,
                "new_octets": new_octets, "missing": missing})
        );
    } else if is_table {
        println!("{name:30} {id:>15} {messages:>9} {new_contents:>9} {size:>9}");
    } else {
        println!("{name}: {id} with {messages} messages, {new_contents} of them new ({size})");
    }
    missing.iter().for_each(|what| eprintln!("tepui: {name}: {what}"));
}

fn tell_failure(name: &str, error: &str, json: bool) {
    if json {
        println!("{}", json!({"account": name, "error": error}));
    }
    eprintln!("tepui: {name}: {error}");
}

impl Sum {
    fn add(&mut self, created: &Created) {
        self.done += 1;
        self.incomplete += usize::from(!created.missing.is_empty());
        self.messages += created.messages;
        self.new_contents += created.new_contents;
        self.new_octets += created.new_octets;
    }

    fn line(&self) -> String {
        let Sum { done, without_mail, incomplete, failed, messages, new_contents, .. } = self;
        let size = show_size(self.new_octets);
        format!(
            "{done} accounts with {messages} messages, {new_contents} of them new ({size}); {incomplete} not wholly read, \
             {without_mail} without mail, {failed} failed\n"
        )
    }
}
