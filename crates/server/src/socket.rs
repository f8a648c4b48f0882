//! Where connections come in and what they are: TCP, or a unix socket for who is on the same machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::ListenAt;

/// The owner and the group may connect: who may, is said by the group of the folder or of the process.
const UNIX_MODE: u32 = 0o660;
/// Who comes by a unix socket is on this machine.
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A connection.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Takes connections.
#[derive(Debug)]
pub enum Acceptor {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// The name of a unix socket. It goes with the listener.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Best effort: who binds it next removes what nobody listens at.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Acceptor {
    /// # Errors
    /// Those of the system; `AddrInUse` when somebody listens there.
    pub async fn bind(at: &ListenAt) -> io::Result<Acceptor> {
        match at {
            ListenAt::Ip(address) => TcpListener::bind(address).await.map(Acceptor::Tcp),
            ListenAt::Unix(path) => {
                remove_left(path).await?;
                let listener = UnixListener::bind(path)?;
                let file = SocketFile(path.clone());
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(UNIX_MODE))?;
                Ok(Acceptor::Unix { listener, _file: file })
            }
        }
    }

    /// The next connection, and who is at its other end.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match self {
            Acceptor::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Replies are written whole; waiting for more to send only adds delay.
                let _ = stream.set_nodelay(true);
                Ok((Socket::Tcp(stream), peer))
            }
            Acceptor::Unix { listener, .. } => Ok((Socket::Unix(listener.accept().await?.0), HERE)),
        }
    }
}

/// Removes a socket that a crash left: one at which nobody listens.
async fn remove_left(path: &Path) -> io::Result<()> {
    if !std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        // Nothing is there, or something that is not ours to remove: binding tells.
        return Ok(());
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::Error::from(io::ErrorKind::AddrInUse)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Socket {
        Socket::Tcp(stream)
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_a_crash_left_is_taken_over_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = ListenAt::Unix(folder.path().join("lmtp"));
        // A crash: the name stays without its listener.
        drop(std::os::unix::net::UnixListener::bind(folder.path().join("lmtp")).unwrap());
        let first = Acceptor::bind(&at).await.unwrap();
        assert_eq!(Acceptor::bind(&at).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let mode = std::fs::metadata(folder.path().join("lmtp")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, UNIX_MODE);
        drop(first);
        assert!(!folder.path().join("lmtp").exists());
        std::fs::write(folder.path().join("lmtp"), "no socket").unwrap();
        assert!(Acceptor::bind(&at).await.is_err());
        assert!(folder.path().join("lmtp").exists());
    }
}
