//! One message into the mailboxes of several recipients of this node: all at the same time, each with an outcome of its own,
//! and written once for all where the file system lets it (`store::Original`).

use std::sync::Arc;

use directory::Account;
use mail::{Address, MailboxName, Outcome, QueueId, ReversePath, TraceId};
use store::Original;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::local::{self, Origin};
use crate::filter;
use crate::house::{blocking, promptly};
use crate::node::Node;
use crate::quota;

/// Recipients of one message that are delivered to at the same time; the others wait.
const AT_ONCE_MAX: usize = 8;
/// In so many mailboxes it is tried to write what all are to have.
const ORIGINAL_TRIES_MAX: usize = 3;

/// Takes the next piece of a message.
type Take<'a> = &'a mut dyn FnMut(&[u8]) -> store::Result<()>;
/// Gives what follows the header fields of the delivery. May be called for several at once.
type Content = Box<dyn Fn(Take<'_>) -> store::Result<()> + Send + Sync>;

/// A message to be delivered.
pub struct Parcel {
    pub trace: TraceId,
    pub session: Option<Arc<str>>,
    pub queue: Option<QueueId>,
    pub reverse_path: ReversePath,
    /// Our trace field, if it has none yet.
    pub received: String,
    /// How many recipients the message has, here and elsewhere.
    pub recipients: usize,
    pub content: Content,
}

/// A recipient whose mailbox is here.
#[derive(Debug)]
pub struct Addressee {
    /// Among the message's recipients.
    pub index: usize,
    pub account: Account,
    pub address: Address,
    /// An earlier attempt ended without an answer.
    pub again: bool,
}

/// Delivers to all of them. Each outcome comes with the recipient's index.
pub async fn deliver(node: &Arc<Node>, parcel: Parcel, addressees: Vec<Addressee>) -> Vec<(usize, Outcome)> {
    let (parcel, addressees) = (Arc::new(parcel), Arc::new(addressees));
    // Fields that name one recipient would make each copy another. Dovecot leaves them out, too.
    let alike = parcel.recipients > 1 && node.live().settings.mailboxes.single_instance;
    let original = match alike && addressees.len() > 1 {
        true => original_for(node, &parcel, &addressees).await,
        false => None,
    };
    if addressees.len() == 1 {
        // Nobody to wait for: no task of its own.
        let here = Arc::clone(node);
        return promptly(node, move || {
            addressees.iter().map(|one| outcome(&here, &parcel, one, alike, None)).collect()
        })
        .await;
    }
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let mut tasks = JoinSet::new();
    for number in 0..addressees.len() {
        let (node, parcel, addressees) = (Arc::clone(node), Arc::clone(&parcel), Arc::clone(&addressees));
        let (original, places) = (original.clone(), Arc::clone(&places));
        tasks.spawn(async move {
            // Never closed.
            let _place = places.acquire_owned().await;
            blocking(move || outcome(&node, &parcel, &addressees[number], alike, original.as_deref())).await
        });
    }
    let outcomes = tasks.join_all().await;
    if original.is_some() {
        // It removes its file.
        blocking(move || drop(original)).await;
    }
    outcomes
}

/// The message, written and synced once. `None`: each gets one of his own, or hears why not.
async fn original_for(node: &Arc<Node>, parcel: &Arc<Parcel>, all: &Arc<Vec<Addressee>>) -> Option<Arc<Original>> {
    let (node, parcel, all) = (Arc::clone(node), Arc::clone(parcel), Arc::clone(all));
    let write = move || {
        all.iter().take(ORIGINAL_TRIES_MAX).find_map(|addressee| {
            let written =
                quota::open(&node.store(), &node.live().settings.quota, &addressee.account).and_then(|account| {
                    let mut draft = account.draft(&MailboxName::inbox())?;
                    parcel.give(None, &mut |piece| draft.write(piece))?;
                    draft.seal()
                });
            let trace = &parcel.trace;
            written
                .inspect_err(|error| tracing::warn!(%trace, %error, "a message for several is not written once"))
                .ok()
        })
    };
    blocking(write).await.map(Arc::new)
}

/// What became of one of them, with its index.
fn outcome(
    node: &Node,
    parcel: &Parcel,
    addressee: &Addressee,
    alike: bool,
    original: Option<&Original>,
) -> (usize, Outcome) {
    let Addressee { index, account, address, again } = addressee;
    let Parcel { trace, session, queue, .. } = parcel;
    let origin = Origin { trace, again: *again, session: session.as_deref(), queue: *queue };
    let named = (!alike).then_some(address);
    let outcome = match filter::sources(node, account) {
        Err(error) => local::failed(node, &origin, address, &error),
        Ok(sources) if sources.is_empty() => {
            local::deliver(node, account, address, &origin, |mailboxes, name, key| match original {
                Some(original) => original.deliver(mailboxes, name, key),
                None => {
                    let mut draft = mailboxes.draft_for(name, key)?;
                    parcel.give(named, &mut |piece| draft.write(piece))?;
                    draft.deliver()
                }
            })
        }
        Ok(sources) => match parcel.whole(named) {
            Err(error) => local::failed(node, &origin, address, &error),
            // Scripts see the message as it will be kept.
            Ok(content) => {
                let reverse_path = &parcel.reverse_path;
                let delivery =
                    filter::Delivery { node, account, recipient: address, reverse_path, origin, content, original };
                filter::deliver(&delivery, &sources)
            }
        },
    };
    (*index, outcome)
}

impl Parcel {
    /// With the header fields of the delivery, for one recipient or for all.
    fn give(&self, recipient: Option<&Address>, take: Take<'_>) -> store::Result<()> {
        take(local::header(&self.reverse_path, recipient, &self.received).as_bytes())?;
        (self.content)(take)
    }

    fn whole(&self, recipient: Option<&Address>) -> store::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.give(recipient, &mut |piece| {
            content.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(content)
    }
}
