//! Asks a running node through its admin listener.

use std::net::SocketAddr;
use std::path::Path;

use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use server::axum::body::Bytes;
use server::axum::http::{Method, Request, StatusCode};
use server::config::{self, Protocol};

/// Why a node did not do what was asked; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{0}")]
    Config(#[from] Box<config::BadConfig>),
    #[error("the configuration has no listener with protocol \"admin\"")]
    NoListener,
    #[error("cannot read the admin token {file}: {source}")]
    Token { file: String, source: std::io::Error },
    #[error("cannot reach the server at {address}: {reason}; is it running?")]
    Unreachable { address: SocketAddr, reason: String },
    #[error("{0}")]
    Refused(String),
    #[error("the answer makes no sense: {0}")]
    Answer(#[from] serde_json::Error),
}

/// A node, reached over its admin listener.
#[derive(Debug)]
pub struct AdminClient {
    address: SocketAddr,
    token: String,
}

impl AdminClient {
    /// Finds the address and the token by the node's configuration file.
    ///
    /// # Errors
    /// A bad file, no admin listener in it, or a token this user may not read.
    pub fn new(file: &Path) -> Result<AdminClient, AdminError> {
        let settings = config::load(file).map_err(Box::new)?;
        let address = settings
            .listeners
            .iter()
            .find(|listener| listener.protocol == Protocol::Admin)
            .and_then(|listener| listener.address.ip())
            .ok_or(AdminError::NoListener)?;
        let token_file = settings.state.join(server::TOKEN_FILE);
        let token = std::fs::read_to_string(&token_file)
            .map_err(|source| AdminError::Token { file: token_file.display().to_string(), source })?;
        Ok(AdminClient { address, token: token.trim().to_owned() })
    }

    /// Asks, and gives the body of a good answer.
    ///
    /// # Errors
    /// No connection, or the node's own refusal in its words.
    pub async fn ask(&self, method: Method, path: &str) -> Result<Bytes, AdminError> {
        let unreachable = |reason: &dyn std::fmt::Display| AdminError::Unreachable {
            address: self.address,
            reason: reason.to_string(),
        };
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        let request = request.header("authorization", format!("Bearer {}", self.token)).body(Empty::<Bytes>::new());
        let request = request.map_err(|error| unreachable(&error))?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| unreachable(&error))?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(refusal(status, &body)) }
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> AdminError {
    let told = serde_json::from_slice::<serde_json::Value>(body).ok();
    let told = told.as_ref().and_then(|body| body["error"].as_str());
    AdminError::Refused(told.map_or_else(|| status.to_string(), str::to_owned))
}
