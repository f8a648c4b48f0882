//! Two nodes on one Maildir at once: no UID means two messages, nothing acknowledged is lost.

mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use disk::MemoryDisk;
use mail::{Flags, UidValidity};
use store::{Access, Account, Settings, Store};
use world::*;

#[test]
fn flags_set_on_two_nodes_are_both_kept() {
    let disk = MemoryDisk::new();
    let (a, b) = (account(&disk), account(&disk.another_node(Duration::from_secs(90))));
    deliver(&a, &inbox(), "one").unwrap();
    let (on_a, on_b) = (a.open(&inbox()).unwrap(), b.open(&inbox()).unwrap());
    on_a.store_flags(&[uid(1)], &add(Flags::SEEN, &["from-a"])).unwrap();
    // B has not looked since: it still believes in the old name of the file and in an empty table of keywords.
    on_b.store_flags(&[uid(1)], &add(Flags::FLAGGED, &["from-b"])).unwrap();
    on_a.sync(Access::Look).unwrap();
    for mailbox in [on_a, on_b] {
        assert_eq!(lines(&mailbox)[0].2, ["\\Flagged", "\\Seen", "from-a", "from-b"]);
    }
}

#[test]
fn a_message_read_on_one_node_is_found_while_another_renames_it() {
    let disk = MemoryDisk::new();
    let (a, b) = (account(&disk), account(&disk.another_node(Duration::ZERO)));
    deliver(&a, &inbox(), "one").unwrap();
    let (on_a, on_b) = (a.open(&inbox()).unwrap(), b.open(&inbox()).unwrap());
    on_b.sync(Access::Serve).unwrap();
    assert_eq!(read(&mut on_a.message(uid(1)).unwrap()), content("one"));
    let mut opened = on_a.message(uid(1)).unwrap();
    on_b.expunge(&[uid(1)]).unwrap();
    assert_eq!(read(&mut opened), content("one"));
    assert!(matches!(on_a.message(uid(1)), Err(store::Error::Gone)));
    assert!(on_a.sync(Access::Look).unwrap().rows.is_empty());
}

#[test]
fn only_one_node_calls_a_message_recent() {
    let disk = MemoryDisk::new();
    let (a, b) = (account(&disk), account(&disk.another_node(Duration::ZERO)));
    let (on_a, on_b) = (a.open(&inbox()).unwrap(), b.open(&inbox()).unwrap());
    deliver(&a, &inbox(), "one").unwrap();
    on_a.sync(Access::Look).unwrap();
    assert_eq!(a.status(&inbox()).unwrap().recent, 1);
    on_b.sync(Access::Serve).unwrap();
    on_a.sync(Access::Serve).unwrap();
    assert_eq!(on_b.claim_recent(), [uid(1)]);
    assert!(on_b.claim_recent().is_empty() && on_a.claim_recent().is_empty());
}

#[test]
fn a_mailbox_made_anew_elsewhere_is_another_mailbox() {
    let disk = MemoryDisk::new();
    let (a, b) = (account(&disk), account(&disk.another_node(Duration::ZERO)));
    a.create(&name("Work"), None).unwrap();
    let on_a = a.open(&name("Work")).unwrap();
    b.delete(&name("Work")).unwrap();
    assert!(matches!(on_a.sync(Access::Look), Err(store::Error::NoSuchMailbox)));
    b.create(&name("Work"), None).unwrap();
    assert!(matches!(on_a.sync(Access::Look), Err(store::Error::NoSuchMailbox)));
    let anew = a.open(&name("Work")).unwrap();
    assert!(anew.snapshot().uid_validity > on_a.snapshot().uid_validity);
}

/// UIDs and what they were told to mean, by whom ever.
type Told = Arc<Mutex<BTreeMap<(UidValidity, u32), String>>>;

const ROUNDS: usize = 25;

/// Locks are never stale here: the clock of the disk in memory jumps while others wait.
fn patient(disk: &MemoryDisk) -> Arc<Account> {
    let long = Duration::from_secs(10_000_000_000);
    let settings = Settings { hostname: "test".to_owned(), lock_wait: long, lock_stale: long, ..Settings::default() };
    Store::new(Arc::new(disk.clone()), settings).account(Path::new(HOME)).unwrap()
}

fn note(told: &Told, mailbox: &store::Mailbox) {
    let validity = mailbox.snapshot().uid_validity;
    for (uid, subject, _) in lines(mailbox) {
        let mut told = told.lock().unwrap();
        let known = told.entry((validity, uid)).or_insert_with(|| subject.clone());
        assert_eq!(*known, subject, "UID {uid} means two messages");
    }
}

/// Delivers, appends, flags, copies, and expunges half of its own, noting every UID it sees. Answers with the subjects
/// that must be left in INBOX.
fn live(account: Arc<Account>, who: &str, told: &Told) -> Vec<String> {
    let mailbox = account.open(&inbox()).unwrap();
    let sent = account.open(&name("Sent")).unwrap();
    let mut left = Vec::new();
    for round in 0..ROUNDS {
        let (delivered, appended) = (format!("{who} delivers {round}"), format!("{who} appends {round}"));
        deliver(&account, &inbox(), &delivered).unwrap();
        let uid = append(&account, &inbox(), &appended, Flags::NONE, &[]).unwrap();
        mailbox.sync(if round % 2 == 0 { Access::Serve } else { Access::Look }).unwrap();
        mailbox.store_flags(&[uid], &add(Flags::FLAGGED, &[who])).unwrap();
        note(told, &mailbox);
        mailbox.copy(&[uid], &sent).unwrap();
        if round % 2 == 0 {
            mailbox.expunge(&[uid]).unwrap();
        } else {
            left.push(appended);
        }
        left.push(delivered);
    }
    left
}

#[test]
fn two_nodes_in_a_hurry_agree_on_every_uid_and_lose_nothing() {
    let disk = MemoryDisk::new();
    let told = Told::default();
    drop(patient(&disk));
    let left: Vec<String> = thread::scope(|scope| {
        let nodes = [("ana", disk.another_node(Duration::ZERO)), ("bob", disk.another_node(Duration::from_secs(500)))];
        let told = &told;
        let lives = nodes.map(|(who, disk)| scope.spawn(move || live(patient(&disk), who, told)));
        lives.into_iter().flat_map(|life| life.join().unwrap()).collect()
    });
    let account = patient(&disk);
    let lines = found(&account, &inbox());
    note(&told, &account.open(&inbox()).unwrap());
    let mut expected: Vec<&str> = left.iter().map(String::as_str).collect();
    let mut there = subjects(&lines);
    expected.sort_unstable();
    there.sort_unstable();
    assert_eq!(there, expected);
    for (_, subject, flags) in lines.iter().filter(|(_, subject, _)| subject.contains("appends")) {
        let who = subject.split(' ').next().unwrap();
        assert_eq!(*flags, ["\\Flagged", who], "{subject}");
    }
    assert_eq!(found(&account, &name("Sent")).len(), 2 * ROUNDS);
    assert_sound(&account);
}
