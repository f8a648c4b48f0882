//! What one node changed is told, and what sessions that wait on another node learn of it, and when.

mod world;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::{Disk, Fault, MemoryDisk, Op};
use mail::Flags;
use store::{Access, Error, Mailbox, Watch};
use world::*;

const BOUND: Duration = Duration::from_secs(10);
/// What a look costs that finds nothing changed: two folders and three files are opened and asked, one of which is not there.
const LOOK_CALLS: usize = 9;
/// A frozen clock still tells each call from the next.
const MOMENT: Duration = Duration::from_millis(1);

/// The mailboxes whose changes were told since the last question.
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn of(store: &store::Store) -> Told {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let list = Arc::clone(&told);
        store.on_change(move |home, name| {
            assert_eq!(home, Path::new(HOME));
            list.lock().unwrap().push(name.as_str().to_owned());
        });
        Told(told)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// How often a session that waits was woken.
fn wakes(mailbox: &Mailbox) -> (Watch, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let watch = mailbox.watch(Box::new(move || _ = counter.fetch_add(1, Ordering::Relaxed)));
    (watch, count)
}

#[test]
fn every_change_is_told_once_it_is_made() {
    let disk = MemoryDisk::new();
    let store = store(&disk);
    let told = Told::of(&store);
    let account = store.account(Path::new(HOME)).unwrap();
    deliver(&account, &inbox(), "one").unwrap();
    assert_eq!(told.take(), ["INBOX"]);
    let mailbox = account.open(&inbox()).unwrap();
    append(&account, &inbox(), "two", Flags::NONE, &[]).unwrap();
    assert_eq!(told.take(), ["INBOX"]);
    mailbox.store_flags(&[uid(1)], &add(Flags::SEEN, &["urgent"])).unwrap();
    assert_eq!(told.take(), ["INBOX"]);
    account.create(&name("A"), None).unwrap();
    assert_eq!(told.take(), ["A"]);
    mailbox.copy(&[uid(1)], &account.open(&name("A")).unwrap()).unwrap();
    assert_eq!(told.take(), ["A"]);
    mailbox.move_to(&[uid(1)], &account.open(&name("A")).unwrap()).unwrap();
    assert_eq!(told.take(), ["A", "INBOX"]);
    mailbox.expunge(&[uid(2)]).unwrap();
    assert_eq!(told.take(), ["INBOX"]);
    account.rename(&name("A"), &name("B")).unwrap();
    assert_eq!(told.take(), ["A", "B"]);
    account.delete(&name("B")).unwrap();
    assert_eq!(told.take(), ["B"]);
}

#[test]
fn who_only_looks_or_changes_nothing_tells_nobody() {
    let disk = MemoryDisk::new();
    let store = store(&disk);
    let told = Told::of(&store);
    let account = store.account(Path::new(HOME)).unwrap();
    // Another node's delivery and its flags: whoever finds them did not make them.
    let other = world::account(&disk.another_node(Duration::ZERO));
    deliver(&other, &inbox(), "one").unwrap();
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    other.open(&inbox()).unwrap().store_flags(&[uid(1)], &add(Flags::SEEN, &[])).unwrap();
    mailbox.look_closely().unwrap();
    assert!(mailbox.snapshot().row(uid(1)).unwrap().flags.contains(Flags::SEEN));
    account.status(&inbox()).unwrap();
    mailbox.expunge(&[]).unwrap();
    assert_eq!(told.take(), [""; 0]);
}

#[test]
fn of_all_who_wait_one_looks_and_all_are_woken() {
    let disk = MemoryDisk::new();
    disk.freeze_clock();
    let (own, calls) = Calls::on(&disk);
    let mailbox = account(&own).open(&inbox()).unwrap();
    let (_one, first) = wakes(&mailbox);
    let (_two, second) = wakes(&mailbox);
    disk.advance(BOUND);
    deliver(&account(&disk.another_node(Duration::ZERO)), &inbox(), "one").unwrap();
    assert_eq!(mailbox.rests_for(BOUND), Duration::ZERO);
    mailbox.look_again(BOUND).unwrap();
    assert_eq!((first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)), (1, 1));
    // The others see that somebody looked, and how long they may rest.
    let before = calls.since(0);
    mailbox.look_again(BOUND).unwrap();
    assert!(calls.since(before) == 0 && mailbox.rests_for(BOUND) > BOUND - MOMENT);
    // So does a session that looks for itself.
    disk.advance(BOUND / 2);
    mailbox.sync(Access::Look).unwrap();
    assert!(mailbox.rests_for(BOUND) > BOUND - MOMENT);
    disk.advance(BOUND + MOMENT);
    let before = calls.since(0);
    mailbox.look_again(BOUND).unwrap();
    assert!(calls.since(before) > 0, "nobody looks when it is time");
}

#[test]
fn a_look_that_finds_nothing_wakes_nobody_and_costs_a_few_opens() {
    let disk = MemoryDisk::new();
    disk.freeze_clock();
    let (own, calls) = Calls::on(&disk);
    let account = account(&own);
    deliver(&account, &inbox(), "one").unwrap();
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    // Until the scans are trusted.
    disk.advance(BOUND);
    mailbox.look_again(BOUND).unwrap();
    let (_watch, woken) = wakes(&mailbox);
    disk.advance(BOUND);
    let before = calls.since(0);
    mailbox.look_again(BOUND).unwrap();
    mailbox.look_closely().unwrap();
    assert_eq!(calls.since(before), 2 * LOOK_CALLS);
    assert_eq!(woken.load(Ordering::Relaxed), 0);
}

#[test]
fn a_close_look_sees_what_came_within_the_same_tick() {
    let disk = MemoryDisk::new();
    disk.set_tick(Duration::from_secs(3600));
    disk.freeze_clock();
    let other = account(&disk.another_node(Duration::ZERO));
    let mailbox = account(&disk).open(&inbox()).unwrap();
    deliver(&other, &inbox(), "one").unwrap();
    mailbox.look_closely().unwrap();
    deliver(&other, &inbox(), "two").unwrap();
    assert_eq!(
        mailbox.sync(Access::Look).unwrap().rows.len(),
        1,
        "the tick hides nothing here: the test proves nothing"
    );
    let (_watch, woken) = wakes(&mailbox);
    mailbox.look_closely().unwrap();
    assert_eq!((mailbox.snapshot().rows.len(), woken.load(Ordering::Relaxed)), (2, 1));
}

#[test]
fn a_look_that_fails_lets_every_session_find_out_for_itself() {
    let disk = MemoryDisk::new();
    disk.freeze_clock();
    let account = account(&disk);
    account.create(&name("A"), None).unwrap();
    let mailbox = account.open(&name("A")).unwrap();
    let (_watch, woken) = wakes(&mailbox);
    disk.advance(BOUND);
    disk.fail_next(Op::Open, Fault::Broken);
    mailbox.look_again(BOUND).unwrap_err();
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    let path = Path::new(HOME).join("maildir/.A");
    disk.rename(&path, &path.with_file_name(".B")).unwrap();
    mailbox.look_closely().unwrap();
    assert_eq!(woken.load(Ordering::Relaxed), 2);
    assert!(matches!(mailbox.sync(Access::Look), Err(Error::NoSuchMailbox)));
}
