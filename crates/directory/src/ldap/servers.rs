//! Several servers of one directory: the first healthy one is asked; one that fails rests and is probed in the
//! background.
//!
//! Promises: nobody waits longer than `operation_timeout`; a server that is down costs the users who find out
//! `answer_timeout` once, and nobody afterwards, because only the watchman of a resting server knocks at its door, one
//! probe at a time; it is asked again as soon as a probe is answered.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use proto::sasl::Secret;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::connection::BindAnswer;
use super::dial::{Trust, TrustError};
use super::fault::Fault;
use super::pool::Pool;
use super::referral;
use super::search::{Entry, Found, Query, REFERRAL};
use super::settings::Settings;

/// The servers, in order of preference.
#[derive(Debug)]
pub struct Servers {
    servers: Vec<Arc<Server>>,
    settings: Arc<Settings>,
    trust: Trust,
}

/// How a server is, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub url: String,
    /// Why it rests, if it does.
    pub down: Option<Fault>,
}

#[derive(Debug)]
struct Server {
    pool: Pool,
    settings: Arc<Settings>,
    state: Mutex<State>,
    /// Wakes the watchman.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    /// Why it rests and for how long at a time; `None` when it is in use.
    resting: Option<(Fault, Duration)>,
    last_answer: Instant,
}

impl Servers {
    /// Begins to look after the servers; nothing is connected before it is needed. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub fn start(settings: Settings) -> Result<Servers, TrustError> {
        let trust = Trust::load(&settings)?;
        let settings = Arc::new(settings);
        let start = |url: &super::settings::Url| {
            let server = Arc::new(Server {
                pool: Pool::new(url.clone(), Arc::clone(&settings), trust.clone()),
                settings: Arc::clone(&settings),
                state: Mutex::new(State { resting: None, last_answer: Instant::now() }),
                changed: Arc::default(),
            });
            tokio::spawn(watch(Arc::downgrade(&server), Arc::clone(&server.changed)));
            server
        };
        let servers = settings.urls.iter().map(start).collect();
        Ok(Servers { servers, settings, trust })
    }

    pub fn health(&self) -> Vec<Health> {
        let health = |server: &Arc<Server>| Health {
            url: server.pool.url().to_string(),
            down: server.state().resting.as_ref().map(|(fault, _)| fault.clone()),
        };
        self.servers.iter().map(health).collect()
    }

    /// Searches on the first server that answers.
    ///
    /// # Errors
    /// None of them does, or one says that it cannot.
    pub async fn search(&self, query: &Query) -> Result<Found, Fault> {
        let mut trial = self.trial();
        while let Some(server) = trial.next() {
            match server.pool.search(query, trial.answer_deadline()).await {
                Err(fault) if trial.passes_on(&server, &fault) => {}
                Ok(found) if self.settings.follow_referrals && !found.references.is_empty() => {
                    server.answered();
                    return referral::follow(found, query, &self.settings, &self.trust, trial.deadline).await;
                }
                Ok(found) if found.referred => {
                    server.answered();
                    return Err(Fault::Result { code: REFERRAL, text: "it refers to another server".to_owned() });
                }
                other => {
                    server.answered();
                    return other;
                }
            }
        }
        Err(trial.gave_up())
    }

    /// Searches a page at a time on the first server that answers. Once a page was told, no other server is asked.
    ///
    /// # Errors
    /// None of them answers, or one breaks off.
    pub async fn each_page(&self, query: &Query, mut tell: impl FnMut(Vec<Entry>) + Send) -> Result<(), Fault> {
        let mut trial = self.trial();
        let mut told = false;
        while let Some(server) = trial.next() {
            let mut tell = |entries| {
                told = true;
                tell(entries);
            };
            match server.pool.each_page(query, &mut tell).await {
                Err(fault) if !told && trial.passes_on(&server, &fault) => {}
                other => return other,
            }
        }
        Err(trial.gave_up())
    }

    /// Binds a user on the first server that answers.
    ///
    /// # Errors
    /// None of them does.
    pub async fn bind(&self, dn: &str, password: &Secret) -> Result<BindAnswer, Fault> {
        let mut trial = self.trial();
        while let Some(server) = trial.next() {
            match server.pool.bind(dn, password, trial.answer_deadline()).await {
                // RFC 4511 appendix A: 51 busy, 52 unavailable: no word about the password.
                Ok(BindAnswer { code: code @ (51 | 52), text }) => {
                    trial.passes_on(&server, &Fault::Result { code, text });
                }
                Err(fault) if trial.passes_on(&server, &fault) => {}
                other => {
                    server.answered();
                    return other;
                }
            }
        }
        Err(trial.gave_up())
    }

    fn trial(&self) -> Trial<'_> {
        let deadline = Instant::now() + self.settings.operation_timeout;
        Trial { rest: self.servers.iter(), settings: &self.settings, deadline, began: Instant::now(), last: None }
    }
}

/// One operation on its way from server to server.
struct Trial<'a> {
    rest: std::slice::Iter<'a, Arc<Server>>,
    settings: &'a Settings,
    deadline: Instant,
    /// When the server that is being asked was asked.
    began: Instant,
    last: Option<String>,
}

impl Trial<'_> {
    fn next(&mut self) -> Option<Arc<Server>> {
        self.began = Instant::now();
        if self.began >= self.deadline {
            return None;
        }
        self.rest.find(|server| server.is_in_use()).cloned()
    }

    fn answer_deadline(&self) -> Instant {
        self.deadline.min(Instant::now() + self.settings.answer_timeout)
    }

    /// Whether the next server is asked; the one that failed rests then.
    fn passes_on(&mut self, server: &Arc<Server>, fault: &Fault) -> bool {
        // One slow search on a server that answers others meanwhile is the search's fault, not the server's.
        let is_slow_search = *fault == Fault::TimedOut && server.state().last_answer > self.began;
        if fault.is_the_servers() && !is_slow_search {
            server.rest(fault);
        }
        if fault.may_pass_elsewhere() {
            self.last = Some(format!("; {}: {fault}", server.pool.url()));
            return true;
        }
        false
    }

    fn gave_up(self) -> Fault {
        Fault::AllDown(self.last.unwrap_or_default())
    }
}

impl Server {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_in_use(&self) -> bool {
        self.state().resting.is_none()
    }

    fn answered(&self) {
        self.state().last_answer = Instant::now();
    }

    /// Takes it out of use. Those who wait for its answer turn to the next server at once.
    fn rest(&self, fault: &Fault) {
        let mut state = self.state();
        if state.resting.is_some() {
            return;
        }
        state.resting = Some((fault.clone(), self.settings.rest_min));
        drop(state);
        tracing::warn!(server = %self.pool.url(), reason = %fault, "directory server is left alone for a while");
        self.pool.close(fault);
        self.changed.notify_one();
    }

    fn pause(&self) -> Duration {
        let state = self.state();
        match &state.resting {
            Some((_, pause)) => *pause,
            None => self.settings.health_interval.saturating_sub(state.last_answer.elapsed()),
        }
    }

    /// Looks after it: a probe when it rests or was silent for a while.
    async fn look_after(&self) {
        let silent = self.pause().is_zero();
        if self.is_in_use() && !silent {
            return;
        }
        // The deadline inside bounds every step; this one bounds them together.
        let bound = self.settings.answer_timeout;
        let result = timeout(bound, self.pool.probe(Instant::now() + bound)).await.unwrap_or(Err(Fault::TimedOut));
        match result {
            Ok(()) => self.is_back(),
            Err(fault) if self.is_in_use() => self.rest(&fault),
            Err(fault) => self.rest_longer(fault),
        }
    }

    fn is_back(&self) {
        let mut state = self.state();
        state.last_answer = Instant::now();
        if state.resting.take().is_some() {
            drop(state);
            tracing::info!(server = %self.pool.url(), "directory server answers again");
        }
    }

    fn rest_longer(&self, fault: Fault) {
        self.pool.close(&fault);
        let mut state = self.state();
        if let Some((reason, pause)) = &mut state.resting {
            *reason = fault;
            *pause = (*pause * 2).min(self.settings.rest_max);
        }
    }
}

/// Looks after one server for as long as somebody holds it.
async fn watch(server: Weak<Server>, changed: Arc<Notify>) {
    while let Some(pause) = server.upgrade().map(|server| server.pause()) {
        if timeout(pause, changed.notified()).await.is_ok() {
            continue;
        }
        let Some(server) = server.upgrade() else { return };
        server.look_after().await;
    }
}
