//! `tepui queue`: see and steer what waits in a running node's queue.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use server::axum::http::Method;
use server::config::{show_duration, show_size};
use server::{QueueEntry, QueueRecipient};

use super::admin_client::{AdminClient, AdminError};

/// See and steer the queue of a running node
#[derive(Debug, Args)]
pub struct Queue {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "tepui-demo/tepui.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what waits
    List {
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Show one message with all its recipients
    Show {
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
        id: String,
    },
    /// Try now: one message, or all
    Flush { id: Option<String> },
    /// Let messages go that are on hold, as those with a virus are with `on_infected = "quarantine"`
    Release {
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Remove messages; nobody is told
    Remove {
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

impl Queue {
    pub fn run(self) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime
            .map_err(|error| error.to_string())
            .and_then(|runtime| runtime.block_on(self.ask()).map_err(|error| error.to_string()));
        match result {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => super::fail(error),
        }
    }

    async fn ask(&self) -> Result<String, AdminError> {
        let node = AdminClient::new(&self.config)?;
        match &self.action {
            Action::List { json } => {
                let body = node.ask(Method::GET, "/queue").await?;
                let entries: Vec<QueueEntry> = serde_json::from_slice(&body)?;
                Ok(if *json { pretty(&entries)? } else { table(&entries) })
            }
            Action::Show { id, json } => {
                let body = node.ask(Method::GET, &format!("/queue/{id}")).await?;
                let entry: QueueEntry = serde_json::from_slice(&body)?;
                Ok(if *json { pretty(&entry)? } else { page(&entry) })
            }
            Action::Flush { id: Some(id) } => {
                node.ask(Method::POST, &format!("/queue/{id}/flush")).await?;
                Ok(format!("{id} is tried now\n"))
            }
            Action::Flush { id: None } => {
                node.ask(Method::POST, "/queue/flush").await?;
                Ok("everything is tried now\n".to_owned())
            }
            Action::Release { ids } => {
                for id in ids {
                    node.ask(Method::POST, &format!("/queue/{id}/release")).await?;
                }
                Ok(format!("{} released\n", ids.join(", ")))
            }
            Action::Remove { ids } => {
                for id in ids {
                    node.ask(Method::DELETE, &format!("/queue/{id}")).await?;
                }
                Ok(format!("{} removed\n", ids.join(", ")))
            }
        }
    }
}

fn pretty(value: &impl serde::Serialize) -> Result<String, AdminError> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn table(entries: &[QueueEntry]) -> String {
    if entries.is_empty() {
        return "the queue is empty\n".to_owned();
    }
    let mut text = format!("{:16} {:>8} {:>9}  {:30} {}\n", "ID", "AGE", "SIZE", "FROM", "TO");
    for entry in entries {
        let from = format!("<{}>", entry.reverse_path);
        text.push_str(&format!(
            "{:16} {:>8} {:>9}  {from:30} {}\n",
            entry.id,
            age(entry.arrived),
            show_size(entry.size),
            recipients(entry)
        ));
    }
    text.push_str(&format!("{} messages\n", entries.len()));
    text
}

/// How many recipients a line of the table shows.
const RECIPIENTS_SHOWN: usize = 3;

fn recipients(entry: &QueueEntry) -> String {
    let waiting =
        entry.recipients.iter().filter(|recipient| recipient.state == "waiting" || recipient.state == "deferred");
    let mut shown: Vec<String> =
        waiting.clone().take(RECIPIENTS_SHOWN).map(|recipient| recipient.address.clone()).collect();
    let hidden = waiting.count().saturating_sub(RECIPIENTS_SHOWN);
    if hidden > 0 {
        shown.push(format!("and {hidden} more"));
    }
    let reply = entry.recipients.iter().find_map(|recipient| recipient.reply.as_deref()).unwrap_or_default();
    let reply = if reply.is_empty() { String::new() } else { format!("  ({reply})") };
    format!("{}{reply}", shown.join(", "))
}

fn page(entry: &QueueEntry) -> String {
    let mut text = format!(
        "id        {}\ntrace     {}\nfrom      <{}>\narrived   {} ago\nsize      {}\n",
        entry.id,
        entry.trace,
        entry.reverse_path,
        age(entry.arrived),
        show_size(entry.size)
    );
    entry.recipients.iter().for_each(|recipient| text.push_str(&recipient_lines(recipient)));
    text
}

fn recipient_lines(recipient: &QueueRecipient) -> String {
    let mut text = format!("to        {}  {}\n", recipient.address, recipient.state);
    if let Some(next) = recipient.next {
        let due = SystemTime::UNIX_EPOCH + Duration::from_millis(next);
        let wait =
            due.duration_since(SystemTime::now()).map_or("now".to_owned(), |wait| format!("in {}", rounded(wait)));
        text.push_str(&format!("          {} attempts, next {wait}\n", recipient.attempts));
    }
    if let Some(reply) = &recipient.reply {
        text.push_str(&format!("          {reply}\n"));
    }
    text
}

fn age(arrived: u64) -> String {
    let arrived = SystemTime::UNIX_EPOCH + Duration::from_millis(arrived);
    SystemTime::now().duration_since(arrived).map_or("0s".to_owned(), rounded)
}

/// To the second below a minute, then to the minute, then to the hour.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let unit = match seconds {
        0..60 => 1,
        60..7200 => 60,
        _ => 3600,
    };
    if seconds == 0 { "0s".to_owned() } else { show_duration(Duration::from_secs(seconds / unit * unit)) }
}
