//! What a node remembers of a mailbox: opened again, nothing is scanned that did not change; and it never tells what is not so.

mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, Fault, MemoryDisk, Op};
use mail::Flags;
use store::{Access, Account, Settings, Store};
use world::*;

const INBOX: &str = "/home/ana/maildir";
const INDEX: &str = "/var/index";

/// A process of this node that has just started.
fn node_of(disk: &MemoryDisk) -> Store {
    let settings = Settings { hostname: "test".to_owned(), index: Some(INDEX.into()), ..Settings::default() };
    Store::new(Arc::new(disk.clone()), settings)
}

fn node(disk: &MemoryDisk) -> Arc<Account> {
    node_of(disk).account(Path::new(HOME)).unwrap()
}

/// An INBOX of two messages in `cur/`, one with a suffix of another program, scanned for good.
fn settled() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let account = node(&disk);
    append(&account, &inbox(), "one", Flags::SEEN, &[]).unwrap();
    let foreign = Path::new(INBOX).join("cur/1.M1P1.x:2,PS");
    disk.create_new(&foreign).unwrap().write_all(content("two").replace('\r', "").as_bytes()).unwrap();
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    disk.advance(Duration::from_secs(10));
    mailbox.sync(Access::Serve).unwrap();
    disk
}

/// What a process that has just started finds, and whether it had to scan.
fn restart(disk: &MemoryDisk) -> (Vec<Line>, bool) {
    let account = node(disk);
    disk.fail_next(Op::List, Fault::Broken);
    let scanned = account.open(&inbox()).is_err();
    if !scanned {
        // Takes the fault away, which nobody met.
        assert!(disk.list(Path::new(INBOX)).is_err());
    }
    let mailbox = account.open(&inbox()).unwrap();
    (lines(&mailbox), scanned)
}

fn remembered(disk: &MemoryDisk) -> PathBuf {
    let mut folders = vec![PathBuf::from(INDEX)];
    while let Some(folder) = folders.pop() {
        for entry in disk.list(&folder).unwrap() {
            match entry.kind {
                disk::Kind::Dir => folders.push(folder.join(entry.name)),
                _ if entry.name == "scan" => return folder.join(entry.name),
                _ => {}
            }
        }
    }
    panic!("nothing is remembered");
}

#[test]
fn an_unchanged_mailbox_is_opened_without_a_scan() {
    let disk = settled();
    let (lines, scanned) = restart(&disk);
    assert_eq!(subjects(&lines), ["one", "two"]);
    assert!(!scanned);
    let mailbox = node(&disk).open(&inbox()).unwrap();
    mailbox.store_flags(&[uid(2)], &add(Flags::FLAGGED, &[])).unwrap();
    assert!(disk.stat(&Path::new(INBOX).join("cur/1.M1P1.x:2,FPS")).is_ok(), "the foreign letter is remembered");
}

#[test]
fn whatever_changed_since_is_seen() {
    let cur = Path::new(INBOX).join("cur");
    let changes: [&dyn Fn(&MemoryDisk); 5] = [
        &|disk| disk.rename(&cur.join("1.M1P1.x:2,PS"), &cur.join("1.M1P1.x:2,FPS")).unwrap(),
        &|disk| disk.remove(&cur.join("1.M1P1.x:2,PS")).unwrap(),
        &|disk| deliver(&account(disk), &inbox(), "three").unwrap(),
        &|disk| drop(account(disk).open(&inbox()).unwrap().expunge(&[uid(1)]).unwrap()),
        &|disk| _ = append(&account(disk), &inbox(), "three", Flags::NONE, &[]).unwrap(),
    ];
    for (index, change) in changes.iter().enumerate() {
        let disk = settled();
        change(&disk);
        let (lines, scanned) = restart(&disk);
        assert!(scanned, "change {index}");
        assert_eq!(lines, found(&account(&disk), &inbox()), "change {index}");
    }
}

#[test]
fn what_was_seen_too_young_is_scanned_once_more() {
    let disk = settled();
    let account = node(&disk);
    append(&account, &inbox(), "three", Flags::NONE, &[]).unwrap();
    disk.freeze_clock();
    account.open(&inbox()).unwrap().sync(Access::Serve).unwrap();
    // Within the same tick of the clock: no look can tell.
    disk.remove(&Path::new(INBOX).join("cur/1.M1P1.x:2,PS")).unwrap();
    drop(account);
    disk.advance(Duration::from_secs(10));
    assert_eq!(subjects(&restart(&disk).0), ["one", "three"]);
}

#[test]
fn damage_to_what_is_remembered_costs_a_scan_and_nothing_else() {
    let good = settled();
    let path = remembered(&good);
    let content = good.read(&path).unwrap();
    for index in 0..content.len() {
        let mut flipped = content.clone();
        flipped[index] ^= 0x11;
        disk::replace(&good, &path, &flipped).unwrap();
        let disk = good.reboot(disk::Survival::Everything);
        let (lines, scanned) = restart(&disk);
        assert!(scanned && subjects(&lines) == ["one", "two"], "octet {index}");
    }
    disk::replace(&good, &path, &content[..content.len() / 2]).unwrap();
    assert!(restart(&good).1);
}

#[test]
fn a_disk_without_room_for_the_memory_fails_nothing() {
    let disk = settled();
    deliver(&node(&disk), &inbox(), "three").unwrap();
    disk.advance(Duration::from_secs(10));
    disk.remove(&remembered(&disk)).unwrap();
    disk.fail_next(Op::CreateDir, Fault::NoSpace);
    assert_eq!(restart(&disk).0.len(), 3);
}

#[test]
fn who_comes_back_soon_reads_nothing_again() {
    let disk = settled();
    let store = node_of(&disk);
    // Whether the list of UIDs was read: opening fails where it cannot be.
    let reads = || {
        disk.fail_next(Op::Read, Fault::Broken);
        let account = store.account(Path::new(HOME)).unwrap();
        let failed = account.open(&inbox()).is_err();
        if !failed {
            // Takes the fault away, which nobody met.
            assert!(disk.read(&Path::new(INBOX).join("dovecot-uidlist")).is_err());
        }
        account.open(&inbox()).unwrap();
        failed
    };
    assert_eq!((reads(), reads()), (true, false));
    // What was opened since the last turn stays over one more.
    store.let_go_of_unused();
    assert!(!reads());
    store.let_go_of_unused();
    store.let_go_of_unused();
    assert!(reads());
}

#[test]
fn a_mailbox_that_is_kept_and_made_anew_elsewhere_is_another() {
    let disk = settled();
    let (here, there) = (node_of(&disk), node_of(&disk));
    let work = || name("Work");
    let account = here.account(Path::new(HOME)).unwrap();
    account.create(&work(), None).unwrap();
    append(&account, &work(), "old", Flags::NONE, &[]).unwrap();
    let before = account.open(&work()).unwrap().snapshot().uid_validity;
    let other = there.account(Path::new(HOME)).unwrap();
    other.delete(&work()).unwrap();
    other.create(&work(), None).unwrap();
    let anew = account.open(&work()).unwrap().snapshot();
    assert!(anew.rows.is_empty() && anew.uid_validity != before);
}
