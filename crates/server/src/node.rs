//! One node of the platform: what all its sessions share, and how it starts, reads its settings anew, and stops.
//!
//! What a session uses of the settings it takes at its start (`live`), so that a reload never changes the rules in the
//! middle of a conversation.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use directory::chain::Directory;
use disk::{Disk, RealDisk};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Listener, Settings, TlsFiles};
use crate::connections::Connections;
use crate::deliver::Outgoing;
use crate::ids::Ids;
use crate::sources::{self, SourceError};
use crate::steps::Steps;
use crate::tls::{self, TlsError};
use crate::{admin, deliver, listener};

/// What sessions share.
#[derive(Debug)]
pub struct Node {
    live: RwLock<Arc<Live>>,
    store: Arc<Store>,
    disk: Arc<dyn Disk>,
    pub(crate) outgoing: Arc<Outgoing>,
    pub connections: Connections,
    pub steps: Steps,
    pub(crate) ids: Ids,
    pub started: SystemTime,
}

/// The settings in force, and what is made of their files.
#[derive(Debug)]
pub struct Live {
    pub settings: Settings,
    pub directory: Directory,
    tls: Option<Arc<ServerConfig>>,
}

/// Why a node cannot start, or a reload is refused; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{address} ({protocol}): {source}")]
    Listen { address: SocketAddr, protocol: &'static str, source: io::Error },
    #[error("{address} ({protocol}): another program listens there already")]
    Taken { address: SocketAddr, protocol: &'static str },
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("directory: {0}")]
    Directory(#[from] SourceError),
    #[error("queue: {0}")]
    Queue(#[from] queue::Error),
    #[error("disk: {0}")]
    Disk(#[from] disk::Error),
    #[error("`{0}` cannot change while the server runs; restart it")]
    NeedsRestart(&'static str),
}

impl Live {
    /// Called on the runtime: directories look after their connections in tasks.
    fn load(settings: Settings) -> Result<Live, StartError> {
        let tls = settings.tls.as_ref().map(|files: &TlsFiles| tls::server(files)).transpose()?;
        let directory = sources::directory(&settings)?;
        Ok(Live { settings, directory, tls })
    }

    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.clone()
    }
}

impl Node {
    pub fn live(&self) -> Arc<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        self.disk.clone()
    }

    /// Where large content waits while it is copied into mailboxes.
    pub(crate) fn held_folder(&self) -> PathBuf {
        held_folder(&self.live().settings)
    }
}

fn held_folder(settings: &Settings) -> PathBuf {
    settings.state.join("held")
}

/// A node that runs. Dropping it does not stop it well: call `stop`.
#[derive(Debug)]
pub struct Running {
    node: Arc<Node>,
    stopping: watch::Sender<bool>,
    listeners: Mutex<HashMap<Listener, JoinHandle<()>>>,
    background: Vec<JoinHandle<()>>,
    /// The admin token, for whoever started the node.
    pub admin_token: String,
}

/// Starts a node: opens its queue, then its listeners. When anything fails nothing runs.
///
/// # Errors
/// What is in the way.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    raise_open_files();
    let sockets = bind_all(&settings.listeners, |_| false).await?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new()?);
    let live = Live::load(settings)?;
    let (node, admin_token) = crate::house::blocking(move || open(live, disk)).await?;
    let (stopping, stop) = watch::channel(false);
    let background = vec![tokio::spawn(deliver::run(node.clone(), stop))];
    let running = Running { node, stopping, listeners: Mutex::default(), background, admin_token };
    running.serve(sockets);
    Ok(running)
}

/// Each connection is an open file; the soft limit that shells and old init systems give (1024) is for programs with `select`.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, limit = ?limit.current, "cannot raise the limit of open files");
    }
}

/// Opens what lies on disk.
fn open(live: Live, disk: Arc<dyn Disk>) -> Result<(Arc<Node>, String), StartError> {
    let settings = &live.settings;
    let held = held_folder(settings);
    disk.create_dir_all(&held)?;
    for left in disk.list(&held)? {
        // Content of sessions that a crash ended before anyone was answered.
        disk.remove(&held.join(left.name))?;
    }
    let admin_token = admin::token(&*disk, &settings.state)?;
    let outgoing = Outgoing::open(disk.clone(), settings)?;
    let mailboxes = store::Settings {
        hostname: settings.name.clone(),
        lock_wait: settings.mailboxes.lock_wait,
        ..store::Settings::default()
    };
    let node = Node {
        store: Arc::new(Store::new(disk.clone(), mailboxes)),
        ids: Ids::new(&settings.name),
        live: RwLock::new(Arc::new(live)),
        disk,
        outgoing: Arc::new(outgoing),
        connections: Connections::default(),
        steps: Steps::default(),
        started: SystemTime::now(),
    };
    Ok((Arc::new(node), admin_token))
}

async fn bind_all(
    listeners: &[Listener],
    is_open: impl Fn(&Listener) -> bool,
) -> Result<Vec<(Listener, TcpListener)>, StartError> {
    let mut sockets = Vec::new();
    for listener in listeners.iter().filter(|listener| !is_open(listener)) {
        let (address, protocol) = (listener.address, listener.protocol.word());
        let socket = TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::Taken { address, protocol },
            _ => StartError::Listen { address, protocol, source },
        })?;
        sockets.push((listener.clone(), socket));
    }
    Ok(sockets)
}

/// How often a stopping server looks whether its last session is gone.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

impl Running {
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    fn serve(&self, sockets: Vec<(Listener, TcpListener)>) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for (listener, socket) in sockets {
            tracing::info!(address = %listener.address, protocol = listener.protocol.word(), "listening");
            let task = listener::run(
                self.node.clone(),
                listener.clone(),
                socket,
                self.stopping.subscribe(),
                self.admin_token.clone(),
            );
            listeners.insert(listener, tokio::spawn(task));
        }
    }

    /// Puts new settings in force. Sessions that run keep theirs.
    ///
    /// # Errors
    /// What is wrong with them; then the old ones stay in force, wholly.
    pub async fn reload(&self, settings: Settings) -> Result<(), StartError> {
        let old = self.node.live();
        let fixed = [
            ("name", old.settings.name == settings.name),
            ("state", old.settings.state == settings.state),
            ("roles", old.settings.roles == settings.roles),
            ("[queue]", old.settings.queue == settings.queue),
            ("disk_threads", old.settings.limits.disk_threads == settings.limits.disk_threads),
        ];
        if let Some((name, _)) = fixed.iter().find(|(_, same)| !same) {
            return Err(StartError::NeedsRestart(name));
        }
        let open: Vec<Listener> =
            self.listeners.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        let same_address = |listener: &Listener| open.iter().any(|open| open.address == listener.address);
        let mut sockets = bind_all(&settings.listeners, same_address).await?;
        let live = Live::load(settings)?;
        // From here on nothing of the new settings can be refused.
        self.close_listeners_not_in(&live.settings.listeners).await;
        sockets.extend(self.bind_changed(&live.settings.listeners, &open).await);
        *self.node.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        self.serve(sockets);
        Ok(())
    }

    /// Binds again the addresses whose protocol or TLS changed. They were ours a moment ago, so a failure is rare; it is logged.
    async fn bind_changed(&self, wanted: &[Listener], open: &[Listener]) -> Vec<(Listener, TcpListener)> {
        let changed = wanted
            .iter()
            .filter(|listener| !open.contains(listener) && open.iter().any(|open| open.address == listener.address));
        let mut sockets = Vec::new();
        for listener in changed {
            match bind_all(std::slice::from_ref(listener), |_| false).await {
                Ok(bound) => sockets.extend(bound),
                Err(error) => tracing::error!(%error, "cannot listen any more"),
            }
        }
        sockets
    }

    async fn close_listeners_not_in(&self, wanted: &[Listener]) {
        let mut closed = Vec::new();
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).retain(|listener, task| {
            let keep = wanted.contains(listener);
            if !keep {
                tracing::info!(address = %listener.address, protocol = listener.protocol.word(), "not listening any more");
                task.abort();
                closed.push(std::mem::replace(task, tokio::spawn(async {})));
            }
            keep
        });
        for task in closed {
            // The socket is free once the task is gone.
            let _ = task.await;
        }
    }

    /// Stops taking connections, lets sessions finish within the drain time, and ends. Says how many it had to cut.
    pub async fn stop(self) -> usize {
        self.close_listeners_not_in(&[]).await;
        let _ = self.stopping.send(true);
        let patience = self.node.live().settings.limits.drain_time;
        let drained = async {
            while self.node.connections.count() > 0 || self.node.outgoing.is_busy() {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(patience, drained).await;
        self.background.iter().for_each(JoinHandle::abort);
        self.node.connections.count()
    }
}
