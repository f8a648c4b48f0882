//! `tepui auth failures`: who failed to log in, who is locked, and taking it back.

use std::path::Path;
use std::time::{Duration, SystemTime};

use clap::Args;
use server::LoginFailures;
use server::axum::http::Method;
use server::config::show_duration;

use crate::cli::admin_client::{AdminClient, AdminError};

/// Show the failed logins that a running node counts, and lift locks
#[derive(Debug, Args)]
pub struct FailuresCommand {
    /// As JSON, for machines
    #[arg(long)]
    json: bool,
    /// Forget the failures of an account, an address or a network (as 192.0.2.0/24)
    #[arg(long, value_name = "NAME|ADDRESS|NETWORK")]
    lift: Option<String>,
    /// With --lift: everybody's
    #[arg(long, conflicts_with = "lift")]
    all: bool,
}

impl FailuresCommand {
    /// What to print.
    ///
    /// # Errors
    /// No node answers, or it refuses.
    pub async fn run(&self, config: &Path) -> Result<String, AdminError> {
        let node = AdminClient::new(config)?;
        let path = match (&self.lift, self.all) {
            (Some(what), _) => format!("/auth/failures/{}", percent_encoded(what)),
            (None, true) => "/auth/failures".to_owned(),
            (None, false) => {
                let rows: Vec<LoginFailures> = serde_json::from_slice(&node.ask(Method::GET, "/auth/failures").await?)?;
                return Ok(if self.json { serde_json::to_string_pretty(&rows)? + "\n" } else { table(&rows) });
            }
        };
        let answer: serde_json::Value = serde_json::from_slice(&node.ask(Method::DELETE, &path).await?)?;
        if self.json {
            return Ok(format!("{answer}\n"));
        }
        let whose = self.lift.as_deref().unwrap_or("everybody");
        match answer["lifted"].as_u64().unwrap_or(0) {
            0 => Ok(format!("no failures of {whose} are counted\n")),
            lifted => Ok(format!("{lifted} counts of {whose} are lifted\n")),
        }
    }
}

/// RFC 3986 §2.1: all but the unreserved characters.
fn percent_encoded(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    text.bytes()
        .map(|octet| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect()
}

fn table(rows: &[LoginFailures]) -> String {
    if rows.is_empty() {
        return "no failed logins are counted\n".to_owned();
    }
    let mut text = format!("{:8} {:>8} {:>10}  {:10} {}\n", "STATE", "FAILURES", "FOR", "KIND", "WHO");
    for row in rows {
        let time = match row.until {
            Some(until) => left(until),
            None if row.delay > 0 => show_duration(Duration::from_millis(row.delay)),
            None => String::new(),
        };
        text.push_str(&format!("{:8} {:>8} {time:>10}  {:10} {}\n", row.state, row.failures, row.kind, row.who));
    }
    text
}

/// How long a lock still holds, to the second.
fn left(until: u64) -> String {
    let until = SystemTime::UNIX_EPOCH + Duration::from_millis(until);
    let left = until.duration_since(SystemTime::now()).unwrap_or_default();
    show_duration(Duration::from_secs(left.as_secs().max(1)))
}
