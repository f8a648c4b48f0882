//! Reaching a server: TCP, TLS, StartTLS or a socket of this machine. Knows nothing of what is said afterwards.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::ber::{Elements, Header, header, tag, unsigned};
use super::fault::Fault;
use super::gate::Octets;
use super::settings::{Settings, Transport, Url};

/// Where Debian, Alpine and Arch keep the certificates that a machine trusts, and Red Hat by a link.
const SYSTEM_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// RFC 4511 §4.14.1: an ExtendedRequest with the name 1.3.6.1.4.1.1466.20037, as message 1.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// The answer to it is short; a longer one is none.
const START_TLS_ANSWER_MAX: usize = 1024;

/// What is needed to tell the right server from another.
#[derive(Debug, Clone)]
pub struct Trust(Option<Arc<ClientConfig>>);

/// Why the certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct TrustError {
    pub file: String,
    pub reason: String,
}

impl Trust {
    /// Reads the certificates, if any of the servers needs them.
    ///
    /// # Errors
    /// The file cannot be read or has no certificate in it.
    pub fn load(settings: &Settings) -> Result<Trust, TrustError> {
        let wanted = settings.start_tls || settings.urls.iter().any(|url| url.transport == Transport::Tls);
        if !wanted {
            return Ok(Trust(None));
        }
        client_config(settings.ca_file.as_deref()).map(|config| Trust(Some(Arc::new(config))))
    }
}

/// Our side of TLS towards servers that these certificates vouch for, or the system's.
///
/// # Errors
/// The file cannot be read or has no certificate in it.
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let file = ca_file.unwrap_or(Path::new(SYSTEM_CA_FILE));
    let error = |reason: String| TrustError { file: file.display().to_string(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|why| error(why.to_string()))? {
        roots.add(certificate.map_err(|why| error(why.to_string()))?).map_err(|why| error(why.to_string()))?;
    }
    if roots.is_empty() {
        return Err(error("no certificate in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|why| error(why.to_string()))?.with_root_certificates(roots).with_no_client_auth())
}

/// Connects. The caller sets the time limit.
///
/// # Errors
/// `Connect` and `Tls`.
pub async fn dial(url: &Url, start_tls: bool, trust: &Trust) -> Result<Box<dyn Octets>, Fault> {
    let failed = |error: std::io::Error| Fault::Connect(error.to_string());
    if url.transport == Transport::Unix {
        return Ok(Box::new(UnixStream::connect(&url.host).await.map_err(failed)?));
    }
    let mut tcp = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(failed)?;
    // Small questions, small answers: waiting to fill a packet would cost 40 ms each.
    tcp.set_nodelay(true).map_err(failed)?;
    if url.transport == Transport::Tcp && !start_tls {
        return Ok(Box::new(tcp));
    }
    if url.transport == Transport::Tcp {
        ask_for_tls(&mut tcp).await?;
    }
    let config = trust.0.clone().ok_or_else(|| Fault::Tls("no certificates were loaded".to_owned()))?;
    let name = ServerName::try_from(url.host.clone()).map_err(|error| Fault::Tls(error.to_string()))?;
    let tls = TlsConnector::from(config).connect(name, tcp).await;
    Ok(Box::new(tls.map_err(|error| Fault::Tls(error.to_string()))?))
}

async fn ask_for_tls(tcp: &mut TcpStream) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::Connect(error.to_string());
    tcp.write_all(START_TLS).await.map_err(failed)?;
    let mut head = vec![];
    let length = loop {
        match header(&head) {
            Header::Whole { tag: tag::SEQUENCE, content, .. } if content <= START_TLS_ANSWER_MAX => break content,
            // Active Directory writes even small lengths in five octets, so how many there are is seen on the way.
            Header::Partial => head.push(tcp.read_u8().await.map_err(failed)?),
            _ => return Err(Fault::Garbage("no answer to StartTLS")),
        }
    };
    // Exactly the answer is read: what follows belongs to TLS, and octets sent in clear before it must not slip in.
    let mut body = vec![0; length];
    tcp.read_exact(&mut body).await.map_err(failed)?;
    match start_tls_result(&body) {
        Some(0) => Ok(()),
        Some(code) => Err(Fault::Tls(format!("StartTLS is refused with result {code}"))),
        None => Err(Fault::Garbage("no answer to StartTLS")),
    }
}

fn start_tls_result(body: &[u8]) -> Option<u32> {
    let mut parts = Elements(body);
    parts.expect(tag::INTEGER)?;
    unsigned(Elements(parts.expect(tag::EXTENDED_RESPONSE)?).expect(tag::ENUMERATED)?)
}
