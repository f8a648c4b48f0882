//! A message that is arriving: its header as it streams by, and where its content is kept.

use mail::Reply;
use mail::strain::Strain;
use proto::smtp::Transaction;

use super::super::content::{HeaderWatch, Held};
use super::{blocking, ours, screen};
use crate::config::Protocol;
use crate::dkim::verify;
use crate::node::Node;
use crate::scan::Scan;
use tokio::sync::mpsc;

/// Content is handed to the disk in pieces of about this size.
const CONTENT_PIECE: usize = 256 * 1024;
/// Pieces of a file that are read before somebody takes them.
const PIECES_READ_AHEAD: usize = 2;

/// A message that is arriving.
#[derive(Debug)]
pub struct Content {
    pub transaction: Transaction,
    pub header: HeaderWatch,
    /// Not yet handed on.
    pub pending: Vec<u8>,
    pub(super) scan: Option<Scan>,
    /// Takes out what only we may write.
    strain: Strain,
    kept: Kept,
}

/// Where arriving content is put.
#[derive(Debug)]
pub enum Kept {
    /// In the queue, not yet committed.
    Queue(Box<queue::Incoming>),
    /// To be copied into mailboxes.
    Mailboxes(Held),
    /// Nowhere: this was the reason.
    Lost(Reply),
}

impl Content {
    /// What is for a mailbox of this node is held until it is there; everything else goes into the queue.
    pub fn begin(node: &Node, protocol: Protocol, any_here: bool, transaction: Transaction) -> queue::Result<Content> {
        let kept = if any_here {
            Kept::Mailboxes(Held::new(node.disk(), &node.held_folder()))
        } else {
            Kept::Queue(Box::new(node.outgoing.begin()?))
        };
        let scan = screen::scan(node, protocol);
        let strain = Strain::new(screen::unwanted(node, protocol, scan.is_some()));
        Ok(Content { transaction, header: HeaderWatch::default(), pending: Vec::new(), scan, strain, kept })
    }

    /// Takes a piece. The disk sees only large ones, on its own threads.
    pub async fn take_in(&mut self, bytes: &[u8]) {
        let passed = self.strain.pass(bytes);
        self.header.feed(&passed);
        self.pending.extend_from_slice(&passed);
        if self.pending.len() >= CONTENT_PIECE {
            let pending = std::mem::take(&mut self.pending);
            if let Some(scan) = &mut self.scan {
                scan.feed(&pending).await;
            }
            let kept = self.take_kept();
            self.kept = blocking(move || keep(kept, &pending)).await;
        }
    }

    /// What a scanner has not yet seen is still pending: all of it, when it is short.
    pub fn complete(&mut self) {
        let rest = self.strain.end();
        self.header.feed(&rest);
        self.pending.extend_from_slice(&rest);
    }

    /// The content is complete: where it is kept. What is still pending of content for the queue is written with its commit.
    pub async fn end(&mut self) -> Kept {
        match self.take_kept() {
            Kept::Queue(incoming) => Kept::Queue(incoming),
            Kept::Mailboxes(held) if !held.would_block(self.pending.len()) => {
                keep(Kept::Mailboxes(held), &self.pending)
            }
            kept => {
                let pending = std::mem::take(&mut self.pending);
                blocking(move || keep(kept, &pending)).await
            }
        }
    }

    /// Feeds what was handed on already to a scan once more, from its start.
    pub(super) async fn scan_again(&mut self, scan: &mut Scan) {
        let kept = self.take_kept();
        let (give, mut given) = mpsc::channel(PIECES_READ_AHEAD);
        let reading = blocking(move || {
            let read = kept.copy_to(|piece| {
                // Nobody takes any more: the session ended.
                _ = give.blocking_send(piece.to_vec());
                Ok(())
            });
            match read {
                Ok(()) => kept,
                Err(error) => lost(&error),
            }
        });
        let taking = async {
            while let Some(piece) = given.recv().await {
                scan.feed(&piece).await;
            }
        };
        (self.kept, ()) = tokio::join!(reading, taking);
    }

    /// Reads the complete content for its signatures. `None`: it cannot be read, or its header is too long.
    pub(super) async fn read_signatures(&mut self) -> Option<verify::Read> {
        let (kept, pending) = (self.take_kept(), std::mem::take(&mut self.pending));
        let (kept, pending, read) = blocking(move || {
            let read = verify::read(|take| {
                kept.copy_to(|piece| {
                    take(piece);
                    Ok(())
                })?;
                take(&pending);
                Ok::<(), queue::Error>(())
            });
            (kept, pending, read)
        })
        .await;
        (self.kept, self.pending) = (kept, pending);
        read.inspect_err(|error| tracing::error!(%error, "cannot read a message back")).ok().flatten()
    }

    fn take_kept(&mut self) -> Kept {
        std::mem::replace(&mut self.kept, Kept::Lost(ours()))
    }
}

impl Kept {
    fn copy_to(&self, take: impl FnMut(&[u8]) -> queue::Result<()>) -> queue::Result<()> {
        match self {
            Kept::Queue(incoming) => incoming.copy_to(take),
            Kept::Mailboxes(held) => held.copy_to(take),
            Kept::Lost(_) => Ok(()),
        }
    }
}

/// Adds content. A failure is remembered, to be told at the content's end.
fn keep(mut kept: Kept, bytes: &[u8]) -> Kept {
    let result = match &mut kept {
        Kept::Queue(incoming) => incoming.write(bytes),
        Kept::Mailboxes(held) => held.write(bytes).map_err(queue::Error::from),
        Kept::Lost(_) => Ok(()),
    };
    match result {
        Ok(()) => kept,
        Err(error) => lost(&error),
    }
}

fn lost(error: &queue::Error) -> Kept {
    tracing::error!(%error, "cannot keep a message that arrives");
    Kept::Lost(match error {
        queue::Error::Full => Reply::new(452, (4, 3, 1), "Insufficient system storage"),
        _ => ours(),
    })
}
