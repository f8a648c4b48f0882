//! Messages that are appended together: all of them or none, whenever the power is cut, and as one commit.

mod world;

use std::path::Path;
use std::sync::{Arc, Mutex};

use disk::{MemoryDisk, Op, every_cut_from};
use mail::date::DateTime;
use mail::{Flags, QuotaRule};
use store::{Account, Error, Prepared, QuotaFile, QuotaSettings, Result, Settings, Store};
use world::*;

/// Written and durable in `tmp/`.
fn prepared(account: &Arc<Account>, subject: &str) -> Result<Prepared> {
    let mut draft = account.draft(&inbox())?;
    draft.write(content(subject).as_bytes())?;
    draft.prepare(Flags::SEEN, vec![keyword(subject)], Some(DateTime::utc(1_000_000)))
}

fn all(account: &Arc<Account>, subjects: &[&str]) -> Result<Vec<Prepared>> {
    subjects.iter().map(|subject| prepared(account, subject)).collect()
}

fn left_in_tmp(disk: &MemoryDisk) -> usize {
    disk::Disk::list(disk, &Path::new(HOME).join("maildir/tmp")).unwrap().len()
}

#[test]
fn they_get_their_uids_in_their_order_by_one_commit() {
    let disk = MemoryDisk::new();
    let (counted, calls) = Calls::on(&disk);
    let account = account(&counted);
    append(&account, &inbox(), "first", Flags::NONE, &[]).unwrap();
    let before = calls.of(Op::SyncDir);
    let appended = account.append_all(&inbox(), all(&account, &["two", "three", "four"]).unwrap(), None).unwrap();
    let together = calls.of(Op::SyncDir) - before;
    assert_eq!(appended.uids, [uid(2), uid(3), uid(4)]);
    let before = calls.of(Op::SyncDir);
    append(&account, &inbox(), "five", Flags::NONE, &[]).unwrap();
    // But for the folders that are synced when keywords are written.
    assert!(together <= calls.of(Op::SyncDir) - before + 1, "{together} syncs of folders");
    let lines = found(&account, &inbox());
    assert_eq!(subjects(&lines), ["first", "two", "three", "four", "five"]);
    assert_eq!(lines[2].2, ["\\Seen", "three"]);
}

/// An account that may hold three messages.
fn limited(disk: &MemoryDisk) -> Arc<Account> {
    let quota = QuotaSettings { file: QuotaFile::Dict, life: "1".to_owned(), ..QuotaSettings::default() };
    let settings = Settings { hostname: "test".to_owned(), quota, ..Settings::default() };
    let account = Store::new(Arc::new(disk.clone()), settings).account(Path::new(HOME)).unwrap();
    let rule = QuotaRule::parse("*:messages=3").unwrap();
    account.obey(Arc::new(mail::quota::Quota::default().with(rule)));
    account
}

#[test]
fn over_quota_none_of_them_is_there() {
    let disk = MemoryDisk::new();
    let account = limited(&disk);
    append(&account, &inbox(), "first", Flags::NONE, &[]).unwrap();
    let refused = account.append_all(&inbox(), all(&account, &["two", "three", "four"]).unwrap(), None);
    assert!(matches!(refused, Err(Error::OverQuota)), "{refused:?}");
    assert_eq!(subjects(&found(&account, &inbox())), ["first"]);
    assert_eq!(left_in_tmp(&disk), 0);
    assert_eq!(account.append_all(&inbox(), all(&account, &["two", "three"]).unwrap(), None).unwrap().uids.len(), 2);
}

#[test]
fn what_takes_anothers_place_needs_only_the_room_beyond_it() {
    let disk = MemoryDisk::new();
    let account = limited(&disk);
    account.append_all(&inbox(), all(&account, &["one", "two", "three"]).unwrap(), None).unwrap();
    let mailbox = account.open(&inbox()).unwrap();
    let refused = account.append_all(&inbox(), all(&account, &["four"]).unwrap(), None);
    assert!(matches!(refused, Err(Error::OverQuota)), "{refused:?}");
    let refused = account.append_all(&inbox(), all(&account, &["four", "five"]).unwrap(), Some((&mailbox, uid(2))));
    assert!(matches!(refused, Err(Error::OverQuota)), "{refused:?}");
    // One that is gone makes no room.
    let refused = account.append_all(&inbox(), all(&account, &["four"]).unwrap(), Some((&mailbox, uid(9))));
    assert!(matches!(refused, Err(Error::OverQuota)), "{refused:?}");
    account.append_all(&inbox(), all(&account, &["four"]).unwrap(), Some((&mailbox, uid(2)))).unwrap();
    mailbox.expunge(&[uid(2)]).unwrap();
    assert_eq!(subjects(&found(&account, &inbox())), ["one", "three", "four"]);
    assert_eq!(account.quota().unwrap().unwrap().used.messages, 3);
}

#[test]
fn given_up_they_leave_nothing_behind() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    let waiting = all(&account, &["one", "two"]).unwrap();
    assert_eq!(left_in_tmp(&disk), 2);
    drop(waiting);
    assert_eq!(left_in_tmp(&disk), 0);
    assert!(found(&account, &inbox()).is_empty());
}

#[test]
fn acknowledged_they_are_all_there_after_any_power_cut() {
    let told: Mutex<Vec<u32>> = Mutex::default();
    let disk = MemoryDisk::new();
    append(&account(&disk), &inbox(), "first", Flags::NONE, &[]).unwrap();
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.lock().unwrap().clear();
        let account = try_account(disk)?;
        let appended = account.append_all(&inbox(), all(&account, &["two", "three", "four"])?, None)?;
        told.lock().unwrap().extend(appended.uids.iter().map(|uid| uid.number()));
        Ok(())
    };
    every_cut_from(&disk, scenario, |disk, _| {
        let account = account(&disk);
        assert_sound(&account);
        let lines = found(&account, &inbox());
        assert_eq!(lines[0].1, "first");
        let uids: Vec<u32> = lines[1..].iter().map(|line| line.0).collect();
        for uid in told.lock().unwrap().iter() {
            assert!(uids.contains(uid), "{uid} in {lines:?}");
        }
    });
}
