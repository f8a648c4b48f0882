//! ManageSieve servers on stage. Scripts may hold: fileinto vacation; notify by mailto; 4 redirects.
//!
//! Settings: those of `logins`, `tls=off|offered|on`, `login-in-clear`, `bad=N`, `failures=N`, `size=N` (of a script).
//! Answers: `done`, `keys …`, `welcome NAME`, `warned TEXT`, `scripts NAME NAME* …` (a star: the active one), `content TEXT`,
//! `refused auth|temporary|permanent|not-found|exists|active`, `refused too-large|too-many|no-storage MAX`, `refused faulty TEXT`.

use mail::ScriptName;
use proto::managesieve::{Answer, Ask, Language, Profile, Refusal, Script, Server, Tls};

use super::logins::{Logins, sasl_answer, show_credentials, show_sasl};
use super::words::{number, settings};
use crate::transcript::{Peer, Stage, unescape};

/// A ManageSieve server.
#[derive(Debug)]
pub struct ManageSieve;

impl Stage for ManageSieve {
    type Session = Server;
    const PEER: Peer = Peer::Client;

    fn open(&self, line: &str) -> Result<Server, String> {
        let language =
            Language { extensions: "fileinto vacation".into(), notify: Some("mailto".into()), redirects_max: 4 };
        let (mut profile, mut logins) = (Profile { language, ..Profile::default() }, Logins::default());
        for (key, value) in settings(line) {
            match (key, value) {
                _ if logins.set(&mut profile.offers, key, value)? => {}
                ("tls", "off") => profile.tls = Tls::Off,
                ("tls", "offered") => profile.tls = Tls::Offered,
                ("tls", "on") => profile.tls = Tls::On,
                ("login-in-clear", _) => profile.login_needs_tls = false,
                ("bad", _) => profile.limits.bad_commands_max = number(key, value)?,
                ("failures", _) => profile.limits.login_failures_max = number(key, value)?,
                ("size", _) => profile.limits.script_size_max = number(key, value)?,
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
            Ask::LogOut => "LogOut".to_owned(),
            Ask::HaveSpace { name, size } => format!("HaveSpace {name} {size}"),
            Ask::Put { name, content } => format!("Put {name} {}", content.escape_ascii()),
            Ask::Check(content) => format!("Check {}", content.escape_ascii()),
            Ask::List => "List".to_owned(),
            Ask::Activate(Some(name)) => format!("Activate {name}"),
            Ask::Activate(None) => "Activate nothing".to_owned(),
            Ask::Get(name) => format!("Get {name}"),
            Ask::Delete(name) => format!("Delete {name}"),
            Ask::Rename { from, to } => format!("Rename {from} {to}"),
        }
    }

    fn parse(&self, answer: &str) -> Option<Answer> {
        let (kind, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        match kind {
            "done" => Some(Answer::Done),
            "keys" | "token" => sasl_answer(kind, rest).map(Answer::Sasl),
            "welcome" => Some(Answer::Welcome(rest.to_owned())),
            "warned" => text(rest).map(Answer::Warned),
            "scripts" => rest.split_ascii_whitespace().map(script).collect::<Option<_>>().map(Answer::Scripts),
            "content" => unescape(rest).ok().map(Answer::Content),
            "refused" => refusal(rest).map(Answer::Refused),
            _ => None,
        }
    }

    fn otherwise(&self, _: &Ask) -> Answer {
        Answer::Refused(Refusal::Temporary)
    }
}

fn text(text: &str) -> Option<String> {
    String::from_utf8(unescape(text).ok()?).ok()
}

fn script(word: &str) -> Option<Script> {
    let name = word.strip_suffix('*');
    Some(Script { name: ScriptName::parse(name.unwrap_or(word)).ok()?, is_active: name.is_some() })
}

fn refusal(words: &str) -> Option<Refusal> {
    let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
    Some(match word {
        "auth" => Refusal::Authentication,
        "temporary" => Refusal::Temporary,
        "permanent" => Refusal::Permanent,
        "not-found" => Refusal::NotFound,
        "exists" => Refusal::Exists,
        "active" => Refusal::Active,
        "reserved" => Refusal::Reserved,
        "too-large" => Refusal::TooLarge(rest.parse().ok()?),
        "too-many" => Refusal::TooMany(rest.parse().ok()?),
        "no-storage" => Refusal::NoStorage(rest.parse().ok()?),
        "faulty" => Refusal::Faulty(text(rest)?),
        _ => return None,
    })
}
