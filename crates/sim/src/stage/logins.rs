//! How logins are written in the transcripts of every protocol.
//!
//! Settings: `mechanisms=SCRAM-SHA-256,PLAIN`; what TLS gives: `exporter=TEXT`, `end-point=TEXT`, `certified=NAME`.
//! Questions: `ScramKeys NAME`, `LogIn MECHANISM NAME EVIDENCE`, both with ` as NAME` behind them where somebody wants to act
//! for somebody else; `Token BASE64` (`=` for nothing), with ` first` behind the first one. Answers: `keys NONCE SALT ROUNDS STORED-KEY SERVER-KEY`, all but
//! nonce and rounds in base64; `token challenge BASE64`, `token proved LOGIN`, `token proved LOGIN as NAME`, `token failed`.

use proto::sasl::{Answer, Ask, Channel, Credentials, Evidence, Mechanism, Offers, decode, encode, gssapi, scram};

/// What settings say of logins.
#[derive(Debug, Default)]
pub struct Logins {
    channel: Option<Channel>,
}

impl Logins {
    /// Takes a setting if it is about logins.
    pub fn set(&mut self, offers: &mut Offers, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "mechanisms" => *offers = Offers::new(&mechanisms(value)?),
            "exporter" => self.channel().exporter = Some(value.as_bytes().to_vec()),
            "end-point" => self.channel().server_end_point = Some(value.as_bytes().to_vec()),
            "certified" => self.channel().certified = Some(value.to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn channel(&mut self) -> &mut Channel {
        self.channel.get_or_insert_default()
    }

    /// Tells the session what TLS gives, if it gives anything.
    pub fn secure(self, session: &mut impl proto::Session) {
        self.channel.into_iter().for_each(|channel| session.secured(channel));
    }
}

fn mechanisms(names: &str) -> Result<Vec<Mechanism>, String> {
    let mechanism = |name: &str| Mechanism::parse(name).ok_or_else(|| format!("no mechanism {name}"));
    names.split(',').map(mechanism).collect()
}

pub fn show_credentials(credentials: &Credentials) -> String {
    let evidence = match &credentials.evidence {
        Evidence::Password(secret) | Evidence::Token(secret) => secret.reveal().to_owned(),
        Evidence::Scram(Ok(())) => "proved".to_owned(),
        Evidence::Scram(Err(fault)) => format!("{fault:?}"),
        Evidence::Certificate => "certificate".to_owned(),
        Evidence::Ticket(Ok(())) => "ticket".to_owned(),
        Evidence::Ticket(Err(reason)) => format!("({reason})"),
    };
    let (mechanism, login) = (credentials.mechanism.name(), &credentials.login);
    format!("LogIn {mechanism} {login} {evidence}{}", acting_as(&credentials.authorization))
}

pub fn show_sasl(ask: &Ask) -> String {
    match ask {
        Ask::Keys(who) => format!("ScramKeys {}{}", who.login, acting_as(&who.authorization)),
        Ask::Token { token, first } => {
            let token = if token.is_empty() { "=".to_owned() } else { encode(token) };
            format!("Token {token}{}", if *first { " first" } else { "" })
        }
    }
}

fn acting_as(authorization: &Option<String>) -> String {
    authorization.as_ref().map(|name| format!(" as {name}")).unwrap_or_default()
}

/// What stands behind `keys` or `token`.
pub fn sasl_answer(kind: &str, text: &str) -> Option<Answer> {
    if kind == "keys" { keys(text).map(Answer::Keys) } else { heard(text).map(Answer::Token) }
}

fn heard(text: &str) -> Option<gssapi::Heard> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    Some(match words.as_slice() {
        ["challenge"] => gssapi::Heard::Challenge(Vec::new()),
        ["challenge", token] => gssapi::Heard::Challenge(decode(token.as_bytes()).ok()?),
        ["proved", login] => gssapi::Heard::Proved { login: (*login).to_owned(), authorization: None },
        ["proved", login, "as", name] => {
            gssapi::Heard::Proved { login: (*login).to_owned(), authorization: Some((*name).to_owned()) }
        }
        ["failed"] => gssapi::Heard::Failed("no good ticket".to_owned()),
        _ => return None,
    })
}

pub fn keys(text: &str) -> Option<scram::Keys> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [server_nonce, salt, rounds, stored_key, server_key] = words.as_slice() else { return None };
    let octets = |word: &str| decode(word.as_bytes()).ok();
    Some(scram::Keys {
        server_nonce: (*server_nonce).to_owned(),
        salt: octets(salt)?,
        rounds: rounds.parse().ok()?,
        stored_key: octets(stored_key)?.try_into().ok()?,
        server_key: octets(server_key)?.try_into().ok()?,
    })
}
