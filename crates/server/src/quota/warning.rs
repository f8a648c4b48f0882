//! Who crossed a threshold is told: by a message of the postmaster, or by a command of the administrator.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mail::MailboxName;
use store::{Crossing, Resource};
use tokio::process::Command;

use crate::config::{Warning, show_size};
use crate::deliver::local::date_time;
use crate::house::blocking;
use crate::node::Node;

/// A command that takes longer is ended.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(30);
/// A longer template is none.
const TEMPLATE_LENGTH_MAX: usize = 1 << 20;

const TEMPLATE: &str = "Subject: Your mailbox is %p full\n\n\
    Your mailbox holds %s of %l.\n\n\
    When it is full, messages to you are returned to their senders. Please delete what you do not need, and empty the\n\
    trash.\n";

/// Tells of one crossing. Failures are logged: nobody waits for them.
pub async fn tell(node: &Arc<Node>, crossing: &Crossing) {
    let live = node.live();
    let Some(warning) = live.settings.quota.warnings.get(crossing.threshold) else { return };
    let account = &crossing.user;
    let words = Words::of(crossing, warning);
    tracing::info!(account, used = words.used, limit = words.limit, at = words.percent, "quota threshold crossed");
    if !warning.run.is_empty() {
        run(&warning.run, &words).await;
    }
    if warning.message || warning.template.is_some() {
        let (node, template) = (Arc::clone(node), warning.template.clone());
        let (crossing, account) = (crossing.clone(), account.clone());
        let sent = blocking(move || send(&node, template.as_deref(), &crossing, &words)).await;
        if let Err(why) = sent {
            tracing::error!(account, why, "cannot deliver a quota warning");
        }
    }
}

/// What stands for the variables.
#[derive(Debug, Clone)]
struct Words {
    user: String,
    percent: String,
    used: String,
    limit: String,
}

impl Words {
    fn of(crossing: &Crossing, warning: &Warning) -> Words {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let (used, limit) = match warning.threshold.resource {
            Resource::Storage => {
                (show_size(count(crossing.used.storage)), show_size(crossing.limits.storage.unwrap_or(0)))
            }
            Resource::Messages => {
                let limit = crossing.limits.messages.unwrap_or(0);
                (format!("{} messages", count(crossing.used.messages)), format!("{limit} messages"))
            }
        };
        Words { user: crossing.user.clone(), percent: format!("{}%", warning.threshold.percent), used, limit }
    }

    /// Fills in `%u`, `%n`, `%d`, `%p`, `%s`, `%l` and `%%`; all else stays.
    fn fill(&self, template: &str) -> String {
        let (local, domain) = self.user.split_once('@').unwrap_or((&self.user, ""));
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            let variable = after.chars().next();
            let value = match variable {
                Some('u') => self.user.as_str(),
                Some('n') => local,
                Some('d') => domain,
                Some('p') => &self.percent,
                Some('s') => &self.used,
                Some('l') => &self.limit,
                Some('%') => "%",
                _ => {
                    text.push('%');
                    rest = after;
                    continue;
                }
            };
            text.push_str(value);
            rest = &after[1..];
        }
        text + rest
    }
}

/// Runs the command without a shell: each argument is one argument, whatever stands in a user's name.
async fn run(command: &[String], words: &Words) {
    let Some((program, arguments)) = command.split_first() else { return };
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| words.fill(argument)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(COMMAND_TIME_MAX, command.status()).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => tracing::error!(program, %status, "a quota warning's command failed"),
        Ok(Err(error)) => tracing::error!(program, %error, "a quota warning's command cannot be run"),
        // Dropped, it is killed.
        Err(_) => tracing::error!(program, "a quota warning's command took too long and was ended"),
    }
}

/// Puts the message into the user's INBOX, however full that is.
fn send(node: &Node, template: Option<&Path>, crossing: &Crossing, words: &Words) -> Result<(), String> {
    let template = match template {
        None => TEMPLATE.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?,
    };
    if template.len() > TEMPLATE_LENGTH_MAX {
        return Err("the template is too long".to_owned());
    }
    let message = message(node, &words.fill(&template), words);
    let stored = (|| {
        let account = node.store().account_of(&crossing.home, &crossing.user)?;
        let mut draft = account.draft(&MailboxName::inbox())?;
        draft.write(message.as_bytes())?;
        draft.deliver_notice()
    })();
    stored.map_err(|error: store::Error| error.to_string())
}

/// The template begins with its own header fields; what every message must have is put before them.
fn message(node: &Node, template: &str, words: &Words) -> String {
    let live = node.live();
    let name = &live.settings.name;
    let domain = live.settings.local_domains.first().map_or(name.clone(), ToString::to_string);
    let date = date_time(SystemTime::now()).to_rfc5322();
    let to = if words.user.contains('@') { words.user.clone() } else { format!("{}@{domain}", words.user) };
    let id = node.ids.trace();
    // RFC 3834 §5: nobody answers it automatically.
    let header = format!(
        "Return-Path: <>\nFrom: Postmaster <postmaster@{domain}>\nTo: {to}\nDate: {date}\nMessage-ID: <{id}@{name}>\n\
         Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n"
    );
    format!("{header}{template}").replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        let word = str::to_owned;
        Words { user: word("ana@example.test"), percent: word("95%"), used: word("1.9G"), limit: word("2G") }
    }

    #[test]
    fn variables_are_filled_in_and_nothing_else() {
        assert_eq!(
            words().fill("%u %n %d %p %s/%l 100%% %x %ñ %"),
            "ana@example.test ana example.test 95% 1.9G/2G 100% %x %ñ %"
        );
    }

    #[tokio::test]
    async fn a_command_gets_its_arguments_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b; $(touch x)");
        let command = ["/bin/cp", "/dev/null", file.to_str().unwrap()].map(str::to_owned);
        run(&command, &words()).await;
        assert!(file.exists());
        run(&["/no/such/program".to_owned()], &words()).await;
    }
}
