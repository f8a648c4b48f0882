//! One message for several mailboxes is one file, as far as the file system lets it; each has it for itself all the same.

mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, Fault, MemoryDisk, Op, Owner, Stat, every_cut_from};
use mail::{Flags, Quota, QuotaRule};
use store::{Account, DeliveryKey, Error, Original, QuotaFile, QuotaSettings, Result, Settings, Store};
use world::*;

const USERS: [&str; 3] = ["ana", "bob", "eva"];

fn home(user: &str) -> PathBuf {
    Path::new("/home").join(user)
}

fn key(user: &str) -> DeliveryKey {
    DeliveryKey::new(&format!("trace {user}"))
}

fn accounts(store: &Store) -> Result<Vec<Arc<Account>>> {
    USERS.iter().map(|user| store.account(&home(user))).collect()
}

fn original(account: &Arc<Account>, subject: &str) -> Result<Original> {
    let mut draft = account.draft_for(&inbox(), &key("nobody"))?;
    draft.write(content(subject).as_bytes())?;
    draft.seal()
}

/// Delivers to all, whatever becomes of each.
fn deliver_to_all(accounts: &[Arc<Account>], subject: &str) -> Result<Vec<Result<()>>> {
    let original = original(&accounts[0], subject)?;
    let each = accounts.iter().zip(USERS);
    Ok(each.map(|(account, user)| original.deliver(account, &inbox(), &key(user))).collect())
}

/// The message files of a user's INBOX, or what lies in its `tmp/`.
fn files(disk: &MemoryDisk, user: &str, folder: &str) -> Vec<Stat> {
    let folder = home(user).join("maildir").join(folder);
    disk.list(&folder).unwrap().iter().map(|entry| disk.stat(&folder.join(&entry.name)).unwrap()).collect()
}

/// The one file of each user's `new/`.
fn delivered(disk: &MemoryDisk) -> Vec<Stat> {
    USERS.iter().flat_map(|user| files(disk, user, "new")).collect()
}

#[test]
fn a_message_for_three_is_one_file_that_each_has_for_himself() {
    let disk = MemoryDisk::new();
    let accounts = accounts(&store(&disk)).unwrap();
    deliver_to_all(&accounts, "one").unwrap().into_iter().for_each(Result::unwrap);
    let stats = delivered(&disk);
    assert_eq!(stats.iter().map(|stat| (stat.inode, stat.links)).collect::<Vec<_>>(), [(stats[0].inode, 3); 3]);
    assert!(USERS.iter().all(|user| files(&disk, user, "tmp").is_empty()));
    for account in &accounts {
        assert_eq!(subjects(&found(account, &inbox())), ["one"]);
    }
    // What one does with his does nothing to the others'.
    accounts[0].open(&inbox()).unwrap().store_flags(&[uid(1)], &add(Flags::SEEN, &["mine"])).unwrap();
    accounts[1].open(&inbox()).unwrap().expunge(&[uid(1)]).unwrap();
    assert_eq!(found(&accounts[0], &inbox())[0].2, ["\\Seen", "mine"]);
    assert!(found(&accounts[1], &inbox()).is_empty());
    assert!(found(&accounts[2], &inbox())[0].2.is_empty());
    for account in &accounts {
        assert_sound(account);
    }
}

#[test]
fn each_delivery_is_recognized_and_counts_in_its_own_quota() {
    let disk = MemoryDisk::new();
    let quota = QuotaSettings { file: QuotaFile::Dict, ..QuotaSettings::default() };
    let accounts = accounts(&Store::new(Arc::new(disk.clone()), Settings { quota, ..Settings::default() })).unwrap();
    for (account, limit) in accounts.iter().zip(["1G", "10B", "1G"]) {
        let rule = QuotaRule::parse(&format!("*:storage={limit}")).unwrap();
        account.obey(Arc::new(Quota::default().with(rule)));
    }
    let outcomes = deliver_to_all(&accounts, "one").unwrap();
    assert!(matches!(outcomes[..], [Ok(()), Err(Error::OverQuota), Ok(())]), "{outcomes:?}");
    let size = i64::try_from(content("one").replace("\r\n", "\n").len()).unwrap();
    for ((account, user), count) in accounts.iter().zip(USERS).zip([1, 0, 1]) {
        for other in USERS {
            let expected = user == other && count == 1;
            assert_eq!(account.was_delivered(&inbox(), &key(other)).unwrap(), expected, "{other} in {user}");
        }
        let used = account.quota().unwrap().unwrap().used;
        assert_eq!((used.messages, used.storage), (count, count * size));
    }
}

#[test]
fn three_recipients_cost_one_write_and_one_sync_of_content() {
    let disk = MemoryDisk::new();
    let (counted, calls) = Calls::on(&disk);
    let accounts = accounts(&store(&counted)).unwrap();
    let cost = |work: &dyn Fn()| {
        let (changes, writes, syncs) = (disk.calls(), calls.of(Op::Write), calls.of(Op::Sync));
        work();
        (disk.calls() - changes, calls.of(Op::Write) - writes, calls.of(Op::Sync) - syncs)
    };
    let alone = || {
        accounts.iter().for_each(|account| deliver(account, &inbox(), "one").unwrap());
    };
    let together = || deliver_to_all(&accounts, "one").unwrap().into_iter().for_each(Result::unwrap);
    // Create, write, sync, rename, sync of the folder, for each.
    assert_eq!(cost(&alone), (3 * 5, 3, 3));
    // Create, write, sync, remove, and for each a link and a sync of the folder.
    assert_eq!(cost(&together), (4 + 3 * 2, 1, 1));
}

#[test]
fn what_cannot_be_linked_is_written_anew() {
    let disk = MemoryDisk::new();
    let accounts = accounts(&store(&disk)).unwrap();
    // As EXDEV, EMLINK and EPERM are.
    disk.fail_next(Op::Link, Fault::Broken);
    deliver_to_all(&accounts, "one").unwrap().into_iter().for_each(Result::unwrap);
    let stats = delivered(&disk);
    assert_eq!(stats.iter().map(|stat| stat.links).collect::<Vec<_>>(), [1, 2, 2]);
    assert!(stats.iter().all(|stat| stat.modified == stats[0].modified), "the date is another");
    for (account, user) in accounts.iter().zip(USERS) {
        assert_eq!(subjects(&found(account, &inbox())), ["one"]);
        assert!(files(&disk, user, "tmp").is_empty());
        assert_sound(account);
    }
}

#[test]
fn homes_of_different_owners_share_no_file() {
    let disk = MemoryDisk::new();
    let accounts = accounts(&store(&disk)).unwrap();
    for owner in [Owner { user: 1000, group: 0 }, Owner { user: 0, group: 1000 }] {
        disk.give(&home("bob").join("maildir/new"), owner).unwrap();
        deliver_to_all(&accounts, "one").unwrap().into_iter().for_each(Result::unwrap);
        let links: Vec<u64> = delivered(&disk).iter().map(|stat| stat.links).collect();
        assert_eq!(links, [2, 1, 2]);
        for (account, user) in accounts.iter().zip(USERS) {
            let lines = found(account, &inbox());
            assert_eq!(subjects(&lines), ["one"]);
            account.open(&inbox()).unwrap().expunge(&[uid(lines[0].0)]).unwrap();
            assert!(files(&disk, user, "tmp").is_empty());
        }
    }
}

#[test]
fn a_recipient_who_fails_leaves_the_others_standing() {
    for fault in [Op::Link, Op::SyncDir] {
        let disk = MemoryDisk::new();
        let accounts = accounts(&store(&disk)).unwrap();
        disk.fail_next(fault, Fault::NoSpace);
        let outcomes = deliver_to_all(&accounts, "one").unwrap();
        assert!(matches!(outcomes[..], [Err(Error::NoSpace), Ok(()), Ok(())]), "{outcomes:?}");
        for account in &accounts[1..] {
            assert_eq!(subjects(&found(account, &inbox())), ["one"]);
        }
        assert!(USERS.iter().all(|user| files(&disk, user, "tmp").is_empty()));
    }
}

#[test]
fn several_get_it_at_the_same_time() {
    let disk = MemoryDisk::new();
    let accounts = accounts(&store(&disk)).unwrap();
    let original = original(&accounts[0], "one").unwrap();
    std::thread::scope(|scope| {
        for (account, user) in accounts.iter().zip(USERS) {
            scope.spawn(|| original.deliver(account, &inbox(), &key(user)).unwrap());
        }
    });
    drop(original);
    assert!(accounts.iter().all(|account| subjects(&found(account, &inbox())) == ["one"]));
}

#[test]
fn whoever_was_acknowledged_has_it_once_whenever_the_power_is_cut() {
    let start = MemoryDisk::new();
    drop(accounts(&store(&start)).unwrap());
    let told = std::sync::Mutex::new(Vec::new());
    let scenario = |refuses: bool| {
        let told = &told;
        move |disk: &MemoryDisk| -> Result<()> {
            told.lock().unwrap().clear();
            let accounts = accounts(&store(disk))?;
            if refuses {
                disk.fail_next(Op::Link, Fault::Broken);
            }
            for (user, outcome) in USERS.iter().zip(deliver_to_all(&accounts, "one")?) {
                outcome?;
                told.lock().unwrap().push(*user);
            }
            Ok(())
        }
    };
    for refuses in [false, true] {
        every_cut_from(&start, scenario(refuses), |disk, cut| {
            let told = told.lock().unwrap().clone();
            assert!(!cut.finished || told == USERS);
            for (account, user) in accounts(&store(&disk)).unwrap().iter().zip(USERS) {
                assert_sound(account);
                let lines = found(account, &inbox());
                assert!(
                    lines.len() <= 1 && (lines.len() == 1 || !told.contains(&user)),
                    "{user} of {told:?}: {lines:?}"
                );
                assert_sound(account);
            }
        });
    }
}
