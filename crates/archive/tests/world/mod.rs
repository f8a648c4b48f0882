//! What the tests of backups share: an account on a disk in memory, and its state in a form that is easy to compare.
#![allow(dead_code)] // each test file uses its own part

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use archive::backup::Backups;
use disk::{Disk, MemoryDisk};
use mail::date::DateTime;
use mail::{Flags, Keyword, MailboxName, Uid};
use store::{Access, Account, Settings, Store};

pub const BACKUPS: &str = "/backups";

pub fn account(disk: &MemoryDisk, home: &str) -> Arc<Account> {
    let (lock_wait, lock_stale) = (Duration::from_secs(3), Duration::from_secs(2));
    let settings = Settings { hostname: "test".to_owned(), lock_wait, lock_stale, ..Settings::default() };
    Store::new(Arc::new(disk.clone()), settings).account(Path::new(home)).unwrap()
}

pub fn name(name: &str) -> MailboxName {
    MailboxName::parse(name).unwrap()
}

pub fn append(account: &Arc<Account>, mailbox: &str, text: &str) {
    let mut draft = account.draft(&name(mailbox)).unwrap();
    draft.write(format!("Subject: {text}\r\n\r\n{text}\r\n").as_bytes()).unwrap();
    let work = Keyword::parse("work").unwrap();
    draft.append(Flags::SEEN, &[work], Some(DateTime::utc(1_000_000))).unwrap();
}

/// UIDVALIDITY, next UID, and each message's UID, date, flags and content.
pub fn story(account: &Arc<Account>) -> Vec<String> {
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

pub fn filled() -> MemoryDisk {
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

pub fn create(disk: &MemoryDisk, account: &Arc<Account>) -> archive::Result<archive::backup::Created> {
    Backups::new(disk, Path::new(BACKUPS)).create("ana", Path::new("/home/ana"), account, || {})
}
