//! The dot lock: excludes, waits, is overridden when stale and only then, and tells who lost it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::{Disk, Dotlock, DotlockSettings, Error, Manners, MemoryDisk, Op, Pace, RealDisk, every_cut_from};

const UIDLIST: &str = "/uidlist";
const LOCK: &str = "/uidlist.lock";

/// Gives up before anything is stale.
fn impatient() -> DotlockSettings {
    DotlockSettings { wait: Duration::from_secs(1), ..DotlockSettings::default() }
}

fn patient() -> DotlockSettings {
    DotlockSettings::default()
}

fn acquire<'d>(disk: &'d MemoryDisk, settings: &DotlockSettings) -> disk::Result<Dotlock<'d>> {
    Dotlock::acquire(disk, Path::new(UIDLIST), settings)
}

/// A lock that Dovecot on a host that died has left, empty as it makes those it fills later.
fn leave_lock_of_another_host(disk: &MemoryDisk) {
    disk.create_new(Path::new(LOCK)).unwrap().write_all(b"4711:elsewhere").unwrap();
}

fn files(disk: &MemoryDisk) -> Vec<String> {
    disk.list(Path::new("/")).unwrap().into_iter().map(|entry| entry.name.into_string().unwrap()).collect()
}

#[test]
fn held_lock_names_its_holder_as_dovecot_does_and_is_gone_when_dropped() {
    let room = tempfile::tempdir().unwrap();
    let (path, lock) = (room.path().join("dovecot-uidlist"), room.path().join("dovecot-uidlist.lock"));
    let disk = RealDisk::new().unwrap();
    let held = Dotlock::acquire(&disk, &path, &impatient()).unwrap();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(fs::read_to_string(&lock).unwrap(), format!("{}:{}", std::process::id(), host.trim()));
    held.replace_with(b"3 V1 N1\n").unwrap();
    assert!(lock.exists());
    drop(held);
    let left: Vec<_> = fs::read_dir(room.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["dovecot-uidlist"]);
    assert_eq!(fs::read(&path).unwrap(), b"3 V1 N1\n");
}

#[test]
fn second_holder_waits_its_time_and_no_longer() {
    let disk = MemoryDisk::new();
    let other = disk.another_node(Duration::ZERO);
    let held = acquire(&disk, &patient()).unwrap();
    let before = disk.now();
    assert!(matches!(acquire(&other, &impatient()), Err(Error::Locked { path }) if path == Path::new(LOCK)));
    let waited = disk.now().duration_since(before).unwrap();
    assert!(waited >= impatient().wait && waited < 2 * impatient().wait);
    held.release().unwrap();
    acquire(&other, &impatient()).unwrap();
    assert_eq!(files(&disk), [""; 0]);
}

#[test]
fn threads_that_count_under_the_lock_lose_no_count() {
    let room = tempfile::tempdir().unwrap();
    let path = &room.path().join("count");
    let disk = &RealDisk::new().unwrap();
    disk::replace(disk, path, b"0").unwrap();
    let settings = &DotlockSettings { poll: Duration::from_micros(50), ..patient() };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                for _ in 0..25 {
                    let lock = Dotlock::acquire(disk, path, settings).unwrap();
                    let count: u32 = String::from_utf8(disk.read(path).unwrap()).unwrap().parse().unwrap();
                    lock.replace_with((count + 1).to_string().as_bytes()).unwrap();
                    lock.release().unwrap();
                }
            });
        }
    });
    assert_eq!(disk.read(path).unwrap(), b"100");
}

#[test]
fn lock_left_by_a_host_that_died_is_overridden_when_stale() {
    let disk = MemoryDisk::new();
    leave_lock_of_another_host(&disk);
    let before = disk.now();
    let held = acquire(&disk, &patient()).unwrap();
    assert!(disk.now().duration_since(before).unwrap() >= patient().stale - patient().poll);
    held.verify().unwrap();
    drop(held);
    assert_eq!(files(&disk), [""; 0]);
}

#[test]
fn lock_left_long_ago_is_overridden_at_once() {
    let disk = MemoryDisk::new();
    leave_lock_of_another_host(&disk);
    disk.advance(patient().stale);
    let before = disk.now();
    acquire(&disk, &patient()).unwrap();
    assert!(disk.now().duration_since(before).unwrap() < Duration::from_secs(1));
}

#[test]
fn lock_of_a_killed_process_of_this_host_is_overridden_at_once() {
    let disk = MemoryDisk::new();
    std::mem::forget(acquire(&disk, &patient()).unwrap());
    disk.kill();
    let elsewhere = disk.another_node(Duration::ZERO);
    assert!(matches!(acquire(&elsewhere, &impatient()), Err(Error::Locked { .. })));
    acquire(&disk.restart(), &impatient()).unwrap();
}

#[test]
fn node_with_a_wrong_clock_overrides_nothing() {
    let disk = MemoryDisk::new();
    let _held = acquire(&disk, &patient()).unwrap();
    let tomorrow = disk.another_node(Duration::from_secs(86_400));
    assert!(matches!(acquire(&tomorrow, &impatient()), Err(Error::Locked { .. })));
}

#[test]
fn holder_that_shows_it_is_alive_is_not_overridden() {
    let disk = MemoryDisk::new();
    let other = disk.another_node(Duration::ZERO);
    let mut held = acquire(&disk, &patient()).unwrap();
    for sign in ["touch", "write", "write", "touch", "write"] {
        disk.advance(patient().stale - Duration::from_secs(10));
        match sign {
            "touch" => held.touch().unwrap(),
            _ => held.replace_with(b"progress").unwrap(),
        }
        assert!(matches!(acquire(&other, &impatient()), Err(Error::Locked { .. })));
    }
    held.verify().unwrap();
}

#[test]
fn holder_whose_lock_was_overridden_writes_nothing_and_takes_nothing_away() {
    let disk = MemoryDisk::new();
    let other = disk.another_node(Duration::ZERO);
    let mut slept = acquire(&disk, &patient()).unwrap();
    let thief = acquire(&other, &patient()).unwrap();
    thief.replace_with(b"theirs").unwrap();
    assert!(matches!(slept.replace_with(b"ours"), Err(Error::LockLost { .. })));
    assert!(matches!(slept.touch(), Err(Error::LockLost { .. })));
    assert!(matches!(slept.release(), Err(Error::LockLost { .. })));
    assert_eq!(disk.read(Path::new(UIDLIST)).unwrap(), b"theirs");
    thief.verify().unwrap();
    assert_eq!(files(&disk), ["uidlist", "uidlist.lock"]);
}

#[test]
fn lock_that_could_not_be_signed_is_taken_away_again() {
    let disk = MemoryDisk::new();
    disk.fail_next(Op::Write, disk::Fault::NoSpace);
    assert!(matches!(acquire(&disk, &impatient()), Err(Error::NoSpace { .. })));
    assert_eq!(files(&disk), [""; 0]);
}

/// Stops a node before its first call of one kind, while others do something.
struct Stop {
    before: Op,
    path_begins: &'static str,
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stops before {} of {}", self.before, self.path_begins)
    }
}

impl Pace for Stop {
    fn turn(&self, op: Op, path: &Path) {
        if op == self.before && path.to_str().is_some_and(|path| path.starts_with(self.path_begins)) {
            let meanwhile = self.meanwhile.lock().unwrap().take();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
        }
    }

    fn sleep(&self, _: Duration) {}

    fn chance(&self) -> u64 {
        0
    }
}

/// A node that, before such a call, stops for as long as a lock is respected, while another takes the lock and writes.
fn stopped(server: &MemoryDisk, manners: Manners, before: Op, path_begins: &'static str) -> MemoryDisk {
    let (server, thief) = (server.clone(), server.nfs_client(Manners::default()));
    let node = server.nfs_client(manners);
    let meanwhile = move || {
        server.advance(patient().stale);
        let lock = acquire(&thief, &patient()).unwrap();
        let mut file = thief.append(Path::new(UIDLIST)).unwrap();
        file.write_all(b"theirs,").unwrap();
        file.sync().unwrap();
        lock.replace_beside(Path::new("/keywords"), b"theirs").unwrap();
        lock.release().unwrap();
    };
    node.paced(Arc::new(Stop { before, path_begins, meanwhile: Mutex::new(Some(Box::new(meanwhile))) }))
}

/// With names and attributes that are believed for long, and without.
fn manners() -> [Manners; 2] {
    [Manners::default(), Manners { seed: 4, cache_max: Duration::from_secs(7200), ..Manners::default() }]
}

fn listed() -> MemoryDisk {
    let server = MemoryDisk::new();
    disk::replace(&server, Path::new(UIDLIST), b"old,").unwrap();
    disk::replace(&server, Path::new("/keywords"), b"old").unwrap();
    server
}

#[test]
fn owner_stopped_before_its_rename_is_kept_out_by_the_fence() {
    for manners in manners() {
        let server = listed();
        let node = stopped(&server, manners, Op::Rename, "/uidlist.tmp.");
        let lock = acquire(&node, &patient()).unwrap();
        assert!(lock.replace_with(b"ours").is_err());
        drop(lock);
        assert_eq!(server.read(Path::new(UIDLIST)).unwrap(), b"old,theirs,");
        let mut left = files(&server);
        left.sort();
        assert_eq!(left, ["keywords", "uidlist"]);
    }
}

#[test]
fn owner_stopped_before_it_replaces_another_file_is_kept_out_too() {
    let server = listed();
    let node = stopped(&server, Manners::default(), Op::Rename, "/uidlist.tmp.");
    let lock = acquire(&node, &patient()).unwrap();
    assert!(lock.replace_beside(Path::new("/keywords"), b"ours").is_err());
    assert_eq!(server.read(Path::new("/keywords")).unwrap(), b"theirs");
}

#[test]
fn owner_stopped_before_it_appends_writes_into_nothing_and_learns_it() {
    for manners in manners() {
        let server = listed();
        let node = stopped(&server, manners, Op::Write, UIDLIST);
        let lock = acquire(&server, &patient()).unwrap();
        let mut file = node.append(Path::new(UIDLIST)).unwrap();
        lock.verify().unwrap();
        let _ = file.write_all(b"ours,");
        assert!(matches!(lock.verify(), Err(Error::LockLost { .. })));
        assert_eq!(server.read(Path::new(UIDLIST)).unwrap(), b"old,theirs,");
    }
}

#[test]
fn fence_that_is_cut_at_any_call_leaves_the_content_whole() {
    let server = listed();
    disk::replace(&server, Path::new("/uidlist.tmp.7.elsewhere.0"), b"half").unwrap();
    leave_lock_of_another_host(&server);
    server.sync_dir(Path::new("/")).unwrap();
    server.advance(patient().stale);
    every_cut_from(
        &server,
        |disk| acquire(disk, &patient()).and_then(Dotlock::release),
        |disk, cut| {
            assert_eq!(disk.read(Path::new(UIDLIST)).unwrap(), b"old,");
            assert!(!cut.finished || disk.stat(Path::new("/uidlist.tmp.7.elsewhere.0")).is_err());
        },
    );
}

/// Sees that a lock file is there at each call of a node.
#[derive(Debug)]
struct NeverFree(MemoryDisk);

impl Pace for NeverFree {
    fn turn(&self, op: Op, path: &Path) {
        assert!(self.0.stat(Path::new(LOCK)).is_ok(), "the lock is free before {op} of {}", path.display());
    }

    fn sleep(&self, _: Duration) {}

    fn chance(&self) -> u64 {
        0
    }
}

#[test]
fn stale_lock_is_overridden_without_a_moment_in_which_it_is_free() {
    let server = listed();
    leave_lock_of_another_host(&server);
    server.advance(patient().stale);
    let heir = server.another_node(Duration::ZERO).paced(Arc::new(NeverFree(server.clone())));
    let lock = acquire(&heir, &patient()).unwrap();
    lock.verify().unwrap();
    let mut left = files(&server);
    left.sort();
    assert_eq!(left, ["keywords", "uidlist", "uidlist.lock"]);
}

#[test]
fn lock_stays_where_the_fence_cannot_be_put_up() {
    let server = listed();
    disk::replace(&server, Path::new("/uidlist.tmp.7.elsewhere.0"), b"half").unwrap();
    leave_lock_of_another_host(&server);
    server.advance(patient().stale);
    // Of the fence: what is signed before is not synced.
    server.fail_next(Op::Sync, disk::Fault::NoSpace);
    assert!(matches!(acquire(&server, &patient()), Err(Error::NoSpace { .. })));
    let heir = server.another_node(Duration::ZERO);
    assert!(matches!(acquire(&heir, &impatient()), Err(Error::Locked { .. })));
    let old = server.stat(Path::new(UIDLIST)).unwrap();
    acquire(&heir, &patient()).unwrap().release().unwrap();
    assert!(!server.stat(Path::new(UIDLIST)).unwrap().same_file(&old), "no fence");
    let mut left = files(&server);
    left.sort();
    assert_eq!(left, ["keywords", "uidlist"]);
}

#[test]
fn owner_stopped_before_it_appends_to_another_file_is_kept_out_too() {
    for manners in manners() {
        let server = listed();
        let changes = Path::new("/changes");
        disk::replace(&server, changes, b"old,").unwrap();
        let (slept, thief) = (server.nfs_client(manners), server.nfs_client(Manners::default()));
        let take = |disk| Dotlock::acquire_for(disk, Path::new(UIDLIST), vec![changes.to_owned()], &patient());
        let lock = take(&slept).unwrap();
        let mut file = slept.append(changes).unwrap();
        lock.verify().unwrap();
        server.advance(patient().stale);
        let stolen = take(&thief).unwrap();
        let mut theirs = thief.append(changes).unwrap();
        theirs.write_all(b"theirs,").unwrap();
        drop(theirs);
        stolen.release().unwrap();
        let _ = file.write_all(b"ours,");
        assert!(matches!(lock.verify(), Err(Error::LockLost { .. })));
        assert_eq!(server.read(changes).unwrap(), b"old,theirs,");
    }
}

/// The lock of one who overrode another is removed by that one, who was stopped before that.
#[test]
fn owner_stopped_before_it_removes_its_lock_keeps_out_whose_lock_that_is_by_now() {
    let server = listed();
    let robbed = server.nfs_client(Manners::default());
    let held: Arc<Mutex<Option<Box<dyn disk::WriteFile>>>> = Arc::default();
    let meanwhile = {
        let (server, robbed, held) = (server.clone(), robbed.clone(), Arc::clone(&held));
        move || {
            server.advance(patient().stale);
            let lock = acquire(&robbed, &patient()).unwrap();
            *held.lock().unwrap() = Some(robbed.append(Path::new(UIDLIST)).unwrap());
            lock.verify().unwrap();
            std::mem::forget(lock);
        }
    };
    let stop = Stop { before: Op::Remove, path_begins: LOCK, meanwhile: Mutex::new(Some(Box::new(meanwhile))) };
    let node = server.nfs_client(Manners::default()).paced(Arc::new(stop));
    acquire(&node, &patient()).unwrap().release().unwrap();
    // Here a third comes in, and builds on what it finds.
    let third = acquire(&server, &patient()).unwrap();
    let found = server.read(Path::new(UIDLIST)).unwrap();
    let _ = held.lock().unwrap().take().unwrap().write_all(b"robbed,");
    assert_eq!(server.read(Path::new(UIDLIST)).unwrap(), found);
    third.release().unwrap();
}

#[test]
fn file_that_was_replaced_and_perhaps_not_durably_is_written_anew_before_the_lock_is_free() {
    let server = listed();
    let lock = acquire(&server, &patient()).unwrap();
    server.fail_next(Op::SyncDir, disk::Fault::Broken);
    assert!(lock.replace_beside(Path::new("/keywords"), b"young").is_err());
    drop(lock);
    let heir = server.another_node(Duration::ZERO);
    let _lock = acquire(&heir, &impatient()).unwrap();
    let rebooted = server.reboot(disk::Survival::Nothing);
    assert_eq!(rebooted.read(Path::new("/keywords")).unwrap(), b"young");
}

#[test]
fn file_that_cannot_be_made_durable_is_written_anew_by_the_next_owner() {
    let server = listed();
    let lock = acquire(&server, &patient()).unwrap();
    // The second time when the owner tries to mend it.
    server.fail_next(Op::SyncDir, disk::Fault::Broken);
    server.fail_next(Op::SyncDir, disk::Fault::Broken);
    assert!(lock.replace_beside(Path::new("/keywords"), b"young").is_err());
    drop(lock);
    let heir = server.another_node(Duration::ZERO);
    assert!(matches!(acquire(&heir, &impatient()), Err(Error::Locked { .. })));
    let lock = acquire(&heir, &patient()).unwrap();
    assert_eq!(heir.read(Path::new("/keywords")).unwrap(), b"young");
    let rebooted = server.reboot(disk::Survival::Nothing);
    assert_eq!(rebooted.read(Path::new("/keywords")).unwrap(), b"young");
    drop(lock);
}
