//! The signatures of a message that begins its way here, put on top of it before it is kept for good.

use std::sync::Arc;

use mail::Reply;

use super::super::content::Held;
use super::intake::Content;
use super::{SmtpHouse, blocking};
use crate::dkim::{Due, SignError, Signing};

/// Why a message is not kept.
#[derive(Debug)]
pub enum NotKept {
    /// It should have been signed.
    Unsigned,
    Queue(queue::Error),
}

impl From<queue::Error> for NotKept {
    fn from(error: queue::Error) -> NotKept {
        NotKept::Queue(error)
    }
}

/// Takes the next octets of a message.
type Take<'a> = &'a mut dyn FnMut(&[u8]) -> queue::Result<()>;

/// The signatures of a message whose `header` goes before the content that `copy` gives; nothing where it may go without. Blocking.
pub fn of(
    signing: &Signing,
    header: &str,
    session: &str,
    copy: impl FnOnce(Take<'_>) -> queue::Result<()>,
) -> Result<String, NotKept> {
    let signed = signing.sign(|take| {
        take(header.as_bytes());
        copy(&mut |piece| {
            take(piece);
            Ok(())
        })
    });
    match signed {
        Ok(fields) => Ok(fields),
        Err(SignError::Content(error)) => Err(NotKept::Queue(error)),
        Err(error) if error.is_of_the_message() => {
            tracing::info!(session, %error, "message not signed");
            Ok(String::new())
        }
        Err(error) => {
            tracing::error!(session, %error, "message cannot be signed");
            if signing.settings.defer_unsigned { Err(NotKept::Unsigned) } else { Ok(String::new()) }
        }
    }
}

impl SmtpHouse {
    /// What signs a message, if anything does. `header` goes before its content.
    pub(super) fn signing(&self, content: &Content, header: &str) -> Option<Arc<Signing>> {
        let signing = self.guest.node.live().signing.clone()?;
        let (peer, authenticated) = (self.guest.peer.ip(), content.transaction.authenticated.is_some());
        let block = [header.as_bytes(), content.header.block()].concat();
        match signing.is_due(self.guest.protocol, peer, authenticated, &block) {
            Due::Yes => Some(signing),
            Due::No => None,
            Due::Stranger => {
                let session = &*self.guest.session;
                tracing::warn!(session, %peer, "a host outside sends in the name of a domain that is signed here");
                None
            }
        }
    }

    /// The signatures of a message that is held.
    ///
    /// # Errors
    /// The reply, when it must not go without.
    pub(super) async fn signature_of_held(
        &self,
        content: &Content,
        header: &str,
        held: &Arc<Held>,
    ) -> Result<String, Reply> {
        let Some(signing) = self.signing(content, header) else { return Ok(String::new()) };
        let (held, header, session) = (Arc::clone(held), header.to_owned(), self.guest.session.clone());
        let signed = blocking(move || of(&signing, &header, &session, |take| held.copy_to(take))).await;
        signed.map_err(|error| self.not_kept(&error))
    }

    pub(super) fn not_kept(&self, error: &NotKept) -> Reply {
        match error {
            NotKept::Unsigned => Reply::new(451, (4, 7, 1), "Service unavailable - try again later"),
            NotKept::Queue(error) => self.queue_trouble(error),
        }
    }
}
