//! One node of the platform: what all its sessions share, and how it starts, reads its settings anew, and stops.
//!
//! What a session uses of the settings it takes at its start (`live`), so that a reload never changes the rules in the
//! middle of a conversation.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use directory::chain::{Directory, NoRandomNumbers};
use directory::passwd_file::MadeUp;
use disk::{Disk, RealDisk};
use proto::sasl::Offers;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::Store;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clients::Clients as SmtpClients;
use crate::config::{ListenAt, Listener, Protocol, Settings};
use crate::connections::Connections;
use crate::deliver::Outgoing;
use crate::dkim::{Signing, TableError};
use crate::dns::{Dns, Servers};
use crate::filter::Programs;
use crate::gssapi::{self, NoCredentials};
use crate::hints::{self, Hints};
use crate::ids::Ids;
use crate::logins::Logins;
use crate::scan::{ScanTally, Scanners};
use crate::secret::{self, SecretError};
use crate::socket::Acceptor;
use crate::sources::{self, SourceError};
use crate::steps::Steps;
use crate::tls::{self, Clients, ServerTls, TlsError};
use crate::{admin, changed_files, deliver, listener, quota};

/// What sessions share.
#[derive(Debug)]
pub struct Node {
    live: RwLock<Arc<Live>>,
    store: Arc<Store>,
    disk: Arc<dyn Disk>,
    pub(crate) outgoing: Arc<Outgoing>,
    pub connections: Connections,
    pub(crate) smtp_clients: SmtpClients,
    pub steps: Steps,
    /// Users' scripts, compiled.
    pub(crate) programs: Programs,
    pub(crate) ids: Ids,
    quota_life: String,
    pub(crate) logins: Logins,
    pub(crate) hints: Option<Arc<Hints>>,
    pub(crate) scanned: ScanTally,
    pub started: SystemTime,
}

/// The settings in force, and what is made of their files.
#[derive(Debug)]
pub struct Live {
    pub settings: Settings,
    pub directory: Directory,
    users_tls: Option<ServerTls>,
    servers_tls: Option<ServerTls>,
    /// How one may log in.
    pub offers: Offers,
    /// `None`: nothing is scanned.
    pub(crate) scanners: Option<Arc<Scanners>>,
    /// `None`: nothing is signed.
    pub(crate) signing: Option<Arc<Signing>>,
    /// Where something has to be asked there.
    pub(crate) dns: Option<Arc<dyn Dns>>,
    made_up: MadeUp,
}

/// Why a node cannot start, or a reload is refused; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{address} ({protocol}): {source}")]
    Listen { address: ListenAt, protocol: &'static str, source: io::Error },
    #[error("{address} ({protocol}): another program listens there already")]
    Taken { address: ListenAt, protocol: &'static str },
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("directory: {0}")]
    Directory(#[from] SourceError),
    #[error("[gssapi] `keytab`: {0}")]
    Gssapi(#[from] NoCredentials),
    #[error("[directory] `secret_file`: {0}")]
    Secret(#[from] SecretError),
    #[error("[dns] {0}")]
    Dns(String),
    #[error("[dkim] {0}")]
    Dkim(#[from] TableError),
    #[error("[hints] `secret_file`: {0}")]
    HintSecret(SecretError),
    #[error("[hints] `listen`: {address}: {source}")]
    HintSocket { address: SocketAddr, source: io::Error },
    #[error("queue: {0}")]
    Queue(#[from] queue::Error),
    #[error("disk: {0}")]
    Disk(#[from] disk::Error),
    #[error("quota: {0}")]
    Store(#[from] store::Error),
    #[error("`{0}` cannot change while the server runs; restart it")]
    NeedsRestart(&'static str),
}

impl Live {
    /// Called on the runtime: directories look after their connections in tasks.
    fn load(settings: Settings, disk: &dyn Disk) -> Result<Live, StartError> {
        let tls = |clients| settings.tls.as_ref().map(|files| tls::server(files, clients)).transpose();
        let (users_tls, servers_tls) = (tls(Clients::Users)?, tls(Clients::Servers)?);
        disk.create_dir_all(&settings.state)?;
        let made_up = secret::made_up(disk, &settings.directory.secret_file)?;
        let directory = sources::directory_with(&settings, Some(made_up.clone()))?;
        settings.gssapi.as_ref().map(gssapi::check).transpose()?;
        let offers = sources::offers(&settings, &directory);
        let scanners = settings.scan.clone().map(|scan| Arc::new(Scanners::new(scan)));
        let signing = settings.dkim.clone().map(|dkim| Signing::load(dkim, disk)).transpose()?.map(Arc::new);
        let dns = settings.verify.as_ref().map(|_| dns(&settings)).transpose()?;
        Ok(Live { settings, directory, users_tls, servers_tls, offers, scanners, signing, dns, made_up })
    }

    /// The same settings and certificates, with the sources read again.
    fn with_directory(&self, directory: Directory) -> Live {
        let offers = sources::offers(&self.settings, &directory);
        let (users_tls, servers_tls) = (self.users_tls.clone(), self.servers_tls.clone());
        let (settings, made_up) = (self.settings.clone(), self.made_up.clone());
        let (scanners, signing, dns) = (self.scanners.clone(), self.signing.clone(), self.dns.clone());
        Live { settings, directory, users_tls, servers_tls, offers, scanners, signing, dns, made_up }
    }

    /// Our side of TLS on a listener.
    pub(crate) fn tls(&self, protocol: Protocol) -> Option<ServerTls> {
        match protocol {
            Protocol::Smtp | Protocol::Lmtp | Protocol::Admin => self.servers_tls.clone(),
            Protocol::Submission | Protocol::Imap | Protocol::Pop3 | Protocol::ManageSieve => self.users_tls.clone(),
        }
    }
}

impl Node {
    pub fn live(&self) -> Arc<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    /// Reads the password files again, and starts with an empty memory of what the directory said.
    pub(crate) fn read_directory_again(&self) -> Result<(), SourceError> {
        let old = self.live();
        let directory = sources::directory_with(&old.settings, Some(old.made_up.clone()))?;
        let new = Arc::new(old.with_directory(directory));
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        // Settings that came meanwhile read the files themselves.
        if Arc::ptr_eq(&live, &old) {
            *live = new;
        }
        Ok(())
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        self.disk.clone()
    }

    /// Writes down what deliveries changed. When nobody works any more, the next process need not count it.
    fn end_quota(&self, nobody_works: bool) {
        let file = quota::life_file(&self.live().settings.state);
        if self.store.end_quota()
            && nobody_works
            && let Err(error) = store::end_quota_life(&*self.disk, &file, &self.quota_life)
        {
            tracing::warn!(%error, "the next start counts the quotas of the accounts that changed");
        }
    }

    /// Where large content waits while it is copied into mailboxes.
    pub(crate) fn held_folder(&self) -> PathBuf {
        held_folder(&self.live().settings)
    }
}

fn dns(settings: &Settings) -> Result<Arc<dyn Dns>, StartError> {
    let servers = Servers::new(&settings.dns.servers, settings.dns.timeout).map_err(StartError::Dns)?;
    Ok(Arc::new(servers))
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
    let hint_socket = bind_hints(&settings).await?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new()?);
    let seen = changed_files::look(&*disk, &settings);
    let live = Live::load(settings, &*disk)?;
    let (node, admin_token) = crate::house::blocking(move || open(live, disk)).await?;
    let (stopping, stop) = watch::channel(false);
    let mut background = vec![
        tokio::spawn(deliver::run(node.clone(), stop)),
        tokio::spawn(sweep_index(node.clone())),
        tokio::spawn(let_go_of_unused(node.clone())),
        tokio::spawn(changed_files::run(node.clone(), seen)),
        tokio::spawn(quota::tend(node.clone())),
    ];
    if let Some(((hints, socket), settings)) =
        node.hints.clone().zip(hint_socket).zip(node.live().settings.hints.clone())
    {
        tracing::info!(address = %settings.listen, "listening for hints");
        background.push(tokio::spawn(hints::run(hints, socket, settings)));
    }
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
    let life = store::begin_quota_life(&*disk, &quota::life_file(&settings.state), &settings.name)?;
    let mailboxes = store::Settings { quota: quota::settings_of(settings, life.clone()), ..store_settings(settings) };
    let store = Arc::new(Store::new(disk.clone(), mailboxes));
    let hints =
        settings.hints.as_ref().map(|settings| open_hints(&*disk, &settings.secret_file, &store)).transpose()?;
    let node = Node {
        store,
        hints,
        scanned: ScanTally::default(),
        quota_life: life,
        ids: Ids::new(&settings.name),
        logins: Logins::new().map_err(SourceError::from)?,
        live: RwLock::new(Arc::new(live)),
        disk,
        outgoing: Arc::new(outgoing),
        connections: Connections::default(),
        smtp_clients: SmtpClients::default(),
        steps: Steps::default(),
        programs: Programs::default(),
        started: SystemTime::now(),
    };
    Ok((Arc::new(node), admin_token))
}

/// The hint channel, which hears of every change in the store from now on.
fn open_hints(disk: &dyn Disk, secret_file: &Path, store: &Store) -> Result<Arc<Hints>, StartError> {
    let secret = secret::shared(disk, secret_file).map_err(StartError::HintSecret)?;
    let hints = Hints::new(&secret).ok_or(StartError::HintSecret(NoRandomNumbers.into()))?;
    let hints = Arc::new(hints);
    let teller = Arc::clone(&hints);
    store.on_change(move |home, name| teller.tell(home, name));
    Ok(hints)
}

async fn bind_hints(settings: &Settings) -> Result<Option<UdpSocket>, StartError> {
    let Some(address) = settings.hints.as_ref().map(|hints| hints.listen) else { return Ok(None) };
    let socket = UdpSocket::bind(address).await.map_err(|source| StartError::HintSocket { address, source })?;
    Ok(Some(socket))
}

/// How the mailboxes of a configuration are kept, apart from what only a node has.
pub(crate) fn store_settings(settings: &Settings) -> store::Settings {
    store::Settings {
        hostname: settings.name.clone(),
        location: settings.mailboxes.location.clone(),
        auto_mailboxes: settings.mailboxes.auto.clone(),
        lock_wait: settings.mailboxes.lock_wait,
        compress: settings.mailboxes.compress,
        index: Some(settings.mailboxes.index.clone()),
        index_size: settings.mailboxes.index_size,
        ..store::Settings::default()
    }
}

async fn bind_all(
    listeners: &[Listener],
    is_open: impl Fn(&Listener) -> bool,
) -> Result<Vec<(Listener, Acceptor)>, StartError> {
    let mut sockets = Vec::new();
    for listener in listeners.iter().filter(|listener| !is_open(listener)) {
        let (address, protocol) = (listener.address.clone(), listener.protocol.word());
        let socket = Acceptor::bind(&address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::Taken { address, protocol },
            _ => StartError::Listen { address, protocol, source },
        })?;
        sockets.push((listener.clone(), socket));
    }
    Ok(sockets)
}

/// How often it is looked whether the index has grown too large. That costs something only after much was written.
const INDEX_SWEEP: Duration = Duration::from_secs(600);

async fn sweep_index(node: Arc<Node>) {
    loop {
        tokio::time::sleep(INDEX_SWEEP).await;
        let store = node.store();
        if let Err(error) = crate::house::blocking(move || store.sweep_index()).await {
            tracing::warn!(%error, "cannot sweep the index");
        }
    }
}

/// Mailboxes that nobody has open leave memory after this time, or twice as long.
const UNUSED_KEPT: Duration = Duration::from_secs(30);

async fn let_go_of_unused(node: Arc<Node>) {
    loop {
        tokio::time::sleep(UNUSED_KEPT).await;
        let store = node.store();
        crate::house::blocking(move || store.let_go_of_unused()).await;
    }
}

/// How often a stopping server looks whether its last session is gone.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

impl Running {
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    fn serve(&self, sockets: Vec<(Listener, Acceptor)>) {
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
            ("[hints]", old.settings.hints == settings.hints),
            ("[quota]", old.settings.quota == settings.quota),
            ("[[mailbox]]", old.settings.mailboxes.auto == settings.mailboxes.auto),
            ("disk_threads", old.settings.limits.disk_threads == settings.limits.disk_threads),
        ];
        if let Some((name, _)) = fixed.iter().find(|(_, same)| !same) {
            return Err(StartError::NeedsRestart(name));
        }
        let open: Vec<Listener> =
            self.listeners.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        let same_address = |listener: &Listener| open.iter().any(|open| open.address == listener.address);
        let mut sockets = bind_all(&settings.listeners, same_address).await?;
        let live = Live::load(settings, &*self.node.disk)?;
        // From here on nothing of the new settings can be refused.
        self.close_listeners_not_in(&live.settings.listeners).await;
        sockets.extend(self.bind_changed(&live.settings.listeners, &open).await);
        *self.node.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        self.serve(sockets);
        Ok(())
    }

    /// Binds again the addresses whose protocol or TLS changed. They were ours a moment ago, so a failure is rare; it is logged.
    async fn bind_changed(&self, wanted: &[Listener], open: &[Listener]) -> Vec<(Listener, Acceptor)> {
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
        let cut = self.node.connections.count();
        let rests = cut == 0 && !self.node.outgoing.is_busy();
        let node = self.node.clone();
        crate::house::blocking(move || node.end_quota(rests)).await;
        cut
    }
}
