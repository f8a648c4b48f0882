//! Certificates and keys into TLS configurations.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

use crate::certificate::{self, UserField};
use crate::config::{ClientCertificates, TlsFiles};

/// Why TLS cannot be set up; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    #[error("certificate and key do not fit: {0}")]
    Mismatch(rustls::Error),
}

/// The server's side of TLS, and what of it matters to logins.
#[derive(Debug, Clone)]
pub struct ServerTls {
    pub config: Arc<ServerConfig>,
    /// The hash of our certificate (RFC 5929 §4).
    pub end_point: Option<Arc<[u8]>>,
    /// Where a client's certificate names its user; `None`: clients are not asked for one.
    pub user_field: Option<UserField>,
}

/// By whom a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// They log in, perhaps by their certificates.
    Users,
    /// They are not asked for certificates.
    Servers,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The server's side, from its certificate chain and key.
///
/// # Errors
/// A file that cannot be read or holds no certificate or key, or two that do not belong together.
pub fn server(files: &TlsFiles, clients: Clients) -> Result<ServerTls, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| in_file(&files.key, error))?;
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.map_err(TlsError::Mismatch)?;
    let authority = files.clients.as_ref().filter(|_| clients == Clients::Users);
    let end_point = chain.first().and_then(certificate::end_point).map(Arc::from);
    let config = match authority {
        Some(authority) => config.with_client_cert_verifier(client_verifier(authority)?),
        None => config.with_no_client_auth(),
    };
    let config = config.with_single_cert(chain, key).map_err(TlsError::Mismatch)?;
    Ok(ServerTls { config: Arc::new(config), end_point, user_field: authority.map(|authority| authority.user_field) })
}

fn client_verifier(clients: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&clients.authority)? {
        roots.add(authority).map_err(|error| in_file(&clients.authority, error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = if clients.required { verifier } else { verifier.allow_unauthenticated() };
    verifier.build().map_err(|error| in_file(&clients.authority, error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(|certificates| certificates.collect());
    match chain {
        Ok(chain) if chain.is_empty() => Err(in_file(file, "holds no certificate")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(in_file(file, error)),
    }
}

fn in_file(file: &Path, reason: impl std::fmt::Display) -> TlsError {
    TlsError::File { file: file.display().to_string(), reason: reason.to_string() }
}

/// The client's side towards a next hop whose certificate must be trusted: signed by one of the system's authorities.
///
/// # Errors
/// When the system has no authorities.
pub fn client_verified() -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for file in ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"].map(Path::new) {
        if file.exists() {
            roots.add_parsable_certificates(certificates(file)?);
        }
    }
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.map_err(TlsError::Mismatch)?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// The client's side of opportunistic TLS: it protects from those who only listen, so any certificate will do
/// (RFC 7435 §3; what SMTP between servers without DANE or MTA-STS amounts to). One for all connections, so that they can
/// resume each other's sessions.
///
/// # Errors
/// None in practice: the provider has the default protocol versions.
pub fn client_opportunistic() -> Result<Arc<ClientConfig>, TlsError> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let verifier = Arc::new(AnyCertificate(provider()));
    let config = config.map_err(TlsError::Mismatch)?.dangerous().with_custom_certificate_verifier(verifier);
    Ok(CONFIG.get_or_init(|| Arc::new(config.with_no_client_auth())).clone())
}

/// Accepts any certificate, but still checks that the peer has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
