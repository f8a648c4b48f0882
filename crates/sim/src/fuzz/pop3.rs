//! The POP3 server among clients that send anything.

use mail::{Uid, UidValidity};
use proto::pop3::{Answer, Ask, Drop, Limits, Profile, Refusal, Server, Tls, UniqueIdFormat, UniqueIds};

use proto::sasl::{Mechanism, Offers};

use super::{House, Moods, Script, all_of_tls, converse, judge_credentials, some_sasl};

/// One message; the other two are its beginning and nothing.
const MESSAGE: &[u8] = b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\nno end\r";

/// A conversation with a POP3 server.
pub fn pop3(data: &[u8]) {
    let Some(script) = Script::read(data) else { return };
    let profile = Profile {
        tls: [Tls::Off, Tls::Offered, Tls::On, Tls::Off][usize::from(script.profile & 3)],
        login_needs_tls: script.profile & 4 != 0,
        limits: Limits { line_length_max: 100, auth_line_length_max: 300, bad_commands_max: 50, ..Limits::default() },
        offers: Offers::new(&Mechanism::ALL),
        ..Profile::default()
    };
    let session = all_of_tls(Server::new(profile), script.profile);
    converse(session, script, &mut Watch::default());
}

#[derive(Default)]
struct Watch {
    logged_in: bool,
    quit: bool,
}

impl House<Server> for Watch {
    fn answer(&mut self, ask: &Ask, moods: &mut Moods<'_>) -> Answer {
        assert!(!self.quit, "a question after QUIT");
        let mood = moods.next();
        if mood.is_multiple_of(8) {
            return Answer::Refused(
                [Refusal::Authentication, Refusal::Temporary, Refusal::InUse, Refusal::Gone][usize::from(mood >> 6)],
            );
        }
        match ask {
            Ask::Sasl(ask) => Answer::Sasl(some_sasl(ask)),
            Ask::LogIn(credentials) => {
                assert!(!self.logged_in);
                judge_credentials(credentials);
                Answer::Done
            }
            Ask::Open => {
                self.logged_in = true;
                let format = UniqueIdFormat::default().into();
                let unique_ids = UniqueIds::new(format, UidValidity::new(7).expect("not zero"));
                Answer::Maildrop { drops: drops(), unique_ids }
            }
            Ask::Read { uid, offset, length } => {
                assert!(self.logged_in && *length > 0);
                Answer::Bytes(piece(*uid, *offset, 1 + usize::from(mood) / 8))
            }
            Ask::Quit { delete, seen } => {
                assert!(self.logged_in && delete.len() + seen.len() > 0);
                assert!(delete.iter().all(|uid| !seen.contains(uid)));
                self.quit = true;
                Answer::Done
            }
        }
    }
}

fn drops() -> Vec<Drop> {
    [MESSAGE.len() as u64, 10, 0]
        .into_iter()
        .zip(1..)
        .filter_map(|(size, uid)| Some(Drop { uid: Uid::new(uid)?, size, seen: uid % 2 == 0 }))
        .collect()
}

fn piece(uid: Uid, offset: u64, length: usize) -> Vec<u8> {
    let whole = match uid.number() {
        1 => MESSAGE,
        2 => MESSAGE.get(..10).unwrap_or(MESSAGE),
        _ => b"",
    };
    let rest = whole.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest).to_vec()
}
