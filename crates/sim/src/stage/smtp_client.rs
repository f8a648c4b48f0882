//! SMTP and LMTP clients on stage.
//!
//! Settings: `smtp` or `lmtp`; `tls=off|opportunistic|required|on`, `login=NAME:PASSWORD`. Event: `tls failed`.
//! A message: `message <from> to=<a> [notify=…] [orcpt=…] … size=N [8bitmime] [smtputf8] [envid=…] [ret=hdrs]`.

use mail::envelope::{Body, Notify};
use mail::{Address, Outcome, Recipient, ReversePath, TraceMark};
use proto::Session;
use proto::sasl::{Credentials, Mechanism};
use proto::smtp::Client;
use proto::smtp::Dialect;
use proto::smtp::client::{Answer, Ask, ClientProfile, ClientTls, Job, Patience};

use super::words::settings;
use crate::transcript::{Peer, Stage, unescape};

/// An SMTP client.
#[derive(Debug)]
pub struct SmtpClient;

impl Stage for SmtpClient {
    type Session = Client;
    const PEER: Peer = Peer::Server;

    fn open(&self, line: &str) -> Result<Client, String> {
        let (dialect, tls, patience) = (Dialect::Smtp, ClientTls::Off, Patience::default());
        let mut profile = ClientProfile { dialect, helo: "out.example.test".into(), tls, credentials: None, patience };
        for (key, value) in settings(line) {
            match (key, value) {
                ("smtp", _) => profile.dialect = Dialect::Smtp,
                ("lmtp", _) => profile.dialect = Dialect::Lmtp,
                ("tls", "off") => profile.tls = ClientTls::Off,
                ("tls", "opportunistic") => profile.tls = ClientTls::Opportunistic,
                ("tls", "required") => profile.tls = ClientTls::Required,
                ("tls", "on") => profile.tls = ClientTls::On,
                ("login", _) => profile.credentials = Some(credentials(value)?),
                _ => return Err(format!("unknown setting {key}={value}")),
            }
        }
        Ok(Client::new(profile))
    }

    fn show(&self, ask: &Ask) -> String {
        match ask {
            Ask::NextMessage => "NextMessage".to_owned(),
            Ask::Content { offset } => format!("Content {offset}"),
            Ask::Report(report) => {
                let outcomes: Vec<String> = report.outcomes.iter().map(show_outcome).collect();
                let tls = if report.tls { " tls" } else { "" };
                let failed = if report.tls_failed { " tls-failed" } else { "" };
                format!("Report{tls}{failed} {}", outcomes.join(" | "))
            }
        }
    }

    fn parse(&self, answer: &str) -> Option<Answer> {
        let (kind, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        match kind {
            "go" => Some(Answer::Go),
            "nomore" => Some(Answer::NoMore),
            "end" => Some(Answer::ContentEnd),
            "failed" => Some(Answer::ContentFailed),
            "bytes" => unescape(rest).ok().map(Answer::Bytes),
            "message" => job(rest).map(Answer::Message),
            _ => None,
        }
    }

    fn otherwise(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::NextMessage => Answer::NoMore,
            Ask::Content { .. } => Answer::ContentEnd,
            Ask::Report(_) => Answer::Go,
        }
    }

    fn event(&self, session: &mut Client, name: &str) -> bool {
        let known = name == "tls failed";
        if known {
            session.tls_failed();
        }
        known
    }
}

/// Reads `name:password`.
fn credentials(text: &str) -> Result<Credentials, String> {
    let (login, password) = text.split_once(':').ok_or("login=NAME:PASSWORD")?;
    Credentials::new(Mechanism::Plain, login.as_bytes(), password.as_bytes()).map_err(|failure| format!("{failure:?}"))
}

fn show_outcome(outcome: &Outcome) -> String {
    let (kind, reply) = match outcome {
        Outcome::Delivered(reply) => ("delivered", reply),
        Outcome::Deferred(reply) => ("deferred", reply),
        Outcome::Bounced(reply) => ("bounced", reply),
    };
    format!("{kind} {}", reply.to_string().replace('\n', "\\n"))
}

fn job(text: &str) -> Option<Job> {
    let mut words = text.split_ascii_whitespace();
    let mut job = Job {
        reverse_path: ReversePath::parse(words.next()?.strip_prefix('<')?.strip_suffix('>')?).ok()?,
        recipients: Vec::new(),
        size: 0,
        body: Body::SevenBit,
        smtputf8: false,
        envelope_id: None,
        return_headers_only: false,
        trace: None,
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("to", path) => {
                let address = Address::parse(path.strip_prefix('<')?.strip_suffix('>')?).ok()?;
                job.recipients.push(Recipient::new(address));
            }
            ("notify", list) => {
                let has = |word: &str| list.split(',').any(|element| element == word);
                job.recipients.last_mut()?.notify =
                    Notify { success: has("success"), failure: has("failure"), delay: has("delay") };
            }
            ("orcpt", original) => job.recipients.last_mut()?.original = Some(original.to_owned()),
            ("size", size) => job.size = size.parse().ok()?,
            ("8bitmime", _) => job.body = Body::EightBitMime,
            ("smtputf8", _) => job.smtputf8 = true,
            ("envid", id) => job.envelope_id = Some(id.to_owned()),
            ("ret", "hdrs") => job.return_headers_only = true,
            ("trace", mark) => job.trace = Some(TraceMark::parse(mark)?),
            _ => return None,
        }
    }
    Some(job)
}

/// What a cut conversation must keep: every message that was given is reported once.
pub fn judge(asked: &[(String, String)]) -> Result<(), String> {
    let mut given = false;
    for (ask, answer) in asked {
        match ask.split(' ').next().unwrap_or_default() {
            "NextMessage" if given => return Err("the next message was asked for before the report".into()),
            "NextMessage" => given = answer.starts_with("message"),
            "Report" if !given => return Err("a report of no message".into()),
            "Report" => given = false,
            _ => {}
        }
    }
    if given { Err("a message was given and not reported".into()) } else { Ok(()) }
}
