//! The ManageSieve server among clients that send anything.

use mail::ScriptName;
use proto::managesieve::{Answer, Ask, Language, Limits, Profile, Refusal, Script as Listed, Server, Tls};
use proto::sasl::{Mechanism, Offers};

use super::{House, Moods, Script, all_of_tls, converse, judge_credentials, some_sasl};

/// Octets of a script.
const SIZE_MAX: usize = 64;

/// A conversation with a ManageSieve server.
pub fn managesieve(data: &[u8]) {
    let Some(script) = Script::read(data) else { return };
    let profile = Profile {
        tls: [Tls::Off, Tls::Offered, Tls::On, Tls::Off][usize::from(script.profile & 3)],
        login_needs_tls: script.profile & 4 != 0,
        offers: Offers::new(&Mechanism::ALL),
        language: Language { extensions: "fileinto".into(), notify: None, redirects_max: 4 },
        limits: Limits { script_size_max: SIZE_MAX, bad_commands_max: 50, ..Limits::default() },
        ..Profile::default()
    };
    let session = all_of_tls(Server::new(profile), script.profile);
    converse(session, script, &mut Watch::default());
}

#[derive(Default)]
struct Watch {
    logged_in: bool,
}

impl House<Server> for Watch {
    fn answer(&mut self, ask: &Ask, moods: &mut Moods<'_>) -> Answer {
        let is_login = matches!(ask, Ask::Sasl(_) | Ask::LogIn(_));
        assert_eq!(is_login, !self.logged_in, "only who has logged in has scripts, and nobody logs in twice");
        let mood = moods.next();
        if mood.is_multiple_of(8) {
            return Answer::Refused(some_refusal(mood >> 3));
        }
        match ask {
            Ask::Sasl(ask) => Answer::Sasl(some_sasl(ask)),
            Ask::LogIn(credentials) => {
                judge_credentials(credentials);
                self.logged_in = true;
                Answer::Welcome("ana".to_owned())
            }
            Ask::LogOut => {
                self.logged_in = false;
                Answer::Done
            }
            Ask::Put { content, .. } | Ask::Check(content) => {
                assert!(content.len() <= SIZE_MAX);
                let text = String::from_utf8_lossy(content).into_owned();
                if mood & 1 == 0 { Answer::Done } else { Answer::Warned(text) }
            }
            Ask::List => Answer::Scripts(some_scripts()),
            Ask::Get(_) => Answer::Content(b"keep;\r\nOK \"no\"\r\n".to_vec()),
            Ask::HaveSpace { .. } | Ask::Activate(_) | Ask::Delete(_) | Ask::Rename { .. } => Answer::Done,
        }
    }
}

fn some_refusal(mood: u8) -> Refusal {
    match mood % 5 {
        0 => Refusal::Authentication,
        1 => Refusal::Temporary,
        2 => Refusal::NotFound,
        3 => Refusal::TooLarge(SIZE_MAX as u64),
        _ => Refusal::Faulty("line 1: error\r\nline 2: error\r\n".to_owned()),
    }
}

fn some_scripts() -> Vec<Listed> {
    let names = ["a", "\"\\"].into_iter().filter_map(|name| ScriptName::parse(name).ok());
    names.map(|name| Listed { is_active: name.as_str() == "a", name }).collect()
}
