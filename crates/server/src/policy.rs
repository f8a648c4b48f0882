//! Asks policy services (`[[policy_service]]`) about what a client of SMTP wants, as Postfix's `check_policy_service` does.
//!
//! A session asks a service over one connection of its own, which is made at the first question. Where a
//! connection that was kept does not serve any more, a new one is made; where that does not serve, `on_failure` decides.

use std::io;
use std::time::Duration;

use mail::Reply;
use proto::policy::{Action, Nonsense, answer, question};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::config::{PolicyService, ServiceAddress};

/// A connection to a service.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug> Stream for S {}

/// A session's connections, by the number of the service.
#[derive(Debug, Default)]
pub struct Policies(Vec<Option<Box<dyn Stream>>>);

/// Why a service gave no answer; for the log.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Nonsense(#[from] Nonsense),
    #[error("no answer within {0:?}")]
    TooLate(Duration),
}

impl Policies {
    /// Asks one service. `refused` begins the refusal that the client is told.
    pub async fn ask(
        &mut self,
        number: usize,
        service: &PolicyService,
        attributes: &[(&str, String)],
        refused: &str,
    ) -> Action {
        let question = question(attributes.iter().map(|(name, value)| (*name, value.as_str())));
        if self.0.len() <= number {
            self.0.resize_with(number + 1, || None);
        }
        loop {
            let place = &mut self.0[number];
            let was_kept = place.is_some();
            let asked = tokio::time::timeout(service.timeout, talk(place, service, &question, refused)).await;
            let failure = match asked {
                Ok(Ok(action)) => return action,
                Ok(Err(failure)) => failure,
                Err(_) => Failure::TooLate(service.timeout),
            };
            // It may have been closed because nobody had asked for long.
            *place = None;
            if !was_kept {
                tracing::error!(service = %service.address, %failure, "a policy service does not answer");
                break;
            }
        }
        if service.accept_on_failure {
            return Action::Go;
        }
        Action::Refuse(Reply::new(451, (4, 3, 5), format!("{refused} rejected: Server configuration problem")))
    }
}

async fn talk(
    place: &mut Option<Box<dyn Stream>>,
    service: &PolicyService,
    question: &[u8],
    refused: &str,
) -> Result<Action, Failure> {
    if place.is_none() {
        *place = Some(match &service.address {
            ServiceAddress::Inet(address) => Box::new(TcpStream::connect(address.as_str()).await?),
            ServiceAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
        });
    }
    let Some(stream) = place else { return Err(io::Error::from(io::ErrorKind::NotConnected).into()) };
    stream.write_all(question).await?;
    stream.flush().await?;
    let mut heard = Vec::new();
    loop {
        if let Some(action) = answer(&heard, refused)? {
            return Ok(action);
        }
        if stream.read_buf(&mut heard).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}
