//! Mod-sequences and vanished UIDs: the same on every node, kept over restarts, and enough for a client that was away to
//! learn all that happened (RFC 7162).

mod client;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use client::Client;
use disk::{Disk, Fault, MemoryDisk, Op};
use mail::{Flags, ModSeq, Row};
use store::{Access, Account, Harm, Mailbox, Settings, Store, Vanished, verify};
use world::*;

const INBOX: &str = "/home/ana/maildir";

fn journal() -> PathBuf {
    Path::new(INBOX).join("tepui-changes")
}

fn rows(mailbox: &Mailbox) -> Vec<Row> {
    mailbox.sync(Access::Look).unwrap().rows.iter().copied().collect()
}

fn modseq(mailbox: &Mailbox, number: u32) -> u64 {
    mailbox.snapshot().row(uid(number)).unwrap().modseq.0
}

/// As another program does it: without our journal.
fn rename(disk: &MemoryDisk, from: &str, to: &str) {
    let cur = Path::new(INBOX).join("cur");
    let entries = disk.list(&cur).unwrap();
    let name = entries.iter().find_map(|entry| entry.name.to_str().filter(|name| name.ends_with(from))).unwrap();
    let (base, _) = name.split_once(':').unwrap();
    disk.rename(&cur.join(name), &cur.join(format!("{base}{to}"))).unwrap();
}

/// An INBOX with messages one, two and three, and the node that made it.
fn three() -> (MemoryDisk, Arc<Account>) {
    let disk = MemoryDisk::new();
    let node = account(&disk);
    for subject in ["one", "two", "three"] {
        append(&node, &inbox(), subject, Flags::NONE, &[]).unwrap();
    }
    (disk, node)
}

#[test]
fn two_nodes_and_a_third_that_starts_later_tell_the_same_mod_sequences() {
    let (disk, a) = three();
    let b = account(&disk.another_node(Duration::from_secs(3600)));
    let (on_a, on_b) = (a.open(&inbox()).unwrap(), b.open(&inbox()).unwrap());
    let mut client = Client::default();
    let steps: [&dyn Fn(); 8] = [
        &|| drop(on_a.store_flags(&[uid(1)], &add(Flags::SEEN, &["work"])).unwrap()),
        &|| drop(on_b.store_flags(&[uid(1), uid(3)], &add(Flags::FLAGGED, &["play"])).unwrap()),
        &|| rename(&disk, ":2,FSab", ":2,RSab"),
        &|| drop(on_b.expunge(&[uid(2)]).unwrap()),
        &|| deliver(&b, &inbox(), "four").unwrap(),
        &|| drop(on_b.copy(&[uid(1)], &on_b).unwrap()),
        &|| disk.remove(&only(&disk, "cur", ":2,Fb")).unwrap(),
        &|| drop(on_a.store_flags(&[uid(1)], &add(Flags::DELETED, &[])).unwrap()),
    ];
    for (index, step) in steps.iter().enumerate() {
        let before = on_a.snapshot().highest_modseq.max(on_b.snapshot().highest_modseq);
        step();
        let (told_by_a, told_by_b) = (rows(&on_a), rows(&on_b));
        assert_eq!(told_by_a, told_by_b, "step {index}");
        let highest = on_a.snapshot().highest_modseq;
        assert!(highest > before && highest == on_b.snapshot().highest_modseq, "step {index}");
        let late = account(&disk.another_node(Duration::ZERO)).open(&inbox()).unwrap();
        assert_eq!((rows(&late), late.snapshot().highest_modseq), (told_by_a, highest), "step {index}");
        client.learn(&late);
        assert_sound(&a);
    }
    assert!(verify(&a).unwrap().is_empty());
}

fn only(disk: &MemoryDisk, folder: &str, end: &str) -> PathBuf {
    let folder = Path::new(INBOX).join(folder);
    let entries = disk.list(&folder).unwrap();
    folder.join(&entries.iter().find(|entry| entry.name.to_str().unwrap().ends_with(end)).unwrap().name)
}

#[test]
fn a_restart_changes_no_mod_sequence_and_forgets_no_vanished_uid() {
    let (disk, node) = three();
    let mailbox = node.open(&inbox()).unwrap();
    let before = mailbox.snapshot().highest_modseq;
    mailbox.expunge(&[uid(2)]).unwrap();
    mailbox.store_flags(&[uid(3)], &add(Flags::SEEN, &[])).unwrap();
    let told = (rows(&mailbox), mailbox.snapshot().highest_modseq);
    drop((mailbox, node));
    let again = account(&disk.restart()).open(&inbox()).unwrap();
    assert_eq!((rows(&again), again.snapshot().highest_modseq), told);
    assert_eq!(again.vanished_since(before), Vanished::Known(vec![(uid(2), uid(2))]));
    assert_eq!(again.vanished_since(told.1), Vanished::Known(vec![]));
    assert_eq!(again.vanished_since(ModSeq(1)), Vanished::Unknown);
}

#[test]
fn who_only_looks_at_what_is_recorded_writes_nothing() {
    let (disk, node) = three();
    drop(node);
    let calls = disk.calls();
    let again = account(&disk).open(&inbox()).unwrap();
    assert_eq!(rows(&again).len(), 3);
    disk.advance(Duration::from_secs(10));
    rows(&again);
    assert_eq!(disk.calls(), calls);
}

#[test]
fn without_its_journal_a_mailbox_tells_higher_mod_sequences_than_ever() {
    let garbage =
        [None, Some(&b""[..]), Some(b"\0\0\0\0"), Some(b"tepui changes 1\njunk and more junk"), Some(&[255; 99])];
    for content in garbage {
        let (disk, node) = three();
        let highest = node.open(&inbox()).unwrap().snapshot().highest_modseq;
        drop(node);
        match content {
            Some(content) => disk::replace(&disk, &journal(), content).unwrap(),
            None => disk.remove(&journal()).unwrap(),
        }
        let node = account(&disk);
        let mailbox = node.open(&inbox()).unwrap();
        assert!(rows(&mailbox).iter().all(|row| row.modseq > highest));
        assert_eq!(mailbox.vanished_since(highest), Vanished::Unknown);
        assert!(verify(&node).unwrap().is_empty());
    }
}

#[test]
fn a_torn_record_is_cut_off_and_its_change_told_again() {
    let (disk, node) = three();
    let mailbox = node.open(&inbox()).unwrap();
    let whole = disk.read(&journal()).unwrap().len();
    mailbox.store_flags(&[uid(1)], &add(Flags::SEEN, &[])).unwrap();
    let told = modseq(&mailbox, 1);
    let content = disk.read(&journal()).unwrap();
    drop((mailbox, node));
    for cut in whole..content.len() {
        disk::replace(&disk, &journal(), &content[..cut]).unwrap();
        let node = account(&disk);
        let mailbox = node.open(&inbox()).unwrap();
        assert!(modseq(&mailbox, 1) > told && modseq(&mailbox, 2) < told);
        assert!(verify(&node).unwrap().is_empty());
    }
}

#[test]
fn a_conditional_store_is_judged_by_the_newest_state_of_all_nodes() {
    let (disk, a) = three();
    let b = account(&disk.another_node(Duration::ZERO));
    let (on_a, on_b) = (a.open(&inbox()).unwrap(), b.open(&inbox()).unwrap());
    let since = on_b.snapshot().highest_modseq;
    on_a.store_flags(&[uid(1)], &add(Flags::SEEN, &[])).unwrap();
    rename(&disk, ":2,", ":2,D");
    let all = [uid(1), uid(2), uid(3), uid(9)];
    let modified = on_b.store_flags_unchanged(&all, &add(Flags::FLAGGED, &[]), since).unwrap();
    assert_eq!(modified.len(), 2);
    let flagged: Vec<bool> = rows(&on_a).iter().map(|row| row.flags.contains(Flags::FLAGGED)).collect();
    assert_eq!(flagged.iter().filter(|flagged| **flagged).count(), 1);
    assert!(modified.contains(&uid(1)));
    let highest = on_b.snapshot().highest_modseq;
    assert!(on_b.store_flags_unchanged(&all, &add(Flags::FLAGGED, &[]), highest).unwrap().is_empty());
    assert_eq!(on_b.store_flags_unchanged(&all, &add(Flags::FLAGGED, &[]), ModSeq(0)).unwrap().len(), 3);
}

#[test]
fn a_letter_that_gets_another_name_changes_its_messages() {
    let (disk, node) = three();
    let mailbox = node.open(&inbox()).unwrap();
    mailbox.store_flags(&[uid(2)], &add(Flags::NONE, &["work"])).unwrap();
    let before = mailbox.snapshot();
    disk::replace(&disk, &Path::new(INBOX).join("dovecot-keywords"), b"0 play\n").unwrap();
    let changed: Vec<u32> =
        rows(&mailbox).iter().filter(|row| row.modseq > before.highest_modseq).map(|row| row.uid.number()).collect();
    assert_eq!(changed, [2]);
    let highest = mailbox.snapshot().highest_modseq;
    disk.remove(&Path::new(INBOX).join("dovecot-keywords")).unwrap();
    assert!(rows(&mailbox)[1].modseq > highest && rows(&mailbox)[1].flags.is_empty());
}

#[test]
fn a_journal_that_cannot_be_written_fails_no_operation() {
    let (disk, node) = three();
    let mailbox = node.open(&inbox()).unwrap();
    let highest = mailbox.snapshot().highest_modseq;
    disk.fail_next(Op::Append, Fault::NoSpace);
    mailbox.store_flags(&[uid(1)], &add(Flags::SEEN, &[])).unwrap();
    let told = modseq(&mailbox, 1);
    assert!(told > highest.0);
    let other = account(&disk.another_node(Duration::ZERO)).open(&inbox()).unwrap();
    assert!(modseq(&other, 1) >= told);
    mailbox.store_flags(&[uid(2)], &add(Flags::SEEN, &[])).unwrap();
    assert_eq!(rows(&mailbox), rows(&other));
}

#[test]
fn a_busy_journal_stays_short_and_is_read_from_its_middle() {
    let (disk, node) = three();
    let (a, b) = (node.open(&inbox()).unwrap(), account(&disk.another_node(Duration::ZERO)).open(&inbox()).unwrap());
    let mut longest = 0;
    for round in 0..3000_u32 {
        let change = store::FlagChange {
            how: if round % 2 == 0 { store::How::Add } else { store::How::Remove },
            ..add(Flags::SEEN, &[])
        };
        a.store_flags(&[uid(round % 3 + 1)], &change).unwrap();
        if round % 100 == 0 {
            assert_eq!(rows(&a), rows(&b));
            longest = longest.max(disk.open(&journal()).unwrap().len().unwrap());
        }
    }
    assert!(longest < 70_000);
    assert_eq!(rows(&a), rows(&b));
}

/// Locks are never stale here: the clock of the disk in memory jumps while others wait.
fn patient(disk: &MemoryDisk) -> Arc<Account> {
    let long = Duration::from_secs(10_000_000_000);
    let settings = Settings { hostname: "test".to_owned(), lock_wait: long, lock_stale: long, ..Settings::default() };
    Store::new(Arc::new(disk.clone()), settings).account(Path::new(HOME)).unwrap()
}

#[test]
fn clients_of_nodes_in_a_hurry_learn_everything() {
    let disk = MemoryDisk::new();
    drop(patient(&disk));
    thread::scope(|scope| {
        for node in 0..3_u32 {
            let disk = disk.another_node(Duration::from_secs(node.into()));
            scope.spawn(move || {
                let account = patient(&disk);
                let mailbox = account.open(&inbox()).unwrap();
                let mut client = Client::default();
                for round in 0..30_u32 {
                    let new = append(&account, &inbox(), "x", Flags::NONE, &[]).unwrap();
                    deliver(&account, &inbox(), "y").unwrap();
                    let some: Vec<_> = mailbox
                        .snapshot()
                        .rows
                        .iter()
                        .map(|row| row.uid)
                        .filter(|uid| uid.number() % 3 == node)
                        .collect();
                    mailbox.store_flags(&some, &add([Flags::SEEN, Flags::FLAGGED][round as usize % 2], &[])).unwrap();
                    if round % 3 == 0 {
                        let expunged: Vec<_> = some.iter().copied().take(1).chain([new]).collect();
                        mailbox.expunge(&expunged).unwrap();
                    }
                    client.learn(&mailbox);
                }
            });
        }
    });
    disk.advance(Duration::from_secs(10));
    let nodes = [0, 1].map(|_| patient(&disk.another_node(Duration::ZERO)).open(&inbox()).unwrap());
    assert_eq!(rows(&nodes[0]), rows(&nodes[1]));
    let damage = verify(&patient(&disk)).unwrap().into_iter().find(|finding| finding.harm == Harm::Damage);
    assert_eq!(damage, None);
}
