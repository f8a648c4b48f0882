//! Who may log in to the house, and with what.

use proto::imap::ask::{Answer, Refusal};
use proto::sasl::{self, Credentials, Evidence, gssapi, scram};
use sim::stage::logins;

/// RFC 7677 §3: `user`, whose password is `pencil`. Nobody can use the keys of others.
pub(super) fn step(ask: sasl::Ask) -> Result<sasl::Answer, Refusal> {
    match ask {
        sasl::Ask::Keys(who) if who.login == "down" => Err(Refusal::Unavailable),
        sasl::Ask::Keys(who) => Ok(sasl::Answer::Keys(keys_for(&who.login))),
        sasl::Ask::Token { token, first } => Ok(sasl::Answer::Token(heard(&token, first))),
    }
}

pub(super) fn log_in(credentials: &Credentials) -> Result<Answer, Refusal> {
    match (credentials.login.as_str(), evidence(credentials)) {
        ("user", "proved") | ("ana", "certificate") | (_, "good-token") => Ok(Answer::Done),
        ("ana", "demo" | "año" | "ticket") if credentials.authorization.is_some() => Err(Refusal::AuthorizationFailed),
        ("ana", "demo" | "año" | "ticket") => Ok(Answer::Done),
        ("down", _) => Err(Refusal::Unavailable),
        _ => Err(Refusal::AuthenticationFailed),
    }
}

fn evidence(credentials: &Credentials) -> &str {
    match &credentials.evidence {
        Evidence::Password(secret) | Evidence::Token(secret) => secret.reveal(),
        Evidence::Scram(Ok(())) => "proved",
        Evidence::Scram(Err(_)) => "not proved",
        Evidence::Certificate => "certificate",
        Evidence::Ticket(Ok(())) => "ticket",
        Evidence::Ticket(Err(_)) => "no ticket",
    }
}

/// A Kerberos whose tickets are the names of their holders; `down` cannot be verified.
fn heard(token: &[u8], first: bool) -> gssapi::Heard {
    match (first, token) {
        (true, b"ticket of ana") => gssapi::Heard::Challenge(b"proof".to_vec()),
        (false, b"") => gssapi::Heard::Challenge(gssapi::LAYERS.to_vec()),
        (false, wrapped) => match gssapi::choice(wrapped) {
            Ok(authorization) => gssapi::Heard::Proved { login: "ana".to_owned(), authorization },
            Err(_) => gssapi::Heard::Failed("no such layer".to_owned()),
        },
        _ => gssapi::Heard::Failed("no good ticket".to_owned()),
    }
}

fn keys_for(login: &str) -> scram::Keys {
    let stored = if login == "user" { "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=" } else { NOBODY };
    let keys = format!("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0 W22ZaJ0SNY7soEsUEjb6gQ== 4096 {stored} {SERVER_KEY}");
    logins::keys(&keys).unwrap()
}

const SERVER_KEY: &str = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
