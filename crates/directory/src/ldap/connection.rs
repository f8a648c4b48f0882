//! One connection to one server. Once anything went wrong on it, it is used no more and says why.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use proto::sasl::Secret;
use tokio::net::UnixStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::dial::{Trust, dial};
use super::fault::Fault;
use super::gate::{Ending, carry};
use super::search::{self, Entry, Found, Query};
use super::settings::{Settings, Url};

/// What a server says to a bind (RFC 4511 §4.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindAnswer {
    pub code: u32,
    pub text: String,
}

/// Our own bind, and then many searches at once. Users are bound elsewhere (`binder`).
#[derive(Debug)]
pub struct Connection {
    ldap: Ldap,
    ending: Ending,
    gate: AbortHandle,
    used: Mutex<Instant>,
    /// Somebody gave up waiting on it: those who still wait may get their answers, and nobody else begins to.
    retired: AtomicBool,
}

impl Connection {
    /// Connects, with TLS where it is wanted, within `connect_timeout`. Nobody is bound yet.
    ///
    /// # Errors
    /// `Connect`, `Tls`, `TimedOut`.
    pub async fn open(url: &Url, settings: &Settings, trust: &Trust, deadline: Instant) -> Result<Connection, Fault> {
        let octets =
            timeout_at(deadline, dial(url, settings.start_tls, trust)).await.map_err(|_| Fault::TimedOut)??;
        let failed = |error: std::io::Error| Fault::Connect(error.to_string());
        let (ours, librarys) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let ours = UnixStream::from_std(ours).map_err(failed)?;
        // The library is given a socket pair, so this "URL" only says which kind of socket it is.
        let options = LdapConnSettings::new().set_std_stream(StdStream::Unix(librarys));
        let (library, ldap) = LdapConnAsync::with_settings(options, "ldapi:///").await.map_err(search::fault)?;
        let ending = Ending::default();
        let gate = tokio::spawn(carry(octets, ours, ending.clone())).abort_handle();
        tokio::spawn(library.drive());
        Ok(Connection { ldap, ending, gate, used: Mutex::new(Instant::now()), retired: AtomicBool::new(false) })
    }

    /// Binds. Never called with an empty password: that would be an anonymous bind, which succeeds (RFC 4513 §5.1.2).
    ///
    /// # Errors
    /// No answer; the connection is not used again then.
    pub async fn bind(&self, dn: &str, password: &Secret, deadline: Instant) -> Result<BindAnswer, Fault> {
        assert!(!password.reveal().is_empty(), "an empty password must never reach a server");
        let mut ldap = self.ldap.clone();
        let result = timeout_at(deadline, ldap.simple_bind(dn, password.reveal())).await;
        let result = self.finish(result.map(|result| result.map_err(search::fault)))?;
        Ok(BindAnswer { code: result.rc, text: result.text })
    }

    /// Searches.
    ///
    /// # Errors
    /// As `search::search`; after `TimedOut` nobody begins another one here.
    pub async fn search(&self, query: &Query, page_size: Option<u16>, deadline: Instant) -> Result<Found, Fault> {
        let mut ldap = self.ldap.clone();
        self.finish(timeout_at(deadline, search::search(&mut ldap, query, page_size)).await)
    }

    /// Searches a page at a time, within `page_timeout` each.
    ///
    /// # Errors
    /// As `search`.
    pub async fn each_page(
        &self,
        query: &Query,
        page_size: u16,
        page_timeout: Duration,
        tell: &mut (impl FnMut(Vec<Entry>) + Send),
    ) -> Result<(), Fault> {
        let mut ldap = self.ldap.clone();
        self.finish(Ok(search::each_page(&mut ldap, query, page_size, page_timeout, tell).await))
    }

    fn finish<T>(&self, result: Result<Result<T, Fault>, tokio::time::error::Elapsed>) -> Result<T, Fault> {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        match result {
            Err(_) => {
                self.retired.store(true, Ordering::Relaxed);
                Err(Fault::TimedOut)
            }
            Ok(Err(Fault::Lost)) => {
                self.ending.set(Fault::Lost);
                // The gate knows better than the library why a connection was lost.
                Err(self.ending.reason().unwrap_or(Fault::Lost))
            }
            Ok(other) => other,
        }
    }

    /// Ends it; whoever waits for an answer on it hears of it at once.
    pub fn close(&self, fault: Fault) {
        self.ending.set(fault);
        self.gate.abort();
    }

    pub fn is_open(&self) -> bool {
        !self.ending.has_come() && !self.retired.load(Ordering::Relaxed)
    }

    pub fn idle_for(&self) -> Duration {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.gate.abort();
    }
}
