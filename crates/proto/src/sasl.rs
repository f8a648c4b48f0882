//! SASL (RFC 4422): the mechanisms PLAIN (RFC 4616) and LOGIN, from the server's side, and the base64 around them.
//!
//! Promises: what comes out as `Credentials` has a login and a password, both UTF-8 without NUL and within bounds; no
//! password is ever printed. Knows no protocol's words and not whether the password is right. Preparing strings (RFC 4013)
//! is the directory's business, which knows how its passwords were made.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A login, and an authorization identity, in octets. RFC 4616 §2 wants at least 255.
pub const LOGIN_LENGTH_MAX: usize = 512;
/// A password in octets. RFC 4616 §2 wants at least 255.
pub const PASSWORD_LENGTH_MAX: usize = 1024;
/// A line of an exchange in base64 (RFC 4954 §4, RFC 5034 §4).
pub const LINE_LENGTH_MAX: usize = 12288;

/// A password. Never shown by `Debug`; overwritten when dropped, as far as that is possible without `unsafe`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The password itself, for whom must compare it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(std::mem::take(&mut self.0).into_bytes());
    }
}

/// Overwrites bytes that held a password. `black_box` keeps the compiler from leaving the writes out.
fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    std::hint::black_box(&bytes);
}

/// The mechanisms that are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Never standardized (draft-murchison-sasl-login), yet the only one some mail programs speak.
    Login,
}

impl Mechanism {
    /// In the order in which they are offered.
    pub const ALL: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

    /// Parses a mechanism's name; case does not matter (RFC 4422 §3.1 has upper case only, clients do not).
    pub fn parse(name: &str) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }
}

/// What a client said about itself. Nothing here is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub mechanism: Mechanism,
    /// As whom it wants to act, when it said so and that is not `login` itself.
    pub authorization: Option<String>,
    /// The name typed.
    pub login: String,
    pub password: Secret,
}

impl Credentials {
    /// Judges a login and a password however they arrived (IMAP LOGIN, POP3 PASS, or an exchange).
    pub fn new(mechanism: Mechanism, login: &[u8], password: &[u8]) -> Result<Credentials, Failure> {
        Ok(Credentials {
            mechanism,
            authorization: None,
            login: text(login, LOGIN_LENGTH_MAX)?,
            password: Secret(text(password, PASSWORD_LENGTH_MAX)?),
        })
    }
}

/// What a client sends for PLAIN, in base64 (RFC 4616 §2).
pub fn plain_response(credentials: &Credentials) -> String {
    let authorization = credentials.authorization.as_deref().unwrap_or_default();
    let message = format!("{authorization}\0{}\0{}", credentials.login, credentials.password.reveal());
    let response = STANDARD.encode(&message);
    wipe(message.into_bytes());
    response
}

/// Why an exchange ended without credentials. All of it is the client's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The client sent `*` (RFC 4954 §4).
    Cancelled,
    /// A response is not base64 (RFC 4648 §4, padding required).
    Encoding,
    /// A response does not have the mechanism's form.
    Malformed,
    /// The login or the password is empty. An empty password must never reach an LDAP server (RFC 4513 §5.1.2).
    Empty,
    /// The login or the password is over its bound.
    TooLong,
}

/// What follows a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this (in base64 where the protocol wants it) and wait for the next response.
    Challenge(&'static [u8]),
    Done(Credentials),
    Failed(Failure),
}

/// One exchange of challenges and responses.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    /// LOGIN: the name, once it was sent.
    login: Option<Vec<u8>>,
}

impl Exchange {
    /// Begins an exchange. `initial` is the initial response, already decoded, if the client sent one.
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>) -> (Exchange, Step) {
        let mut exchange = Exchange { mechanism, login: None };
        let step = match (initial, mechanism) {
            (Some(response), _) => exchange.respond(response),
            // RFC 4616 §2: the client speaks first, so its turn is given by an empty challenge.
            (None, Mechanism::Plain) => Step::Challenge(b""),
            (None, Mechanism::Login) => Step::Challenge(b"Username:"),
        };
        (exchange, step)
    }

    /// Begins an exchange with the initial response as it stands in a command, if the client sent one.
    pub fn start_word(mechanism: Mechanism, initial: Option<&[u8]>) -> (Exchange, Step) {
        match initial.map(decode_initial).transpose() {
            Ok(initial) => {
                let started = Exchange::start(mechanism, initial.as_deref());
                initial.into_iter().for_each(wipe);
                started
            }
            Err(failure) => (Exchange { mechanism, login: None }, Step::Failed(failure)),
        }
    }

    /// Takes a response, already decoded.
    pub fn respond(&mut self, response: &[u8]) -> Step {
        let result = match (self.mechanism, self.login.take()) {
            (Mechanism::Plain, _) => plain(response),
            (Mechanism::Login, Some(login)) => Credentials::new(Mechanism::Login, &login, response),
            (Mechanism::Login, None) => match text(response, LOGIN_LENGTH_MAX) {
                Ok(login) => {
                    self.login = Some(login.into_bytes());
                    return Step::Challenge(b"Password:");
                }
                Err(failure) => Err(failure),
            },
        };
        result.map_or_else(Step::Failed, Step::Done)
    }

    /// Takes a line that the client sent in answer to a challenge: base64, or `*` to cancel.
    pub fn respond_line(&mut self, line: &[u8]) -> Step {
        if line == b"*" {
            return Step::Failed(Failure::Cancelled);
        }
        match decode(line) {
            Ok(response) => {
                let step = self.respond(&response);
                wipe(response);
                step
            }
            Err(failure) => Step::Failed(failure),
        }
    }
}

/// Decodes an initial response as it stands in a command: `=` is an empty one (RFC 4954 §4, RFC 4959 §3, RFC 5034 §4).
fn decode_initial(word: &[u8]) -> Result<Vec<u8>, Failure> {
    if word == b"=" { Ok(Vec::new()) } else { decode(word) }
}

/// Decodes base64 strictly: the standard alphabet, padding required, nothing else between.
pub fn decode(word: &[u8]) -> Result<Vec<u8>, Failure> {
    if word.len() > LINE_LENGTH_MAX {
        return Err(Failure::TooLong);
    }
    STANDARD.decode(word).map_err(|_| Failure::Encoding)
}

/// A challenge as text protocols send it.
pub fn encode(challenge: &[u8]) -> String {
    STANDARD.encode(challenge)
}

// RFC 4616 §2: message = [authzid] UTF8NUL authcid UTF8NUL passwd
fn plain(message: &[u8]) -> Result<Credentials, Failure> {
    let mut parts = message.split(|byte| *byte == 0);
    let (Some(authorization), Some(login), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::Malformed);
    };
    let mut credentials = Credentials::new(Mechanism::Plain, login, password)?;
    if !authorization.is_empty() {
        let authorization = text(authorization, LOGIN_LENGTH_MAX)?;
        credentials.authorization = (authorization != credentials.login).then_some(authorization);
    }
    Ok(credentials)
}

// RFC 4616 §2: 1*SAFE, UTF-8 without NUL.
fn text(bytes: &[u8], length_max: usize) -> Result<String, Failure> {
    if bytes.is_empty() {
        return Err(Failure::Empty);
    }
    if bytes.len() > length_max {
        return Err(Failure::TooLong);
    }
    if bytes.contains(&0) {
        return Err(Failure::Malformed);
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Failure::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(step: Step) -> (Option<String>, String, String) {
        let Step::Done(credentials) = step else { panic!("{step:?}") };
        (credentials.authorization.clone(), credentials.login.clone(), credentials.password.reveal().to_owned())
    }

    #[test]
    fn plain_takes_the_examples_of_its_rfc() {
        // RFC 4616 §4
        let (_, step) = Exchange::start(Mechanism::Plain, Some(b"\0tim\0tanstaaftanstaaf"));
        assert_eq!(done(step), (None, "tim".into(), "tanstaaftanstaaf".into()));
        let (_, step) = Exchange::start(Mechanism::Plain, Some(b"Ursel\0Kurt\0xipj3plmq"));
        assert_eq!(done(step), (Some("Ursel".into()), "Kurt".into(), "xipj3plmq".into()));
    }

    #[test]
    fn an_authorization_identity_equal_to_the_login_is_none() {
        let (_, step) = Exchange::start(Mechanism::Plain, Some(b"ana\0ana\0demo"));
        assert_eq!(done(step), (None, "ana".into(), "demo".into()));
    }

    #[test]
    fn plain_refuses_what_has_not_three_good_parts() {
        let long = [b"\0a\0".as_slice(), &[b'x'; PASSWORD_LENGTH_MAX + 1]].concat();
        let cases: [(&[u8], Failure); 9] = [
            (b"", Failure::Malformed),
            (b"ana", Failure::Malformed),
            (b"\0ana", Failure::Malformed),
            (b"\0ana\0demo\0", Failure::Malformed),
            (b"\0\0demo", Failure::Empty),
            (b"\0ana\0", Failure::Empty),
            (b"\0an\xff\0demo", Failure::Malformed),
            (b"\xff\0ana\0demo", Failure::Malformed),
            (&long, Failure::TooLong),
        ];
        for (message, failure) in cases {
            assert_eq!(Exchange::start(Mechanism::Plain, Some(message)).1, Step::Failed(failure), "{message:?}");
        }
    }

    #[test]
    fn login_asks_twice_or_once() {
        let (mut exchange, step) = Exchange::start(Mechanism::Login, None);
        assert_eq!(step, Step::Challenge(b"Username:"));
        assert_eq!(exchange.respond_line(b"YW5h"), Step::Challenge(b"Password:"));
        assert_eq!(done(exchange.respond_line(b"ZGVtbw==")), (None, "ana".into(), "demo".into()));
        let (mut exchange, step) = Exchange::start(Mechanism::Login, Some(b"ana"));
        assert_eq!(step, Step::Challenge(b"Password:"));
        assert_eq!(exchange.respond_line(b""), Step::Failed(Failure::Empty));
    }

    #[test]
    fn a_star_cancels_and_bad_base64_fails() {
        for (line, failure) in [
            ("*", Failure::Cancelled),
            ("Z", Failure::Encoding),
            ("ZGVtbw", Failure::Encoding),
            ("ZGV tbw==", Failure::Encoding),
        ] {
            let (mut exchange, _) = Exchange::start(Mechanism::Plain, None);
            assert_eq!(exchange.respond_line(line.as_bytes()), Step::Failed(failure), "{line}");
        }
        assert_eq!(decode_initial(b"="), Ok(Vec::new()));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let (_, step) = Exchange::start(Mechanism::Plain, Some(b"\0ana\0hunter2"));
        assert!(!format!("{step:?}").contains("hunter2"));
        assert_eq!(Secret::new("hunter2").to_string(), "…");
    }
}
