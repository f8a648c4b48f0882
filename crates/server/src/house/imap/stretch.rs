//! A stretch of a session on a disk thread: question after question, without going back to the reactor in between.
//!
//! A list of a large mailbox asks hundreds of questions that take microseconds each; waking a thread for each of them, and
//! the reactor for each answer, would cost more than the work. A stretch ends when the session wants what the room cannot
//! give, or has said or worked enough for now.

use std::time::{Duration, Instant};

use proto::imap::{Ask, Server};
use proto::{Next, Session};

use super::room::Room;
use crate::driver::Stretch;

/// What was said is sent when it is so much.
const SAID_MAX: usize = 256 * 1024;
/// After so long other sessions have their turn on this thread.
const STRETCH_MAX: Duration = Duration::from_millis(200);

/// Whether the room answers alone: about the selected mailbox, and nobody must be looked up for it.
pub fn is_of_the_room(ask: &Ask) -> bool {
    matches!(
        ask,
        Ask::Sync
            | Ask::Store { .. }
            | Ask::StoreUnchanged { .. }
            | Ask::Vanished { .. }
            | Ask::Expunge { .. }
            | Ask::Search(_)
            | Ask::Sort { .. }
            | Ask::Thread { .. }
            | Ask::Digests { .. }
            | Ask::Open { .. }
            | Ask::Read { .. }
            | Ask::CloseMessage
    )
}

/// Answers, and goes on.
pub fn go_on(room: &mut Room, mut session: Box<Server>, ask: Ask, name: &str) -> Stretch<Server> {
    let (since, mut said, mut ask) = (Instant::now(), Vec::new(), ask);
    loop {
        session.answer(room.answer(ask, name));
        let next = loop {
            match session.next() {
                Next::Send(bytes) if said.is_empty() => said = bytes,
                Next::Send(bytes) => {
                    // There is more than fits into one, so there will be much more.
                    if said.capacity() < SAID_MAX {
                        said.reserve_exact(SAID_MAX + SAID_MAX / 4);
                    }
                    said.extend_from_slice(&bytes);
                }
                next => break Some(next),
            }
            if said.len() >= SAID_MAX {
                break None;
            }
        };
        match next {
            Some(Next::Ask(next)) if is_of_the_room(&next) && since.elapsed() < STRETCH_MAX => ask = next,
            next => return Stretch { session, said, next },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use mail::{Flags, MailboxName};
    use proto::imap::{Answer, Profile, TlsState};
    use proto::sasl::Offers;
    use store::{Store, Viewer};

    use super::*;

    const MESSAGES: usize = 40;
    const OCTETS: usize = 20_000;

    fn room() -> Room {
        let store = Store::new(Arc::new(disk::MemoryDisk::new()), store::Settings::default());
        let account = store.account(Path::new("/home/ana")).unwrap();
        for number in 0..MESSAGES {
            let mut draft = account.draft(&MailboxName::inbox()).unwrap();
            draft.write(format!("Subject: {number}\r\n\r\n{}\r\n", "x".repeat(OCTETS)).as_bytes()).unwrap();
            draft.append(Flags::NONE, &[], None).unwrap();
        }
        Room::new(account, Viewer::owner("ana"), None)
    }

    /// All that is said until the session waits for more, and how often it was carried to the room.
    fn conversation(
        commands: &str,
        mut go_on: impl FnMut(&mut Room, Box<Server>, Ask) -> Stretch<Server>,
    ) -> (Vec<u8>, usize) {
        let offers = Offers::default();
        let profile = Profile {
            greeting: "Hello.".to_owned(),
            id: Vec::new(),
            create_special_use: false,
            quota: false,
            namespaces: mail::namespace::Namespaces::default(),
            offers,
            limits: proto::imap::Limits::default(),
        };
        let (mut room, mut session) = (room(), Box::new(Server::new(Arc::new(profile), TlsState::On)));
        session.receive(commands.as_bytes());
        let (mut said, mut carried, mut wanted) = (Vec::new(), 0, None);
        loop {
            match wanted.take().unwrap_or_else(|| session.next()) {
                Next::Send(bytes) => said.extend(bytes),
                Next::Ask(Ask::LogIn(_)) => session.answer(Answer::Done),
                Next::Ask(ask) => {
                    carried += 1;
                    let stretch = go_on(&mut room, session, ask);
                    assert!(stretch.said.len() < SAID_MAX + 2 * OCTETS, "what is said has a bound");
                    said.extend(stretch.said);
                    (session, wanted) = (stretch.session, stretch.next);
                }
                _ => return (said, carried),
            }
        }
    }

    #[test]
    fn a_stretch_says_what_single_answers_make_it_say() {
        let commands = "a LOGIN ana x\r\nb SELECT INBOX\r\nc FETCH 1:* (UID BODY[])\r\nd FETCH 1:* ENVELOPE\r\n\
                        e STORE 3 +FLAGS (\\Deleted)\r\nf EXPUNGE\r\ng SEARCH SUBJECT 7\r\nh LOGOUT\r\n";
        let (one_by_one, often) = conversation(commands, |room, mut session, ask| {
            session.answer(room.answer(ask, "test"));
            Stretch { session, said: Vec::new(), next: None }
        });
        let (said, carried) = conversation(commands, |room, session, ask| go_on(room, session, ask, "test"));
        assert!(said == one_by_one, "{}", String::from_utf8_lossy(&said));
        assert!(said.len() > MESSAGES * OCTETS && often > MESSAGES);
        // SELECT is carried alone; then nothing but the bound of what is said ends a stretch.
        assert!(carried <= 2 + said.len() / SAID_MAX + 8, "{carried} times");
    }
}
