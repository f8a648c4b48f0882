//! What the store's tests share: accounts on a disk in memory, and the state of a mailbox in a form that is easy to compare.
#![allow(dead_code)] // each test file uses its own part

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::{MemoryDisk, Op, Pace};
use mail::date::DateTime;
use mail::{Flags, Keyword, MailboxName, Uid};
use store::{Access, Account, Error, FlagChange, Harm, How, Mailbox, Result, Settings, Store, verify};

pub mod dovecot;
pub mod stop;

pub const HOME: &str = "/home/ana";

pub fn name(name: &str) -> MailboxName {
    MailboxName::parse(name).unwrap()
}

pub fn inbox() -> MailboxName {
    MailboxName::inbox()
}

pub fn keyword(name: &str) -> Keyword {
    Keyword::parse(name).unwrap()
}

pub fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

/// Waits for locks of the dead are short, since each costs the disk in memory many calls.
pub fn store(disk: &MemoryDisk) -> Store {
    let (lock_wait, lock_stale) = (Duration::from_secs(3), Duration::from_secs(2));
    let settings = Settings { hostname: "test".to_owned(), lock_wait, lock_stale, ..Settings::default() };
    Store::new(Arc::new(disk.clone()), settings)
}

/// The account as a process that has just started sees it.
pub fn account(disk: &MemoryDisk) -> Arc<Account> {
    try_account(disk).unwrap()
}

pub fn try_account(disk: &MemoryDisk) -> Result<Arc<Account>> {
    store(disk).account(Path::new(HOME))
}

pub fn content(subject: &str) -> String {
    format!("Subject: {subject}\r\n\r\nBody of {subject}.\r\n")
}

pub fn deliver(account: &Arc<Account>, mailbox: &MailboxName, subject: &str) -> Result<()> {
    let mut draft = account.draft(mailbox)?;
    draft.write(content(subject).as_bytes())?;
    draft.deliver()
}

pub fn append(
    account: &Arc<Account>,
    mailbox: &MailboxName,
    subject: &str,
    flags: Flags,
    keywords: &[Keyword],
) -> Result<Uid> {
    let mut draft = account.draft(mailbox)?;
    draft.write(content(subject).as_bytes())?;
    Ok(draft.append(flags, keywords, Some(DateTime::utc(1_000_000)))?.uid)
}

pub fn add(flags: Flags, keywords: &[&str]) -> FlagChange {
    FlagChange { how: How::Add, flags, keywords: keywords.iter().map(|name| keyword(name)).collect() }
}

/// The calls that were made on a disk, those that only look as well.
#[derive(Debug, Default)]
pub struct Calls(Mutex<Vec<Op>>);

impl Pace for Calls {
    fn turn(&self, op: Op, _: &Path) {
        self.0.lock().unwrap().push(op);
    }

    fn sleep(&self, _: Duration) {}

    fn chance(&self) -> u64 {
        0
    }
}

impl Calls {
    /// A disk whose calls are counted, on the same storage.
    pub fn on(disk: &MemoryDisk) -> (MemoryDisk, Arc<Calls>) {
        let calls = Arc::new(Calls::default());
        (disk.paced(Arc::clone(&calls) as Arc<dyn Pace>), calls)
    }

    pub fn since(&self, earlier: usize) -> usize {
        self.0.lock().unwrap().len() - earlier
    }

    pub fn of(&self, op: Op) -> usize {
        self.0.lock().unwrap().iter().filter(|known| **known == op).count()
    }
}

/// UID, subject, flags as IMAP names them.
pub type Line = (u32, String, Vec<String>);

/// Everything in a mailbox; fails when a content is not whole.
pub fn lines(mailbox: &Mailbox) -> Vec<Line> {
    let snapshot = mailbox.snapshot();
    let line = |row: &mail::Row| match mailbox.message(row.uid) {
        Ok(mut message) => {
            let text = read(&mut message);
            let subject = text.lines().next().unwrap().strip_prefix("Subject: ").unwrap().to_owned();
            assert_eq!(text, content(&subject), "the content is not whole");
            let flags = snapshot.keywords.names_of(row.flags).map(str::to_owned).collect();
            Some((row.uid.number(), subject, flags))
        }
        Err(Error::Gone) => None,
        Err(error) => panic!("message {}: {error}", row.uid),
    };
    snapshot.rows.iter().filter_map(line).collect()
}

pub fn read(message: &mut store::Message) -> String {
    let mut bytes = vec![0; usize::try_from(message.size()).unwrap()];
    assert_eq!(message.read_at(0, &mut bytes).unwrap(), bytes.len());
    String::from_utf8(bytes).unwrap()
}

/// What a process that has just started finds in a mailbox.
pub fn found(account: &Arc<Account>, mailbox: &MailboxName) -> Vec<Line> {
    let mailbox = account.open(mailbox).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    lines(&mailbox)
}

pub fn subjects(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|(_, subject, _)| subject.as_str()).collect()
}

/// Nothing is there that the table of states does not allow.
pub fn assert_sound(account: &Account) {
    let damage: Vec<_> = verify(account).unwrap().into_iter().filter(|finding| finding.harm == Harm::Damage).collect();
    assert!(damage.is_empty(), "{damage:?}");
}
