//! Mailboxes out to files and in again, also after an interruption.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use archive::exchange::{Imported, export_maildir, export_mbox, export_tar, import_maildir, import_mbox, import_tar};
use disk::{MemoryDisk, RealDisk, every_cut};
use mail::date::DateTime;
use mail::{Flags, Keyword, MailboxName};
use store::{Access, Account, Harm, Settings, Store, verify};

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
    let tar = dir.path().join("out.tar");
    assert_eq!(export_tar(&account, &inbox, &mut File::create(&tar).unwrap(), || {}).unwrap(), 3);
    for name in ["Box", "Folder", "Archive"] {
        let target = MailboxName::parse(name).unwrap();
        account.create(&target, None).unwrap();
        let import = || match name {
            "Box" => import_mbox(&account, &target, File::open(&mbox).unwrap(), || {}).unwrap(),
            "Archive" => import_tar(&account, &target, File::open(&tar).unwrap(), || {}).unwrap(),
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

#[test]
fn a_power_cut_in_an_import_is_made_good_by_doing_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let source = account(&dir.path().join("home"));
    fill(&source);
    let (inbox, maildir) = (MailboxName::inbox(), dir.path().join("out"));
    export_maildir(&source, &inbox, &maildir, || {}).unwrap();
    let mut expected = story(&source, &inbox);
    expected.sort();
    let open = |disk: &MemoryDisk| {
        let (lock_wait, lock_stale) = (Duration::from_secs(3), Duration::from_secs(2));
        let settings = Settings { lock_wait, lock_stale, ..Settings::default() };
        Store::new(Arc::new(disk.clone()), settings).account(Path::new("/home/ana"))
    };
    let import = |disk: &MemoryDisk| import_maildir(&open(disk)?, &MailboxName::inbox(), &maildir, || {});
    every_cut(import, |disk, _| {
        import(&disk).unwrap();
        let account = open(&disk).unwrap();
        let mut found = story(&account, &MailboxName::inbox());
        found.sort();
        assert_eq!(found, expected);
        assert!(verify(&account).unwrap().iter().all(|finding| finding.harm == Harm::Leftover));
    });
}

/// What goes out is for programs that know of no compression, and what comes in may lie compressed, as Dovecot keeps it.
#[test]
fn compressed_mail_goes_out_plain_and_comes_in_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let compress = store::ZstdLevel::new(3);
    let store = Store::new(Arc::new(RealDisk::new().unwrap()), Settings { compress, ..Settings::default() });
    let account = store.account(&dir.path().join("home")).unwrap();
    fill(&account);
    let (inbox, maildir, tar) = (MailboxName::inbox(), dir.path().join("out"), dir.path().join("out.tar"));
    assert_eq!(export_maildir(&account, &inbox, &maildir, || {}).unwrap(), 3);
    assert_eq!(export_tar(&account, &inbox, &mut File::create(&tar).unwrap(), || {}).unwrap(), 3);
    for file in std::fs::read_dir(maildir.join("cur")).unwrap() {
        assert!(std::fs::read(file.unwrap().path()).unwrap().starts_with(b"Subject: s\n\n"));
    }
    // The account's own folder, where they lie compressed.
    let lying = dir.path().join("home/maildir");
    let packed = std::fs::read_dir(lying.join("cur")).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    assert!(packed.into_iter().all(|content| content.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])));
    let whole = dir.path().join("whole.tar");
    let arguments = ["cf".as_ref(), whole.as_os_str(), "-C".as_ref(), dir.path().as_os_str(), "home/maildir".as_ref()];
    assert!(std::process::Command::new("tar").args(arguments).status().unwrap().success());
    for (name, source) in [("A", &maildir), ("B", &lying), ("C", &tar), ("D", &whole)] {
        let target = MailboxName::parse(name).unwrap();
        account.create(&target, None).unwrap();
        let done = match source.extension() {
            Some(_) => import_tar(&account, &target, File::open(source).unwrap(), || {}).unwrap(),
            None => import_maildir(&account, &target, source, || {}).unwrap(),
        };
        assert_eq!(done, Imported { new: 3, known: 0 }, "{name}");
        let (mut found, mut expected) = (story(&account, &target), story(&account, &inbox));
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{name}");
    }
}

/// The system's own `tar` reads what we wrote, and writes what we read.
#[test]
fn tar_archives_are_those_of_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let account = account(&dir.path().join("home"));
    fill(&account);
    let inbox = MailboxName::inbox();
    let (written, unpacked, packed) = (dir.path().join("a.tar"), dir.path().join("a"), dir.path().join("b.tar"));
    export_tar(&account, &inbox, &mut File::create(&written).unwrap(), || {}).unwrap();
    std::fs::create_dir(&unpacked).unwrap();
    let tar = |arguments: &[&std::ffi::OsStr]| {
        assert!(std::process::Command::new("tar").args(arguments).status().unwrap().success());
    };
    tar(&["xf".as_ref(), written.as_ref(), "-C".as_ref(), unpacked.as_ref()]);
    // A mailbox below it, of which nothing comes in, and a link that leads out.
    let below = unpacked.join(".Sent/cur");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(below.join("1.M1P1.x:2,S"), "Subject: below\n\n").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", unpacked.join("cur/2.M1P1.x:2,S")).unwrap();
    tar(&["cf".as_ref(), packed.as_ref(), "-C".as_ref(), dir.path().as_ref(), "a".as_ref()]);
    let target = MailboxName::parse("Target").unwrap();
    account.create(&target, None).unwrap();
    let import = || import_tar(&account, &target, File::open(&packed).unwrap(), || {});
    assert_eq!(import().unwrap(), Imported { new: 3, known: 0 });
    let (mut found, mut expected) = (story(&account, &target), story(&account, &inbox));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(import().unwrap(), Imported { new: 0, known: 3 });
}

#[test]
fn an_archive_that_is_cut_or_none_brings_nothing_in() {
    let dir = tempfile::tempdir().unwrap();
    let account = account(&dir.path().join("home"));
    fill(&account);
    let mut whole = Vec::new();
    export_tar(&account, &MailboxName::inbox(), &mut whole, || {}).unwrap();
    let target = MailboxName::parse("Target").unwrap();
    account.create(&target, None).unwrap();
    let file = dir.path().join("cut.tar");
    let count = || account.open(&target).unwrap().snapshot().rows.len();
    let mut refused = 0;
    // The end is two empty blocks, which not every program writes.
    for length in (0..whole.len() - 1024).step_by(100) {
        std::fs::write(&file, &whole[..length]).unwrap();
        let before = count();
        match import_tar(&account, &target, File::open(&file).unwrap(), || {}) {
            // It was cut between two messages: those before are whole.
            Ok(done) => assert_eq!(count(), before + done.new, "cut at {length}"),
            Err(_) => {
                refused += 1;
                assert_eq!(count(), before, "cut at {length}");
            }
        }
    }
    assert!(refused > 30, "{refused}");
    assert_eq!(story(&account, &target).len(), 3);
    std::fs::write(&file, b"no archive at all").unwrap();
    assert!(import_tar(&account, &target, File::open(&file).unwrap(), || {}).is_err());
}
