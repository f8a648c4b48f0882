//! The unique-ids that Dovecot saved for POP3 clients, and the GUIDs it knows messages by: we tell the same, and both are there
//! still after we wrote the list of UIDs.

mod world;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use disk::RealDisk;
use mail::Flags;
use store::{Access, Account, Settings, Store, reindex};
use world::dovecot::Dovecot;
use world::{append, inbox, uid};

fn account(dovecot: &Dovecot) -> Arc<Account> {
    let settings = Settings { location: dovecot.location(), auto_mailboxes: Vec::new(), ..Settings::default() };
    let store = Store::new(Arc::new(RealDisk::new().unwrap()), settings);
    store.account_of(&dovecot.home(), "ana").unwrap()
}

/// By UID: saved unique-id or nothing, GUID.
type Ids = BTreeMap<u32, (String, String)>;

fn told_by_dovecot(dovecot: &Dovecot) -> Ids {
    let told = dovecot.ask(&["-f", "tab", "fetch", "uid pop3.uidl guid", "mailbox", "INBOX"]);
    let id = |line: &str| {
        let mut words = line.split('\t').map(str::to_owned);
        Some((words.next()?.parse().ok()?, (words.next()?, words.next()?)))
    };
    told.lines().skip(1).map(|line| id(line).unwrap()).collect()
}

fn told_by_us(account: &Arc<Account>) -> Ids {
    let mailbox = account.open(&inbox()).unwrap();
    let there: Vec<u32> = mailbox.sync(Access::Serve).unwrap().rows.iter().map(|row| row.uid.number()).collect();
    let mut ids = Ids::new();
    mailbox
        .each_listed(|listing| {
            let saved = listing.unique_id.unwrap_or_default().to_owned();
            ids.insert(listing.uid.number(), (saved, listing.guid.to_owned()));
        })
        .unwrap();
    ids.retain(|uid, _| there.contains(uid));
    ids
}

#[test]
fn saved_unique_ids_are_those_of_dovecot_and_stay() {
    let dovecot = Dovecot::new("maildir:~/maildir");
    (1..=5).for_each(|number| dovecot.save("INBOX", &format!("m{number}")));
    let path = dovecot.home().join("maildir/dovecot-uidlist");
    // As `pop3_save_uidl` and a migration write them; an empty one is the name of the file.
    let list = fs::read_to_string(&path).unwrap();
    let list = list
        .replace("\n1 :", "\n1 PUID17-1 W20 :")
        .replace("\n2 :", "\n2 P :")
        .replace("\n4 :", "\n4 G77aa P<x:y> O9 :");
    fs::write(&path, list).unwrap();

    let account = account(&dovecot);
    let told = told_by_dovecot(&dovecot);
    assert_eq!(told[&1].0, "UID17-1");
    assert_eq!(told[&2].0, told[&2].1, "the name of the file");
    assert_eq!(told[&4], ("<x:y>".to_owned(), "77aa".to_owned()));
    assert!(told[&5].0.is_empty());
    assert_eq!(told_by_us(&account), told);
    let mailbox = account.open(&inbox()).unwrap();
    assert!(mailbox.tells_pop3().unwrap());

    append(&account, &inbox(), "ours", Flags::NONE, &[]).unwrap();
    mailbox.expunge(&[uid(3)]).unwrap();
    // A line that is damaged makes us write the whole list anew.
    fs::write(&path, fs::read_to_string(&path).unwrap() + "no sense\n").unwrap();
    reindex(&account).unwrap();
    let after = told_by_dovecot(&dovecot);
    assert_eq!(after.len(), 5);
    assert_eq!([&after[&1], &after[&2], &after[&4], &after[&5]], [&told[&1], &told[&2], &told[&4], &told[&5]]);
    assert_eq!(told_by_us(&account), after);
}

#[test]
fn what_we_save_dovecot_tells_and_nothing_saved_is_changed() {
    let dovecot = Dovecot::new("maildir:~/maildir");
    (1..=4).for_each(|number| dovecot.save("INBOX", &format!("m{number}")));
    let path = dovecot.home().join("maildir/dovecot-uidlist");
    let list = fs::read_to_string(&path).unwrap().replace("\n2 :", "\n2 Pold O7 :");
    fs::write(&path, list).unwrap();
    let account = account(&dovecot);
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    let base = told_by_dovecot(&dovecot)[&3].1.clone();
    let told = [(1, "new-1"), (2, "new-2"), (3, &base), (9, "of none")];
    mailbox.save_unique_ids(&told.map(|(number, id)| (uid(number), id.to_owned())).into()).unwrap();
    let now = told_by_dovecot(&dovecot);
    let ids: Vec<&str> = now.values().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["new-1", "old", &base, ""]);
    assert_eq!(told_by_us(&account), now);
    let mut orders = Vec::new();
    mailbox.each_listed(|listing| orders.push(listing.order)).unwrap();
    assert_eq!(orders, [None, Some(7), None, None]);
    // Lines that come later are appended to the list that we wrote.
    append(&account, &inbox(), "ours", Flags::NONE, &[]).unwrap();
    assert_eq!(told_by_dovecot(&dovecot).len(), 5);
}

#[test]
fn a_mailbox_without_saved_ones_is_not_read_for_them() {
    let dovecot = Dovecot::new("maildir:~/maildir");
    dovecot.save("INBOX", "one");
    let mailbox = account(&dovecot).open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    assert!(!mailbox.tells_pop3().unwrap());
}
