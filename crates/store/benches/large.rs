//! What a large mailbox costs: memory while it is open, and the time to open it.
//!
//!     cargo bench -p store --bench large -- [MESSAGES] [FOLDER]
//!
//! Each line is a process of its own, so that its memory is its own. The folder is made once and left, for a second run.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::RealDisk;
use mail::{Flags, MailboxName};
use store::{Access, Account, FlagChange, How, Mailbox, Settings, Store};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [step, home] = args.as_slice()
        && let Some((_, run)) = STEPS.iter().find(|(name, _)| name == step)
    {
        return run(Path::new(home));
    }
    let count: u32 = args.first().map_or(1_000_000, |count| count.parse().expect("a number of messages"));
    let home = args.get(1).map_or_else(|| std::env::temp_dir().join(format!("tepui-large-{count}")), PathBuf::from);
    if !home.join("maildir/dovecot-uidlist").exists() {
        make(&home, count);
    }
    for (name, _) in STEPS {
        let done = Command::new(std::env::current_exe().expect("this program")).arg(name).arg(&home).status();
        assert!(done.is_ok_and(|status| status.success()), "{name}");
    }
}

type Step = (&'static str, fn(&Path));

const STEPS: [Step; 4] =
    [("first open", first_open), ("open", open), ("store", store_flags), ("journal", journal_alone)];

/// Messages as a delivery names them, a fifth of them unseen, with their list.
fn make(home: &Path, count: u32) {
    let maildir = home.join("maildir");
    for folder in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(folder)).expect("a folder");
    }
    let mut list = format!("3 V1795220146 N{} G29833b32b0e2006bc50c000083ecc375\n", count + 1).into_bytes();
    for number in 1..=count {
        let random = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (size, host) = (random % 90_000, random % 4);
        let base = format!(
            "{}.M{}P{}Q{number}D{random:016x}.mail0{host}.example.com,S={size},W={}",
            1_695_220_144 + number * 60,
            random % 1_000_000,
            3000 + host,
            size + size / 60
        );
        let suffix = if random % 5 == 0 { "" } else { "S" };
        fs::File::create(maildir.join(format!("cur/{base}:2,{suffix}"))).expect("a message");
        writeln!(list, "{number} :{base}").expect("memory");
    }
    fs::write(maildir.join("dovecot-uidlist"), list).expect("the list");
}

fn account(home: &Path) -> Arc<Account> {
    let store = Store::new(Arc::new(RealDisk::new().expect("a disk")), Settings::default());
    store.account(home).expect("the account")
}

fn opened(home: &Path, what: &str) -> (Arc<Account>, Arc<Mailbox>) {
    let account = account(home);
    let (before, start) = (resident(), Instant::now());
    let mailbox = account.open(&MailboxName::inbox()).expect("INBOX");
    let snapshot = mailbox.sync(Access::Serve).expect("INBOX");
    let took = start.elapsed();
    let count = snapshot.rows.len();
    let more = |now: usize| megabytes(now.saturating_sub(before));
    println!("{what}: {count} messages in {took:?}, {} more, {} at the peak", more(resident()), more(status("VmHWM:")));
    (account, mailbox)
}

/// Opens and closes a mailbox; its cost is what its process holds then and did not hold before.
fn open_and_close(home: &Path, what: &str) {
    let before = resident();
    drop(opened(home, what));
    println!("closed: {} more than before it was opened", megabytes(resident().saturating_sub(before)));
}

fn first_open(home: &Path) {
    let _ = fs::remove_file(home.join("maildir/tepui-changes"));
    open_and_close(home, "open without a journal");
    open_and_close(home, "open once more");
}

fn open(home: &Path) {
    let (_account, mailbox) = opened(home, "open with a journal");
    std::thread::sleep(Duration::from_secs(2));
    for what in ["look, scans once more", "look, nothing changed"] {
        let start = Instant::now();
        mailbox.sync(Access::Serve).expect("INBOX");
        println!("{what}: {:?}, {} in all", start.elapsed(), megabytes(resident()));
    }
    let mut held = Vec::new();
    let before = resident();
    for number in 0..100 {
        change(&mailbox, number);
        held.push(mailbox.snapshot());
    }
    println!("100 sessions that each hold another state: {} more", megabytes(resident().saturating_sub(before)));
    drop(held);
}

fn store_flags(home: &Path) {
    timed_stores(home, "STORE of one message");
}

/// What the journal adds to a STORE, without its two looks at the lock.
fn journal_alone(home: &Path) {
    const TIMES: u32 = 10_000;
    let path = home.join("journal-alone");
    let start = Instant::now();
    for _ in 0..TIMES {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).expect("a file");
        let _ = file.metadata();
        file.write_all(&[7; 24]).expect("a file");
        let _ = file.metadata();
    }
    println!("the calls for one record: {:?}", start.elapsed() / TIMES);
    let _ = fs::remove_file(path);
}

fn timed_stores(home: &Path, what: &str) {
    const STORES: u32 = 300;
    let (_account, mailbox) = opened(home, "open");
    let start = Instant::now();
    (0..STORES).for_each(|number| change(&mailbox, number));
    println!("{what}: {:?}", start.elapsed() / STORES);
}

fn change(mailbox: &Mailbox, number: u32) {
    let snapshot = mailbox.snapshot();
    let row = snapshot.rows.at(number as usize * 7919 % snapshot.rows.len()).expect("a message");
    let how = if row.flags.contains(Flags::FLAGGED) { How::Remove } else { How::Add };
    let change = FlagChange { how, flags: Flags::FLAGGED, keywords: Vec::new() };
    mailbox.store_flags(&[row.uid], &change).expect("STORE");
}

/// KiB.
fn resident() -> usize {
    status("VmRSS:")
}

fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of it");
    value.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn megabytes(kib: usize) -> String {
    format!("{:.1} MB", kib as f64 * 1024.0 / 1e6)
}
