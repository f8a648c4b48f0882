//! What is done once for a while is done once, whichever nodes ask, and after the power was cut at any call.

mod world;

use std::path::Path;
use std::time::Duration;

use disk::{Disk, MemoryDisk, every_cut_from};
use store::{DUPLICATES_MAX, DuplicateKey, Duplicates, Result};
use world::{HOME, store};

const DAY: Duration = Duration::from_secs(86_400);

fn duplicates(disk: &MemoryDisk) -> Duplicates {
    store(disk).duplicates(Path::new(HOME))
}

fn reply_to(sender: &str) -> DuplicateKey {
    DuplicateKey::new("vacation", sender)
}

#[test]
fn what_is_claimed_is_there_until_it_runs_out() {
    let disk = MemoryDisk::new();
    let duplicates = duplicates(&disk);
    assert!(!duplicates.all().unwrap().contains(&reply_to("ana@example.test")));
    assert!(duplicates.claim(reply_to("ana@example.test"), DAY).unwrap());
    assert!(!duplicates.claim(reply_to("ana@example.test"), DAY).unwrap());
    assert!(duplicates.all().unwrap().contains(&reply_to("ana@example.test")));
    assert!(duplicates.claim(reply_to("bob@example.test"), DAY).unwrap());
    assert!(duplicates.claim(DuplicateKey::new("duplicate", "ana@example.test"), DAY).unwrap());
    disk.advance(DAY);
    assert!(!duplicates.all().unwrap().contains(&reply_to("ana@example.test")));
    assert!(duplicates.claim(reply_to("ana@example.test"), DAY).unwrap());
}

#[test]
fn what_is_kept_again_lasts_longer_and_never_shorter() {
    let disk = MemoryDisk::new();
    let duplicates = duplicates(&disk);
    duplicates.keep(&[(reply_to("ana"), DAY * 3), (reply_to("bob"), DAY)]).unwrap();
    duplicates.keep(&[(reply_to("ana"), DAY)]).unwrap();
    disk.advance(DAY * 2);
    let there = |who| duplicates.all().unwrap().contains(&reply_to(who));
    assert_eq!((there("ana"), there("bob")), (true, false));
}

#[test]
fn of_two_nodes_one_claims() {
    let disk = MemoryDisk::new();
    let other = disk.another_node(Duration::from_secs(3600));
    assert!(duplicates(&disk).claim(reply_to("ana"), DAY).unwrap());
    assert!(!duplicates(&other).claim(reply_to("ana"), DAY).unwrap());
}

#[test]
fn too_much_is_forgotten_from_the_end_that_is_nearest() {
    let disk = MemoryDisk::new();
    let duplicates = duplicates(&disk);
    let many: Vec<_> =
        (0..=DUPLICATES_MAX).map(|n| (reply_to(&n.to_string()), DAY * (u32::try_from(n).unwrap() + 1))).collect();
    duplicates.keep(&many).unwrap();
    let there = |n: usize| duplicates.all().unwrap().contains(&reply_to(&n.to_string()));
    assert_eq!((there(0), there(1), there(DUPLICATES_MAX)), (false, true, true));
}

#[test]
fn what_was_claimed_is_kept_however_long_the_others_last() {
    let disk = MemoryDisk::new();
    let duplicates = duplicates(&disk);
    let many: Vec<_> = (0..DUPLICATES_MAX).map(|n| (reply_to(&n.to_string()), DAY * 9)).collect();
    duplicates.keep(&many).unwrap();
    assert!(duplicates.claim(reply_to("ana"), DAY).unwrap());
    assert!(!duplicates.claim(reply_to("ana"), DAY).unwrap());
}

#[test]
fn garbage_in_the_file_costs_nothing_else() {
    let disk = MemoryDisk::new();
    duplicates(&disk).keep(&[(reply_to("ana"), DAY)]).unwrap();
    let path = Path::new(HOME).join("sieve/tepui-duplicates");
    let mut content = b"x\n99 zz\n\xff\xff 1\n99999999999999999999 00\n1 \xc3\xa9\n".to_vec();
    content.extend(disk.read(&path).unwrap());
    disk::replace(&disk, &path, &content).unwrap();
    assert!(duplicates(&disk).all().unwrap().contains(&reply_to("ana")));
    assert!(duplicates(&disk).claim(reply_to("bob"), DAY).unwrap());
    assert!(duplicates(&disk).all().unwrap().contains(&reply_to("ana")));
}

#[test]
fn after_a_cut_what_was_claimed_is_not_claimed_again() {
    let start = MemoryDisk::new();
    duplicates(&start).keep(&[(reply_to("old"), DAY)]).unwrap();
    let scenario = |disk: &MemoryDisk| -> Result<bool> { duplicates(disk).claim(reply_to("ana"), DAY) };
    every_cut_from(&start, scenario, |disk, cut| {
        let duplicates = duplicates(&disk);
        assert!(duplicates.all().unwrap().contains(&reply_to("old")));
        let again = duplicates.claim(reply_to("ana"), DAY).unwrap();
        assert!(!(cut.finished && again));
    });
}
