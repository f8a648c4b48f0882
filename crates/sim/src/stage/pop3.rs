//! POP3 servers on stage.
//!
//! Settings: those of `logins`, `tls=off|offered|on`, `login-in-clear`, `bad=N`, `failures=N`, `last`.
//! Answers: `done`, `keys …`, `maildrop VALIDITY UID:SIZE[s][:UNIQUE-ID] …` (`s`: it was seen), `bytes TEXT`, `refused auth|temporary|permanent|in-use|gone`.

use mail::{Uid, UidValidity};
use proto::pop3::{Answer, Ask, Drop, Profile, Refusal, Server, Tls, UniqueIdFormat, UniqueIds};

use super::logins::{Logins, sasl_answer, show_credentials, show_sasl};
use super::words::{number, settings};
use crate::transcript::{Peer, Stage, unescape};

/// A POP3 server.
#[derive(Debug)]
pub struct Pop3;

impl Stage for Pop3 {
    type Session = Server;
    const PEER: Peer = Peer::Client;

    fn open(&self, line: &str) -> Result<Server, String> {
        let (mut profile, mut logins) = (Profile::default(), Logins::default());
        for (key, value) in settings(line) {
            match (key, value) {
                _ if logins.set(&mut profile.offers, key, value)? => {}
                ("tls", "off") => profile.tls = Tls::Off,
                ("tls", "offered") => profile.tls = Tls::Offered,
                ("tls", "on") => profile.tls = Tls::On,
                ("login-in-clear", _) => profile.login_needs_tls = false,
                ("last", _) => profile.last = true,
                ("bad", _) => profile.limits.bad_commands_max = number(key, value)?,
                ("failures", _) => profile.limits.login_failures_max = number(key, value)?,
                _ => return Err(format!("unknown setting {key}={value}")),
            }
        }
        let mut session = Server::new(profile);
        logins.secure(&mut session);
        Ok(session)
    }

    fn show(&self, ask: &Ask) -> String {
        match ask {
            Ask::Sasl(ask) => show_sasl(ask),
            Ask::LogIn(credentials) => show_credentials(credentials),
            Ask::Open => "Open".to_owned(),
            Ask::Read { uid, offset, length } => format!("Read {uid} {offset} {length}"),
            Ask::Quit { delete, seen } => format!("Quit delete={} seen={}", uids(delete), uids(seen)),
        }
    }

    fn parse(&self, answer: &str) -> Option<Answer> {
        let (kind, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        match kind {
            "done" => Some(Answer::Done),
            "keys" | "token" => sasl_answer(kind, rest).map(Answer::Sasl),
            "bytes" => unescape(rest).ok().map(Answer::Bytes),
            "maildrop" => maildrop(rest),
            "refused" => refusal(rest).map(Answer::Refused),
            _ => None,
        }
    }

    fn otherwise(&self, _: &Ask) -> Answer {
        Answer::Refused(Refusal::Temporary)
    }
}

fn uids(uids: &[Uid]) -> String {
    uids.iter().map(Uid::to_string).collect::<Vec<_>>().join(",")
}

fn maildrop(text: &str) -> Option<Answer> {
    let mut words = text.split_ascii_whitespace();
    let uid_validity = UidValidity::new(words.next()?.parse().ok()?)?;
    let mut unique_ids = UniqueIds::new(UniqueIdFormat::default().into(), uid_validity);
    let drop = |word: &str| {
        let mut parts = word.splitn(3, ':');
        let uid = Uid::new(parts.next()?.parse().ok()?)?;
        let size = parts.next()?;
        let seen = size.ends_with('s');
        let size = size.trim_end_matches('s').parse().ok()?;
        if let Some(saved) = parts.next() {
            unique_ids.give(uid, saved).then_some(())?;
        }
        Some(Drop { uid, size, seen })
    };
    let drops = words.map(drop).collect::<Option<_>>()?;
    Some(Answer::Maildrop { drops, unique_ids })
}

fn refusal(word: &str) -> Option<Refusal> {
    Some(match word {
        "auth" => Refusal::Authentication,
        "temporary" => Refusal::Temporary,
        "permanent" => Refusal::Permanent,
        "in-use" => Refusal::InUse,
        "gone" => Refusal::Gone,
        _ => return None,
    })
}

/// What a cut conversation must keep: nothing is removed but by QUIT, which is the last question.
pub fn judge(asked: &[(String, String)]) -> Result<(), String> {
    let quits = asked.iter().filter(|(ask, _)| ask.starts_with("Quit")).count();
    let last = asked.last().is_some_and(|(ask, _)| ask.starts_with("Quit"));
    if quits == 0 || quits == 1 && last { Ok(()) } else { Err("something follows QUIT".into()) }
}
