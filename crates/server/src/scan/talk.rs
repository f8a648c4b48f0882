//! One conversation with one clamd. Each wait has a bound.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use proto::clamd::{self, Answer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::ScannerAddress;

/// How long a connection may take, or the scanner's own patience where that is shorter.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

trait Link: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<L: AsyncRead + AsyncWrite + Send + Sync + Unpin> Link for L {}

/// A connection on which a scan has begun.
pub struct Talk {
    link: Box<dyn Link>,
    patience: Duration,
    /// The command, until the first chunk goes out with it.
    unsent: &'static [u8],
    /// What it said already.
    said: Vec<u8>,
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Talk {
    pub async fn open(address: &ScannerAddress, patience: Duration) -> Result<Talk, String> {
        let link = within(CONNECT_PATIENCE.min(patience), connect(address)).await?;
        Ok(Talk { link, patience, unsent: clamd::SCAN, said: Vec::new() })
    }

    pub async fn send(&mut self, octets: &[u8]) -> Result<(), String> {
        for chunk in octets.chunks(clamd::CHUNK_LENGTH_MAX) {
            let mut framed = Vec::with_capacity(self.unsent.len() + 4 + chunk.len());
            framed.extend_from_slice(std::mem::take(&mut self.unsent));
            framed.extend_from_slice(&clamd::chunk_head(chunk.len()));
            framed.extend_from_slice(chunk);
            within(self.patience, self.link.write_all(&framed)).await?;
        }
        Ok(())
    }

    /// Ends the content and waits for the answer.
    pub async fn answer(&mut self) -> Result<Answer, String> {
        let end = [self.unsent, &clamd::END].concat();
        if self.spoke_early().await {
            return self.interrupted("answered before it had everything".to_owned()).await;
        }
        match within(self.patience, self.link.write_all(&end)).await {
            Ok(()) => self.heard().await,
            Err(error) => self.interrupted(error).await,
        }
    }

    /// It takes no more: it may have said why. What it says of a part of a message says nothing good of the whole.
    pub async fn interrupted(&mut self, error: String) -> Result<Answer, String> {
        match self.heard().await {
            Ok(Answer::Clean | Answer::Failed(_)) | Err(_) => Err(error),
            Ok(answer) => Ok(answer),
        }
    }

    /// Whether something was said, or the connection ended, without anybody having asked yet.
    async fn spoke_early(&mut self) -> bool {
        let mut octets = [0; 512];
        let mut buffer = ReadBuf::new(&mut octets);
        let is_there = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.link).poll_read(cx, &mut buffer).is_ready())).await;
        self.said.extend_from_slice(buffer.filled());
        is_there
    }

    async fn heard(&mut self) -> Result<Answer, String> {
        let (link, said) = (&mut self.link, &mut self.said);
        let heard = async {
            let mut ended = false;
            loop {
                if let Some(answer) = clamd::answer(said, ended) {
                    return Ok(answer);
                }
                ended = link.read_buf(said).await? == 0;
            }
        };
        within(self.patience, heard).await
    }
}

/// What the scanner calls itself: `ClamAV 1.4.3/27000/…`.
///
/// # Errors
/// Why it does not say so, for the operator.
pub async fn version(address: &ScannerAddress, patience: Duration) -> Result<String, String> {
    let mut link = within(CONNECT_PATIENCE.min(patience), connect(address)).await?;
    within(patience, link.write_all(clamd::VERSION)).await?;
    let mut octets = Vec::new();
    let heard = async {
        while octets.len() < clamd::ANSWER_LENGTH_MAX && !octets.contains(&0) {
            if link.read_buf(&mut octets).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    within(patience, heard).await?;
    let line = octets.split(|&octet| octet == 0).next().unwrap_or_default();
    let text: String = String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect();
    if text.starts_with("ClamAV") { Ok(text) } else { Err(format!("answered {text:?}, which clamd does not")) }
}

async fn connect(address: &ScannerAddress) -> io::Result<Box<dyn Link>> {
    Ok(match address {
        ScannerAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
        ScannerAddress::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            // An answer follows each question at once.
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
    })
}

async fn within<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, String> {
    match timeout(patience, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("said nothing for {}", crate::config::show_duration(patience))),
    }
}
