//! One server's connections: a few that carry searches, many at once, and a pool on which users are bound, one at a
//! time.
//!
//! Promises: no login opens a connection when one is idle; nobody waits for a place beyond the deadline or
//! `waiting_timeout`; a connection on which an operation was broken off is never used again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use proto::sasl::Secret;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::binder::Binder;
use super::connection::{BindAnswer, Connection};
use super::dial::Trust;
use super::fault::Fault;
use super::search::{Entry, Found, Query};
use super::settings::{Settings, Url};

/// Entries a page where all are asked for and nothing else is said.
const PAGE_SIZE: u16 = 500;

/// The connections to one server.
#[derive(Debug)]
pub struct Pool {
    url: Url,
    settings: Arc<Settings>,
    trust: Trust,
    lookups: Vec<tokio::sync::Mutex<Option<Arc<Connection>>>>,
    next_lookup: AtomicUsize,
    searching: Semaphore,
    idle: Mutex<Vec<Binder>>,
    binding: Semaphore,
    /// All look-up connections, to close them from outside without waiting for their slots.
    open: Mutex<Vec<std::sync::Weak<Connection>>>,
}

impl Pool {
    pub fn new(url: Url, settings: Arc<Settings>, trust: Trust) -> Pool {
        let slots = settings.lookup_connections.max(1);
        Pool {
            lookups: (0..slots).map(|_| tokio::sync::Mutex::default()).collect(),
            next_lookup: AtomicUsize::new(0),
            searching: Semaphore::new(settings.in_flight_max.max(1)),
            idle: Mutex::default(),
            binding: Semaphore::new(settings.bind_connections.max(1)),
            open: Mutex::default(),
            url,
            settings,
            trust,
        }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Searches on a connection that is bound as this node.
    ///
    /// # Errors
    /// See `Fault`.
    pub async fn search(&self, query: &Query, deadline: Instant) -> Result<Found, Fault> {
        let _place = self.place(&self.searching, deadline).await?;
        let (connection, fresh) = self.lookup(deadline).await?;
        match connection.search(query, self.settings.page_size, deadline).await {
            // The server may have closed an old connection, which says nothing about its health.
            Err(Fault::Lost) if !fresh => {
                let (connection, _) = self.lookup(deadline).await?;
                connection.search(query, self.settings.page_size, deadline).await
            }
            other => other,
        }
    }

    /// Searches a page at a time on a connection that is bound as this node.
    ///
    /// # Errors
    /// See `Fault`.
    pub async fn each_page(&self, query: &Query, tell: &mut (impl FnMut(Vec<Entry>) + Send)) -> Result<(), Fault> {
        let deadline = Instant::now() + self.settings.answer_timeout;
        let _place = self.place(&self.searching, deadline).await?;
        let (connection, _) = self.lookup(deadline).await?;
        let page_size = self.settings.page_size.unwrap_or(PAGE_SIZE);
        connection.each_page(query, page_size, self.settings.operation_timeout, tell).await
    }

    /// Tries a user's name and password.
    ///
    /// # Errors
    /// See `Fault`.
    pub async fn bind(&self, dn: &str, password: &Secret, deadline: Instant) -> Result<BindAnswer, Fault> {
        let _place = self.place(&self.binding, deadline).await?;
        // Taken out of the pool: if this future is dropped half-way, the connection goes with it.
        if let Some(mut connection) = self.take_idle() {
            match connection.bind(dn, password, deadline).await {
                Err(Fault::Lost) => self.locked_idle().clear(),
                other => return self.put_back(connection, other),
            }
        }
        let mut connection = Binder::open(&self.url, &self.settings, &self.trust, self.connected_by(deadline)).await?;
        let answer = connection.bind(dn, password, deadline).await;
        self.put_back(connection, answer)
    }

    /// Asks for the root of the directory (RFC 4512 §5.1) on a look-up connection: does the server live?
    ///
    /// # Errors
    /// It does not.
    pub async fn probe(&self, deadline: Instant) -> Result<(), Fault> {
        let root = Query {
            base: String::new(),
            scope: super::search::Scope::Base,
            filter: "(objectClass=*)".to_owned(),
            attributes: vec!["1.1".to_owned()],
            entries_max: 1,
        };
        match self.search(&root, deadline).await {
            Err(fault) if fault.is_the_servers() => Err(fault),
            _ => Ok(()),
        }
    }

    /// Closes everything, so that whoever waits for an answer stops waiting.
    pub fn close(&self, why: &Fault) {
        self.locked_idle().clear();
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        open.iter().filter_map(std::sync::Weak::upgrade).for_each(|connection| connection.close(why.clone()));
    }

    async fn place<'a>(&self, places: &'a Semaphore, deadline: Instant) -> Result<SemaphorePermit<'a>, Fault> {
        let until = deadline.min(Instant::now() + self.settings.waiting_timeout);
        match timeout_at(until, places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Fault::Busy),
        }
    }

    /// A connection for searches, and whether it was opened just now.
    async fn lookup(&self, deadline: Instant) -> Result<(Arc<Connection>, bool), Fault> {
        let next = self.next_lookup.fetch_add(1, Ordering::Relaxed) % self.lookups.len();
        let slot = self.lookups.get(next).ok_or(Fault::Busy)?;
        let mut slot = timeout_at(deadline, slot.lock()).await.map_err(|_| Fault::TimedOut)?;
        if let Some(connection) = slot.as_ref().filter(|connection| self.is_good(connection)) {
            return Ok((Arc::clone(connection), false));
        }
        let connection = Arc::new(self.connect(deadline).await?);
        self.bind_ourselves(&connection, deadline).await?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|known| known.strong_count() > 0);
        open.push(Arc::downgrade(&connection));
        *slot = Some(Arc::clone(&connection));
        Ok((connection, true))
    }

    fn is_good(&self, connection: &Connection) -> bool {
        connection.is_open() && connection.idle_for() < self.settings.idle_max
    }

    async fn connect(&self, deadline: Instant) -> Result<Connection, Fault> {
        Connection::open(&self.url, &self.settings, &self.trust, self.connected_by(deadline)).await
    }

    fn connected_by(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.settings.connect_timeout)
    }

    async fn bind_ourselves(&self, connection: &Connection, deadline: Instant) -> Result<(), Fault> {
        let Some(own) = self.settings.own_bind.as_ref().filter(|own| !own.password.reveal().is_empty()) else {
            return Ok(());
        };
        match connection.bind(&own.dn, &own.password, self.connected_by(deadline)).await? {
            BindAnswer { code: 0, .. } => Ok(()),
            BindAnswer { code, text } => Err(Fault::OwnBind { code, text }),
        }
    }

    fn take_idle(&self) -> Option<Binder> {
        let mut idle = self.locked_idle();
        // The one used last is taken first, so that those too many grow old and are closed.
        while let Some(connection) = idle.pop() {
            if connection.is_open() && connection.idle_for() < self.settings.idle_max {
                return Some(connection);
            }
        }
        None
    }

    fn put_back(&self, connection: Binder, answer: Result<BindAnswer, Fault>) -> Result<BindAnswer, Fault> {
        if connection.is_open() {
            self.locked_idle().push(connection);
        }
        answer
    }

    fn locked_idle(&self) -> std::sync::MutexGuard<'_, Vec<Binder>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
