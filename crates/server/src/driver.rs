//! The driver: runs any protocol's session on a connection.
//!
//! It reads, writes, waits and asks the house; what is said is the session's affair. One connection is one task. A
//! connection that waits holds no buffer: input is read into a buffer of the thread and copied into the session.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use proto::{Next, Session};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::connection::{Connection, Handshake};

/// Bytes read at once.
const READ_MAX: usize = 64 * 1024;

/// How long a peer may take to accept `WRITE_PIECE` of our bytes or to finish a handshake.
const WRITE_PATIENCE: Duration = Duration::from_secs(120);
const WRITE_PIECE: usize = 64 * 1024;

/// Answers a session's questions.
pub trait House<S: Movable>: Send {
    fn answer(&mut self, ask: S::Ask) -> impl Future<Output = S::Answer> + Send;

    /// Answers, and goes on with the session as far as it likes, so that not each question is carried to a disk thread and back.
    fn go_on(&mut self, mut session: Box<S>, ask: S::Ask) -> impl Future<Output = Stretch<S>> + Send {
        async move {
            session.answer(self.answer(ask).await);
            Stretch { session, said: Vec::new(), next: None }
        }
    }

    /// Takes a piece of message content.
    fn content(&mut self, bytes: Vec<u8>) -> impl Future<Output = ()> + Send {
        let _ = bytes;
        async {}
    }

    /// The connection is encrypted now, so: `TLSv1.3 with cipher TLS13_AES_128_GCM_SHA256`.
    fn encrypted(&mut self, how: String) {
        let _ = how;
    }

    /// Ends when the mailbox that the session watches may have changed.
    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }
}

/// A session that a task can take from thread to thread: every session is.
pub trait Movable: Session<Ask: Send, Answer: Send> + Send {}

impl<S: Session<Ask: Send, Answer: Send> + Send> Movable for S {}

/// A session that was answered, and went on.
#[derive(Debug)]
pub struct Stretch<S: Session> {
    pub session: Box<S>,
    /// To be sent first.
    pub said: Vec<u8>,
    /// What it wants then, if it was asked.
    pub next: Option<Next<S::Ask>>,
}

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The session closed it.
    Closed,
    /// The peer went away.
    Vanished,
    /// The peer took too long to take our bytes.
    Stuck,
    /// TLS could not be agreed upon.
    HandshakeFailed,
}

/// Runs a session to its end. `stopping` turns true when the server shuts down.
pub async fn drive<S, H>(
    connection: &mut Connection,
    session: S,
    house: &mut H,
    stopping: &mut watch::Receiver<bool>,
) -> Ending
where
    S: Movable,
    H: House<S>,
{
    let mut session = Box::new(session);
    // Implicit TLS is there before the first word.
    tell_of_tls(connection, &mut *session, house);
    let (mut session, ending) = converse(connection, session, house, stopping).await;
    match ending {
        Ending::Closed => return ending,
        Ending::HandshakeFailed => session.tls_failed(),
        Ending::Vanished | Ending::Stuck => session.closed(),
    }
    wind_up(&mut *session, house).await;
    ending
}

async fn converse<S, H>(
    connection: &mut Connection,
    mut session: Box<S>,
    house: &mut H,
    stopping: &mut watch::Receiver<bool>,
) -> (Box<S>, Ending)
where
    S: Movable,
    H: House<S>,
{
    let mut wanted = None;
    loop {
        let next = wanted.take().unwrap_or_else(|| session.next());
        match next {
            Next::Send(bytes) => {
                if let Err(ending) = send(connection, &bytes).await {
                    return (session, ending);
                }
            }
            Next::Ask(ask) => {
                let stretch = house.go_on(session, ask).await;
                (session, wanted) = (stretch.session, stretch.next);
                if let Err(ending) = send(connection, &stretch.said).await {
                    return (session, ending);
                }
            }
            Next::Content(bytes) => house.content(bytes).await,
            Next::NeedInput { patience, watch } => match wait(connection, house, patience, watch, stopping).await {
                Event::Input(bytes) => session.receive(&bytes),
                Event::End => return (session, Ending::Vanished),
                Event::Silence => session.timed_out(),
                Event::Changed => session.changed(),
                Event::Stopping => session.shut_down(),
            },
            Next::StartTls => match timeout(WRITE_PATIENCE, connection.start_tls()).await {
                Ok(Handshake::Done) => {
                    tell_of_tls(connection, &mut *session, house);
                    session.tls_started();
                }
                _ => return (session, Ending::HandshakeFailed),
            },
            Next::Pause(time) => tokio::time::sleep(time).await,
            Next::Close => {
                let _ = timeout(WRITE_PATIENCE, connection.shutdown()).await;
                return (session, Ending::Closed);
            }
        }
    }
}

fn tell_of_tls<S: Movable, H: House<S>>(connection: &Connection, session: &mut S, house: &mut H) {
    connection.tls_description().into_iter().for_each(|how| house.encrypted(how));
    connection.channel().into_iter().for_each(|channel| session.secured(channel));
}

/// Lets a session whose connection is gone give up what it had begun.
async fn wind_up<S: Movable, H: House<S>>(session: &mut S, house: &mut H) {
    loop {
        match session.next() {
            Next::Ask(ask) => {
                let answer = house.answer(ask).await;
                session.answer(answer);
            }
            Next::Content(bytes) => house.content(bytes).await,
            Next::Send(_) | Next::Pause(_) => {}
            Next::NeedInput { .. } | Next::StartTls | Next::Close => return,
        }
    }
}

async fn send(connection: &mut Connection, bytes: &[u8]) -> Result<(), Ending> {
    for piece in bytes.chunks(WRITE_PIECE) {
        let written = async {
            connection.write_all(piece).await?;
            connection.flush().await
        };
        match timeout(WRITE_PATIENCE, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Ending::Vanished),
            Err(_) => return Err(Ending::Stuck),
        }
    }
    Ok(())
}

enum Event {
    Input(Vec<u8>),
    End,
    Silence,
    Changed,
    Stopping,
}

async fn wait<S: Movable, H: House<S>>(
    connection: &mut Connection,
    house: &mut H,
    patience: Duration,
    watch: bool,
    stopping: &mut watch::Receiver<bool>,
) -> Event {
    let changed = async { if watch { house.changed().await } else { pending().await } };
    let stop = async {
        // A server that is already stopping told the session so once; from then on only the peer counts.
        match stopping.has_changed() {
            Ok(_) => drop(stopping.changed().await),
            Err(_) => pending().await,
        }
    };
    tokio::select! {
        biased;
        input = read(connection) => match input {
            Ok(bytes) if !bytes.is_empty() => Event::Input(bytes),
            _ => Event::End,
        },
        () = stop => Event::Stopping,
        () = changed => Event::Changed,
        () = tokio::time::sleep(patience) => Event::Silence,
    }
}

/// Reads what is there, without holding a buffer while nothing is.
pub async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> std::io::Result<Vec<u8>> {
    Read { reader }.await
}

struct Read<'a, R> {
    reader: &'a mut R,
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_MAX]);
}

impl<R: AsyncRead + Unpin> Future for Read<'_, R> {
    type Output = std::io::Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *self.reader).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().to_vec()))
        })
    }
}
