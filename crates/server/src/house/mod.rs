//! The houses: what answers the sessions' questions, one a protocol.
//!
//! A house knows the directory, the store and the queue; it knows no protocol's words. Disk work is done on the blocking
//! threads: a session waits there for its answer and holds nothing meanwhile.

mod content;
pub mod imap;
pub mod managesieve;
pub mod pop3;
pub mod smtp;

use std::sync::Arc;
use std::time::Duration;

use proto::sasl::Credentials;

use crate::directory::{Account, LogIn};
use crate::node::Node;

/// What all houses of a session share.
#[derive(Debug, Clone)]
pub struct Guest {
    pub node: Arc<Node>,
    /// The session's name in the logs.
    pub session: Arc<str>,
    pub peer: std::net::SocketAddr,
    pub protocol: &'static str,
}

impl Guest {
    /// Checks credentials in the directory, logs the result, and makes a wrong password wait.
    pub async fn log_in(&self, credentials: Credentials) -> LogIn {
        let live = self.node.live();
        let login = credentials.login.clone();
        // RFC 4616 §2: an authorization identity that is not the login itself would act as somebody else; nobody may yet.
        let as_another =
            credentials.authorization.as_ref().is_some_and(|identity| !identity.eq_ignore_ascii_case(&login));
        // The semaphore is never closed; without a permit the hash would only be worked on sooner.
        let permit = self.node.hashing.acquire().await.ok();
        let verdict = blocking(move || {
            if as_another { LogIn::Refused } else { live.directory.log_in(&credentials.login, &credentials.password) }
        })
        .await;
        drop(permit);
        let (session, peer) = (&*self.session, self.peer);
        match &verdict {
            LogIn::Welcome(account) => {
                tracing::info!(session, %peer, login, account = account.name, "{} login", self.protocol)
            }
            LogIn::Refused => {
                tracing::warn!(session, %peer, login, "{} login refused: unknown account or wrong password", self.protocol);
                tokio::time::sleep(self.failure_delay()).await;
            }
            LogIn::Unavailable => {
                tracing::error!(session, %peer, login, "{} login not possible: the directory does not answer", self.protocol)
            }
        }
        verdict
    }

    fn failure_delay(&self) -> Duration {
        self.node.live().settings.limits.login_failure_delay
    }

    /// Opens an account's mailboxes.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open_account(&self, account: &Account) -> store::Result<Arc<store::Account>> {
        let (store, home) = (self.node.store(), account.home.clone());
        blocking(move || store.account(&home)).await
    }
}

/// Runs disk work, or an expensive hash, where it may block. A panic there is passed on.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down and drops this task as well.
            Err(_) => std::future::pending().await,
        },
    }
}
