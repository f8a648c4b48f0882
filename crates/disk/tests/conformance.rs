//! Both twins give the same answers: each case runs on a real folder and in memory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use disk::{Disk, Error, Kind, MemoryDisk, RealDisk, Result};

macro_rules! on_both {
    ($($(#[$meta:meta])* fn $name:ident($disk:ident, $room:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            $(#[$meta])*
            fn case($disk: &dyn Disk, $room: &Path) $body

            #[test]
            fn on_a_real_folder() {
                let room = tempfile::tempdir().unwrap();
                case(&RealDisk::new().unwrap(), room.path());
            }

            #[test]
            fn in_memory() {
                let disk = MemoryDisk::new();
                disk.create_dir(Path::new("/room")).unwrap();
                case(&disk, Path::new("/room"));
            }
        }
    )*};
}

fn write(disk: &dyn Disk, path: &Path, content: &str) {
    let mut file = disk.create_new(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.sync().unwrap();
}

fn text(disk: &dyn Disk, path: &Path) -> String {
    String::from_utf8(disk.read(path).unwrap()).unwrap()
}

fn names(disk: &dyn Disk, path: &Path) -> BTreeMap<OsString, Kind> {
    disk.list(path).unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect()
}

/// The error without what may differ between kernels.
fn word<T>(answer: Result<T>) -> &'static str {
    match answer {
        Ok(_) => "done",
        Err(Error::NotFound { .. }) => "not found",
        Err(Error::Exists { .. }) => "exists",
        Err(Error::Io { .. }) => "io",
        Err(_) => "other",
    }
}

on_both! {
    fn new_file_is_made_once_and_read_back(disk, room) {
        let path = room.join("a");
        write(disk, &path, "hello");
        assert_eq!(text(disk, &path), "hello");
        assert!(matches!(disk.create_new(&path), Err(Error::Exists { path: told }) if told == path));
        assert_eq!(word(disk.open(&room.join("b"))), "not found");
        assert_eq!(word(disk.create_new(&room.join("no/such"))), "not found");
        assert_eq!(word(disk.open(&path.join("below"))), "io");
        assert_eq!(word(disk.read(room)), "io");
    }

    fn reading_gives_what_is_there_and_then_nothing(disk, room) {
        let path = room.join("a");
        write(disk, &path, "0123456789");
        let file = disk.open(&path).unwrap();
        let mut buf = [0; 4];
        assert_eq!((file.read_at(8, &mut buf).unwrap(), &buf[..2]), (2, &b"89"[..]));
        assert_eq!(file.read_at(10, &mut buf).unwrap(), 0);
        assert_eq!(file.read_at(1 << 40, &mut buf).unwrap(), 0);
        assert_eq!(file.len().unwrap(), 10);
    }

    fn appending_goes_to_the_end_and_truncating_cuts_it(disk, room) {
        let path = room.join("log");
        let mut file = disk.append(&path).unwrap();
        file.write_all(b"one,").unwrap();
        drop(file);
        let mut file = disk.append(&path).unwrap();
        assert_eq!(file.len(), 4);
        file.write_all(b"two,half").unwrap();
        assert_eq!(file.len(), 12);
        file.truncate(8).unwrap();
        file.write_all(b"three").unwrap();
        assert_eq!((file.len(), file.stat().unwrap().len), (13, 13));
        assert_eq!(text(disk, &path), "one,two,three");
    }

    fn new_file_cut_to_nothing_begins_anew(disk, room) {
        let path = room.join("a");
        let mut file = disk.create_new(&path).unwrap();
        file.write_all(b"pid").unwrap();
        file.truncate(0).unwrap();
        assert!(file.is_empty());
        file.write_all(b"x").unwrap();
        assert_eq!(text(disk, &path), "x");
    }

    fn rename_replaces_and_keeps_the_inode(disk, room) {
        let (a, b) = (room.join("a"), room.join("b"));
        write(disk, &a, "new");
        write(disk, &b, "old");
        let inode = disk.stat(&a).unwrap().inode;
        let old = disk.open(&b).unwrap();
        disk.rename(&a, &b).unwrap();
        assert_eq!((text(disk, &b).as_str(), disk.stat(&b).unwrap().inode), ("new", inode));
        assert_eq!(word(disk.stat(&a)), "not found");
        let mut buf = [0; 3];
        old.read_at(0, &mut buf).unwrap();
        assert_eq!((&buf, old.stat().unwrap().links), (b"old", 0));
        assert!(matches!(disk.rename(&a, &b), Err(Error::NotFound { path }) if path == a));
        assert!(matches!(disk.rename(&b, &room.join("no/such")), Err(Error::NotFound { path }) if path == b));
    }

    fn rename_new_never_replaces(disk, room) {
        let (a, b, c) = (room.join("a"), room.join("b"), room.join("c"));
        write(disk, &a, "a");
        write(disk, &b, "b");
        assert!(matches!(disk.rename_new(&a, &b), Err(Error::Exists { path }) if path == b));
        assert_eq!((text(disk, &a).as_str(), text(disk, &b).as_str()), ("a", "b"));
        disk.rename_new(&a, &c).unwrap();
        assert_eq!((text(disk, &c).as_str(), word(disk.stat(&a))), ("a", "not found"));
        assert_eq!(word(disk.rename_new(&a, &b)), "not found");
    }

    fn symbolic_link_is_followed_by_whoever_reads_and_by_nobody_else(disk, room) {
        let (script, link, loose) = (room.join("script"), room.join("link"), room.join("loose"));
        write(disk, &script, "keep;");
        disk.symlink(Path::new("script"), &link).unwrap();
        assert_eq!(disk.read_link(&link).unwrap(), Path::new("script"));
        assert_eq!((text(disk, &link).as_str(), disk.stat(&link).unwrap().kind), ("keep;", Kind::File));
        assert_eq!((disk.kind(&link).unwrap(), names(disk, room)[&OsString::from("link")]), (Kind::Other, Kind::Other));
        assert_eq!((word(disk.open_plain(&link)), word(disk.append(&link))), ("io", "io"));
        assert_eq!((word(disk.symlink(&script, &link)), word(disk.read_link(&script))), ("exists", "io"));
        disk.symlink(Path::new("nowhere"), &loose).unwrap();
        assert_eq!((word(disk.open(&loose)), word(disk.stat(&loose)), disk.kind(&loose).unwrap()), ("not found", "not found", Kind::Other));
        // Renamed over another, it is still the link; removed, what it led to stays.
        disk.rename(&loose, &link).unwrap();
        assert_eq!(disk.read_link(&link).unwrap(), Path::new("nowhere"));
        disk.remove(&link).unwrap();
        assert_eq!((word(disk.kind(&link)), text(disk, &script).as_str()), ("not found", "keep;"));
    }

    fn symbolic_link_to_itself_leads_nowhere(disk, room) {
        let link = room.join("link");
        disk.symlink(Path::new("link"), &link).unwrap();
        assert_eq!((word(disk.open(&link)), word(disk.stat(&link))), ("io", "io"));
    }

    fn link_gives_a_second_name_and_may_be_said_twice(disk, room) {
        let (a, b, c) = (room.join("a"), room.join("b"), room.join("c"));
        write(disk, &a, "a");
        write(disk, &c, "c");
        disk.link(&a, &b).unwrap();
        // What NFS makes of a link whose answer got lost.
        disk.link(&a, &b).unwrap();
        assert_eq!(disk.stat(&a).unwrap().links, 2);
        assert!(disk.stat(&a).unwrap().same_file(&disk.stat(&b).unwrap()));
        assert!(matches!(disk.link(&a, &c), Err(Error::Exists { path }) if path == c));
        assert_eq!(word(disk.link(&room.join("no"), &c)), "not found");
        // POSIX: renaming one name of a file to another of the same file does nothing.
        disk.rename(&a, &b).unwrap();
        assert_eq!(text(disk, &a), "a");
        disk.remove(&a).unwrap();
        assert_eq!((text(disk, &b).as_str(), disk.stat(&b).unwrap().links), ("a", 1));
        assert_eq!(word(disk.remove(&a)), "not found");
    }

    fn folders_are_made_listed_moved_and_removed(disk, room) {
        let deep = room.join("x/y/z");
        assert_eq!(word(disk.create_dir(&deep)), "not found");
        disk.create_dir_all(&deep).unwrap();
        disk.create_dir_all(&deep).unwrap();
        assert_eq!(word(disk.create_dir(&deep)), "exists");
        write(disk, &room.join("x/file"), "");
        let expected = BTreeMap::from([("file".into(), Kind::File), ("y".into(), Kind::Dir)]);
        assert_eq!(names(disk, &room.join("x")), expected);
        assert_eq!(word(disk.list(&room.join("x/file"))), "io");
        assert_eq!(word(disk.list(&room.join("no"))), "not found");
        assert_eq!(word(disk.create_dir_all(&room.join("x/file"))), "exists");
        disk.rename(&room.join("x/y"), &room.join("moved")).unwrap();
        assert_eq!(disk.open(&room.join("moved/z")).unwrap().stat().unwrap().kind, Kind::Dir);
        assert_eq!(word(disk.remove_dir(&room.join("moved"))), "io");
        assert_eq!(word(disk.remove(&room.join("moved"))), "io");
        assert_eq!(word(disk.rename(room, &room.join("moved/inside"))), "io");
        disk.remove_dir(&room.join("moved/z")).unwrap();
        disk.remove_dir(&room.join("moved")).unwrap();
        assert_eq!(word(disk.stat(&room.join("moved"))), "not found");
        assert_eq!(word(disk.sync_dir(&room.join("moved"))), "not found");
    }

    fn times_are_kept_to_the_nanosecond(disk, room) {
        let path = room.join("a");
        write(disk, &path, "a");
        let time = UNIX_EPOCH + Duration::new(1_500_000_000, 123_456_789);
        disk.set_modified(&path, time).unwrap();
        assert_eq!(disk.stat(&path).unwrap().modified, time);
        assert!(disk.stat(&path).unwrap().changed > time);
        let later = time + Duration::from_nanos(1);
        let mut file = disk.append(&path).unwrap();
        file.set_modified(later).unwrap();
        file.sync().unwrap();
        assert_eq!((file.stat().unwrap().modified, disk.stat(&path).unwrap().modified), (later, later));
        assert_eq!(word(disk.set_modified(&room.join("b"), SystemTime::now())), "not found");
    }

    fn lock_excludes_until_it_is_dropped(disk, room) {
        let path = room.join("lease");
        let held = disk.try_lock(&path).unwrap().expect("nobody holds it");
        assert!(disk.try_lock(&path).unwrap().is_none());
        assert!(disk.try_lock(&room.join("other")).unwrap().is_some());
        drop(held);
        assert!(disk.try_lock(&path).unwrap().is_some());
    }

    fn lock_on_a_file_that_was_replaced_excludes_nobody_on_the_new_one(disk, room) {
        let path = room.join("lease");
        let _held = disk.try_lock(&path).unwrap().expect("nobody holds it");
        disk.remove(&path).unwrap();
        assert!(disk.try_lock(&path).unwrap().is_some());
    }

    fn replace_makes_or_replaces_and_leaves_nothing_beside(disk, room) {
        let path = room.join("small");
        disk::replace(disk, &path, b"first").unwrap();
        disk::replace(disk, &path, b"second").unwrap();
        assert_eq!(text(disk, &path), "second");
        assert_eq!(names(disk, room).len(), 1);
    }

    fn only_a_gone_process_of_this_host_is_gone(disk, _room) {
        let me = disk.holder();
        let (_, host) = me.split_once(':').unwrap();
        assert!(!disk.holder_is_gone(&me));
        // Above the highest process id Linux gives (2^22).
        assert!(disk.holder_is_gone(&format!("99999999:{host}")));
        assert!(!disk.holder_is_gone(&format!("99999999:{host}.elsewhere")));
        for junk in ["", ":", "99999999", "3 V1 N2 G3\n1 :a:b", &format!(":{host}"), &format!("-1:{host}"), &format!("0:{host}")] {
            assert!(!disk.holder_is_gone(junk), "{junk:?}");
        }
    }
}
