//! What a power cut leaves, what a failed sync poisons, and that the harness which proves it for others can fail.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use disk::{Disk, Dotlock, DotlockSettings, Error, Fault, MemoryDisk, Op, Survival, every_cut, every_cut_from};

const A: &str = "/a";

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn write(disk: &MemoryDisk, name: &str, content: &[u8]) -> disk::Result<()> {
    let mut file = disk.create_new(path(name))?;
    file.write_all(content)?;
    file.sync()
}

fn exists(disk: &MemoryDisk, name: &str) -> bool {
    match disk.stat(path(name)) {
        Ok(_) => true,
        Err(Error::NotFound { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

/// A disk with the file `/a`, durable.
fn prepared() -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk::replace(&disk, path(A), b"old content").unwrap();
    disk
}

#[test]
fn replaced_file_is_old_or_new_after_a_cut_at_every_call_and_never_torn() {
    let (old, new) = (Cell::new(false), Cell::new(false));
    let calls = every_cut_from(
        &prepared(),
        |disk| disk::replace(disk, path(A), b"new content, and longer"),
        |disk, cut| {
            let content = disk.read(path(A)).unwrap();
            match &content[..] {
                b"old content" if !cut.finished => old.set(true),
                b"new content, and longer" => new.set(true),
                other => panic!("found {:?}", String::from_utf8_lossy(other)),
            }
        },
    );
    // create, write, sync, rename, sync of the folder.
    assert_eq!(calls, 5);
    assert!(old.get() && new.get());
}

#[test]
fn locked_file_is_whole_and_can_be_locked_again_after_a_cut_at_every_call() {
    let settings = DotlockSettings::default();
    every_cut_from(
        &prepared(),
        |disk| {
            let lock = Dotlock::acquire(disk, path(A), &settings)?;
            lock.replace_with(b"new")?;
            lock.release()
        },
        |disk, cut| {
            let lock = Dotlock::acquire(&disk, path(A), &settings).unwrap();
            let content = disk.read(path(A)).unwrap();
            assert!(content == b"new" || (content == b"old content" && !cut.finished));
            lock.replace_with(b"newer").unwrap();
            lock.release().unwrap();
            assert_eq!(disk.read(path(A)).unwrap(), b"newer");
        },
    );
}

#[test]
fn folders_made_by_create_dir_all_are_durable() {
    every_cut(
        |disk| disk.create_dir_all(path("/x/y/z")),
        |disk, cut| {
            assert!(exists(&disk, "/x/y/z") || !cut.finished);
            disk.create_dir_all(path("/x/y/z")).unwrap();
        },
    );
}

#[test]
fn harness_finds_a_forgotten_sync_of_the_file() {
    let torn = Cell::new(false);
    let careless = |disk: &MemoryDisk| {
        disk.create_new(path("/tmp"))?.write_all(b"new content")?;
        disk.rename(path("/tmp"), path(A))?;
        disk.sync_dir(path("/"))
    };
    every_cut_from(&prepared(), careless, |disk, _| {
        let content = disk.read(path(A)).unwrap();
        torn.set(torn.get() || (content != b"old content" && content != b"new content"));
    });
    assert!(torn.get());
}

#[test]
fn harness_finds_a_forgotten_sync_of_the_folder() {
    let lost = Cell::new(false);
    every_cut(|disk| write(disk, A, b"x"), |disk, cut| lost.set(lost.get() || (cut.finished && !exists(&disk, A))));
    assert!(lost.get());
}

#[test]
fn rename_between_folders_leaves_one_name_whichever_folder_was_synced() {
    for synced in [None, Some("/from"), Some("/to")] {
        let seen = Cell::new([false; 2]);
        let start = MemoryDisk::new();
        for dir in ["/from", "/to"] {
            start.create_dir_all(path(dir)).unwrap();
        }
        write(&start, "/from/m", b"mail").unwrap();
        let scenario = |disk: &MemoryDisk| {
            write(disk, "/to/before", b"")?;
            disk.rename(path("/from/m"), path("/to/m"))?;
            write(disk, "/from/after", b"")?;
            synced.map_or(Ok(()), |dir| disk.sync_dir(path(dir)))
        };
        every_cut_from(&start, scenario, |disk, cut| {
            let names = [exists(&disk, "/from/m"), exists(&disk, "/to/m")];
            assert_eq!(names.iter().filter(|there| **there).count(), 1, "{names:?}");
            assert!(names[1] || !cut.finished || synced.is_none());
            let found = if names[0] { "/from/m" } else { "/to/m" };
            assert_eq!(disk.read(path(found)).unwrap(), b"mail");
            seen.set([seen.get()[0] || names[0], seen.get()[1] || names[1]]);
        });
        assert_eq!(seen.get(), [true; 2]);
    }
}

#[test]
fn unsynced_tail_is_lost_torn_or_zeroed_and_what_was_synced_is_not() {
    let disk = MemoryDisk::new();
    let mut file = disk.append(path(A)).unwrap();
    file.write_all(b"synced").unwrap();
    file.sync().unwrap();
    disk.sync_dir(path("/")).unwrap();
    file.write_all(b"TAIL").unwrap();
    let after = |survival| disk.reboot(survival).read(path(A)).unwrap();
    assert_eq!(after(Survival::Nothing), b"synced");
    assert_eq!(after(Survival::Everything), b"syncedTAIL");
    let tails: Vec<Vec<u8>> = (0..64).map(|seed| after(Survival::Some(seed)).split_off(6)).collect();
    assert!(tails.iter().any(|tail| tail == b"TA"));
    assert!(tails.iter().any(|tail| tail == b"TA\0\0"));
    assert!(tails.iter().all(|tail| tail.iter().zip(b"TAIL").all(|(got, wrote)| got == wrote || *got == 0)));
    assert_eq!(after(Survival::Some(7)), after(Survival::Some(7)));
}

#[test]
fn file_whose_sync_failed_refuses_everything_and_a_second_sync_would_have_lied() {
    let disk = prepared();
    let mut file = disk.append(path(A)).unwrap();
    file.write_all(b", lost").unwrap();
    disk.fail_next(Op::Sync, Fault::Broken);
    assert!(matches!(file.sync(), Err(Error::Io { op: Op::Sync, .. })));
    assert!(file.write_all(b"x").is_err());
    assert!(file.sync().is_err());
    assert!(file.truncate(0).is_err());
    assert!(file.set_modified(disk.now()).is_err());
    // Still readable, synced "successfully" through another handle, and gone after the cut.
    assert_eq!(disk.read(path(A)).unwrap(), b"old content, lost");
    disk.append(path(A)).unwrap().sync().unwrap();
    assert_eq!(disk.reboot(Survival::Everything).read(path(A)).unwrap(), b"old content");
}

#[test]
fn failing_replace_leaves_the_old_content_and_no_litter() {
    for (op, fault) in [(Op::Write, Fault::NoSpace), (Op::Sync, Fault::Broken), (Op::Rename, Fault::Stale)] {
        let disk = prepared();
        disk.fail_next(op, fault);
        disk::replace(&disk, path(A), b"new").unwrap_err();
        assert_eq!(disk.read(path(A)).unwrap(), b"old content");
        assert_eq!(disk.list(path("/")).unwrap().len(), 1, "{op}");
    }
}

#[test]
fn write_that_found_the_disk_full_tells_how_much_is_there_and_can_be_cut_away() {
    let disk = prepared();
    let mut file = disk.append(path(A)).unwrap();
    let before = file.len();
    disk.fail_next(Op::Write, Fault::NoSpace);
    assert!(matches!(file.write_all(b"12345678"), Err(Error::NoSpace { .. })));
    assert_eq!((file.len(), disk.stat(path(A)).unwrap().len), (before + 4, before + 4));
    file.truncate(before).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.reboot(Survival::Nothing).read(path(A)).unwrap(), b"old content");
}

#[test]
fn call_at_the_cut_takes_effect_unheard_and_nothing_after_it_does() {
    let disk = MemoryDisk::new();
    disk.cut_power_at(2);
    let mut file = disk.create_new(path(A)).unwrap();
    assert!(matches!(file.write_all(b"unheard"), Err(Error::PowerOff)));
    assert!(matches!(file.write_all(b"never"), Err(Error::PowerOff)));
    assert!(matches!(disk.read(path(A)), Err(Error::PowerOff)));
    assert_eq!((disk.calls(), disk.power_is_on()), (2, false));
    assert_eq!(disk.reboot(Survival::Everything).read(path(A)).unwrap(), b"unheard");
}

#[test]
fn lock_is_free_after_its_process_was_killed_or_the_power_cut() {
    let disk = MemoryDisk::new();
    let other = disk.another_node(Duration::ZERO);
    let held = disk.try_lock(path(A)).unwrap().unwrap();
    assert!(other.try_lock(path(A)).unwrap().is_none());
    assert!(disk.reboot(Survival::Everything).try_lock(path(A)).unwrap().is_some());
    disk.kill();
    assert!(matches!(disk.stat(path(A)), Err(Error::PowerOff)));
    let taken = other.try_lock(path(A)).unwrap().unwrap();
    // The dead process's handle is dropped only now, and must not free what another took.
    drop(held);
    assert!(disk.restart().try_lock(path(A)).unwrap().is_none());
    drop(taken);
    other.cut_power_at(other.calls() + 1);
    assert!(matches!(other.try_lock(path(A)), Err(Error::PowerOff)));
}

#[test]
fn frozen_clock_gives_equal_times_until_it_is_moved() {
    let disk = prepared();
    disk.freeze_clock();
    let changed = || {
        disk.append(path(A)).unwrap().write_all(b"x").unwrap();
        disk.stat(path(A)).unwrap().modified
    };
    let first = changed();
    assert_eq!(changed(), first);
    disk.sleep(Duration::from_millis(5));
    assert!(changed() > first);
}

#[test]
fn removed_files_are_forgotten_unless_open_or_still_durable() {
    let disk = prepared();
    let durable = disk.open(path(A)).unwrap();
    disk.remove(path(A)).unwrap();
    write(&disk, "/open", b"open").unwrap();
    let open = disk.open(path("/open")).unwrap();
    disk.remove(path("/open")).unwrap();
    disk.create_dir(path("/churn")).unwrap();
    for _ in 0..3000 {
        write(&disk, "/churn/b", b"").unwrap();
        disk.remove(path("/churn/b")).unwrap();
        disk.sync_dir(path("/churn")).unwrap();
    }
    let mut buf = [0; 4];
    assert_eq!((open.read_at(0, &mut buf).unwrap(), &buf), (4, b"open"));
    drop(durable);
    assert_eq!(disk.reboot(Survival::Nothing).read(path(A)).unwrap(), b"old content");
}
