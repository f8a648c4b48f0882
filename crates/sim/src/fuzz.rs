//! Fuzz bodies: any bytes become a conversation, and the promises of `proto::Session` are asserted in it.
//!
//! The first bytes choose the profile, how the input is cut, when something happens to the session, and what the house
//! answers; the rest is what the client sends. Used by the targets in `fuzz/` and, on the stable compiler, by the test that
//! replays their corpora. A panic is a finding.

mod dkim;
mod imap;
mod managesieve;
mod pop3;
mod sieve;
mod smtp;

use proto::sasl::{self, Channel, Credentials, Evidence, gssapi, scram};
use proto::{Next, Session};

pub use dkim::dkim;
pub use imap::imap;
pub use managesieve::managesieve;
pub use pop3::pop3;
pub use sieve::{sieve_run, sieve_script};
pub use smtp::smtp;

/// Octets that one `Send` may have: the outbox, and one read piece of a message on top of it, each octet of which may have been
/// doubled (a dot or a newline for each).
const SENT_LENGTH_MAX: usize = 512 * 1024;
/// Steps that a session may take for one piece of input. Each command takes a few, each octet can be a command at most.
const STEPS_PER_OCTET_MAX: usize = 256;
const STEPS_MIN: usize = 100_000;

/// How the bytes of a finding are laid out.
pub(crate) struct Script<'a> {
    pub profile: u8,
    /// Octets of each piece of input.
    piece: usize,
    /// After this many pieces `event` happens.
    event_after: usize,
    event: u8,
    /// The house's moods, used in turn.
    pub moods: Moods<'a>,
    input: &'a [u8],
}

/// Octets from which the house takes its answers, over and over.
pub(crate) struct Moods<'a> {
    octets: &'a [u8],
    next: usize,
}

impl Moods<'_> {
    pub fn next(&mut self) -> u8 {
        let mood = self.octets.get(self.next % self.octets.len().max(1)).copied().unwrap_or(0);
        self.next += 1;
        mood
    }
}

/// Profile, piece, event's place, event, four moods.
const HEAD_LENGTH: usize = 8;

impl Script<'_> {
    pub fn read(data: &[u8]) -> Option<Script<'_>> {
        let (head, input) = data.split_at_checked(HEAD_LENGTH)?;
        let [profile, piece, event_after, event, moods @ ..] = head else { return None };
        let piece = if *piece == 0 { input.len().max(1) } else { usize::from(*piece) };
        Some(Script {
            profile: *profile,
            piece,
            event_after: usize::from(*event_after),
            event: *event,
            moods: Moods { octets: moods, next: 0 },
            input,
        })
    }
}

/// The other side of a session: it answers, and it watches.
pub(crate) trait House<S: Session> {
    fn answer(&mut self, ask: &S::Ask, moods: &mut Moods<'_>) -> S::Answer;

    fn content(&mut self, _content: &[u8]) {
        panic!("content that nobody begun");
    }

    /// The session is over.
    fn over(&mut self) {}
}

/// Plays a whole conversation: the input in pieces, the event at its place, and the end of the connection.
pub(crate) fn converse<S: Session>(mut session: S, mut script: Script<'_>, house: &mut impl House<S>) {
    let mut player = Player { house, ended: false, line_open: false, watching: false };
    player.drive(&mut session, &mut script.moods, 0);
    for (index, piece) in script.input.chunks(script.piece).enumerate() {
        if index == script.event_after && !player.ended {
            happen(&mut session, script.event, player.watching);
            player.drive(&mut session, &mut script.moods, 0);
        }
        if player.ended {
            break;
        }
        session.receive(piece);
        player.drive(&mut session, &mut script.moods, piece.len());
    }
    if !player.ended {
        session.closed();
        player.drive(&mut session, &mut script.moods, 0);
    }
    player.house.over();
}

/// Tells half of the sessions all that TLS can give.
pub(crate) fn all_of_tls<S: Session>(mut session: S, bits: u8) -> S {
    if bits & 1 != 0 {
        let data = Some(b"data".to_vec());
        session.secured(Channel { exporter: data.clone(), server_end_point: data, certified: Some("ana".into()) });
    }
    session
}

/// What the contract promises of credentials.
pub(crate) fn judge_credentials(credentials: &Credentials) {
    match &credentials.evidence {
        Evidence::Password(secret) => assert!(!credentials.login.is_empty() && !secret.reveal().is_empty()),
        Evidence::Token(token) => assert!(!token.reveal().is_empty()),
        Evidence::Scram(outcome) => assert!(!credentials.login.is_empty() && outcome.is_err(), "nobody has the key"),
        Evidence::Certificate => assert_eq!(credentials.login, "ana"),
        Evidence::Ticket(outcome) => assert_eq!(outcome.is_ok(), credentials.login == "ana"),
    }
}

/// Answers a mechanism: keys that nobody knows, and all that can become of a token.
pub(crate) fn some_sasl(ask: &sasl::Ask) -> sasl::Answer {
    match ask {
        sasl::Ask::Keys(_) => sasl::Answer::Keys(some_keys()),
        sasl::Ask::Token { token, .. } => sasl::Answer::Token(match token.len() % 3 {
            0 => gssapi::Heard::Challenge(token.clone()),
            1 => gssapi::Heard::Proved { login: "ana".into(), authorization: gssapi::choice(token).ok().flatten() },
            _ => gssapi::Heard::Failed("no good ticket".into()),
        }),
    }
}

fn some_keys() -> scram::Keys {
    let key = [7; scram::KEY_LENGTH];
    scram::Keys { server_nonce: "s".into(), salt: vec![1], rounds: 4096, stored_key: key, server_key: key }
}

fn happen<S: Session>(session: &mut S, event: u8, watching: bool) {
    match event % 6 {
        0 => session.timed_out(),
        1 => session.shut_down(),
        2 => session.closed(),
        // Only a session that watches is told.
        3 if watching => session.changed(),
        _ => {}
    }
}

struct Player<'a, H> {
    house: &'a mut H,
    ended: bool,
    /// What was sent does not end with a line end.
    line_open: bool,
    /// The last thing it wanted was to hear of changes too.
    watching: bool,
}

impl<H> Player<'_, H> {
    fn drive<S: Session>(&mut self, session: &mut S, moods: &mut Moods<'_>, received: usize)
    where
        H: House<S>,
    {
        for _ in 0..STEPS_MIN + received * STEPS_PER_OCTET_MAX {
            match session.next() {
                Next::NeedInput { patience, watch } => {
                    self.watching = watch;
                    assert!(!patience.is_zero(), "a session that does not wait");
                    assert!(!self.line_open, "the session waits within a line");
                    return;
                }
                Next::Send(bytes) => {
                    assert!(!bytes.is_empty() && bytes.len() <= SENT_LENGTH_MAX, "{} octets sent at once", bytes.len());
                    self.line_open = !bytes.ends_with(b"\r\n");
                }
                Next::Ask(ask) => {
                    let answer = self.house.answer(&ask, moods);
                    session.answer(answer);
                }
                Next::Content(content) => self.house.content(&content),
                Next::StartTls => session.tls_started(),
                Next::Pause(_) => {}
                Next::Close => {
                    assert!(matches!(session.next(), Next::Close), "something after Close");
                    self.ended = true;
                    return;
                }
            }
        }
        panic!("no end after {received} octets");
    }
}
