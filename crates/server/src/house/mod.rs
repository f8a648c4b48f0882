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

use directory::Account;
use directory::chain::{LogIn, Peer};
use proto::sasl::Credentials;

use crate::node::Node;

/// RFC 5321 §6.3: a message that has passed more servers than this goes round in circles.
pub const HOPS_MAX: usize = 50;

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
        let peer = Peer { address: self.peer.ip(), listener: self.protocol };
        let verdict = self.node.live().directory.log_in(&credentials, peer).await;
        let (session, peer, login, protocol) = (&*self.session, self.peer, &credentials.login, self.protocol);
        match &verdict {
            LogIn::Welcome { account, master: None } => {
                tracing::info!(session, %peer, login, account = account.name, "{protocol} login");
            }
            LogIn::Welcome { account, master: Some(master) } => {
                tracing::info!(session, %peer, login, account = account.name, master, "{protocol} login of a master user");
            }
            LogIn::Refused(reason) => {
                tracing::warn!(session, %peer, login, reason, "{protocol} login refused");
                tokio::time::sleep(self.failure_delay()).await;
            }
            LogIn::Unavailable(reason) => {
                tracing::error!(session, %peer, login, reason, "{protocol} login not possible: no directory answers");
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
