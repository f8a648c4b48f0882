//! One message into the mailboxes of several recipients of this node: all at the same time, each with an outcome of its own, none
//! waiting for another longer than a bound, and written once for all where the file system lets it (`store::Original`).

use std::sync::Arc;

use directory::Account;
use mail::{Address, MailboxName, Outcome, QueueId, Reply, ReversePath, TraceId};
use store::Original;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::in_time::{self, Claim};
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
    let live = node.live();
    let alike = parcel.recipients > 1 && live.settings.mailboxes.single_instance;
    let patience = live.settings.lmtp.answer_within;
    let original = match alike && addressees.len() > 1 {
        // Where the first of them is slow, each gets one of his own.
        true => timeout(patience / 2, original_for(node, &parcel, &addressees)).await.unwrap_or_default(),
        false => None,
    };
    if addressees.len() == 1 {
        // Nobody to wait for: no task of its own.
        let here = Arc::clone(node);
        return promptly(node, move || {
            addressees.iter().map(|one| outcome(&here, &parcel, one, alike, None, &Claim::default())).collect()
        })
        .await;
    }
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let claims: Vec<Arc<Claim>> = addressees.iter().map(|_| Arc::default()).collect();
    let mut tasks = JoinSet::new();
    for (number, claim) in claims.iter().cloned().enumerate() {
        let (node, parcel, addressees) = (Arc::clone(node), Arc::clone(&parcel), Arc::clone(&addressees));
        let (original, places) = (original.clone(), Arc::clone(&places));
        tasks.spawn(async move {
            // Never closed.
            let _place = places.acquire_owned().await;
            let work = move || outcome(&node, &parcel, &addressees[number], alike, original.as_deref(), &claim);
            (number, blocking(work).await)
        });
    }
    let late = |number: usize| too_late(&parcel, &addressees[number]);
    let outcomes = in_time::all(tasks, &claims, patience, late).await;
    if original.is_some() {
        // It removes its file.
        blocking(move || drop(original)).await;
    }
    outcomes
}

fn too_late(parcel: &Parcel, addressee: &Addressee) -> (usize, Outcome) {
    let recipient = &addressee.address;
    tracing::error!(trace = %parcel.trace, %recipient, "a delivery takes too long and was given up");
    let reply = Reply::new(451, (4, 4, 1), format!("<{recipient}> Delivery takes too long, try again later"));
    (addressee.index, Outcome::Deferred(reply))
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
    claim: &Claim,
) -> (usize, Outcome) {
    let Addressee { index, account, address, again } = addressee;
    let Parcel { trace, session, queue, .. } = parcel;
    let origin = Origin { trace, again: *again, session: session.as_deref(), queue: *queue, claim };
    let named = (!alike).then_some(address);
    let outcome = match filter::sources(node, account) {
        Err(error) => local::failed(node, &origin, address, &error),
        Ok(sources) if sources.is_empty() => {
            local::deliver(node, account, address, &origin, |mailboxes, name, key| match original {
                Some(original) => original.deliver_if(mailboxes, name, key, &|| claim.take()),
                None => {
                    let mut draft = mailboxes.draft_for(name, key)?;
                    parcel.give(named, &mut |piece| draft.write(piece))?;
                    draft.deliver_if(&|| claim.take())
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
