//! The admin listener: HTTP for operators, monitoring and `tepui queue`.
//!
//! `/health` is open to whoever reaches the port; everything else wants the token that lies in the state folder, so that
//! only who may read that folder may steer the node.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::constant_time;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use disk::Disk;
use mail::QueueId;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::hints::HintCounts;
use crate::node::Node;
use crate::scan::ScanCounts;

/// The token's file, below the state folder.
pub const TOKEN_FILE: &str = "admin.token";

/// The most queue entries in one listing.
pub const LIST_MAX: usize = 10_000;

/// The node's token, made at the first start.
///
/// # Errors
/// Those of the disk.
pub fn token(disk: &dyn Disk, state: &Path) -> disk::Result<String> {
    let path = state.join(TOKEN_FILE);
    if let Ok(token) = disk.read(&path) {
        let token = String::from_utf8_lossy(&token).trim().to_owned();
        if !token.is_empty() {
            return Ok(token);
        }
    }
    let mut random = [0; 24];
    // Without random numbers there would be no TLS either; an empty token would open the door, so none must be guessable.
    SystemRandom::new().fill(&mut random).unwrap_or_else(|_| panic!("the system gives no random numbers"));
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    disk::replace(disk, &path, format!("{token}\n").as_bytes())?;
    Ok(token)
}

/// Serves the admin API.
pub async fn serve(node: Arc<Node>, socket: TcpListener, token: String) {
    let guarded = Router::new()
        .route("/queue", get(list))
        .route("/queue/flush", post(flush_all))
        .route("/queue/{id}", get(show).delete(remove))
        .route("/queue/{id}/flush", post(flush))
        .route("/queue/{id}/release", post(release))
        .route("/status", get(status))
        .route("/auth/failures", get(failures).delete(lift_all))
        .route("/auth/failures/{what}", delete(lift))
        .route_layer(middleware::from_fn_with_state(Arc::new(token), require_token));
    let routes = guarded.route("/health", get(health)).with_state(node);
    if let Err(error) = axum::serve(socket, routes).await {
        tracing::error!(%error, "the admin listener ended");
    }
}

async fn require_token(State(token): State<Arc<String>>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let right =
        given.is_some_and(|given| constant_time::verify_slices_are_equal(given.as_bytes(), token.as_bytes()).is_ok());
    if right {
        next.run(request).await
    } else {
        Failure(StatusCode::UNAUTHORIZED, "the admin token is missing or wrong".into()).into_response()
    }
}

/// An error as JSON: `{"error": "…"}`.
struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response()
    }
}

impl From<queue::Error> for Failure {
    fn from(error: queue::Error) -> Failure {
        let status = match error {
            queue::Error::NotFound { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure(status, error.to_string())
    }
}

async fn health() -> &'static str {
    "ok\n"
}

/// What `/status` says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    pub name: String,
    pub version: String,
    /// Seconds since the start.
    pub uptime: u64,
    pub connections: usize,
    pub queued: usize,
    /// What became of hints since the start, where there is a `[hints]`.
    pub hints: Option<HintCounts>,
    /// Verdicts since the start, where messages are scanned.
    pub scan: Option<ScanCounts>,
}

async fn status(State(node): State<Arc<Node>>) -> Json<Status> {
    let uptime = SystemTime::now().duration_since(node.started).map_or(0, |time| time.as_secs());
    Json(Status {
        name: node.live().settings.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime,
        connections: node.connections.count(),
        queued: node.outgoing.len(),
        hints: node.hints.as_ref().map(|hints| hints.counts.shown()),
        scan: node.live().scanners.as_ref().map(|_| node.scanned.shown()),
    })
}

/// A queue entry as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueEntry {
    pub id: String,
    pub trace: String,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Unix time in milliseconds.
    pub arrived: u64,
    /// Octets.
    pub size: u64,
    /// It is not tried before somebody releases it.
    pub held: bool,
    pub recipients: Vec<QueueRecipient>,
}

/// One recipient of a queue entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRecipient {
    pub address: String,
    /// `waiting`, `deferred`, `delivered`, `bounced` or `reported`.
    pub state: String,
    pub attempts: u32,
    /// Unix time in milliseconds of the next attempt.
    pub next: Option<u64>,
    /// What the next hop said last.
    pub reply: Option<String>,
}

impl From<queue::Entry> for QueueEntry {
    fn from(entry: queue::Entry) -> QueueEntry {
        let recipients = entry.envelope.recipients.iter().zip(&entry.states).map(|(recipient, state)| {
            let (attempts, next) = match state {
                queue::RecipientState::Deferred { attempts, next, .. } => (*attempts, Some(next.0)),
                _ => (0, None),
            };
            let reply = state.reply().map(ToString::to_string);
            QueueRecipient {
                address: recipient.address.to_string(),
                state: state.row().name.to_owned(),
                attempts,
                next,
                reply,
            }
        });
        QueueEntry {
            id: entry.id.to_string(),
            trace: entry.envelope.trace.to_string(),
            reverse_path: entry.envelope.reverse_path.to_string(),
            arrived: entry.arrived.0,
            size: entry.size,
            held: entry.held,
            recipients: recipients.collect(),
        }
    }
}

async fn list(State(node): State<Arc<Node>>) -> Result<Json<Vec<QueueEntry>>, Failure> {
    let entries = crate::house::blocking(move || node.outgoing.entries(LIST_MAX)).await?;
    Ok(Json(entries.into_iter().map(QueueEntry::from).collect()))
}

fn parse_id(id: &str) -> Result<QueueId, Failure> {
    QueueId::parse(id).ok_or_else(|| Failure(StatusCode::BAD_REQUEST, format!("`{id}` is not a queue id")))
}

async fn show(State(node): State<Arc<Node>>, UrlPath(id): UrlPath<String>) -> Result<Json<QueueEntry>, Failure> {
    let id = parse_id(&id)?;
    let entry = crate::house::blocking(move || node.outgoing.entry(id)).await?;
    Ok(Json(entry.into()))
}

async fn remove(State(node): State<Arc<Node>>, UrlPath(id): UrlPath<String>) -> Result<StatusCode, Failure> {
    let id = parse_id(&id)?;
    crate::house::blocking(move || node.outgoing.remove(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn flush(State(node): State<Arc<Node>>, UrlPath(id): UrlPath<String>) -> Result<StatusCode, Failure> {
    let id = parse_id(&id)?;
    crate::house::blocking(move || node.outgoing.entry(id).map(|_| node.outgoing.flush(Some(id)))).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn release(State(node): State<Arc<Node>>, UrlPath(id): UrlPath<String>) -> Result<StatusCode, Failure> {
    let id = parse_id(&id)?;
    crate::house::blocking(move || node.outgoing.release(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn flush_all(State(node): State<Arc<Node>>) -> StatusCode {
    node.outgoing.flush(None);
    StatusCode::NO_CONTENT
}

/// Failed logins that are counted of somebody, as the API shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginFailures {
    /// `account`, `address`, `network`, or `account-at` for an account at one address.
    pub kind: String,
    pub who: String,
    pub failures: u32,
    /// `counted`, `slow` or `locked`.
    pub state: String,
    /// Milliseconds that a login waits, when slow.
    pub delay: u64,
    /// Unix time in milliseconds of the end of a lock.
    pub until: Option<u64>,
}

async fn failures(State(node): State<Arc<Node>>) -> Json<Vec<LoginFailures>> {
    let live = node.live();
    let rows = live.settings.lockout.as_ref().map(|rules| node.logins.failures(rules, LIST_MAX)).unwrap_or_default();
    let shown = rows.into_iter().map(|(row, until)| LoginFailures {
        kind: row.subject.kind().to_owned(),
        who: row.subject.to_string(),
        failures: row.failures,
        state: match (until, row.slow.is_zero()) {
            (Some(_), _) => "locked",
            (None, false) => "slow",
            (None, true) => "counted",
        }
        .to_owned(),
        delay: u64::try_from(row.slow.as_millis()).unwrap_or(u64::MAX),
        until: until
            .and_then(|until| until.duration_since(SystemTime::UNIX_EPOCH).ok())
            .map(|since| since.as_millis() as u64),
    });
    Json(shown.collect())
}

/// How many counts were taken back: `{"lifted": 3}`.
async fn lift(State(node): State<Arc<Node>>, UrlPath(what): UrlPath<String>) -> Json<serde_json::Value> {
    let live = node.live();
    Json(serde_json::json!({ "lifted": node.logins.lift(&live.directory, &what).await }))
}

async fn lift_all(State(node): State<Arc<Node>>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "lifted": node.logins.lift_all() }))
}
