//! The manners of NFS, one by one: what a client believes, what it loses, and that the door's promises hold all the same.

use std::path::Path;
use std::time::Duration;

use disk::{Clock, Disk, Dotlock, DotlockSettings, Error, Fault, Manners, MemoryDisk, Op};

const A: &str = "/a";
const B: &str = "/b";

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn write(disk: &MemoryDisk, name: &str, content: &[u8]) {
    let mut file = disk.create_new(path(name)).unwrap();
    file.write_all(content).unwrap();
    file.sync().unwrap();
}

/// Believes what it heard for an hour or so.
fn believer(server: &MemoryDisk) -> MemoryDisk {
    let cache_max = Duration::from_secs(7200);
    // A seed whose first answers are believed for long.
    server.nfs_client(Manners { seed: 4, cache_max, ..Manners::default() })
}

fn losing(server: &MemoryDisk) -> MemoryDisk {
    server.nfs_client(Manners { lost_replies: 1, ..Manners::default() })
}

#[test]
fn stat_may_be_old_and_open_is_not() {
    let server = MemoryDisk::new();
    write(&server, A, b"one");
    let client = believer(&server);
    assert_eq!(client.stat(path(A)).unwrap().len, 3);
    server.append(path(A)).unwrap().write_all(b", two").unwrap();
    assert_eq!(client.stat(path(A)).unwrap().len, 3);
    assert_eq!(client.open(path(A)).unwrap().stat().unwrap().len, 8);
    assert_eq!(client.read(path(A)).unwrap(), b"one, two");
}

#[test]
fn name_not_found_is_not_asked_for_again_until_its_folder_is_opened() {
    let server = MemoryDisk::new();
    let client = believer(&server);
    assert!(matches!(client.open(path(A)), Err(Error::NotFound { .. })));
    write(&server, A, b"one");
    assert!(matches!(client.open(path(A)), Err(Error::NotFound { .. })));
    assert!(matches!(client.rename(path(A), path(B)), Err(Error::NotFound { .. })));
    // What goes to the server hears the truth.
    assert!(matches!(client.create_new(path(A)), Err(Error::Exists { .. })));
    server.remove(path(A)).unwrap();
    assert!(client.open(path(A)).is_err());
    write(&server, A, b"two");
    client.list(path("/")).unwrap();
    assert_eq!(client.read(path(A)).unwrap(), b"two");
}

#[test]
fn file_replaced_by_another_node_is_found_by_its_name() {
    let server = MemoryDisk::new();
    write(&server, A, b"old");
    let client = believer(&server);
    let opened = client.open(path(A)).unwrap();
    disk::replace(&server, path(A), b"new").unwrap();
    assert_eq!(client.read(path(A)).unwrap(), b"new");
    assert!(matches!(opened.read_at(0, &mut [0; 3]), Err(Error::Stale { .. })));
}

#[test]
fn file_renamed_by_another_node_is_opened_by_its_old_name() {
    let server = MemoryDisk::new();
    write(&server, A, b"moved");
    let client = believer(&server);
    client.open(path(A)).unwrap();
    server.rename(path(A), path(B)).unwrap();
    assert_eq!(client.read(path(A)).unwrap(), b"moved");
    client.open(path("/")).unwrap();
    assert!(matches!(client.read(path(A)), Err(Error::NotFound { .. })));
}

#[test]
fn own_changes_are_seen_at_once() {
    let server = MemoryDisk::new();
    let client = believer(&server);
    assert!(client.stat(path(A)).is_err());
    write(&client, A, b"one");
    assert_eq!(client.stat(path(A)).unwrap().len, 3);
    client.rename(path(A), path(B)).unwrap();
    assert!(client.stat(path(A)).is_err());
    client.remove(path(B)).unwrap();
    assert!(client.stat(path(B)).is_err());
}

#[test]
fn rename_and_link_whose_answers_got_lost_count_as_done_and_a_removal_does_not() {
    let server = MemoryDisk::new();
    write(&server, A, b"one");
    let client = losing(&server);
    client.rename(path(A), path(B)).unwrap();
    client.link(path(B), path(A)).unwrap();
    assert_eq!(server.stat(path(A)).unwrap().links, 2);
    client.rename_new(path(A), path("/c")).unwrap();
    assert!(matches!(client.remove(path("/c")), Err(Error::NotFound { .. })));
    assert!(matches!(client.create_dir(path("/d")), Err(Error::Exists { .. })));
    assert!(matches!(client.create_new(path("/e")), Err(Error::Exists { .. })));
    client.create_dir_all(path("/x/y/z")).unwrap();
    assert_eq!(server.list(path("/")).unwrap().len(), 4);
}

#[test]
fn lost_answers_do_not_hide_what_another_node_did() {
    let server = MemoryDisk::new();
    write(&server, A, b"ours");
    write(&server, B, b"theirs");
    let client = losing(&server);
    assert!(matches!(client.link(path(A), path(B)), Err(Error::Exists { .. })));
    assert!(matches!(client.rename(path("/no"), path(B)), Err(Error::NotFound { .. })));
}

#[test]
fn settling_believes_no_old_name() {
    let server = MemoryDisk::new();
    write(&server, A, b"one");
    let cache_max = Duration::from_secs(7200);
    let client = server.nfs_client(Manners { seed: 4, cache_max, lost_replies: 1, ..Manners::default() });
    assert!(client.stat(path(B)).is_err());
    client.rename(path(A), path(B)).unwrap();
}

#[test]
fn file_removed_while_open_keeps_a_silly_name_until_it_is_closed() {
    let server = MemoryDisk::new();
    write(&server, A, b"one");
    let client = believer(&server);
    let opened = client.open(path(A)).unwrap();
    client.remove(path(A)).unwrap();
    let names = || server.list(path("/")).unwrap().into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    assert!(names()[0].to_str().unwrap().starts_with(".nfs"));
    let mut buf = [0; 3];
    assert_eq!((opened.read_at(0, &mut buf).unwrap(), &buf), (3, b"one"));
    drop(opened);
    assert!(names().is_empty());
}

#[test]
fn file_replaced_while_open_keeps_a_silly_name_too() {
    let server = MemoryDisk::new();
    write(&server, A, b"old");
    let client = believer(&server);
    let opened = client.open(path(A)).unwrap();
    disk::replace(&client, path(A), b"new").unwrap();
    assert_eq!(opened.len().unwrap(), 3);
    assert_eq!(server.list(path("/")).unwrap().len(), 2);
    drop(opened);
    assert_eq!(server.list(path("/")).unwrap().len(), 1);
}

#[test]
fn two_clients_that_append_without_a_lock_overwrite_each_other() {
    let server = MemoryDisk::new();
    write(&server, A, b"head,");
    let (one, two) = (believer(&server), believer(&server));
    let (mut by_one, mut by_two) = (one.append(path(A)).unwrap(), two.append(path(A)).unwrap());
    by_one.write_all(b"one").unwrap();
    by_two.write_all(b"two").unwrap();
    assert_eq!(server.read(path(A)).unwrap(), b"head,two");
}

#[test]
fn listing_kept_by_the_client_hides_a_change_within_one_tick_of_the_servers_clock() {
    let server = MemoryDisk::new();
    server.set_tick(Duration::from_secs(1));
    write(&server, A, b"");
    let client = server.nfs_client(Manners { keeps_listings: true, ..Manners::default() });
    assert_eq!(client.list(path("/")).unwrap().len(), 1);
    write(&server, B, b"");
    assert_eq!(client.list(path("/")).unwrap().len(), 1);
    server.advance(Duration::from_secs(1));
    write(&server, "/c", b"");
    assert_eq!(client.list(path("/")).unwrap().len(), 3);
}

#[test]
fn file_times_are_whole_ticks() {
    let server = MemoryDisk::new();
    server.set_tick(Duration::from_millis(10));
    for name in [A, B] {
        server.advance(Duration::from_micros(3333));
        write(&server, name, b"");
        let changed = server.stat(path(name)).unwrap().changed;
        assert_eq!(changed.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() % 10_000, 0);
    }
}

#[test]
fn faults_come_by_themselves_and_the_same_seed_brings_the_same() {
    let run = |seed| {
        let server = MemoryDisk::new();
        let client = server.nfs_client(Manners { seed, faults: 5, ..Manners::default() });
        (0..50).map(|n| client.create_dir(path(&format!("/{n}"))).is_ok()).collect::<Vec<_>>()
    };
    assert!(run(1).contains(&false) && run(1).contains(&true));
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn used_up_quota_is_told_from_a_full_disk() {
    let disk = MemoryDisk::new();
    disk.fail_next(Op::Create, Fault::OverQuota);
    let error = disk.create_new(path(A)).unwrap_err();
    assert!(matches!(error, Error::NoSpace { quota: true, .. }));
    assert_eq!(error.to_string(), "/a: disk quota of our user exceeded");
}

#[test]
fn clocks_that_are_wrong_by_minutes_override_no_lock_early_and_none_late() {
    let settings = DotlockSettings { wait: Duration::from_secs(1), ..DotlockSettings::default() };
    let minutes = Duration::from_secs(600);
    let clocks = [
        Clock { ahead: minutes, ..Clock::default() },
        Clock { behind: minutes, ..Clock::default() },
        Clock { gains: 500, ..Clock::default() },
    ];
    for clock in clocks {
        let server = MemoryDisk::new();
        let node = server.nfs_client(Manners { clock, ..Manners::default() });
        let held = Dotlock::acquire(&server, path(A), &settings).unwrap();
        assert!(matches!(Dotlock::acquire(&node, path(A), &settings), Err(Error::Locked { .. })));
        server.advance(settings.stale - Duration::from_secs(5));
        assert!(matches!(Dotlock::acquire(&node, path(A), &settings), Err(Error::Locked { .. })));
        server.advance(Duration::from_secs(5));
        Dotlock::acquire(&node, path(A), &settings).unwrap();
        assert!(held.verify().is_err());
    }
}

#[test]
fn lock_made_by_a_call_whose_answer_got_lost_is_waited_for_and_then_overridden() {
    let server = MemoryDisk::new();
    let client = losing(&server);
    assert!(matches!(client.create_new(path("/a.lock")), Err(Error::Exists { .. })));
    client.calm();
    Dotlock::acquire(&client, path(A), &DotlockSettings::default()).unwrap();
}
