//! A connection, plain or encrypted, that can change from the one to the other.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use proto::sasl::Channel;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, CommonState, ProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::certificate;
use crate::socket::Socket;
use crate::tls::ServerTls;

/// RFC 9266 §4.2.
const EXPORTER: (&[u8], usize) = (b"EXPORTER-Channel-Binding", 32);

/// A connection and how it would speak TLS.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    tls: Tls,
}

/// Our side of a handshake.
#[derive(Clone)]
pub enum Tls {
    None,
    Server(ServerTls),
    Client(Arc<ClientConfig>, ServerName<'static>),
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Tls::None => "None",
            Tls::Server(_) => "Server",
            Tls::Client(..) => "Client",
        })
    }
}

#[derive(Debug)]
enum Stream {
    Plain(Socket),
    // Boxed: a plain connection, and one that waits to become encrypted, shall not hold the room of a TLS state.
    Server(Box<server::TlsStream<Socket>>),
    Client(Box<client::TlsStream<Socket>>),
    /// A handshake failed and took the connection with it.
    Gone,
}

/// How a handshake went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    Done,
    Failed,
}

impl Connection {
    pub fn new(stream: impl Into<Socket>, tls: Tls) -> Connection {
        Connection { stream: Stream::Plain(stream.into()), tls }
    }

    /// Encrypts the connection. After a failure it is closed.
    pub async fn start_tls(&mut self) -> Handshake {
        let Stream::Plain(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else { return Handshake::Failed };
        let encrypted = match self.tls.clone() {
            Tls::None => return Handshake::Failed,
            Tls::Server(tls) => {
                TlsAcceptor::from(tls.config).accept(stream).await.map(|tls| Stream::Server(Box::new(tls)))
            }
            Tls::Client(config, name) => {
                TlsConnector::from(config).connect(name, stream).await.map(|tls| Stream::Client(Box::new(tls)))
            }
        };
        match encrypted {
            Ok(stream) => {
                self.stream = stream;
                Handshake::Done
            }
            Err(error) => {
                tracing::debug!(%error, "TLS handshake failed");
                Handshake::Failed
            }
        }
    }

    /// What the encryption gives to logins, once there is one and we are the server.
    pub fn channel(&self) -> Option<Channel> {
        let (Stream::Server(stream), Tls::Server(tls)) = (&self.stream, &self.tls) else { return None };
        let state = stream.get_ref().1;
        // RFC 9266 §3: what TLS 1.2 exports is unique only with an extension of which we are not told.
        let exporter = (state.protocol_version() == Some(ProtocolVersion::TLSv1_3))
            .then(|| state.export_keying_material(vec![0; EXPORTER.1], EXPORTER.0, Some(b"")).ok())
            .flatten();
        let certificate = state.peer_certificates().and_then(<[_]>::first);
        let certified = certificate.zip(tls.user_field).and_then(|(client, field)| certificate::user(client, field));
        Some(Channel { exporter, server_end_point: tls.end_point.as_deref().map(<[u8]>::to_vec), certified })
    }

    /// Protocol version and cipher suite, as `TLSv1.3 with cipher TLS13_AES_128_GCM_SHA256`, once encrypted.
    pub fn tls_description(&self) -> Option<String> {
        let state: &CommonState = match &self.stream {
            Stream::Server(tls) => tls.get_ref().1,
            Stream::Client(tls) => tls.get_ref().1,
            Stream::Plain(_) | Stream::Gone => return None,
        };
        let version = state.protocol_version()?.as_str()?.replace('_', ".");
        Some(format!("{version} with cipher {}", state.negotiated_cipher_suite()?.suite().as_str()?))
    }
}

fn gone() -> io::Error {
    io::Error::from(io::ErrorKind::NotConnected)
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Server(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Client(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Gone => Poll::Ready(Err(gone())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Server(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Client(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Gone => Poll::Ready(Err(gone())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Server(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Client(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Server(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Client(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Gone => Poll::Ready(Ok(())),
        }
    }
}
