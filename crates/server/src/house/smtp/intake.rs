//! A message that is arriving: its header as it streams by, and where its content is kept.

use mail::Reply;
use proto::smtp::Transaction;

use super::super::content::{HeaderWatch, Held};
use super::{blocking, ours};
use crate::node::Node;

/// Content is handed to the disk in pieces of about this size.
const CONTENT_PIECE: usize = 256 * 1024;

/// A message that is arriving.
#[derive(Debug)]
pub struct Content {
    pub transaction: Transaction,
    pub header: HeaderWatch,
    /// Not yet handed on.
    pub pending: Vec<u8>,
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
    pub fn begin(node: &Node, any_here: bool, transaction: Transaction) -> queue::Result<Content> {
        let kept = if any_here {
            Kept::Mailboxes(Held::new(node.disk(), &node.held_folder()))
        } else {
            Kept::Queue(Box::new(node.outgoing.begin()?))
        };
        Ok(Content { transaction, header: HeaderWatch::default(), pending: Vec::new(), kept })
    }

    /// Takes a piece. The disk sees only large ones, on its own threads.
    pub async fn take_in(&mut self, bytes: &[u8]) {
        self.header.feed(bytes);
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= CONTENT_PIECE {
            let (kept, pending) = (self.take_kept(), std::mem::take(&mut self.pending));
            self.kept = blocking(move || keep(kept, &pending)).await;
        }
    }

    /// The content is whole: where it is kept. What is still pending of content for the queue is written with its commit.
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

    fn take_kept(&mut self) -> Kept {
        std::mem::replace(&mut self.kept, Kept::Lost(ours()))
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
