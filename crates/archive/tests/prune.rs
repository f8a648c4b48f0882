//! Old backups go, and with them what only they needed; never anything that another backup needs or is about to.

mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use archive::Error;
use archive::backup::{Backups, Keep, Pruned};
use disk::{Disk, MemoryDisk, Op, Pace, every_cut_from};
use mail::Uid;
use world::{BACKUPS, account, append, create, filled, name};

const LAST: Keep = Keep { last: 1, daily: 0, weekly: 0, monthly: 0 };

fn backups(disk: &MemoryDisk) -> Backups<'_> {
    Backups::new(disk, Path::new(BACKUPS))
}

fn prune(disk: &MemoryDisk, keep: Keep) -> archive::Result<Pruned> {
    backups(disk).prune(None, keep, false, || {})
}

fn ids(disk: &MemoryDisk, user: &str) -> Vec<String> {
    backups(disk).list(user).unwrap().into_iter().map(|(id, _)| id).collect()
}

/// The names of all contents.
fn contents(disk: &MemoryDisk) -> BTreeSet<String> {
    let blobs = Path::new(BACKUPS).join("blobs");
    let parts = disk.list(&blobs).unwrap();
    let entries = parts.iter().flat_map(|part| disk.list(&blobs.join(&part.name)).unwrap_or_default());
    entries.map(|entry| entry.name.to_string_lossy().into_owned()).collect()
}

/// Three backups: a message was expunged after the first, another one came in before the third.
fn thrice() -> MemoryDisk {
    let disk = filled();
    let ana = account(&disk, "/home/ana");
    create(&disk, &ana).unwrap();
    ana.open(&name("INBOX")).unwrap().expunge(&[Uid::new(2).unwrap()]).unwrap();
    create(&disk, &ana).unwrap();
    append(&ana, "INBOX", "four");
    create(&disk, &ana).unwrap();
    disk
}

#[test]
fn what_only_old_backups_need_goes_and_the_rest_stays_whole() {
    let disk = thrice();
    let before = (ids(&disk, "ana"), contents(&disk));
    let would = backups(&disk).prune(None, LAST, true, || {}).unwrap();
    assert_eq!((ids(&disk, "ana"), contents(&disk)), before);
    let done = prune(&disk, LAST).unwrap();
    assert_eq!(done, would);
    assert_eq!(done.accounts[0].name, "ana");
    assert_eq!(
        (&done.accounts[0].removed[..], &done.accounts[0].kept[..]),
        (&[before.0[1].clone(), before.0[0].clone()][..], &before.0[2..])
    );
    assert_eq!(ids(&disk, "ana"), before.0[2..]);
    assert_eq!(backups(&disk).verify("ana", || {}).unwrap(), Vec::<String>::new());
    assert_eq!(before.1.len() - contents(&disk).len(), done.contents);
    // A message, and the list of the first two.
    assert_eq!(done.contents, 2, "{done:?}");
    assert_eq!(prune(&disk, LAST).unwrap().contents, 0);
    // And the next backup finds what it needs.
    assert_eq!(create(&disk, &account(&disk, "/home/ana")).unwrap().new_contents, 0);
}

#[test]
fn other_accounts_keep_theirs_and_what_they_share() {
    let disk = thrice();
    backups(&disk).create("b.b@x/y", Path::new("/home/ana"), &account(&disk, "/home/ana"), || {}).unwrap();
    let done = backups(&disk).prune(Some(&["b.b@x/y".to_owned()]), LAST, false, || {}).unwrap();
    assert_eq!(done.accounts.iter().map(|account| account.removed.len()).sum::<usize>(), 0);
    assert_eq!(done.accounts[1].name, "b.b@x/y");
    assert_eq!((ids(&disk, "ana").len(), done.contents), (3, 0));
    assert_eq!(prune(&disk, LAST).unwrap().contents, 2);
    for user in ["ana", "b.b@x/y"] {
        assert_eq!(ids(&disk, user).len(), 1);
        assert_eq!(backups(&disk).verify(user, || {}).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn the_last_whole_backup_stays_and_a_damaged_one_keeps_every_content() {
    let disk = thrice();
    let (last, before) = (ids(&disk, "ana").pop().unwrap(), contents(&disk));
    let file = Path::new(BACKUPS).join(format!("accounts/ana/{last}.json"));
    let whole = disk.read(&file).unwrap();
    disk::replace(&disk, &file, &whole[..whole.len() / 2]).unwrap();
    let done = prune(&disk, LAST).unwrap();
    assert_eq!((done.damaged, done.contents), (vec![file.clone()], 0));
    // The second was not among the last one, but it is the last that is whole.
    assert_eq!((ids(&disk, "ana").len(), contents(&disk)), (1, before));
    assert_eq!(backups(&disk).verify("ana", || {}).unwrap().len(), 1);
    disk::replace(&disk, &file, &whole).unwrap();
    assert!(prune(&disk, LAST).unwrap().contents > 0);
    assert_eq!(backups(&disk).verify("ana", || {}).unwrap(), Vec::<String>::new());
}

/// Contents in many folders, so that some of them lose a name that others keep.
#[test]
fn a_power_cut_leaves_every_backup_that_is_there_whole() {
    let disk = filled();
    let ana = account(&disk, "/home/ana");
    (0..12).for_each(|number| append(&ana, "INBOX", &format!("old {number}")));
    create(&disk, &ana).unwrap();
    let old: Vec<Uid> = (3..15).filter_map(Uid::new).collect();
    ana.open(&name("INBOX")).unwrap().expunge(&old).unwrap();
    create(&disk, &ana).unwrap();
    every_cut_from(
        &disk,
        |disk| prune(disk, LAST).map(|_| ()),
        |disk, _| {
            assert!(!ids(&disk, "ana").is_empty());
            assert_eq!(backups(&disk).verify("ana", || {}).unwrap(), Vec::<String>::new());
            prune(&disk, LAST).unwrap();
            assert_eq!((ids(&disk, "ana").len(), prune(&disk, LAST).unwrap().contents), (1, 0));
            assert_eq!(backups(&disk).verify("ana", || {}).unwrap(), Vec::<String>::new());
        },
    );
}

/// At one call of a backup on another node, prunes; once.
#[derive(Debug)]
struct Meanwhile {
    disk: MemoryDisk,
    call: u64,
    done: AtomicBool,
    calls: std::sync::atomic::AtomicU64,
}

impl Pace for Meanwhile {
    fn turn(&self, _: Op, _: &Path) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == self.call && !self.done.swap(true, Ordering::Relaxed) {
            match prune(&self.disk, LAST) {
                Ok(_) | Err(Error::Busy(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn sleep(&self, _: Duration) {}

    fn chance(&self) -> u64 {
        0
    }
}

/// What was expunged has come back (a restore), so the backup finds a content that no backup needs any more.
#[test]
fn a_prune_takes_nothing_from_a_backup_that_is_being_made() {
    let mut calls = 0;
    loop {
        let disk = thrice();
        // Only the first backup holds it, and the prune removes that one.
        append(&account(&disk, "/home/ana"), "INBOX", "two");
        let pace = Arc::new(Meanwhile {
            disk: disk.another_node(Duration::ZERO),
            call: calls,
            done: AtomicBool::new(false),
            calls: Default::default(),
        });
        create(&disk.paced(Arc::clone(&pace) as Arc<dyn Pace>), &account(&disk, "/home/ana")).unwrap();
        assert_eq!(backups(&disk).verify("ana", || {}).unwrap(), Vec::<String>::new(), "pruned at call {calls}");
        if !pace.done.load(Ordering::Relaxed) {
            assert!(calls > 50, "{calls}");
            return;
        }
        calls += 1;
    }
}
