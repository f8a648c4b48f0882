//! Answers an IMAP session out of the directory and the store.
//!
//! `ImapHouse` is the asynchronous shell; `room::Room` does the work, blocking, and can be tested without a socket.

mod acl;
mod listing;
#[cfg(test)]
mod namespace_tests;
pub mod others;
mod permission;
#[cfg(test)]
mod resync_tests;
pub mod room;
#[cfg(test)]
mod sharing_tests;
mod stretch;

use std::sync::Arc;
use std::time::Duration;

use directory::chain::LogIn;
use mail::namespace::NamespaceKind;
use proto::Session;
use proto::imap::{Answer, Ask, Refusal, Server};

use super::{Guest, blocking, promptly};
use crate::driver::{House, Stretch};
use others::{Met, Shared};
use room::Room;

/// The house of one IMAP session.
#[derive(Debug)]
pub struct ImapHouse {
    guest: Guest,
    /// Away on a blocking thread while a question is answered there.
    room: Option<Box<Room>>,
    /// Appended content that is not yet given to the store.
    pending: Vec<u8>,
    poll: Duration,
    shared: Arc<Shared>,
}

/// Appended content is handed to the store in pieces of about this size.
const CONTENT_PIECE: usize = 256 * 1024;

impl ImapHouse {
    pub fn new(guest: Guest) -> ImapHouse {
        let live = guest.node.live();
        let shared = Arc::new(Shared::new(&live.settings, &guest.node.store()));
        ImapHouse { poll: live.settings.mailboxes.poll, guest, room: None, pending: Vec::new(), shared }
    }

    async fn log_in(&mut self, credentials: proto::sasl::Credentials) -> Answer {
        let account = match self.guest.log_in(credentials).await {
            LogIn::Welcome { account, .. } => account,
            LogIn::Refused(_) => return Answer::Refused(Refusal::AuthenticationFailed),
            LogIn::Unavailable(_) => return Answer::Refused(Refusal::Unavailable),
        };
        match self.guest.open_account(&account).await {
            Ok(mailboxes) => {
                // A master user sees what the owner sees.
                let viewer = store::Viewer { groups: account.groups(), ..store::Viewer::owner(&account.name) };
                self.room = Some(Box::new(Room::new(mailboxes, viewer, Some(Arc::clone(&self.shared)))));
                Answer::Done
            }
            Err(error) => {
                tracing::error!(session = &*self.guest.session, account = account.name, %error, "cannot open the account");
                Answer::Refused(Refusal::Unavailable)
            }
        }
    }

    /// Lets the room work where it may block.
    async fn in_room<T: Send + 'static>(&mut self, work: impl FnOnce(&mut Room) -> T + Send + 'static) -> Option<T> {
        let mut room = self.room.take()?;
        let (room, result) = promptly(&self.guest.node, move || {
            let result = work(&mut room);
            (room, result)
        })
        .await;
        self.room = Some(room);
        Some(result)
    }

    /// Whom the question has to do with. `Err`: the directory, or the storage, cannot say now.
    async fn met(&mut self, ask: &Ask) -> Result<Met, Refusal> {
        let namespaces = &self.shared.namespaces;
        let is_shared = |at: &usize| namespaces.all.get(*at).is_some_and(|space| space.kind == NamespaceKind::Shared);
        let people = match ask {
            Ask::Mailboxes { spaces } if !spaces.iter().any(is_shared) => Vec::new(),
            Ask::Mailboxes { .. } => match self.in_room(|room| room.owners()).await {
                Some(Ok(owners)) => owners,
                Some(Err(error)) => {
                    tracing::error!(session = &*self.guest.session, %error, "cannot read who shares with whom");
                    return Err(Refusal::Unavailable);
                }
                None => return Err(Refusal::ServerBug),
            },
            ask => others::people(namespaces, ask),
        };
        let mut met = Met::new();
        for typed in people {
            match self.guest.neighbour(&typed).await {
                Some(Ok(neighbour)) => drop(met.insert(typed, neighbour)),
                Some(Err(reason)) => {
                    tracing::error!(
                        session = &*self.guest.session,
                        user = typed,
                        reason,
                        "cannot look up another user"
                    );
                    return Err(Refusal::Unavailable);
                }
                None => {}
            }
        }
        Ok(met)
    }

    async fn flush_content(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.in_room(move |room| room.append_content(&pending)).await;
        }
    }
}

impl House<Server> for ImapHouse {
    async fn answer(&mut self, ask: Ask) -> Answer {
        let ask = match ask {
            Ask::LogIn(credentials) => return self.log_in(credentials).await,
            Ask::Sasl(ask) => {
                let answer = self.guest.sasl(ask).await;
                return answer.map_or(Answer::Refused(Refusal::Unavailable), Answer::Sasl);
            }
            Ask::LogOut => {
                (self.room, self.pending) = (None, Vec::new());
                tracing::info!(session = &*self.guest.session, "logged out");
                return Answer::Done;
            }
            ask => ask,
        };
        self.flush_content().await;
        let session = self.guest.session.clone();
        let selects = matches!(ask, Ask::Select { .. });
        let met = match self.met(&ask).await {
            Ok(met) => met,
            Err(refusal) => return Answer::Refused(refusal),
        };
        let answer = move |room: &mut Room| {
            room.meet(met);
            room.answer(ask, &session)
        };
        // A session asks for mailboxes only after its login, so there is a room.
        let answer = self.in_room(answer).await;
        // Before the session waits it looks once more: no change falls in between.
        if selects && let Some(mailbox) = self.room.as_ref().and_then(|room| room.selected()) {
            self.guest.node.hints.as_ref().inspect(|hints| hints.expect(mailbox));
        }
        answer.unwrap_or(Answer::Refused(Refusal::ServerBug))
    }

    async fn go_on(&mut self, mut session: Box<Server>, ask: Ask) -> Stretch<Server> {
        if stretch::is_of_the_room(&ask) {
            self.flush_content().await;
            if let Some(mut room) = self.room.take() {
                let name = self.guest.session.clone();
                let (room, stretch) = promptly(&self.guest.node, move || {
                    let stretch = stretch::go_on(&mut room, session, ask, &name);
                    (room, stretch)
                })
                .await;
                self.room = Some(room);
                return stretch;
            }
        }
        session.answer(self.answer(ask).await);
        Stretch { session, said: Vec::new(), next: None }
    }

    async fn content(&mut self, bytes: Vec<u8>) {
        self.pending.extend_from_slice(&bytes);
        if self.pending.len() >= CONTENT_PIECE {
            self.flush_content().await;
        }
    }

    async fn changed(&mut self) {
        let Some(room) = &self.room else { return std::future::pending().await };
        let Some(mailbox) = room.selected() else { return std::future::pending().await };
        // What this process does or sees wakes its sessions at once; what others did is found by looking again, in turn
        // with all who wait for the same mailbox.
        loop {
            tokio::select! {
                () = room.hint() => return,
                () = tokio::time::sleep(mailbox.rests_for(self.poll)) => {}
            }
            let (mailbox, poll) = (Arc::clone(mailbox), self.poll);
            // When it fails all are woken, and each session hears it in its own look.
            let _ = blocking(move || mailbox.look_again(poll)).await;
        }
    }
}
