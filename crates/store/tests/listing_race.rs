//! A file that another node renames while a folder is listed may be missing from that listing, by POSIX. It must not count
//! as expunged.

mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use disk::{Disk, Entry, Lock, MemoryDisk, ReadFile, Result, Stat, WriteFile};
use mail::Flags;
use store::{Access, Settings, Store};
use world::*;

/// Forgets the message files of one listing, when told to.
#[derive(Debug)]
struct Blinking {
    disk: MemoryDisk,
    blink: AtomicBool,
}

impl Disk for Blinking {
    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let mut entries = self.disk.list(path)?;
        if path.ends_with("cur") && self.blink.swap(false, Ordering::Relaxed) {
            entries.clear();
        }
        Ok(entries)
    }

    fn create_new(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        self.disk.create_new(path)
    }
    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        self.disk.append(path)
    }
    fn open(&self, path: &Path) -> Result<Box<dyn ReadFile>> {
        self.disk.open(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename(from, to)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename_new(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.link(from, to)
    }
    fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        self.disk.symlink(target, path)
    }
    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        self.disk.read_link(path)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        self.disk.remove(path)
    }
    fn create_dir(&self, path: &Path) -> Result<()> {
        self.disk.create_dir(path)
    }
    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.disk.remove_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.disk.sync_dir(path)
    }
    fn stat(&self, path: &Path) -> Result<Stat> {
        self.disk.stat(path)
    }
    fn set_modified(&self, path: &Path, time: SystemTime) -> Result<()> {
        self.disk.set_modified(path, time)
    }
    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn Lock>>> {
        self.disk.try_lock(path)
    }
    fn now(&self) -> SystemTime {
        self.disk.now()
    }
    fn sleep(&self, duration: Duration) {
        self.disk.sleep(duration);
    }
    fn holder(&self) -> String {
        self.disk.holder()
    }
    fn holder_is_gone(&self, holder: &str) -> bool {
        self.disk.holder_is_gone(holder)
    }
}

#[test]
fn a_message_missing_from_one_listing_is_not_expunged() {
    let disk = Arc::new(Blinking { disk: MemoryDisk::new(), blink: AtomicBool::new(false) });
    let account = Store::new(disk.clone(), Settings::default()).account(Path::new(HOME)).unwrap();
    append(&account, &inbox(), "one", Flags::SEEN, &[]).unwrap();
    let mailbox = account.open(&inbox()).unwrap();
    let before = mailbox.snapshot();
    disk.disk.advance(Duration::from_secs(10));
    for _ in 0..2 {
        // Once both folders are listed because time has passed, once because another file came into `cur/`.
        disk.blink.store(true, Ordering::Relaxed);
        let after = mailbox.sync(Access::Look).unwrap();
        assert_eq!(after.rows.first(), before.rows.first());
        assert!(!disk.blink.load(Ordering::Relaxed), "nothing was listed");
        deliver(&account, &inbox(), "two").unwrap();
        disk.disk.rename(&only_file(&disk.disk, "new"), &Path::new(HOME).join("maildir/cur/9.M1P1.x:2,")).unwrap();
    }
}

fn only_file(disk: &MemoryDisk, folder: &str) -> std::path::PathBuf {
    let folder = Path::new(HOME).join("maildir").join(folder);
    let entries = disk.list(&folder).unwrap();
    folder.join(&entries[0].name)
}
