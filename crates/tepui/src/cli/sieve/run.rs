//! `tepui sieve run`: a script over the messages of a mailbox, as `sieve-filter`. Without `--execute` nothing is done.

use std::path::PathBuf;
use std::process::ExitCode;

use ::sieve::{Envelope, Message, Script};
use clap::Args;
use disk::RealDisk;
use mail::{Keyword, MailboxName, Uid};
use serde::Serialize;
use server::scripts::{Discarded, Known, Plan, Programs, ScriptWorld, Stays, Stored, stored_items};
use store::{Access, Mailbox, Scripts};

use crate::cli::outcome::{self, Outcome};
use crate::cli::progress::Progress;
use crate::cli::user_mail::{self, UserMail};

/// Apply a script to the messages of a user's mailbox
///
/// Says what would be done; with --execute it is done. What the script puts into another mailbox leaves this one, what it keeps gets
/// the flags that it wants. Nothing is sent: redirect, reject, vacation and notify are left out, and a message that was only to be
/// sent on stays. No message is a duplicate of one seen before.
#[derive(Debug, Args)]
pub struct Run {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "tepui-demo/tepui.toml")]
    config: PathBuf,
    #[arg(value_name = "USER")]
    user: String,
    /// The script, a file
    #[arg(value_name = "SCRIPT")]
    script: PathBuf,
    /// The mailbox, as mail programs show it
    #[arg(long, value_name = "MAILBOX", default_value = "INBOX")]
    mailbox: String,
    /// Only messages that IMAP's SEARCH would find, as "SINCE 1-Jan-2026 UNSEEN"
    #[arg(long, value_name = "KEYS", default_value = "ALL")]
    search: String,
    /// Do it
    #[arg(long)]
    execute: bool,
    /// What is done with messages that the script keeps nowhere: keep, delete (flagged \Deleted), expunge, or move:MAILBOX
    #[arg(long, value_name = "HOW", default_value = "keep")]
    discard: String,
    /// As JSON, for machines
    #[arg(long)]
    json: bool,
}

/// What is done with one message.
#[derive(Debug, Serialize)]
struct Line {
    uid: u32,
    /// Nothing, where it stays as it is.
    actions: Vec<String>,
    left_out: Vec<&'static str>,
    error: Option<String>,
}

impl Run {
    pub fn run(self) -> ExitCode {
        outcome::end(self.answer())
    }

    fn answer(&self) -> Outcome {
        let scripts = user_mail::scripts(&self.config, &self.user)?;
        let mail = user_mail::open(&self.config, &self.user)?;
        let Some(script) = super::compile(&self.script, &mail.settings.sieve) else {
            return Err(format!("{}: the script is not run", self.script.display()));
        };
        let discarded = self.discarded(&mail)?;
        let wrong = |error: store::Error| format!("{}: {}: {error}", self.user, self.mailbox);
        let mailbox = mail.account.open(&mail.named(&self.mailbox)?).map_err(wrong)?;
        let access = if self.execute { Access::Serve } else { Access::Look };
        let snapshot = mailbox.sync(access).map_err(wrong)?;
        let key = proto::imap::search_key(&self.search, mailbox.name(), snapshot)
            .map_err(|why| format!("--search: {why}"))?;
        let disk = RealDisk::new().map_err(|error| error.to_string())?;
        let work =
            Work { mail: &mail, scripts, mailbox: &mailbox, script, disk, programs: Programs::default(), discarded };
        let progress = Progress::start(self.mailbox.clone());
        let mut lines = Vec::new();
        for uid in mailbox.search(&key).map_err(wrong)? {
            lines.extend(work.one(uid, self.execute));
            progress.step();
        }
        drop(progress);
        let good = lines.iter().all(|line| line.error.is_none());
        Ok((if self.json { json(&lines) } else { table(&lines, self.execute) }, good))
    }

    fn discarded(&self, mail: &UserMail) -> Result<Discarded, String> {
        match self.discard.split_once(':') {
            None if self.discard == "keep" => Ok(Discarded::Keep),
            None if self.discard == "delete" => Ok(Discarded::Delete),
            None if self.discard == "expunge" => Ok(Discarded::Expunge),
            Some(("move", mailbox)) => mail.named(mailbox).map(Discarded::MoveTo),
            _ => Err(format!("--discard: {:?}: one of keep, delete, expunge, move:MAILBOX", self.discard)),
        }
    }
}

struct Work<'a> {
    mail: &'a UserMail,
    scripts: Scripts,
    mailbox: &'a Mailbox,
    script: Script,
    disk: RealDisk,
    programs: Programs,
    discarded: Discarded,
}

impl Work<'_> {
    /// Runs the script for a message, and does what it wants. Nothing is said of one that is gone.
    fn one(&self, uid: Uid, execute: bool) -> Option<Line> {
        let mut line = Line { uid: uid.number(), actions: Vec::new(), left_out: Vec::new(), error: None };
        match self.try_one(uid, execute, &mut line) {
            Ok(()) => {}
            Err(Failure::Gone) => return None,
            Err(Failure::Other(why)) => line.error = Some(why),
        }
        Some(line)
    }

    fn try_one(&self, uid: Uid, execute: bool, line: &mut Line) -> Result<(), Failure> {
        let (content, internal_date) = read(self.mailbox, uid)?;
        let snapshot = self.mailbox.snapshot();
        let row = snapshot.row(uid).ok_or(Failure::Gone)?;
        let flags: Vec<String> = snapshot.keywords.names_of(row.flags).map(str::to_owned).collect();
        let settings = &self.mail.settings;
        let mut world = ScriptWorld {
            programs: &self.programs,
            disk: &self.disk,
            settings: &settings.sieve,
            namespaces: &settings.namespaces,
            mailboxes: &self.mail.account,
            scripts: &self.scripts,
            duplicates: None,
            envelope: self.envelope(&content),
            delimiter: settings.recipient_delimiter.to_string(),
            host: &settings.name,
            flags: flags.clone(),
            items: stored_items(),
            known: Known::default(),
        };
        let outcome = world.run(&self.script, &Message::new(&content));
        let (account, mailbox) = (&self.mail.account, self.mailbox);
        let stored = Stored { account, mailbox, uid, flags: &flags, internal_date, content: &content };
        let plan = Plan::new(outcome, &stored, &settings.namespaces).map_err(Failure::Other)?;
        line.actions = self.told(&plan);
        line.left_out.clone_from(&plan.left_out);
        if execute { Ok(stored.carry_out(&plan, &self.discarded)?) } else { Ok(()) }
    }

    /// Whoever sent it stands where the delivery has put him.
    fn envelope(&self, content: &[u8]) -> Envelope {
        let field = |name| {
            let value =
                mail::header::find(content, name).map(|field| String::from_utf8_lossy(field.value).into_owned());
            value.map(|value| value.trim().trim_start_matches('<').trim_end_matches('>').to_owned())
        };
        let to = field("Delivered-To").unwrap_or_else(|| self.mail.user.clone());
        Envelope { from: field("Return-Path").unwrap_or_default(), to, original_to: None, auth: None }
    }

    fn told(&self, plan: &Plan) -> Vec<String> {
        let shown = |name: &MailboxName| self.mail.shown(name);
        let mut told: Vec<String> =
            plan.copies.iter().map(|place| format!("put into {}", shown(&place.mailbox))).collect();
        if plan.rewritten.is_some() {
            told.push("change the message".to_owned());
        }
        told.extend(match &plan.stays {
            Stays::Unchanged => None,
            Stays::With { flags, keywords } => {
                let mut names: Vec<&str> = flags.system_names().collect();
                names.extend(keywords.iter().map(Keyword::as_str));
                let names = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
                Some(format!("set flags: {names}"))
            }
            Stays::Moved => Some(format!("take out of {}", shown(self.mailbox.name()))),
            Stays::Discarded => Some(match &self.discarded {
                Discarded::Keep => "discarded: stays".to_owned(),
                Discarded::Delete => "discarded: flag \\Deleted".to_owned(),
                Discarded::Expunge => "discarded: expunge".to_owned(),
                Discarded::MoveTo(name) => format!("discarded: move to {}", shown(name)),
            }),
        });
        told
    }
}

enum Failure {
    Gone,
    Other(String),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Failure {
        match error {
            store::Error::Gone => Failure::Gone,
            error => Failure::Other(error.to_string()),
        }
    }
}

fn read(mailbox: &Mailbox, uid: Uid) -> Result<(Vec<u8>, mail::date::DateTime), store::Error> {
    let mut message = mailbox.message(uid)?;
    let mut content = Vec::new();
    message.read_range(0, message.size(), |piece| content.extend_from_slice(piece))?;
    Ok((content, message.internal_date()))
}

fn json(lines: &[Line]) -> String {
    // Numbers and texts can always be written.
    serde_json::to_string_pretty(lines).unwrap_or_default() + "\n"
}

fn table(lines: &[Line], execute: bool) -> String {
    let mut text = String::new();
    for line in lines {
        let left_out = (!line.left_out.is_empty()).then(|| format!("left out: {}", line.left_out.join(", ")));
        let error = line.error.as_ref().map(|why| format!("FAILED: {why}"));
        let told: Vec<String> = line.actions.iter().cloned().chain(left_out).chain(error).collect();
        if !told.is_empty() {
            text.push_str(&format!("{:>10}  {}\n", line.uid, told.join("; ")));
        }
    }
    let changed = lines.iter().filter(|line| !line.actions.is_empty() && line.error.is_none()).count();
    let doing = if execute { "were changed" } else { "would be changed; nothing was done, for lack of --execute" };
    text.push_str(&format!("{} messages looked at, {changed} {doing}\n", lines.len()));
    text
}
