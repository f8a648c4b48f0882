//! The messages of GSSAPI (RFC 4752) that are not Kerberos' own: the offer of security layers, and the client's choice.
//!
//! The tokens themselves go to the house and come from there, for they need keys; so do wrapping and unwrapping.
//!
//! ```text
//! C: a ticket                              S: the proof that we could read it, if the client wants one
//! C: nothing                               S: the layers that we offer, wrapped
//! C: its choice and the name it acts as, wrapped
//! ```

use super::credentials::text;
use super::{Failure, LOGIN_LENGTH_MAX};

/// What we offer, before it is wrapped: no layer (1), hence no size of messages in it. TLS protects what follows.
pub const LAYERS: [u8; 4] = [1, 0, 0, 0];

/// What the house makes of a client's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// To be said to the client, who answers with the next one.
    Challenge(Vec<u8>),
    /// The end: the client holds a ticket for this login.
    Proved { login: String, authorization: Option<String> },
    /// The end: the reason is for the log.
    Failed(String),
}

/// As whom the client wants to act, if it says so; from its last message, unwrapped.
///
/// # Errors
/// A layer that was not offered, or no message of this form.
pub fn choice(message: &[u8]) -> Result<Option<String>, Failure> {
    // RFC 4752 §3.2: the layer was offered, and without one the client's buffer is 0.
    match message.strip_prefix(&LAYERS) {
        None => Err(Failure::Malformed),
        Some(b"") => Ok(None),
        Some(authorization) => text(authorization, LOGIN_LENGTH_MAX).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_no_layer_can_be_chosen() {
        assert_eq!(choice(b"\x01\0\0\0"), Ok(None));
        assert_eq!(choice(b"\x01\0\0\0ana"), Ok(Some("ana".to_owned())));
        let long = [&LAYERS[..], &[b'x'; LOGIN_LENGTH_MAX + 1]].concat();
        for message in [
            &b""[..],
            b"\x01\0\0",
            b"\x02\0\0\0ana",
            b"\x03\0\0\0ana",
            b"\x01\0\x10\0ana",
            b"\x01\0\0\0an\xff",
            b"\x01\0\0\0ana\0",
            &long,
        ] {
            assert!(choice(message).is_err(), "{message:?}");
        }
    }
}
