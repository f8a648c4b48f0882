//! What a session and its driver say to each other. The same for every protocol.
//!
//! A session is a machine without IO: it takes bytes and answers, and says what it wants next. It never sees a socket, a
//! clock or a random number. The driver (`server::driver`) loops:
//!
//! ```text
//! loop { match session.next() {
//!     Next::NeedInput { patience, watch } => read; session.receive(bytes) | session.timed_out() | session.changed() | session.closed()
//!     Next::Send(bytes)                   => write them
//!     Next::Ask(question)                 => session.answer(house.answer(question).await)
//!     Next::Content(bytes)                => house.content(bytes).await
//!     Next::StartTls                      => handshake; session.tls_started()
//!     Next::Pause(time)                   => sleep
//!     Next::Close                         => close
//! }}
//! ```
//!
//! Promises: `next` never blocks and never panics whatever the peer sent; after `Ask` nothing but `answer` (or
//! `closed`) may follow; after `Close` nothing; input that arrives while an answer is pending is kept, and the driver does
//! not read further before it is used, so a peer cannot fill memory.

use std::time::Duration;

use crate::sasl::Channel;

/// What a session wants. `Q` is the protocol's question type.
#[derive(Debug)]
pub enum Next<Q> {
    /// All input is used up and all output is sent: read more. After `patience` of silence call `timed_out`. With
    /// `watch`, call `changed` as soon as the selected mailbox changes.
    NeedInput { patience: Duration, watch: bool },
    /// Write these bytes. Only what pipelining allows is kept back before, so write them at once.
    Send(Vec<u8>),
    /// A question only the house can answer. Nothing else happens in this session before its answer.
    Ask(Q),
    /// The next piece of a message's content. A house that cannot keep it remembers that and says so when it is asked at
    /// the content's end.
    Content(Vec<u8>),
    /// Everything is sent: start TLS now. Plain bytes that the driver may hold must be thrown away (RFC 3207 §6).
    StartTls,
    /// Wait this long before asking again: the peer has made too many mistakes.
    Pause(Duration),
    /// Everything is sent: close the connection.
    Close,
}

/// A protocol's session, server or client side.
pub trait Session {
    /// What it asks the house.
    type Ask;
    /// What the house answers.
    type Answer;

    /// Takes bytes that the peer sent, in pieces of any size.
    fn receive(&mut self, bytes: &[u8]);

    /// What to do next.
    fn next(&mut self) -> Next<Self::Ask>;

    /// The answer to the last `Ask`.
    fn answer(&mut self, answer: Self::Answer);

    /// The handshake after `StartTls` succeeded. What the peer had sent before it is forgotten.
    fn tls_started(&mut self);

    /// The connection is encrypted, and this is what that gives to logins: told before the first `next` where TLS came first,
    /// else before `tls_started`.
    fn secured(&mut self, channel: Channel) {
        let _ = channel;
    }

    /// The peer was silent for the patience asked for: say good-bye in the protocol's words.
    fn timed_out(&mut self);

    /// The server is shutting down: say good-bye at the next point where the protocol allows it.
    fn shut_down(&mut self);

    /// The connection is gone: the peer closed it, or it failed. What is still to be sent is thrown away. The driver goes on
    /// with `next` until `NeedInput` or `Close`: sessions may still have to `Ask`, to give up what they had begun.
    fn closed(&mut self) {}

    /// The handshake after `StartTls` failed, and took the connection with it. The driver goes on as after `closed`.
    fn tls_failed(&mut self) {
        self.closed();
    }

    /// The watched mailbox changed (only after `NeedInput { watch: true }`).
    fn changed(&mut self) {}
}

/// Bytes to be sent, gathered so that pipelined replies leave together.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// What was taken last was full, so that there is about to be as much again.
    flows: bool,
}

/// Output is handed over when this much has gathered, even if there is input left to answer.
pub const OUTBOX_FULL: usize = 16 * 1024;

impl Outbox {
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        if self.flows {
            self.flows = false;
            self.bytes.reserve(OUTBOX_FULL + OUTBOX_FULL / 4);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// A number in decimal.
    #[inline]
    pub fn number(&mut self, number: u64) {
        self.push(itoa::Buffer::new().format(number).as_bytes());
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= OUTBOX_FULL
    }

    /// Takes everything gathered; leaves no memory behind, so an idle session holds none.
    pub fn take(&mut self) -> Vec<u8> {
        self.flows = self.is_full();
        std::mem::take(&mut self.bytes)
    }
}
