//! Delivery to a next hop: one lane is one connection at a time, for message after message of one destination.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mail::dsn::ReportKind;
use mail::{Outcome, Reply, TraceMark};
use proto::smtp::Dialect;
use proto::smtp::client::{Answer, Ask, Client, ClientProfile, ClientTls, Job, Patience, Report};
use queue::{Attempt, Destination};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::finish::{Fate, finish, unreadable};
use crate::config::{Route, RouteTls};
use crate::connection::{Connection, Tls};
use crate::driver::{Ending, House, drive};
use crate::house::blocking;
use crate::node::Node;
use crate::steps::StepKind;
use crate::tls;

/// How long making a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);

/// Content read at once; what `Ask::Content` allows.
const PIECE: usize = 64 * 1024;

/// Delivers an attempt, and then whatever comes for the same destination while the connection is worth keeping.
pub async fn lane(node: Arc<Node>, route: Route, attempt: Attempt) {
    let mut house = Lane::new(node, &route, attempt);
    let mut wanted = match route.tls {
        RouteTls::Off => ClientTls::Off,
        RouteTls::Opportunistic => ClientTls::Opportunistic,
        RouteTls::Required => ClientTls::Required,
    };
    while let Some(attempt) = house.next.take() {
        match connect(&route.host, route.port, wanted).await {
            Ok(mut connection) => {
                house.next = Some(attempt);
                let profile = ClientProfile {
                    dialect: if route.lmtp { Dialect::Lmtp } else { Dialect::Smtp },
                    helo: house.node.live().settings.name.clone(),
                    tls: wanted,
                    credentials: None,
                    patience: Patience::default(),
                };
                converse(&mut connection, profile, &mut house).await;
            }
            Err(error) => {
                let reply = Reply::new(451, (4, 4, 1), format!("connect to {}:{}: {error}", route.host, route.port));
                let deferred = |index: &usize| Fate::not_delivered(*index, Outcome::Deferred(reply.clone()));
                let fates = attempt.recipients.iter().map(deferred).collect();
                finish(house.node.clone(), attempt, fates).await;
            }
        }
        // RFC 7435 §3: an opportunistic handshake that failed is no reason not to deliver.
        if house.tls_failed && wanted == ClientTls::Opportunistic {
            wanted = ClientTls::Off;
        }
    }
}

/// Runs a client session; the queue's work is not cut short by a stopping server.
pub async fn converse<H: House<Client>>(connection: &mut Connection, profile: ClientProfile, house: &mut H) {
    let client = Client::new(profile);
    let (_, mut never) = watch::channel(false);
    if drive(connection, client, house, &mut never).await == Ending::HandshakeFailed {
        tracing::debug!("TLS handshake with the next hop failed");
    }
}

/// Connects to a host, which may have several addresses.
///
/// # Errors
/// When none of them takes the connection in time, or TLS cannot be prepared.
pub async fn connect(host: &str, port: u16, wanted: ClientTls) -> io::Result<Connection> {
    let tls = match wanted {
        ClientTls::Off => None,
        ClientTls::Opportunistic => Some(tls::client_opportunistic()),
        ClientTls::Required | ClientTls::On => Some(tls::client_verified()),
    };
    let config = tls.transpose().map_err(io::Error::other)?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let tls = config.map_or(Tls::None, |config| Tls::Client(config, name));
    let stream = tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect((host, port)));
    let stream = stream.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))?;
    let _ = stream.set_nodelay(true);
    Ok(Connection::new(stream, tls))
}

/// The house of a client session that works for the queue.
struct Lane {
    node: Arc<Node>,
    /// The next hop, for the log.
    hop: String,
    destination: Destination,
    opportunistic: bool,
    lmtp: bool,
    /// To be delivered next.
    next: Option<Attempt>,
    current: Option<Current>,
    tls_failed: bool,
    /// Whether this connection has delivered something before.
    used: bool,
}

/// The message on the connection.
struct Current {
    attempt: Attempt,
    content: Arc<queue::Content>,
    /// The beginning of the content, read together with the envelope; all of a small one.
    beginning: Vec<u8>,
    used_connection: bool,
    /// Why the content could not be read to its end.
    unreadable: Option<queue::Error>,
}

impl Lane {
    fn new(node: Arc<Node>, route: &Route, attempt: Attempt) -> Lane {
        Lane {
            node,
            hop: format!("{}:{}", route.host, route.port),
            destination: attempt.destination.clone(),
            opportunistic: route.tls == RouteTls::Opportunistic,
            lmtp: route.lmtp,
            next: Some(attempt),
            current: None,
            tls_failed: false,
            used: false,
        }
    }

    async fn next_message(&mut self) -> Answer {
        loop {
            let attempt = match self.next.take() {
                Some(attempt) => attempt,
                None => match self.node.outgoing.lanes.wait(&self.destination).await {
                    Some(attempt) => attempt,
                    None => return Answer::NoMore,
                },
            };
            let node = self.node.clone();
            let (attempt, opened) = blocking(move || {
                let opened = open(&node, &attempt);
                (attempt, opened)
            })
            .await;
            match opened {
                Ok((job, content, beginning)) => {
                    if let Some(mark) = &job.trace {
                        self.node.steps.tell(
                            StepKind::Sending,
                            &mark.id,
                            None,
                            Some(attempt.id),
                            format!("to {}", self.hop),
                        );
                    }
                    self.current = Some(Current {
                        attempt,
                        content: Arc::new(content),
                        beginning,
                        used_connection: self.used,
                        unreadable: None,
                    });
                    return Answer::Message(job);
                }
                Err(error) => unreadable(self.node.clone(), attempt, error).await,
            }
        }
    }

    async fn content(&mut self, offset: u64) -> Answer {
        let Some(current) = &self.current else { return Answer::ContentFailed };
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(bytes) = current.beginning.get(from..).filter(|bytes| !bytes.is_empty()) {
            return Answer::Bytes(bytes.to_vec());
        }
        if offset >= current.content.len() {
            return Answer::ContentEnd;
        }
        let content = current.content.clone();
        match blocking(move || read_piece(&content, offset)).await {
            Ok(bytes) if bytes.is_empty() => Answer::ContentEnd,
            Ok(bytes) => Answer::Bytes(bytes),
            Err(error) => {
                if let Some(current) = &mut self.current {
                    current.unreadable = Some(error);
                }
                Answer::ContentFailed
            }
        }
    }

    async fn report(&mut self, report: Report) {
        let Some(current) = self.current.take() else { return };
        if let Some(error) = current.unreadable {
            return unreadable(self.node.clone(), current.attempt, error).await;
        }
        // A connection that the peer closed while it was idle says nothing about the message; nor does a handshake.
        let try_again = (report.tls_failed && self.opportunistic && !self.tls_failed)
            || (current.used_connection && report.unheard);
        self.tls_failed |= report.tls_failed;
        self.used = true;
        if try_again {
            self.used = false;
            self.next = Some(current.attempt);
            return;
        }
        // RFC 3461 §5.2.2, §5.2.6: a hop that knows DSN tells the sender itself; who gives it over LMTP has put it in a mailbox.
        let told = match (report.dsn, self.lmtp) {
            (true, _) => None,
            (false, true) => Some(ReportKind::Delivered),
            (false, false) => Some(ReportKind::Relayed),
        };
        let outcomes = current.attempt.recipients.iter().copied().zip(report.outcomes);
        let fates = outcomes.map(|(index, outcome)| Fate { index, outcome, told }).collect();
        finish(self.node.clone(), current.attempt, fates).await;
    }
}

impl House<Client> for Lane {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::NextMessage => self.next_message().await,
            Ask::Content { offset } => self.content(offset).await,
            Ask::Report(report) => {
                self.report(report).await;
                Answer::Go
            }
        }
    }
}

fn open(node: &Node, attempt: &Attempt) -> queue::Result<(Job, queue::Content, Vec<u8>)> {
    let entry = node.outgoing.entry(attempt.id)?;
    let content = node.outgoing.spool.content(attempt.id)?;
    let beginning = read_piece(&content, 0)?;
    let again = attempt.recipients.iter().any(|index| node.outgoing.may_have_arrived(&entry, *index));
    let recipients = attempt.recipients.iter().filter_map(|index| entry.envelope.recipients.get(*index).cloned());
    let job = Job {
        reverse_path: entry.envelope.reverse_path,
        recipients: recipients.collect(),
        size: content.len(),
        body: entry.envelope.body,
        smtputf8: entry.envelope.smtputf8,
        envelope_id: entry.envelope.envelope_id,
        return_headers_only: entry.envelope.return_headers_only,
        trace: Some(TraceMark { id: entry.envelope.trace, again }),
    };
    Ok((job, content, beginning))
}

fn read_piece(content: &queue::Content, offset: u64) -> queue::Result<Vec<u8>> {
    let left = content.len().saturating_sub(offset);
    let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
    let count = content.read_at(offset, &mut piece)?;
    piece.truncate(count);
    Ok(piece)
}
