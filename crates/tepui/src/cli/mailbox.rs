//! `tepui mailbox`: see and change users' mailboxes, beside a running node or without one.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use archive::exchange;
use clap::{Args, Subcommand, ValueEnum};
use mail::MailboxName;
use serde_json::{Value, json};
use store::{Finding, Harm, SpecialUse};

use super::outcome::{self, Outcome, each};
use super::progress::Progress;
use super::user_mail::{self, UserMail};

/// See and change users' mailboxes
///
/// Works on the mail itself, beside running nodes or without any; run it as the user that they run as. Names of mailboxes are
/// those that mail programs show, in UTF-8. Instead of a user the prefix of a public namespace may stand, as public/.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tepui mailbox list ana@example.test
  tepui mailbox create ana@example.test Projects/2026 --subscribe
  tepui mailbox verify ana@example.test bob@example.test --repair
  tepui mailbox verify public/
  tepui mailbox export ana@example.test INBOX ana.mbox
  tepui mailbox export ana@example.test INBOX ana.tar --format tar
  tepui mailbox import ana@example.test Old ~/Maildir --format maildir --create

Exit codes: 0 done, 1 failed or damage was found, 2 the command line is wrong.")]
pub struct MailboxCommand {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "tepui-demo/tepui.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// One file, RFC 4155 with mboxrd quoting; flags in Status, X-Status and X-Keywords
    Mbox,
    /// A folder with cur, new and tmp, and Dovecot's keywords file
    Maildir,
    /// Such a folder in a tar archive, as `tar cf` makes it
    Tar,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List mailboxes, with subscriptions and special uses
    List {
        user: String,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Count messages, of all mailboxes or of those named
    Status {
        user: String,
        #[arg(value_parser = mailbox_name)]
        mailboxes: Vec<String>,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Make a mailbox
    Create {
        user: String,
        #[arg(value_parser = mailbox_name)]
        mailbox: String,
        /// And subscribe to it
        #[arg(long)]
        subscribe: bool,
        /// What it is for: \Archive, \Drafts, \Junk, \Sent, \Trash, \Flagged or \All, also without the backslash
        #[arg(long, value_name = "USE", value_parser = special_use)]
        special_use: Option<SpecialUse>,
    },
    /// Rename a mailbox and those below it; INBOX stays, and its messages move
    Rename {
        user: String,
        #[arg(value_parser = mailbox_name)]
        from: String,
        #[arg(value_parser = mailbox_name)]
        to: String,
    },
    /// Delete a mailbox with its messages; those below it stay
    Delete {
        user: String,
        #[arg(value_parser = mailbox_name)]
        mailbox: String,
        /// Also when there are messages in it
        #[arg(long)]
        with_messages: bool,
    },
    /// Subscribe to a mailbox
    Subscribe {
        user: String,
        #[arg(value_parser = mailbox_name)]
        mailbox: String,
    },
    /// End a subscription; the mailbox need not exist
    Unsubscribe {
        user: String,
        #[arg(value_parser = mailbox_name)]
        mailbox: String,
    },
    /// Check everything that must hold on disk
    Verify {
        #[arg(required = true)]
        users: Vec<String>,
        /// Mend what can be mended; no message is ever removed
        #[arg(long)]
        repair: bool,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Read the mailboxes anew and write their damaged or unfinished lists again; UIDs, flags and messages stay
    Reindex {
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Write a mailbox into a file or folder of another format
    Export {
        user: String,
        #[arg(value_parser = mailbox_name)]
        mailbox: String,
        /// The mbox or tar file, which must not exist, or the Maildir folder
        target: PathBuf,
        #[arg(long, value_enum, default_value = "mbox")]
        format: Format,
    },
    /// Take messages in; what a broken-off import took in already is passed over
    Import {
        user: String,
        #[arg(value_parser = mailbox_name)]
        mailbox: String,
        /// The mbox or tar file, or the Maildir folder
        source: PathBuf,
        #[arg(long, value_enum, default_value = "mbox")]
        format: Format,
        /// Make the mailbox when it is not there
        #[arg(long)]
        create: bool,
    },
}

/// What can be no mailbox's name whatever the separator.
fn mailbox_name(text: &str) -> Result<String, String> {
    MailboxName::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn special_use(text: &str) -> Result<SpecialUse, String> {
    let attribute = format!("\\{}", text.trim_start_matches('\\'));
    SpecialUse::parse(&attribute).ok_or_else(|| "no such use".to_owned())
}

impl MailboxCommand {
    pub fn run(self) -> ExitCode {
        outcome::end(self.answer())
    }

    fn answer(self) -> Outcome {
        let open = |user: &str| user_mail::open(&self.config, user);
        match self.action {
            Action::List { user, json } => list(&open(&user)?, json),
            Action::Status { user, mailboxes, json } => status(&open(&user)?, mailboxes, json),
            Action::Create { user, mailbox, subscribe, special_use } => {
                let mail = open(&user)?;
                let name = mail.named(&mailbox)?;
                told(&user, &mailbox, mail.account.create(&name, special_use), "created")?;
                if subscribe {
                    told(&user, &mailbox, mail.subscriptions()?.subscribe(&name), "subscribed")?;
                }
                Ok((format!("{mailbox}: created\n"), true))
            }
            Action::Rename { user, from, to } => {
                let mail = open(&user)?;
                let renamed = mail.account.rename(&mail.named(&from)?, &mail.named(&to)?);
                told(&user, &from, renamed, &format!("is {to} now"))
            }
            Action::Delete { user, mailbox, with_messages } => delete(&open(&user)?, &mailbox, with_messages),
            Action::Subscribe { user, mailbox } => {
                let mail = open(&user)?;
                told(&user, &mailbox, mail.subscriptions()?.subscribe(&mail.named(&mailbox)?), "subscribed")
            }
            Action::Unsubscribe { user, mailbox } => {
                let mail = open(&user)?;
                told(
                    &user,
                    &mailbox,
                    mail.subscriptions()?.unsubscribe(&mail.named(&mailbox)?),
                    "not subscribed any more",
                )
            }
            Action::Verify { users, repair, json } => each(&users, |user| verify(&open(user)?, repair, json)),
            Action::Reindex { users } => each(&users, |user| reindex(&open(user)?)),
            Action::Export { user, mailbox, target, format } => export(&open(&user)?, &mailbox, &target, format),
            Action::Import { user, mailbox, source, format, create } => {
                import(&open(&user)?, &mailbox, &source, format, create)
            }
        }
    }
}

fn told(user: &str, mailbox: &str, done: store::Result<()>, what: &str) -> Outcome {
    done.map_err(|error| format!("{user}: {mailbox}: {error}"))?;
    Ok((format!("{mailbox}: {what}\n"), true))
}

fn list(mail: &UserMail, as_json: bool) -> Outcome {
    let listed = mail.account.list().map_err(|error| error.to_string())?;
    if as_json {
        let rows: Vec<Value> = listed
            .iter()
            .map(|row| {
                json!({"name": mail.shown(&row.name), "selectable": row.selectable, "exists": row.exists,
                    "subscribed": row.subscribed, "special_use": row.special_use.map(SpecialUse::attribute)})
            })
            .collect();
        return Ok((pretty(&Value::from(rows)), true));
    }
    let mut text = format!("{:3} {:9} {}\n", "SUB", "USE", "MAILBOX");
    for row in &listed {
        let note = match (row.selectable, row.exists) {
            (false, _) => "  (only a level)",
            (true, false) => "  (made when first used)",
            _ => "",
        };
        let special = row.special_use.map_or("", SpecialUse::attribute);
        text.push_str(&format!(
            "{:3} {special:9} {}{note}\n",
            if row.subscribed { "*" } else { "" },
            mail.shown(&row.name)
        ));
    }
    Ok((text, true))
}

fn status(mail: &UserMail, mailboxes: Vec<String>, as_json: bool) -> Outcome {
    let names = if mailboxes.is_empty() {
        let listed = mail.account.list().map_err(|error| error.to_string())?;
        listed.into_iter().filter(|row| row.selectable && row.exists).map(|row| row.name).collect()
    } else {
        mailboxes.iter().map(|outer| mail.named(outer)).collect::<Result<Vec<MailboxName>, String>>()?
    };
    let mut rows = Vec::new();
    let mut text = format!(
        "{:>9} {:>9} {:>10} {:>10} {:>12}  {}\n",
        "MESSAGES", "UNSEEN", "UIDNEXT", "VALIDITY", "OCTETS", "MAILBOX"
    );
    for name in names {
        let (shown, status) = (mail.shown(&name), mail.account.status(&name));
        let status = status.map_err(|error| format!("{}: {shown}: {error}", mail.user))?;
        text.push_str(&format!(
            "{:>9} {:>9} {:>10} {:>10} {:>12}  {shown}\n",
            status.messages, status.unseen, status.uid_next, status.uid_validity, status.size
        ));
        rows.push(json!({"name": shown, "messages": status.messages, "unseen": status.unseen,
            "uid_next": status.uid_next.number(), "uid_validity": status.uid_validity.number(), "size": status.size}));
    }
    Ok((if as_json { pretty(&Value::from(rows)) } else { text }, true))
}

fn delete(mail: &UserMail, mailbox: &str, with_messages: bool) -> Outcome {
    let name = mail.named(mailbox)?;
    let wrong = |error: store::Error| format!("{}: {mailbox}: {error}", mail.user);
    let messages = mail.account.status(&name).map_err(wrong)?.messages;
    if messages > 0 && !with_messages {
        return Err(format!("{mailbox} holds {messages} messages; delete them too with --with-messages"));
    }
    mail.account.delete(&name).map_err(wrong)?;
    Ok((format!("{mailbox}: deleted with {messages} messages\n"), true))
}

fn verify(mail: &UserMail, repair: bool, as_json: bool) -> Outcome {
    let wrong = |error: store::Error| format!("{}: {error}", mail.user);
    let repaired = match repair {
        true => store::repair(&mail.account).map_err(wrong)?,
        false => store::Repaired { left: store::verify(&mail.account).map_err(wrong)?, ..store::Repaired::default() },
    };
    let good = repaired.left.iter().all(|finding| finding.harm == Harm::Leftover);
    if as_json {
        let rows = |findings: &[Finding]| findings.iter().map(row).collect::<Vec<_>>();
        let told = json!({"user": mail.user, "mended": rows(&repaired.mended), "left": rows(&repaired.left)});
        return Ok((pretty(&told), good));
    }
    let mut text = String::new();
    let lines = [("mended", &repaired.mended), ("found", &repaired.left)];
    for (word, finding) in lines.iter().flat_map(|(word, findings)| findings.iter().map(move |one| (word, one))) {
        let harm = harm(finding);
        text.push_str(&format!("{}: {word} {harm}: {}: {}\n", mail.user, finding.path.display(), finding.what));
    }
    text.push_str(&format!("{}: {}\n", mail.user, if good { "good" } else { "damaged" }));
    Ok((text, good))
}

fn row(finding: &Finding) -> Value {
    json!({"harm": harm(finding), "path": finding.path.display().to_string(), "what": finding.what})
}

fn harm(finding: &Finding) -> &'static str {
    if finding.harm == Harm::Damage { "damage" } else { "leftover" }
}

fn reindex(mail: &UserMail) -> Outcome {
    let count = store::reindex(&mail.account).map_err(|error| format!("{}: {error}", mail.user))?;
    Ok((format!("{}: {count} mailboxes read anew\n", mail.user), true))
}

fn export(mail: &UserMail, mailbox: &str, target: &std::path::Path, format: Format) -> Outcome {
    let name = &mail.named(mailbox)?;
    let progress = Progress::start(format!("{mailbox} of {}", mail.user));
    let done = match format {
        Format::Mbox => File::create_new(target)
            .map_err(archive::Error::from)
            .and_then(|file| exchange::export_mbox(&mail.account, name, &mut BufWriter::new(file), || progress.step())),
        Format::Maildir => exchange::export_maildir(&mail.account, name, target, || progress.step()),
        Format::Tar => File::create_new(target)
            .map_err(archive::Error::from)
            .and_then(|file| exchange::export_tar(&mail.account, name, &mut BufWriter::new(file), || progress.step())),
    };
    let count = done.map_err(|error| format!("{mailbox} to {}: {error}", target.display()))?;
    Ok((format!("{mailbox}: {count} messages in {}\n", target.display()), true))
}

fn import(mail: &UserMail, mailbox: &str, source: &std::path::Path, format: Format, create: bool) -> Outcome {
    let name = &mail.named(mailbox)?;
    if create {
        match mail.account.create(name, None) {
            Ok(()) | Err(store::Error::MailboxExists) => {}
            Err(error) => return Err(format!("{mailbox}: {error}")),
        }
    }
    let progress = Progress::start(format!("{mailbox} of {}", mail.user));
    let done = match format {
        Format::Mbox => File::open(source)
            .map_err(archive::Error::from)
            .and_then(|file| exchange::import_mbox(&mail.account, name, file, || progress.step())),
        Format::Maildir => exchange::import_maildir(&mail.account, name, source, || progress.step()),
        Format::Tar => File::open(source)
            .map_err(archive::Error::from)
            .and_then(|file| exchange::import_tar(&mail.account, name, file, || progress.step())),
    };
    let done = done.map_err(|error| format!("{} to {mailbox}: {error}", source.display()))?;
    Ok((format!("{mailbox}: {} messages taken in, {} were there already\n", done.new, done.known), true))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
