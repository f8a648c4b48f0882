//! Backups through power cuts, over time, and back again.

mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use archive::Error;
use archive::backup::Backups;
use disk::{Disk, Fault, MemoryDisk, Op, Pace, every_cut_from};
use mail::{Flags, Uid};
use store::{FlagChange, Harm, How, Settings, Store, verify};
use world::{BACKUPS, account, append, create, filled, name, story};

#[test]
fn an_account_comes_back_with_uids_flags_dates_subscriptions_and_scripts() {
    let disk = filled();
    let before = story(&account(&disk, "/home/ana"));
    create(&disk, &account(&disk, "/home/ana")).unwrap();
    let backups = Backups::new(&disk, Path::new(BACKUPS));
    assert_eq!(backups.verify("ana", || {}).unwrap(), Vec::<String>::new());
    let (_, snapshot) = backups.find("ana", None).unwrap();
    let other = account(&disk, "/home/new");
    backups.restore(&snapshot, Path::new("/home/new"), &other, None, || {}).unwrap();
    let other = account(&disk, "/home/new");
    assert_eq!(story(&other), before);
    assert_eq!(disk.read(Path::new("/home/new/sieve/a.sieve")).unwrap(), b"keep;");
    assert!(verify(&other).unwrap().iter().all(|finding| finding.harm == Harm::Leftover));
}

#[test]
fn the_next_backup_keeps_only_what_is_new() {
    let disk = filled();
    let account = account(&disk, "/home/ana");
    assert_eq!(create(&disk, &account).unwrap().new_contents, 2);
    append(&account, "INBOX", "four");
    let change = FlagChange { how: How::Replace, flags: Flags::FLAGGED, keywords: Vec::new() };
    account.open(&name("INBOX")).unwrap().store_flags(&[Uid::new(2).unwrap()], &change).unwrap();
    let second = create(&disk, &account).unwrap();
    assert_eq!((second.messages, second.new_contents), (3, 1));
    let backups = Backups::new(&disk, Path::new(BACKUPS));
    assert_eq!(backups.list("ana").unwrap().len(), 2);
    let (_, last) = backups.find("ana", Some(&second.id)).unwrap();
    assert_eq!(last.messages(), 3);
    assert!(matches!(backups.find("bob", None), Err(Error::NoSuchSnapshot(_))));
}

#[test]
fn a_deleted_mailbox_comes_back_alone_or_beside() {
    let disk = filled();
    let account = account(&disk, "/home/ana");
    create(&disk, &account).unwrap();
    let before = story(&account);
    account.delete(&name("Work/2026")).unwrap();
    let backups = Backups::new(&disk, Path::new(BACKUPS));
    let (_, snapshot) = backups.find("ana", None).unwrap();
    let (work, beside) = (name("Work/2026"), name("Beside"));
    let home = Path::new("/home/ana");
    let restored = backups.restore(&snapshot, home, &account, Some((&work, &work)), || {}).unwrap();
    assert_eq!((restored.mailboxes, restored.missing), (vec![("Work/2026".to_owned(), 1)], vec![]));
    assert_eq!(story(&account), before);
    // Once more changes nothing, and a mailbox with other messages is not touched.
    assert_eq!(backups.restore(&snapshot, home, &account, Some((&work, &work)), || {}).unwrap().mailboxes[0].1, 0);
    append(&account, "Trash", "other");
    assert!(backups.restore(&snapshot, home, &account, Some((&work, &name("Trash"))), || {}).is_err());
    backups.restore(&snapshot, home, &account, Some((&work, &beside)), || {}).unwrap();
    assert_eq!(account.status(&beside).unwrap().messages, 1);
    let nowhere = name("Nowhere");
    assert!(backups.restore(&snapshot, home, &account, Some((&nowhere, &nowhere)), || {}).is_err());
}

#[test]
fn damage_is_found_and_never_restored_and_the_rest_comes_back() {
    let disk = filled();
    create(&disk, &account(&disk, "/home/ana")).unwrap();
    let backups = Backups::new(&disk, Path::new(BACKUPS));
    let (_, snapshot) = backups.find("ana", None).unwrap();
    let inbox = snapshot.mailboxes.iter().find(|mailbox| mailbox.name == "INBOX").unwrap();
    let digest = &inbox.messages[0].content;
    let blob = Path::new(BACKUPS).join("blobs").join(&digest[..2]).join(digest);
    let whole = disk.read(&blob).unwrap();
    disk::replace(&disk, &blob, b"Subject: forged\n\n").unwrap();
    assert_eq!(backups.verify("ana", || {}).unwrap().len(), 1);
    let restore = || {
        let other = account(&disk, "/home/new");
        backups.restore(&snapshot, Path::new("/home/new"), &other, None, || {}).unwrap()
    };
    let restored = restore();
    assert_eq!(restored.missing.len(), 1);
    assert!(restored.missing[0].starts_with("INBOX: message 2: ") && restored.missing[0].contains(digest));
    let found = story(&account(&disk, "/home/new"));
    assert!(found.iter().all(|line| !line.contains("forged")) && found.iter().any(|line| line.contains("three")));
    // It comes back under its UID as soon as it is there again.
    disk::replace(&disk, &blob, &whole).unwrap();
    assert_eq!(restore().missing, Vec::<String>::new());
    assert_eq!(story(&account(&disk, "/home/new")), story(&account(&disk, "/home/ana")));
}

/// Lets nobody open or list what has one of these in its path.
#[derive(Debug)]
struct Denying {
    disk: MemoryDisk,
    names: Vec<&'static str>,
}

impl Pace for Denying {
    fn turn(&self, op: Op, path: &Path) {
        if matches!(op, Op::Open | Op::List) && self.names.iter().any(|name| path.to_string_lossy().contains(name)) {
            self.disk.fail_next(op, Fault::Broken);
        }
    }

    fn sleep(&self, _: Duration) {}

    fn chance(&self) -> u64 {
        0
    }
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_kept() {
    let disk = filled();
    let ana = account(&disk, "/home/ana");
    // Both to be read for the first time.
    append(&ana, "INBOX", "four");
    let cur = "/home/ana/maildir/.Work.2026/cur/";
    let denying = disk.paced(Arc::new(Denying { disk: disk.clone(), names: vec![cur, "a.sieve"] }));
    let created = create(&denying, &account(&denying, "/home/ana")).unwrap();
    assert_eq!((created.messages, created.missing.len()), (2, 2), "{:?}", created.missing);
    assert!(created.missing[0].contains(cur) && created.missing[1].contains("a.sieve"), "{:?}", created.missing);
    let backups = Backups::new(&disk, Path::new(BACKUPS));
    assert_eq!(backups.find("ana", None).unwrap().1.missing, created.missing);
    assert_eq!(create(&disk, &ana).unwrap().missing, Vec::<String>::new());
}

#[test]
fn a_folder_of_scripts_that_cannot_be_listed_leaves_the_rest() {
    let disk = filled();
    let denying = disk.paced(Arc::new(Denying { disk: disk.clone(), names: vec!["/home/ana/sieve"] }));
    let created = create(&denying, &account(&denying, "/home/ana")).unwrap();
    assert_eq!(created.missing.len(), 1, "{:?}", created.missing);
    assert!(created.missing[0].contains("/home/ana/sieve"), "{:?}", created.missing);
}

#[test]
fn verify_goes_on_behind_a_content_that_cannot_be_read() {
    let disk = filled();
    create(&disk, &account(&disk, "/home/ana")).unwrap();
    let (_, snapshot) = Backups::new(&disk, Path::new(BACKUPS)).find("ana", None).unwrap();
    let messages = snapshot.mailboxes.iter().flat_map(|mailbox| &mailbox.messages);
    let digests: Vec<String> = messages.map(|message| message.content.clone()).collect();
    assert!(digests.len() > 1);
    let names: Vec<&'static str> = digests.iter().map(|digest| &*digest.clone().leak()).collect();
    let denying = disk.paced(Arc::new(Denying { disk: disk.clone(), names }));
    assert_eq!(Backups::new(&denying, Path::new(BACKUPS)).verify("ana", || {}).unwrap().len(), digests.len());
}

/// The active script is a link, as Dovecot and Pigeonhole leave it. One that leads out of the home is not followed.
#[test]
fn links_to_scripts_come_back_as_links() {
    for (target, content) in [("sieve/a.sieve", &b"keep;"[..]), ("/home/ana/sieve/a.sieve", b"keep;"), ("/secret", b"")]
    {
        let disk = filled();
        disk::replace(&disk, Path::new("/secret"), b"of somebody else").unwrap();
        let active = Path::new("/home/ana/.dovecot.sieve");
        disk.symlink(Path::new(target), active).unwrap();
        create(&disk, &account(&disk, "/home/ana")).unwrap();
        let backups = Backups::new(&disk, Path::new(BACKUPS));
        let (_, snapshot) = backups.find("ana", None).unwrap();
        let record = snapshot.sieve.iter().find(|record| record.name == ".dovecot.sieve").unwrap();
        let kept = Path::new(BACKUPS).join("blobs").join(&record.content[..2]).join(&record.content);
        assert_eq!(disk.read(&kept).unwrap(), content);
        for path in [active, Path::new("/home/ana/sieve/a.sieve")] {
            disk.remove(path).unwrap();
        }
        let ana = account(&disk, "/home/ana");
        for _ in 0..2 {
            backups.restore(&snapshot, Path::new("/home/ana"), &ana, None, || {}).unwrap();
            assert_eq!(disk.read_link(active).unwrap(), Path::new(target));
            assert_eq!(disk.read(Path::new("/home/ana/sieve/a.sieve")).unwrap(), b"keep;");
        }
    }
}

#[test]
fn a_power_cut_leaves_the_backup_before_whole_and_the_next_one_works() {
    let disk = filled();
    create(&disk, &account(&disk, "/home/ana")).unwrap();
    append(&account(&disk, "/home/ana"), "INBOX", "four");
    let scenario = |disk: &MemoryDisk| {
        let settings = Settings { hostname: "test".to_owned(), ..Settings::default() };
        let account = Store::new(Arc::new(disk.clone()), settings).account(Path::new("/home/ana"))?;
        create(disk, &account).map(|_| ())
    };
    every_cut_from(&disk, scenario, |disk, _| {
        let backups = Backups::new(&disk, Path::new(BACKUPS));
        assert_eq!(backups.verify("ana", || {}).unwrap(), Vec::<String>::new());
        assert!(!backups.list("ana").unwrap().is_empty());
        let again = create(&disk, &account(&disk, "/home/ana")).unwrap();
        assert_eq!(again.messages, 3);
        assert_eq!(backups.verify("ana", || {}).unwrap(), Vec::<String>::new());
    });
}

#[test]
fn a_power_cut_in_a_restore_is_made_good_by_doing_it_again() {
    let disk = filled();
    let before = story(&account(&disk, "/home/ana"));
    create(&disk, &account(&disk, "/home/ana")).unwrap();
    let restore = |disk: &MemoryDisk| -> archive::Result<()> {
        let (lock_wait, lock_stale) = (Duration::from_secs(3), Duration::from_secs(2));
        let settings = Settings { hostname: "test".to_owned(), lock_wait, lock_stale, ..Settings::default() };
        let account = Store::new(Arc::new(disk.clone()), settings).account(Path::new("/home/new"))?;
        let backups = Backups::new(disk, Path::new(BACKUPS));
        let (_, snapshot) = backups.find("ana", None)?;
        backups.restore(&snapshot, Path::new("/home/new"), &account, None, || {}).map(|_| ())
    };
    every_cut_from(&disk, restore, |disk, _| {
        restore(&disk).unwrap();
        assert_eq!(story(&account(&disk, "/home/new")), before);
    });
}
