//! SASL (RFC 4422) from the server's side: the mechanisms' exchanges, and the base64 around them.
//!
//! Promises: what comes out as `Credentials` is within bounds, UTF-8 and without NUL; no secret is ever printed. Knows no
//! protocol's words and not whether a password is right. Preparing strings (RFC 4013) is the directory's business, which
//! knows how its passwords were made. Random numbers and keys come as answers.
//!
//! | file | subject |
//! |---|---|
//! | `mechanism` | which mechanisms there are, and which are offered on a connection |
//! | `credentials` | what a client said about itself, and its proof |
//! | `exchange` | one exchange of challenges and responses, for every mechanism |
//! | `scram` | the messages and sums of SCRAM-SHA-256 |
//! | `bearer` | the messages of OAUTHBEARER and XOAUTH2 |
//! | `gssapi` | the messages of GSSAPI around Kerberos' own |

pub mod bearer;
mod credentials;
mod exchange;
pub mod gssapi;
mod mechanism;
pub mod scram;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use credentials::{Credentials, Evidence, Failure, Secret};
pub use exchange::{Answer, Ask, Exchange, LastWords, Step};
pub use mechanism::{Channel, Mechanism, Offers};

/// A login, and an authorization identity, in octets. RFC 4616 §2 wants at least 255.
pub const LOGIN_LENGTH_MAX: usize = 512;
/// A password in octets. RFC 4616 §2 wants at least 255.
pub const PASSWORD_LENGTH_MAX: usize = 1024;
/// A line of an exchange in base64 (RFC 4954 §4, RFC 5034 §4).
pub const LINE_LENGTH_MAX: usize = 12288;

/// What a client sends for PLAIN, in base64 (RFC 4616 §2). Only a password can be sent so.
pub fn plain_response(credentials: &Credentials) -> String {
    let authorization = credentials.authorization.as_deref().unwrap_or_default();
    let password = credentials.password().map_or("", Secret::reveal);
    let message = format!("{authorization}\0{}\0{password}", credentials.login);
    let response = STANDARD.encode(&message);
    credentials::wipe(message.into_bytes());
    response
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
