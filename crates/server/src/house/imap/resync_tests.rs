//! Clients of several nodes, and of nodes that were started anew, hear the same mod-sequences and the same vanished UIDs
//! (RFC 7162): whole IMAP sessions on several stores over one tree.

use std::path::Path;
use std::sync::Arc;

use disk::MemoryDisk;
use mail::{Flags, MailboxName};
use proto::imap::{Answer, Ask, Limits, Profile, Server, TlsState};
use proto::sasl::Offers;
use proto::{Next, Session};
use store::{Store, Viewer};

use super::room::Room;

struct Client {
    session: Server,
    room: Room,
}

impl Client {
    /// Of a node that knows nothing but what is on the disk.
    fn of_new_node(disk: &Arc<MemoryDisk>) -> Client {
        let store = Store::new(Arc::clone(disk) as Arc<dyn disk::Disk>, store::Settings::default());
        let account = store.account(Path::new("/home/ana")).unwrap();
        let profile = Profile {
            greeting: String::new(),
            id: Vec::new(),
            create_special_use: false,
            quota: false,
            namespaces: mail::namespace::Namespaces::default(),
            offers: Offers::default(),
            limits: Limits::default(),
        };
        let session = Server::new(Arc::new(profile), TlsState::On);
        let mut client = Client { session, room: Room::new(account, Viewer::owner("ana"), None) };
        client.says("a LOGIN ana demo");
        client.says("b ENABLE QRESYNC");
        client
    }

    fn says(&mut self, line: &str) -> String {
        self.session.receive(format!("{line}\r\n").as_bytes());
        let mut heard = String::new();
        loop {
            match self.session.next() {
                Next::Ask(Ask::LogIn(_)) => self.session.answer(Answer::Done),
                Next::Ask(ask) => {
                    let answer = self.room.answer(ask, "test");
                    self.session.answer(answer);
                }
                Next::Content(bytes) => self.room.append_content(&bytes),
                Next::Send(bytes) => heard.push_str(&String::from_utf8(bytes).unwrap()),
                Next::NeedInput { .. } => return heard,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What stands between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before:?} in {text}"));
    rest.split_once(after).unwrap().0
}

/// The lines that tell of messages.
fn news(heard: &str) -> Vec<&str> {
    heard.lines().filter(|line| line.contains("VANISHED") || line.contains("FETCH")).collect()
}

fn disk_with_messages(count: usize) -> Arc<MemoryDisk> {
    let disk = Arc::new(MemoryDisk::new());
    let store = Store::new(Arc::clone(&disk) as Arc<dyn disk::Disk>, store::Settings::default());
    let account = store.account(Path::new("/home/ana")).unwrap();
    for _ in 0..count {
        let mut draft = account.draft(&MailboxName::inbox()).unwrap();
        draft.write(b"Subject: x\r\n\r\nx\r\n").unwrap();
        draft.append(Flags::NONE, &[], None).unwrap();
    }
    disk
}

#[test]
fn what_one_node_did_is_heard_the_same_on_every_node_and_after_a_restart() {
    let disk = disk_with_messages(4);
    let mut there = Client::of_new_node(&disk);
    let opened = there.says("c SELECT INBOX");
    let known = format!("{} {}", between(&opened, "UIDVALIDITY ", "]"), between(&opened, "HIGHESTMODSEQ ", "]"));

    let mut other = Client::of_new_node(&disk);
    other.says("c SELECT INBOX");
    let stored = other.says("d UID STORE 3 +FLAGS (\\Seen)");
    let modseq = between(&stored, "MODSEQ (", ")").to_owned();
    other.says("e UID STORE 2 +FLAGS.SILENT (\\Deleted)");
    let expunged = other.says("f EXPUNGE");
    assert_eq!(news(&expunged), ["* VANISHED 2"]);
    let highest = between(&expunged, "f OK [HIGHESTMODSEQ ", "]").to_owned();
    drop(other);

    let heard = there.says("d NOOP");
    let seen = |seq: u32| format!("* {seq} FETCH (UID 3 FLAGS (\\Seen) MODSEQ ({modseq}))");
    assert_eq!(news(&heard), ["* VANISHED 2", &seen(2)], "{heard}");

    // Before and after a message came and went that nobody here ever saw.
    for round in 0..2 {
        let mut late = Client::of_new_node(&disk);
        let heard = late.says(&format!("c SELECT INBOX (QRESYNC ({known} 1:4))"));
        assert_eq!(news(&heard), ["* VANISHED (EARLIER) 2", &seen(2)], "{heard}");
        if round == 0 {
            assert_eq!(between(&heard, "HIGHESTMODSEQ ", "]"), highest);
        }
        let fetched = late.says("d UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)");
        assert!(fetched.contains(&format!("FLAGS (\\Seen) MODSEQ ({modseq})")), "{fetched}");
        late.says("e APPEND INBOX (\\Deleted) {3+}\r\nabc");
        assert!(late.says("f EXPUNGE").contains("* VANISHED "));
    }
}

#[test]
fn a_conditional_store_on_one_node_minds_the_change_of_another() {
    let disk = disk_with_messages(2);
    let (mut one, mut other) = (Client::of_new_node(&disk), Client::of_new_node(&disk));
    let opened = one.says("c SELECT INBOX");
    let known = between(&opened, "HIGHESTMODSEQ ", "]").to_owned();
    other.says("c SELECT INBOX");
    other.says("d UID STORE 1 +FLAGS.SILENT (\\Flagged)");
    let stored = one.says(&format!("d STORE 1:2 (UNCHANGEDSINCE {known}) FLAGS.SILENT (\\Seen)"));
    assert!(stored.contains("d OK [MODIFIED 1] "), "{stored}");
    let told: Vec<&str> = news(&stored).into_iter().filter(|line| line.contains("\\Flagged")).collect();
    assert_eq!(told.len(), 1, "what it is instead is told: {stored}");
    let found = other.says("e SEARCH RETURN (ALL) SEEN MODSEQ 1");
    assert!(found.contains("ALL 2 MODSEQ "), "{found}");
}
