//! One URL, fetched over HTTP with bounds on time and size.

use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use proto::sasl::Secret;
use tokio::time::timeout;

use super::SetupError;
use crate::ldap::client_config;

/// Octets of an answer.
const BODY_MAX: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Fetch {
    client: Client<Connector, Full<Bytes>>,
    url: Uri,
    timeout: Duration,
}

type Connector = HttpsConnector<HttpConnector>;

impl Fetch {
    /// # Errors
    /// Neither https nor this machine, or certificates that cannot be read.
    pub fn new(url: &str, ca_file: Option<&Path>, timeout: Duration) -> Result<Fetch, SetupError> {
        let uri = url.parse::<Uri>().ok().filter(may_be_asked);
        let uri = uri.ok_or_else(|| SetupError::Url { url: url.to_owned() })?;
        // Where there is no TLS, no certificates are needed.
        let tls = match uri.scheme_str() {
            Some("https") => client_config(ca_file)?,
            _ => no_certificates(),
        };
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok(Fetch { client: Client::builder(TokioExecutor::new()).build(connector), url: uri, timeout })
    }

    pub async fn get(&self) -> Result<Bytes, String> {
        let request = Request::get(self.url.clone()).header(ACCEPT, "application/json").body(Full::default());
        self.ask(request.map_err(|error| error.to_string())?).await
    }

    pub async fn post_form(&self, form: String, authorization: &Secret) -> Result<Bytes, String> {
        let request = Request::post(self.url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, authorization.reveal())
            .body(Full::from(form));
        // The error could show the header.
        self.ask(request.map_err(|_| "the client's credentials do not fit into a header".to_owned())?).await
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Bytes, String> {
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| reasons(&error))?;
            if response.status() != StatusCode::OK {
                return Err(format!("answered {}", response.status()));
            }
            let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| error.to_string())
        };
        timeout(self.timeout, answer).await.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.timeout)))
    }
}

/// A token or a key must not travel readable, nor be changed on its way.
fn may_be_asked(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("https") && !host.is_empty() || uri.scheme_str() == Some("http") && here
}

fn no_certificates() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// An error with what it comes from: hyper's own words alone are "client error (Connect)".
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
