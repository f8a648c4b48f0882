//! What a client said about itself, and its proof.

use std::fmt;

use super::scram;
use super::{LOGIN_LENGTH_MAX, Mechanism, PASSWORD_LENGTH_MAX};

/// A password or a token. Never shown by `Debug`; overwritten when dropped, as far as that is possible without `unsafe`.
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
pub(super) fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    std::hint::black_box(&bytes);
}

/// What a client said about itself. The directory judges it, whatever the mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub mechanism: Mechanism,
    /// As whom it wants to act, when it said so and that is not `login` itself.
    pub authorization: Option<String>,
    /// The name typed, or the one in the client's certificate. Empty when only a token can tell it.
    pub login: String,
    pub evidence: Evidence,
}

/// By what a client wants to be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Not verified yet.
    Password(Secret),
    /// The outcome of an exchange for which the directory gave the keys.
    Scram(Result<(), scram::Fault>),
    /// An access token that an issuer gave; not verified yet.
    Token(Secret),
    /// TLS has verified a certificate with the name `login`.
    Certificate,
    /// A Kerberos ticket for `login`, or why it is not good, which is for the log.
    Ticket(Result<(), String>),
}

impl Credentials {
    /// Judges a login and a password however they arrived (IMAP LOGIN, POP3 PASS, or an exchange).
    pub fn new(mechanism: Mechanism, login: &[u8], password: &[u8]) -> Result<Credentials, Failure> {
        Ok(Credentials {
            mechanism,
            authorization: None,
            login: text(login, LOGIN_LENGTH_MAX)?,
            evidence: Evidence::Password(Secret(text(password, PASSWORD_LENGTH_MAX)?)),
        })
    }

    /// With this authorization identity, which is none if it is empty or the login itself.
    pub(super) fn acting_as(mut self, authorization: &[u8]) -> Result<Credentials, Failure> {
        if !authorization.is_empty() {
            let authorization = text(authorization, LOGIN_LENGTH_MAX)?;
            self.authorization = (authorization != self.login).then_some(authorization);
        }
        Ok(self)
    }

    /// The password, if it is one that is to be believed.
    pub fn password(&self) -> Option<&Secret> {
        if let Evidence::Password(password) = &self.evidence { Some(password) } else { None }
    }
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

// RFC 4616 §2: 1*SAFE, UTF-8 without NUL.
pub(super) fn text(bytes: &[u8], length_max: usize) -> Result<String, Failure> {
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
