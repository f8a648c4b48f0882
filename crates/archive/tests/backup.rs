//! Backups through power cuts, over time, and back again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use archive::Error;
use archive::backup::Backups;
use disk::{Disk, MemoryDisk, every_cut_from};
use mail::date::DateTime;
use mail::{Flags, Keyword, MailboxName, Uid};
use store::{Access, Account, FlagChange, Harm, How, Settings, Store, verify};

const BACKUPS: &str = "/backups";

fn account(disk: &MemoryDisk, home: &str) -> Arc<Account> {
    let (lock_wait, lock_stale) = (Duration::from_secs(3), Duration::from_secs(2));
    let settings = Settings { hostname: "test".to_owned(), lock_wait, lock_stale, ..Settings::default() };
    Store::new(Arc::new(disk.clone()), settings).account(Path::new(home)).unwrap()
}

fn name(name: &str) -> MailboxName {
    MailboxName::parse(name).unwrap()
}

fn append(account: &Arc<Account>, mailbox: &str, text: &str) {
    let mut draft = account.draft(&name(mailbox)).unwrap();
    draft.write(format!("Subject: {text}\r\n\r\n{text}\r\n").as_bytes()).unwrap();
    let work = Keyword::parse("work").unwrap();
    draft.append(Flags::SEEN, &[work], Some(DateTime::utc(1_000_000))).unwrap();
}

/// UIDVALIDITY, next UID, and each message's UID, date, flags and content.
fn story(account: &Arc<Account>) -> Vec<String> {
    let mut story = Vec::new();
    for listed in account.list().unwrap().iter().filter(|listed| listed.exists) {
        let mailbox = account.open(&listed.name).unwrap();
        let snapshot = mailbox.sync(Access::Look).unwrap();
        story.push(format!("{} {} {} {}", listed.name, snapshot.uid_validity, snapshot.uid_next, listed.subscribed));
        for row in &snapshot.rows {
            let mut message = mailbox.message(row.uid).unwrap();
            let mut content = vec![0; usize::try_from(message.size()).unwrap()];
            message.read_at(0, &mut content).unwrap();
            let flags: Vec<&str> = snapshot.keywords.names_of(row.flags).collect();
            let date = message.internal_date().seconds;
            story.push(format!("{} {} {date} {flags:?} {}", listed.name, row.uid, String::from_utf8_lossy(&content)));
        }
    }
    story
}

fn filled() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let account = account(&disk, "/home/ana");
    account.create(&name("Work/2026"), None).unwrap();
    account.subscribe(&name("Work/2026")).unwrap();
    for (mailbox, text) in [("INBOX", "one"), ("INBOX", "two"), ("Work/2026", "three")] {
        append(&account, mailbox, text);
    }
    account.open(&name("INBOX")).unwrap().expunge(&[Uid::FIRST]).unwrap();
    disk.create_dir_all(Path::new("/home/ana/sieve")).unwrap();
    disk::replace(&disk, Path::new("/home/ana/sieve/a.sieve"), b"keep;").unwrap();
    disk
}

fn create(disk: &MemoryDisk, account: &Arc<Account>) -> archive::Result<archive::backup::Created> {
    Backups::new(disk, Path::new(BACKUPS)).create("ana", Path::new("/home/ana"), account, || {})
}

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
    assert_eq!(
        backups.restore(&snapshot, home, &account, Some((&work, &work)), || {}).unwrap(),
        [("Work/2026".to_owned(), 1)]
    );
    assert_eq!(story(&account), before);
    // Once more changes nothing, and a mailbox with other messages is not touched.
    assert_eq!(backups.restore(&snapshot, home, &account, Some((&work, &work)), || {}).unwrap()[0].1, 0);
    append(&account, "Trash", "other");
    assert!(backups.restore(&snapshot, home, &account, Some((&work, &name("Trash"))), || {}).is_err());
    backups.restore(&snapshot, home, &account, Some((&work, &beside)), || {}).unwrap();
    assert_eq!(account.status(&beside).unwrap().messages, 1);
    let nowhere = name("Nowhere");
    assert!(backups.restore(&snapshot, home, &account, Some((&nowhere, &nowhere)), || {}).is_err());
}

#[test]
fn damage_is_found_and_never_restored() {
    let disk = filled();
    create(&disk, &account(&disk, "/home/ana")).unwrap();
    let backups = Backups::new(&disk, Path::new(BACKUPS));
    let (_, snapshot) = backups.find("ana", None).unwrap();
    let digest = &snapshot.mailboxes[0].messages[0].content;
    let blob = Path::new(BACKUPS).join("blobs").join(&digest[..2]).join(digest);
    disk::replace(&disk, &blob, b"Subject: forged\n\n").unwrap();
    assert_eq!(backups.verify("ana", || {}).unwrap().len(), 1);
    let other = account(&disk, "/home/new");
    assert!(backups.restore(&snapshot, Path::new("/home/new"), &other, None, || {}).is_err());
    assert!(story(&account(&disk, "/home/new")).iter().all(|line| !line.contains("forged")));
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
