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
use std::sync::atomic::{AtomicUsize, Ordering};

use directory::Account;
use directory::chain::{LogIn, Lookup, Peer};
use proto::sasl::{self, Credentials};

use imap::others::Neighbour;
use tokio::runtime::{Handle, RuntimeFlavor};

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
        promptly(&self.node, move || quota::open(&node.store(), &node.live().settings.quota, &account)).await
    }
}

/// With fewer disk threads (`limits.disk_threads`) `promptly` never works in place: what else the thread had to do for
/// connections goes on on one of them, so many must be free.
const DISK_THREADS_MIN: usize = 16;
/// Disk work under way.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Counts as under way until it is dropped.
struct UnderWay {
    before: usize,
}

impl UnderWay {
    fn begin() -> UnderWay {
        UnderWay { before: UNDER_WAY.fetch_add(1, Ordering::AcqRel) }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs disk work, or an expensive hash, where it may block. A panic there is passed on.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let under_way = UnderWay::begin();
    let work = move || {
        let done = work();
        drop(under_way);
        done
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down and drops this task as well.
            Err(_) => std::future::pending().await,
        },
    }
}

/// The same for short work that a peer waits for. When nothing else is under way it is done on this very thread, and what
/// the thread had to do besides goes on elsewhere: waking a thread for the work and another one for its end takes longer than the
/// work on a machine that has nothing else to do.
pub async fn promptly<T: Send + 'static>(node: &Node, work: impl FnOnce() -> T + Send + 'static) -> T {
    in_place(node.live().settings.limits.disk_threads, work).await
}

async fn in_place<T: Send + 'static>(disk_threads: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    let under_way = UnderWay::begin();
    let is_shared = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if is_shared && under_way.before == 0 && disk_threads >= DISK_THREADS_MIN {
        return tokio::task::block_in_place(work);
    }
    drop(under_way);
    blocking(work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_work_ends_wherever_it_is_done() {
        let shared =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().unwrap();
        let sum = async {
            let tasks: Vec<_> =
                (0..50).map(|number| tokio::spawn(in_place(DISK_THREADS_MIN, move || number))).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            sum + in_place(DISK_THREADS_MIN, || 1).await
        };
        assert_eq!(shared.block_on(sum), 50 * 49 / 2 + 1);
        let alone = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(alone.block_on(in_place(DISK_THREADS_MIN, || 7)), 7);
    }

    #[test]
    fn a_panic_is_passed_on_and_counts_no_more() {
        let shared = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        for _ in 0..8 {
            assert!(shared.block_on(shared.spawn(in_place(DISK_THREADS_MIN, || panic!("as a test")))).is_err());
            assert!(shared.block_on(shared.spawn(blocking(|| panic!("as a test")))).is_err());
        }
    }
}
