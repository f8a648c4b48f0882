//! Logins by Kerberos tickets (GSSAPI, RFC 4752): what is said to a client's tokens, and which login a ticket is for.
//!
//! Promises: a ticket for another service, another host or of another realm is refused; the library runs where blocking is
//! allowed, as many contexts at once as there are cores; a keytab that cannot be read is nobody's wrong password. No security layer
//! is offered, because that is what TLS is for. Tells nobody whether the account is there: the directory does.
//!
//! | file | subject |
//! |---|---|
//! | `principal` | whose ticket, and for what |
//! | `talk` | one exchange of tokens; only with the feature `gssapi` |

#[cfg_attr(not(feature = "gssapi"), allow(dead_code))] // `talk` asks it; its tests run without
mod principal;
#[cfg(feature = "gssapi")]
mod talk;
#[cfg(not(feature = "gssapi"))]
#[path = "without.rs"]
mod talk;

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::available_parallelism;

use proto::sasl::gssapi::Heard;
use tokio::sync::Semaphore;

use crate::config::{GssapiSettings, Protocol};
use crate::house::blocking;
use talk::Talk;

/// Contexts cost arithmetic and small files.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// The keytab gives no credentials; for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{keytab}: {reason}")]
pub struct NoCredentials {
    pub keytab: String,
    pub reason: String,
}

/// Whether there are keys to accept tickets with (RFC 4752 §3.2: else GSSAPI must not be offered).
///
/// # Errors
/// There are none.
pub fn check(settings: &GssapiSettings) -> Result<(), NoCredentials> {
    Talk::begin(settings).map(drop)
}

/// A session's exchange of tokens, while there is one.
#[derive(Debug, Clone, Default)]
pub struct Tickets(Arc<Mutex<Option<Talk>>>);

impl Tickets {
    /// What is said to a client's token.
    ///
    /// # Errors
    /// There are no keys to judge it by.
    pub async fn hear(
        &self,
        settings: &GssapiSettings,
        protocol: Protocol,
        token: Vec<u8>,
        first: bool,
    ) -> Result<Heard, NoCredentials> {
        let under_way = self.take().filter(|_| !first);
        let settings = settings.clone();
        // The semaphore is never closed.
        let _turn = TURNS.acquire().await.ok();
        let (talk, heard) = blocking(move || {
            let mut talk = match under_way {
                Some(talk) => talk,
                None => Talk::begin(&settings)?,
            };
            let heard = talk.hear(&token, &settings, principal::service(protocol));
            Ok((talk, heard))
        })
        .await?;
        if matches!(heard, Heard::Challenge(_)) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(talk);
        }
        Ok(heard)
    }

    fn take(&self) -> Option<Talk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
