//! Takes connections on one address and gives each its session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::admin;
use crate::config::{Listener, Protocol, Settings, TlsMode};
use crate::connection::{Connection, Handshake, Tls};
use crate::connections::{Place, TooMany};
use crate::driver::{Ending, drive};
use crate::gssapi::Tickets;
use crate::house::Guest;
use crate::node::{Live, Node};
use crate::profiles::{self, Setup};
use crate::proxy;
use crate::socket::{Acceptor, Socket};

/// The wait after a failed accept: the process is out of file descriptors or memory, and trying at once would only burn.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take for the handshake of implicit TLS.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(60);

/// Takes connections until the task is aborted. Sessions go on after that.
pub async fn run(
    node: Arc<Node>,
    listener: Listener,
    socket: Acceptor,
    stopping: watch::Receiver<bool>,
    admin_token: String,
) {
    let socket = match socket {
        Acceptor::Tcp(socket) if listener.protocol == Protocol::Admin => {
            return admin::serve(node, socket, admin_token).await;
        }
        socket => socket,
    };
    let listener = Arc::new(listener);
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                drop(tokio::spawn(greet(node.clone(), listener.clone(), stream, peer, stopping.clone())))
            }
            Err(error) => {
                tracing::error!(address = %listener.address, %error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn greet(
    node: Arc<Node>,
    listener: Arc<Listener>,
    mut stream: Socket,
    from: SocketAddr,
    stopping: watch::Receiver<bool>,
) {
    let live = node.live();
    let Some((peer, place)) = admit(&node, &live, &listener, &mut stream, from).await else { return };
    if let Err(too_many) = &place {
        tracing::warn!(%peer, protocol = listener.protocol.word(), ?too_many, "connection refused");
        if listener.tls == TlsMode::Implicit {
            // A handshake would cost more than the refusal is to save.
            return;
        }
    }
    let tls = live.tls(listener.protocol).map_or(Tls::None, Tls::Server);
    let mut connection = Connection::new(stream, tls);
    let session = node.ids.session();
    if listener.tls == TlsMode::Implicit {
        let handshake = tokio::time::timeout(HANDSHAKE_PATIENCE, connection.start_tls()).await;
        if handshake != Ok(Handshake::Done) {
            tracing::info!(session, %peer, protocol = listener.protocol.word(), "TLS handshake failed");
            return;
        }
    }
    let guest = Guest {
        node: node.clone(),
        session: session.into(),
        peer,
        protocol: listener.protocol,
        listener: listener.name.as_deref().unwrap_or_default().into(),
        tickets: Tickets::default(),
    };
    let away = place.as_ref().err().map(|too_many| refusal(*too_many, peer));
    let setup = Setup { live: &live, listener: &listener, away: away.as_deref() };
    // Boxed, so that the large state of a busy session is not part of every task.
    Box::pin(converse(connection, guest, setup, stopping)).await;
    drop(place);
}

/// A place among all connections, and for SMTP one among its sessions.
type Places = (Place, Option<Place>);

/// Who is there, and his place among the connections. `None`: a balancer that does not say for whom it connects.
async fn admit(
    node: &Node,
    live: &Live,
    listener: &Listener,
    stream: &mut Socket,
    from: SocketAddr,
) -> Option<(SocketAddr, Result<Places, TooMany>)> {
    let limits = &live.settings.limits;
    let mut peer = from;
    if listener.proxy.iter().any(|network| network.contains(from.ip())) {
        // All its clients come from one address. Until it has said for whom, it counts in all only.
        let waits = node.connections.admit(from.ip(), limits.connections, usize::MAX).ok()?;
        match proxy::client(stream).await {
            Ok(client) => peer = client.unwrap_or(from),
            Err(reason) => {
                tracing::warn!(peer = %from, protocol = listener.protocol.word(), %reason, "a balancer's connection is refused");
                return None;
            }
        }
        drop(waits);
    }
    Some((peer, places(node, &live.settings, listener.protocol, peer)))
}

fn places(node: &Node, settings: &Settings, protocol: Protocol, peer: SocketAddr) -> Result<Places, TooMany> {
    let limits = &settings.limits;
    let place = node.connections.admit(peer.ip(), limits.connections, limits.connections_per_address)?;
    let is_smtp = matches!(protocol, Protocol::Smtp | Protocol::Submission);
    let session = || node.smtp_clients.admit(peer.ip(), &settings.smtp.limits, Instant::now());
    Ok((place, is_smtp.then(session).transpose()?))
}

async fn converse(mut connection: Connection, guest: Guest, setup: Setup<'_>, mut stopping: watch::Receiver<bool>) {
    let (session, peer, protocol) = (guest.session.clone(), guest.peer, guest.protocol.word());
    tracing::debug!(session = &*session, %peer, protocol, "connected");
    let ending = match setup.listener.protocol {
        Protocol::Smtp | Protocol::Submission | Protocol::Lmtp => {
            let (machine, mut house) = profiles::smtp(guest, &setup);
            drive(&mut connection, machine, &mut house, &mut stopping).await
        }
        Protocol::Imap => {
            let (machine, mut house) = profiles::imap(guest, &setup);
            drive(&mut connection, machine, &mut house, &mut stopping).await
        }
        Protocol::Pop3 => {
            let (machine, mut house) = profiles::pop3(guest, &setup);
            drive(&mut connection, machine, &mut house, &mut stopping).await
        }
        Protocol::ManageSieve => {
            let (machine, mut house) = profiles::managesieve(guest, &setup);
            drive(&mut connection, machine, &mut house, &mut stopping).await
        }
        // It has its own way, above.
        Protocol::Admin => Ending::Closed,
    };
    tracing::debug!(session = &*session, %peer, protocol, ?ending, "disconnected");
}

/// Why a client finds no place, in words fit for it.
fn refusal(too_many: TooMany, peer: SocketAddr) -> String {
    match too_many {
        TooMany::InAll => "too many connections".to_owned(),
        TooMany::FromThisAddress => format!("too many connections from {}", peer.ip()),
    }
}
