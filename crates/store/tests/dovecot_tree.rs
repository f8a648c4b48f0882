//! A tree that Dovecot 2.3 made (`data/dovecot-tree`) means to us what it means to Dovecot: the values below are its own
//! answers over IMAP.

mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::RealDisk;
use mail::{Flags, MailboxName};
use store::{Access, Account, Harm, Settings, Store, verify};
use world::{add, inbox, name, uid};

struct Tree {
    _dir: tempfile::TempDir,
    home: PathBuf,
    account: Arc<Account>,
}

fn tree() -> Tree {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/dovecot-tree")), &home);
    let store = Store::new(Arc::new(RealDisk::new().unwrap()), Settings::default());
    let account = store.account(&home).unwrap();
    Tree { _dir: dir, home, account }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// UID, flags, RFC822.SIZE.
fn rows(account: &Arc<Account>, mailbox: &MailboxName) -> Vec<(u32, String, u64)> {
    let mailbox = account.open(mailbox).unwrap();
    let snapshot = mailbox.snapshot();
    let row = |row: &mail::Row| {
        let flags: Vec<&str> = snapshot.keywords.names_of(row.flags).collect();
        (row.uid.number(), flags.join(" "), mailbox.facts(row.uid).unwrap().size)
    };
    snapshot.rows.iter().map(row).collect()
}

fn row(uid: u32, flags: &str, size: u64) -> (u32, String, u64) {
    (uid, flags.to_owned(), size)
}

#[test]
fn uids_flags_keywords_and_sizes_are_those_that_dovecot_tells() {
    let tree = tree();
    let all = "\\Answered \\Flagged \\Deleted \\Seen \\Draft importante trabajo";
    let expected = [row(2, all, 49), row(3, "trabajo", 81), row(4, "$Label1", 300), row(5, "", 304)];
    assert_eq!(rows(&tree.account, &inbox()), expected);
    assert_eq!(rows(&tree.account, &name("A\u{f1}os")), [row(1, "\\Flagged $Forwarded", 29)]);
    assert_eq!(rows(&tree.account, &name("Trash")), [row(1, "", 22)]);
    for (mailbox, validity, next) in [
        ("INBOX", 1_795_226_522, 6),
        ("A\u{f1}os", 1_795_226_520, 2),
        ("Trash", 1_795_226_523, 2),
        ("Proyectos/2026", 1_795_226_521, 1),
    ] {
        let status = tree.account.status(&name(mailbox)).unwrap();
        assert_eq!((status.uid_validity.number(), status.uid_next.number()), (validity, next), "{mailbox}");
    }
    assert!(verify(&tree.account).unwrap().iter().all(|finding| finding.harm == Harm::Leftover));
}

#[test]
fn mailboxes_and_subscriptions_are_those_that_dovecot_lists() {
    let tree = tree();
    let list = tree.account.list().unwrap();
    let line = |mailbox: &str| list.iter().find(|listed| listed.name == name(mailbox)).unwrap();
    assert!(line("A\u{f1}os").subscribed && line("Proyectos/2026").subscribed && line("Trash").subscribed);
    assert!(!line("Proyectos").selectable && line("Proyectos").has_children);
    assert!(!line("INBOX").subscribed && line("INBOX").exists);
    // Not made yet, and subscribed because the settings say so.
    assert!(line("Sent").subscribed && !line("Sent").exists);
}

#[test]
fn what_we_change_stays_in_dovecots_formats() {
    let tree = tree();
    let mailbox = tree.account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    mailbox.store_flags(&[uid(3)], &add(Flags::SEEN, &["nuevo"])).unwrap();
    tree.account.subscribe(&inbox()).unwrap();
    let copied = mailbox.copy(&[uid(4)], &mailbox).unwrap();
    assert_eq!(copied.target, [uid(6)]);
    let maildir = tree.home.join("maildir");
    let read = |file: &str| fs::read_to_string(maildir.join(file)).unwrap();
    assert_eq!(read("dovecot-keywords"), "0 importante\n1 trabajo\n2 $Label1\n3 nuevo\n");
    assert_eq!(read("subscriptions"), "V\t2\n\nTrash\nA&APE-os\nProyectos\t2026\nINBOX\n");
    assert!(maildir.join("cur/1795226521.M177562P7770.vm,S=78,W=81:2,Sbd").exists());
    assert!(maildir.join("cur/1795226521.M550814P7833.vm,S=292,W=304:2,").exists());
    let list = read("dovecot-uidlist");
    // Dovecot's lines are as they were; ours comes behind them.
    assert!(
        list.starts_with(
            "3 V1795226522 N6 Ge1f2483498fb006b5a1e000083ecc375\n1 :1795226520.M949351P7770.vm,S=45,W=49\n"
        )
    );
    // A copy is known by what it was made of.
    assert!(list.lines().last().unwrap().starts_with("6 G"));
    assert_eq!(list.lines().count(), 7);
}

#[test]
fn new_mailboxes_get_higher_uidvalidities_than_dovecot_gave() {
    let tree = tree();
    tree.account.create(&name("Nuevo"), None).unwrap();
    let snapshot = tree.account.open(&name("Nuevo")).unwrap().snapshot();
    assert_eq!(snapshot.uid_validity.number(), 0x6b00_fb9b + 1);
}
