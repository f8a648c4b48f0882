//! The server's side of Kerberos tickets (RFC 4121), by the system's GSSAPI: contexts accepted with the keys of one keytab.
//!
//! Promises: no other mechanism than Kerberos is accepted, and so no server is ever asked; nothing of a ticket or a key is in an
//! error. Calls read files (the keytab, the replay cache): make them where blocking is allowed. Knows nothing of SASL and of
//! who may log in.
//!
//! `keytab` holds all of the house's `unsafe`: one call.
#![cfg(feature = "library")]

mod keytab;

use std::path::Path;

use libgssapi::context::{SecurityContext, ServerCtx};
pub use libgssapi::error::Error;
use libgssapi::name::Name;

/// One client's context, being accepted.
#[derive(Debug)]
pub struct Acceptor(ServerCtx);

impl Acceptor {
    /// Takes tickets for any service whose key is in the keytab; which one it was, `service` says.
    ///
    /// # Errors
    /// The keytab cannot be read or holds no key.
    pub fn new(keytab: &Path) -> Result<Acceptor, Error> {
        Ok(Acceptor(ServerCtx::new(Some(keytab::credentials(keytab)?))))
    }

    /// Takes a token, and gives what is to be said to it, which may be nothing.
    ///
    /// # Errors
    /// Not a ticket, or not a good one.
    pub fn accept(&mut self, token: &[u8]) -> Result<Vec<u8>, Error> {
        // RFC 4752 §3.2: chan_binding is NULL.
        let answer = self.0.step(token, None)?;
        Ok(answer.map(|answer| answer.to_vec()).unwrap_or_default())
    }

    /// Whether nothing more is to be accepted.
    ///
    /// # Errors
    /// Those of the library.
    pub fn is_established(&self) -> Result<bool, Error> {
        self.0.open()
    }

    /// Whose ticket it is, as `ana@EXAMPLE.TEST`.
    ///
    /// # Errors
    /// The context is not established.
    pub fn client(&self) -> Result<String, Error> {
        self.0.source_name().and_then(|name| shown(&name))
    }

    /// For whom it is, as `imap/mail.example.test@EXAMPLE.TEST`.
    ///
    /// # Errors
    /// The context is not established.
    pub fn service(&self) -> Result<String, Error> {
        self.0.target_name().and_then(|name| shown(&name))
    }

    /// Signs a message. It stays readable.
    ///
    /// # Errors
    /// The context is not established, or no longer good.
    pub fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.wrap(false, message)?.to_vec())
    }

    /// The message that the client signed.
    ///
    /// # Errors
    /// The client did not, or the context is no longer good.
    pub fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.unwrap(message)?.to_vec())
    }
}

fn shown(name: &Name) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(&name.display_name()?).into_owned())
}
