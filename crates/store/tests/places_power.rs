//! The power is cut at every call of making, renaming and deleting a mailbox, wherever its lists lie: each mailbox is then
//! whole under one name, with its UIDs, and what was deleted gives no UID to another message.

mod world;

use std::path::Path;
use std::sync::Arc;

use disk::{MemoryDisk, every_cut_from};
use mail::{Flags, MailboxName};
use store::{Access, Account, Error, Result, Settings, Store};
use world::*;

const LOCATIONS: [&str; 3] =
    ["maildir:~/maildir:CONTROL=~/c", "maildir:~/m:LAYOUT=fs", "maildir:~/m:LAYOUT=fs:CONTROL=~/c"];

fn account(disk: &MemoryDisk, location: &str) -> Result<Arc<Account>> {
    let times = std::time::Duration::from_secs(2);
    let settings = Settings {
        location: location.parse().unwrap(),
        hostname: "test".to_owned(),
        lock_wait: times + times,
        lock_stale: times,
        ..Settings::default()
    };
    Store::new(Arc::new(disk.clone()), settings).account(Path::new(HOME))
}

fn three_levels(location: &str) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let account = account(&disk, location).unwrap();
    for mailbox in ["A", "A/B"] {
        account.create(&name(mailbox), None).unwrap();
        append(&account, &name(mailbox), "one", Flags::NONE, &[]).unwrap();
        append(&account, &name(mailbox), "two", Flags::NONE, &[keyword("work")]).unwrap();
    }
    disk
}

/// UIDVALIDITY and messages; `None` when it is not there.
fn state(account: &Arc<Account>, mailbox: &MailboxName) -> Option<(u32, Vec<Line>)> {
    let mailbox = match account.open(mailbox) {
        Ok(mailbox) => mailbox,
        Err(Error::NoSuchMailbox) => return None,
        Err(error) => panic!("{error}"),
    };
    let validity = mailbox.sync(Access::Serve).unwrap().uid_validity;
    Some((validity.number(), lines(&mailbox)))
}

#[test]
fn a_renamed_mailbox_keeps_its_uids_under_whichever_name() {
    for location in LOCATIONS {
        let disk = three_levels(location);
        let before: Vec<_> =
            ["A", "A/B"].map(|mailbox| state(&account(&disk, location).unwrap(), &name(mailbox))).into();
        let scenario = |disk: &MemoryDisk| account(disk, location)?.rename(&name("A"), &name("Z/Y"));
        every_cut_from(&disk, scenario, |disk, _| {
            let account = account(&disk, location).unwrap();
            for (index, (old, new)) in [("A", "Z/Y"), ("A/B", "Z/Y/B")].into_iter().enumerate() {
                let found = [old, new].map(|mailbox| state(&account, &name(mailbox)));
                assert!(found.contains(&before[index]), "{location}: {old} is {found:?}");
                assert!(found.iter().filter(|state| state.is_some()).count() == 1, "{location}: {found:?}");
            }
            assert_sound(&account);
        });
    }
}

#[test]
fn a_deleted_mailbox_is_gone_or_there_and_never_comes_back_with_other_messages() {
    for location in LOCATIONS {
        let disk = three_levels(location);
        let before = state(&account(&disk, location).unwrap(), &name("A")).unwrap();
        let below = state(&account(&disk, location).unwrap(), &name("A/B"));
        let scenario = |disk: &MemoryDisk| account(disk, location)?.delete(&name("A"));
        every_cut_from(&disk, scenario, |disk, cut| {
            let account = account(&disk, location).unwrap();
            assert_eq!(state(&account, &name("A/B")), below, "{location}");
            if let Some((validity, lines)) = state(&account, &name("A")) {
                assert_eq!(validity, before.0, "{location}: {cut:?}");
                assert!(lines.iter().all(|line| before.1.contains(line)), "{location}: {lines:?}");
                return;
            }
            account.create(&name("A"), None).unwrap();
            let (validity, lines) = state(&account, &name("A")).unwrap();
            assert!(lines.is_empty(), "{location}: {lines:?}");
            let uid = append(&account, &name("A"), "new", Flags::NONE, &[]).unwrap();
            assert!(validity > before.0 || uid.number() > 2, "{location}: a UID means another message");
            assert_sound(&account);
        });
    }
}

#[test]
fn a_made_mailbox_is_empty_or_not_there() {
    for location in LOCATIONS {
        let disk = MemoryDisk::new();
        drop(account(&disk, location).unwrap());
        let scenario = |disk: &MemoryDisk| account(disk, location)?.create(&name("A/B/C"), None);
        every_cut_from(&disk, scenario, |disk, _| {
            let account = account(&disk, location).unwrap();
            if state(&account, &name("A/B/C")).is_none() {
                account.create(&name("A/B/C"), None).unwrap();
            }
            assert_eq!(state(&account, &name("A/B/C")).unwrap().1, []);
            assert_sound(&account);
        });
    }
}
