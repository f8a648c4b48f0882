//! Mailboxes out to files and in again, also after an interruption.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use archive::exchange::{Imported, export_maildir, export_mbox, import_maildir, import_mbox};
use disk::RealDisk;
use mail::date::DateTime;
use mail::{Flags, Keyword, MailboxName};
use store::{Access, Account, Settings, Store};

fn account(home: &Path) -> Arc<Account> {
    Store::new(Arc::new(RealDisk::new().unwrap()), Settings::default()).account(home).unwrap()
}

fn fill(account: &Arc<Account>) {
    for (text, flags) in [("one", Flags::SEEN), ("From two", Flags::FLAGGED), ("one", Flags::SEEN)] {
        let mut draft = account.draft(&MailboxName::inbox()).unwrap();
        draft.write(format!("Subject: s\r\n\r\n{text}\r\n\r\nFrom afar\r\n\r\n").as_bytes()).unwrap();
        draft.append(flags, &[Keyword::parse("work").unwrap()], Some(DateTime::utc(1_795_220_146))).unwrap();
    }
}

/// Flags, date and content.
fn story(account: &Arc<Account>, name: &MailboxName) -> Vec<(Vec<String>, i64, String)> {
    let mailbox = account.open(name).unwrap();
    let snapshot = mailbox.sync(Access::Look).unwrap();
    let row = |row: &mail::Row| {
        let mut message = mailbox.message(row.uid).unwrap();
        let mut content = vec![0; usize::try_from(message.size()).unwrap()];
        message.read_at(0, &mut content).unwrap();
        let flags = snapshot.keywords.names_of(row.flags).map(str::to_owned).collect();
        (flags, message.internal_date().seconds, String::from_utf8(content).unwrap())
    };
    snapshot.rows.iter().map(row).collect()
}

#[test]
fn a_mailbox_comes_back_whole_and_a_second_import_adds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let account = account(&dir.path().join("home"));
    fill(&account);
    let inbox = MailboxName::inbox();
    let (mbox, maildir) = (dir.path().join("out.mbox"), dir.path().join("out"));
    assert_eq!(export_mbox(&account, &inbox, &mut File::create(&mbox).unwrap(), || {}).unwrap(), 3);
    assert_eq!(export_maildir(&account, &inbox, &maildir, || {}).unwrap(), 3);
    for name in ["Box", "Folder"] {
        let target = MailboxName::parse(name).unwrap();
        account.create(&target, None).unwrap();
        let import = || match name {
            "Box" => import_mbox(&account, &target, File::open(&mbox).unwrap(), || {}).unwrap(),
            _ => import_maildir(&account, &target, &maildir, || {}).unwrap(),
        };
        assert_eq!(import(), Imported { new: 3, known: 0 });
        let (mut found, mut expected) = (story(&account, &target), story(&account, &inbox));
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{name}");
        // As after an interruption: one is missing, and only that one comes in.
        let mailbox = account.open(&target).unwrap();
        mailbox.expunge(&[mailbox.snapshot().rows.iter().nth(1).unwrap().uid]).unwrap();
        assert_eq!(import(), Imported { new: 1, known: 2 });
    }
}
