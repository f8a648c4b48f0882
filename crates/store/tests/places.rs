//! Every place that Dovecot can be told to keep mail in, served by the real Dovecot and by us in turns: the same mailboxes,
//! UIDs, flags, keywords and subscriptions, and not a word in Dovecot's log.

mod world;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use mail::Flags;
use store::{Access, Account, Error, Harm, Settings, verify};
use world::dovecot::Dovecot;
use world::{add, inbox, name, uid};

const LOCATIONS: [&str; 8] = [
    "maildir:~/maildir",
    "maildir:~/maildir:LAYOUT=fs",
    "maildir:~/maildir:UTF-8",
    "maildir:~/maildir:CONTROL=~/control:INDEX=~/index",
    "maildir:~/maildir:INBOX=~/in",
    "maildir:~/maildir:LAYOUT=fs:INBOX=~/maildir/INBOX",
    "maildir:~/maildir:LAYOUT=fs:INBOX=~/in:CONTROL=~/control:INDEX=~/index:UTF-8",
    "maildir:%h/mail/%u:LAYOUT=fs:CONTROL=~/control/%n",
];

fn account(dovecot: &Dovecot) -> Arc<Account> {
    dovecot.account(Settings::default())
}

/// In the form of `Dovecot::story`.
fn story(account: &Arc<Account>) -> Vec<String> {
    let mut story = Vec::new();
    for listed in account.list().unwrap().iter().filter(|listed| listed.selectable) {
        let mailbox = account.open(&listed.name).unwrap();
        let snapshot = mailbox.snapshot();
        story.push(format!("{}\t{}\t{}", listed.name, snapshot.uid_next, snapshot.uid_validity));
        for row in &snapshot.rows {
            let text = world::read(&mut mailbox.message(row.uid).unwrap());
            let subject = text.lines().next().unwrap().strip_prefix("Subject: ").unwrap().to_owned();
            let flags: Vec<&str> = snapshot.keywords.names_of(row.flags).collect();
            story.push(format!("{}\t{}\t{}\t{subject}", listed.name, row.uid, flags.join(" ")));
        }
    }
    story.sort();
    story
}

fn subscribed(account: &Account) -> Vec<String> {
    let mut names: Vec<String> = account.subscriptions().unwrap().iter().map(ToString::to_string).collect();
    names.sort();
    names
}

fn fill(dovecot: &Dovecot) {
    for mailbox in ["A/B", "A\u{f1}os", "INBOX/sub", "A", "Old/x"] {
        dovecot.ask(&["mailbox", "create", mailbox]);
        dovecot.save(mailbox, &format!("in {mailbox}"));
    }
    dovecot.ask(&["mailbox", "subscribe", "A/B", "A\u{f1}os"]);
    dovecot.save("INBOX", "one");
    dovecot.save("INBOX", "two");
    dovecot.ask(&["flags", "add", "\\Seen work", "mailbox", "INBOX", "uid", "2"]);
    dovecot.ask(&["flags", "add", "\\Flagged home", "mailbox", "A/B", "all"]);
}

#[test]
fn both_tell_the_same_story_in_every_place() {
    for location in LOCATIONS {
        let dovecot = Dovecot::new(location);
        fill(&dovecot);
        let told = dovecot.story();
        let account = account(&dovecot);
        assert_eq!(story(&account), told, "{location}");
        assert_eq!(subscribed(&account), ["A/B", "A\u{f1}os"], "{location}");
        // We change everything that can be changed.
        let mailbox = account.open(&inbox()).unwrap();
        mailbox.sync(Access::Serve).unwrap();
        mailbox.store_flags(&[uid(1)], &add(Flags::ANSWERED, &["new", "work"])).unwrap();
        world::deliver(&account, &name("A"), "three").unwrap();
        world::append(&account, &name("A\u{f1}os"), "four", Flags::DRAFT, &[world::keyword("kept")]).unwrap();
        mailbox.copy(&[uid(2)], &account.open(&name("A/B")).unwrap()).unwrap();
        account.create(&name("New/deep/est"), None).unwrap();
        account.delete(&name("A")).unwrap();
        account.rename(&name("Old"), &name("Older/Still")).unwrap();
        account.subscribe(&name("New/deep/est")).unwrap();
        account.unsubscribe(&name("A/B")).unwrap();
        let ours = story(&account);
        assert_eq!(dovecot.story(), ours, "{location}");
        let subscriptions = dovecot.ask(&["mailbox", "list", "-s"]);
        let mut subscriptions: Vec<&str> = subscriptions.lines().collect();
        subscriptions.sort_unstable();
        assert_eq!(subscriptions, ["A\u{f1}os", "New/deep/est"], "{location}");
        // And once more the other way.
        dovecot.save("New/deep/est", "five");
        dovecot.ask(&["mailbox", "rename", "A\u{f1}os", "Years"]);
        dovecot.ask(&["expunge", "mailbox", "INBOX", "uid", "1"]);
        assert_eq!(story(&self::account(&dovecot)), dovecot.story(), "{location}");
        let damage: Vec<_> = verify(&account).unwrap().into_iter().filter(|found| found.harm == Harm::Damage).collect();
        assert!(damage.is_empty(), "{location}: {damage:?}");
    }
}

#[test]
fn a_mailbox_made_anew_uses_no_uid_again() {
    for location in LOCATIONS {
        let dovecot = Dovecot::new(location);
        fill(&dovecot);
        let account = account(&dovecot);
        let before = account.status(&name("A")).unwrap();
        account.delete(&name("A")).unwrap();
        assert!(matches!(account.open(&name("A")), Err(Error::NoSuchMailbox)), "{location}");
        account.create(&name("A"), None).unwrap();
        let after = account.status(&name("A")).unwrap();
        assert_eq!(after.messages, 0, "{location}");
        assert!(after.uid_validity > before.uid_validity, "{location}");
        assert_eq!(dovecot.story(), story(&account), "{location}");
    }
}

#[test]
fn names_that_are_no_names_are_passed_over() {
    for (location, prefix) in [("maildir:~/maildir", "."), ("maildir:~/maildir:LAYOUT=fs", "")] {
        let dovecot = Dovecot::new(location);
        let account = account(&dovecot);
        account.create(&name("Good"), None).unwrap();
        for bad in [&b"\xff\xfe"[..], b"\x01", b"new\nline", b"tab\t", b"A&APE", b"~x", b"InBox"] {
            let folder = [prefix.as_bytes(), bad].concat();
            let folder = dovecot.home().join("maildir").join(std::ffi::OsStr::from_bytes(&folder));
            fs::create_dir_all(folder.join("cur")).unwrap();
        }
        let names: Vec<String> = account.list().unwrap().iter().map(|listed| listed.name.to_string()).collect();
        assert_eq!(names, ["Good", "INBOX"], "{location}");
    }
}

#[test]
fn no_link_is_followed_out_of_the_account() {
    for (location, prefix) in [("maildir:~/maildir", "."), ("maildir:~/maildir:LAYOUT=fs", "")] {
        let dovecot = Dovecot::new(location);
        let account = account(&dovecot);
        let maildir = dovecot.home().join("maildir");
        let outside = dovecot.home().join("outside");
        for part in ["cur", "new", "tmp", "below/cur"] {
            fs::create_dir_all(outside.join(part)).unwrap();
        }
        fs::write(outside.join("cur/1.x:2,"), "Subject: secret\n\n").unwrap();
        symlink(&outside, maildir.join(format!("{prefix}Link"))).unwrap();
        account.create(&name("Mine"), None).unwrap();
        let mine = maildir.join(format!("{prefix}Mine"));
        symlink(outside.join("cur/1.x:2,"), mine.join("cur/2.y:2,")).unwrap();
        symlink("/dev/zero", mine.join("new/3.z")).unwrap();
        fs::create_dir(mine.join("cur/4.d:2,")).unwrap();
        assert_eq!(account.status(&name("Mine")).unwrap().messages, 0, "{location}");
        let listed = account.list().unwrap();
        assert!(listed.iter().all(|listed| !listed.name.as_str().starts_with("Link")), "{location}");
        assert!(matches!(account.open(&name("Link")), Err(Error::Damaged { .. })), "{location}");
        assert!(account.delete(&name("Link")).is_err() && account.create(&name("Link"), None).is_err());
        if prefix.is_empty() {
            assert!(account.open(&name("Link/below")).is_err() && account.create(&name("Link/x"), None).is_err());
        }
        fs::remove_dir(mine.join("tmp")).unwrap();
        symlink(outside.join("tmp"), mine.join("tmp")).unwrap();
        assert!(account.draft(&name("Mine")).is_err(), "{location}");
        assert_eq!(fs::read_dir(outside.join("tmp")).unwrap().count(), 0);
        assert!(outside.join("cur/1.x:2,").exists());
    }
}
