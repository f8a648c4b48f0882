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

use directory::Account;
use directory::chain::{LogIn, Lookup, Peer};
use proto::sasl::{self, Credentials};

use imap::others::Neighbour;

use crate::config::Protocol;
use crate::gssapi::Tickets;
use crate::logins::Attempt;
use crate::node::Node;
use crate::quota;

/// RFC 5321 §6.3: a message that has passed more servers than this goes round in circles.
pub const HOPS_MAX: usize = 50;

/// What all houses of a session share.
#[derive(Debug, Clone)]
pub struct Guest {
    pub node: Arc<Node>,
    /// The session's name in the logs.
    pub session: Arc<str>,
    pub peer: std::net::SocketAddr,
    pub protocol: Protocol,
    /// The listener's name, or nothing.
    pub listener: Arc<str>,
    pub tickets: Tickets,
}

impl Guest {
    /// Checks credentials in the directory, logs the result, and makes a wrong password wait: for every protocol, here and nowhere else.
    pub async fn log_in(&self, credentials: Credentials) -> LogIn {
        let live = self.node.live();
        let attempt = Attempt {
            directory: &live.directory,
            rules: live.settings.lockout.as_ref(),
            delay: live.settings.limits.login_failure_delay,
            peer: Peer { address: self.peer.ip(), listener: &self.listener },
            session: &self.session,
        };
        let verdict = self.node.logins.judge(attempt, &credentials).await;
        let (session, peer, login, protocol) = (&*self.session, self.peer, &credentials.login, self.protocol.word());
        let mechanism = credentials.mechanism.name();
        match &verdict {
            LogIn::Welcome { account, trusted: true, .. } => {
                let listener = &*self.listener;
                tracing::info!(session, %peer, login, mechanism, account = account.name, listener, "{protocol} login without a password from a trusted network");
            }
            LogIn::Welcome { account, master: None, .. } => {
                tracing::info!(session, %peer, login, mechanism, account = account.name, "{protocol} login");
            }
            LogIn::Welcome { account, master: Some(master), .. } => {
                tracing::info!(session, %peer, login, mechanism, account = account.name, master, "{protocol} login of a master user");
            }
            LogIn::Refused(reason) => {
                tracing::warn!(session, %peer, login, mechanism, reason, "{protocol} login refused");
            }
            LogIn::Unavailable(reason) => {
                tracing::error!(session, %peer, login, mechanism, reason, "{protocol} login not possible: no directory answers");
            }
        }
        verdict
    }

    /// What a mechanism needs before its client is known. `None`, which is logged: a temporary answer.
    pub async fn sasl(&self, ask: sasl::Ask) -> Option<sasl::Answer> {
        let live = self.node.live();
        let answer = match ask {
            sasl::Ask::Keys(who) => live.directory.scram_keys(&who).await.map(sasl::Answer::Keys),
            sasl::Ask::Token { token, first } => match &live.settings.gssapi {
                Some(settings) => {
                    let heard = self.tickets.hear(settings, self.protocol, token, first).await;
                    heard.map(sasl::Answer::Token).map_err(|error| error.to_string())
                }
                None => Err("tickets are not taken any more".to_owned()),
            },
        };
        let (session, peer, protocol) = (&*self.session, self.peer, self.protocol.word());
        answer.map_err(|reason| tracing::error!(session, %peer, reason, "{protocol} login not possible")).ok()
    }

    /// Somebody else by any of his names, and his mailboxes if he has any. `None`: nobody has this name. Names that are no
    /// account's are asked for by whoever likes, so nothing is made for them.
    pub async fn neighbour(&self, name: &str) -> Option<Result<Neighbour, String>> {
        let account = match self.node.live().directory.account(name).await {
            Lookup::Account(account) => account,
            Lookup::Unknown => return None,
            Lookup::Unavailable(reason) => return Some(Err(reason)),
        };
        let (node, name) = (self.node.clone(), account.name.clone());
        let opened = blocking(move || quota::open_if_there(&node.store(), &node.live().settings.quota, &account)).await;
        Some(opened.map(|account| Neighbour { name, account }).map_err(|error| error.to_string()))
    }

    /// Opens an account's mailboxes.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open_account(&self, account: &Account) -> store::Result<Arc<store::Account>> {
        let (node, account) = (self.node.clone(), account.clone());
        blocking(move || quota::open(&node.store(), &node.live().settings.quota, &account)).await
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
