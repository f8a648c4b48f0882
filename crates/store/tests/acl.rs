//! ACLs on disk: the power is cut at every call, two nodes change one file, and Dovecot and we take turns.

mod world;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use disk::{Fault, MemoryDisk, Op, RealDisk, every_cut_from};
use store::{Account, Identifier, Result, Right, Rights, Settings, SharedTo, Store, Viewer};
use world::dovecot::Dovecot;
use world::*;

fn bob() -> Viewer {
    Viewer { user: "bob".to_owned(), groups: vec!["staff".to_owned()], owner: false }
}

fn user(name: &str) -> Identifier {
    Identifier::User(name.to_owned())
}

fn grant(account: &Arc<Account>, mailbox: &str, to: Identifier, rights: &[Right]) -> Result<()> {
    account.change_acl(&name(mailbox), |acl| acl.set(to, false, Rights::of(rights)))
}

fn rights(account: &Account, mailbox: &str) -> String {
    account.rights(&name(mailbox), &bob()).unwrap().to_string()
}

#[test]
fn what_was_granted_survives_every_power_cut_and_nothing_else_is_granted() {
    let disk = MemoryDisk::new();
    account(&disk).create(&name("Team"), None).unwrap();
    grant(&account(&disk), "Team", user("eva"), &[Right::Lookup]).unwrap();
    let scenario = |disk: &MemoryDisk| grant(&try_account(disk)?, "Team", user("bob"), &[Right::Lookup, Right::Read]);
    every_cut_from(&disk, scenario, |disk, cut| {
        let after = account(&disk);
        assert_sound(&after);
        let acl = after.acl(&name("Team")).unwrap();
        assert!(acl.makes_sense());
        assert_eq!(acl.rights_of(&user("eva"), false), Some(Rights::of(&[Right::Lookup])));
        let found = rights(&after, "Team");
        assert!(found == "lr" || (found.is_empty() && !cut.finished), "{found}");
        // The next change mends what was left behind.
        grant(&after, "Team", user("luis"), &[Right::Lookup]).unwrap();
        let list =
            String::from_utf8(disk::Disk::read(&disk, &PathBuf::from(HOME).join("maildir/dovecot-acl-list")).unwrap());
        assert!(list.unwrap().ends_with(" Team\n"));
    });
}

#[test]
fn a_dictionary_is_whole_after_every_power_cut() {
    let path = PathBuf::from("/shared.db");
    let with = |users: &[&str]| users.iter().map(|user| SharedTo::User((*user).to_owned())).collect::<BTreeSet<_>>();
    let disk = MemoryDisk::new();
    store(&disk).shared_dict(path.clone()).publish("eva", &with(&["bob"])).unwrap();
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        let dict = store(disk).shared_dict(path.clone());
        dict.publish("ana", &with(&["bob", "luis"]))?;
        dict.publish("eva", &with(&[]))
    };
    every_cut_from(&disk, scenario, |disk, cut| {
        let owners: Vec<_> = store(&disk).shared_dict(path.clone()).owners(&bob()).unwrap().into_iter().collect();
        let fits =
            [vec!["eva"], vec!["ana", "eva"], vec!["ana"]].contains(&owners.iter().map(String::as_str).collect());
        assert!(fits && (!cut.finished || owners == ["ana"]), "{owners:?}");
    });
}

#[test]
fn rights_given_on_two_nodes_at_once_are_all_kept() {
    let disk = MemoryDisk::new();
    account(&disk).create(&name("Team"), None).unwrap();
    // Locks are never stale here: the clock of the disk in memory jumps while others wait.
    let long = Duration::from_secs(10_000_000_000);
    let patient = Settings { lock_wait: long, lock_stale: long, ..Settings::default() };
    let give = |disk: MemoryDisk, who: &'static str| {
        let settings = patient.clone();
        move || {
            let account = Store::new(Arc::new(disk), settings).account(HOME.as_ref()).unwrap();
            (0..10).for_each(|n| grant(&account, "Team", user(&format!("{who}{n}")), &[Right::Lookup]).unwrap());
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(give(disk.clone(), "a"));
        scope.spawn(give(disk.another_node(Duration::ZERO), "b"));
    });
    assert_eq!(account(&disk).acl(&name("Team")).unwrap().rows().len(), 20);
    assert_eq!(account(&disk).shared_with().unwrap().len(), 20);
}

#[test]
fn an_unchanged_file_is_not_opened_again_and_a_changed_one_is() {
    let disk = MemoryDisk::new();
    let (here, other_node) = (account(&disk), account(&disk.another_node(Duration::ZERO)));
    here.create(&name("Team"), None).unwrap();
    let lately = || here.rights_lately(&name("Team"), &bob()).map(|rights| rights.to_string());
    assert_eq!(lately().unwrap(), "");
    // Written twice within a tick of the clock, the second time into the same file.
    disk.freeze_clock();
    grant(&other_node, "Team", user("bob"), &[Right::Lookup]).unwrap();
    assert_eq!(lately().unwrap(), "l");
    let path = PathBuf::from(HOME).join("maildir/.Team/dovecot-acl");
    let mut file = disk::Disk::append(&disk, &path).unwrap();
    file.truncate(0).unwrap();
    file.write_all(b"user=bob r\n").unwrap();
    drop(file);
    disk.advance(Duration::from_secs(2));
    assert_eq!(lately().unwrap(), "r");
    disk.advance(Duration::from_secs(2));
    assert_eq!(lately().unwrap(), "r");
    disk.fail_next(Op::Open, Fault::Broken);
    assert_eq!(lately().unwrap(), "r");
    assert!(here.rights(&name("Team"), &bob()).is_err(), "nothing was opened");
    grant(&other_node, "Team", user("bob"), &[Right::Lookup]).unwrap();
    assert_eq!(lately().unwrap(), "l");
    disk::Disk::remove(&disk, &path).unwrap();
    assert_eq!(lately().unwrap(), "");
}

#[test]
fn a_new_mailbox_inherits_from_the_nearest_above_it_and_a_deleted_one_leaves_nothing() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    account.create(&name("Team"), None).unwrap();
    grant(&account, "Team", Identifier::Group("staff".to_owned()), &[Right::Lookup]).unwrap();
    account.create(&name("Team/a/b"), None).unwrap();
    account.create(&name("Other"), None).unwrap();
    assert_eq!((rights(&account, "Team/a/b"), rights(&account, "Other")), ("l".to_owned(), String::new()));
    account.rename(&name("Team"), &name("Crew")).unwrap();
    assert_eq!(rights(&account, "Crew/a/b"), "l");
    account.delete(&name("Crew/a/b")).unwrap();
    account.delete(&name("Crew")).unwrap();
    account.create(&name("Crew"), None).unwrap();
    assert_eq!(rights(&account, "Crew"), "");
    assert!(account.shared_with().unwrap().is_empty());
}

#[test]
fn dovecot_and_we_take_turns() {
    let plugin = "mail_plugins = acl\nplugin {\n acl = vfile\n acl_shared_dict = file:DIR/home/shared.db\n}\n";
    for location in
        ["maildir:~/maildir", "maildir:~/maildir:LAYOUT=fs:CONTROL=~/control", "maildir:~/maildir:INBOX=~/inbox"]
    {
        let dovecot = Dovecot::with(location, plugin);
        let settings = Settings { location: dovecot.location(), ..Settings::default() };
        let store = Store::new(Arc::new(RealDisk::new().unwrap()), settings);
        let account = || store.account(&dovecot.home()).unwrap();
        let dict = store.shared_dict(dovecot.home().join("shared.db"));

        dovecot.ask(&["mailbox", "create", "A\u{f1}os"]);
        dovecot.ask(&["acl", "set", "A\u{f1}os", "user=bob", "lookup", "read"]);
        dovecot.ask(&["acl", "set", "INBOX", "user=luis maria", "lookup"]);
        assert_eq!(rights(&account(), "A\u{f1}os"), "lr", "{location}");
        assert_eq!(dict.owners(&bob()).unwrap().into_iter().collect::<Vec<_>>(), ["ana"]);

        let list = |account: &Account| {
            let path = dovecot.home().join("maildir/dovecot-acl-list");
            let lines = |text: String| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
            let before = lines(std::fs::read_to_string(&path).unwrap());
            account.change_acl(&inbox(), |_| true).unwrap();
            (before, lines(std::fs::read_to_string(&path).unwrap()))
        };
        let (theirs, ours) = list(&account());
        assert_eq!(theirs, ours, "{location}");

        grant(&account(), "A\u{f1}os", Identifier::Group("staff".to_owned()), &[Right::Lookup, Right::Post]).unwrap();
        account().change_acl(&name("A\u{f1}os"), |acl| acl.set(user("bob"), true, Rights::of(&[Right::Read]))).unwrap();
        dict.publish("ana", &account().shared_with().unwrap()).unwrap();
        let got = dovecot.ask(&["-f", "tab", "acl", "get", "A\u{f1}os"]);
        assert_eq!(
            got.lines().skip(1).collect::<Vec<_>>(),
            ["group=staff\t\tlookup post", "user=bob\t\tlookup read -read"],
            "{location}"
        );
        dovecot.ask(&["acl", "delete", "A\u{f1}os", "user=bob"]);
        assert_eq!(rights(&account(), "A\u{f1}os"), "lp", "{location}");
        let (theirs, ours) = list(&account());
        assert_eq!(theirs, ours, "{location}");
        let told = std::fs::read_to_string(dovecot.home().join("shared.db")).unwrap();
        for key in ["group/staff/ana", "user/luis maria/ana"] {
            assert!(told.contains(&format!("shared/shared-boxes/{key}\n1\n")), "{location}: {told}");
        }
    }
}
