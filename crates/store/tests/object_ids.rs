//! What mailboxes and messages are known by (RFC 8474), and since when messages are where they are (RFC 8514).

use std::path::Path;
use std::sync::Arc;

use disk::{Disk, MemoryDisk};
use mail::digest::Want;
use mail::search::{Day, Key};
use mail::{Flags, MailboxName, ObjectId, Uid};
use store::{Access, Account, Mailbox, Settings, Store};

fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

/// A node of its own, with nothing in its memory.
fn node(disk: &MemoryDisk) -> Arc<Account> {
    Store::new(Arc::new(disk.clone()), Settings::default()).account(Path::new("/home/ana")).unwrap()
}

fn append(account: &Arc<Account>, to: &str, content: &str) -> Uid {
    let mut draft = account.draft(&name(to)).unwrap();
    draft.write(content.as_bytes()).unwrap();
    draft.append(Flags::NONE, &[], None).unwrap().uid
}

fn opened(account: &Arc<Account>, mailbox: &str) -> Arc<Mailbox> {
    account.open_for(&name(mailbox), Access::Serve).unwrap()
}

fn ids(account: &Arc<Account>, mailbox: &str) -> Vec<ObjectId> {
    let mailbox = opened(account, mailbox);
    let uids: Vec<Uid> = mailbox.snapshot().rows.iter().map(|row| row.uid).collect();
    mailbox.email_ids(&uids).unwrap().into_iter().flatten().collect()
}

#[test]
fn a_message_is_known_by_the_same_wherever_it_goes_and_on_every_node() {
    let disk = MemoryDisk::new();
    let account = node(&disk);
    for subject in ["a", "b", "c"] {
        append(&account, "INBOX", &format!("Subject: {subject}\n\n"));
    }
    let before = ids(&account, "INBOX");
    assert_eq!(before.len(), 3);
    assert!(before[0] != before[1] && before[1] != before[2]);
    let inbox = opened(&account, "INBOX");
    let uids: Vec<Uid> = inbox.snapshot().rows.iter().map(|row| row.uid).collect();
    inbox.copy(&uids[..2], &opened(&account, "Trash")).unwrap();
    inbox.move_to(&uids[2..], &opened(&account, "Trash")).unwrap();
    // A copy of a copy, in the mailbox where it lies.
    let trash = opened(&account, "Trash");
    trash.copy(&[trash.snapshot().rows.iter().next().unwrap().uid], &trash).unwrap();
    account.rename(&name("Trash"), &name("Gone")).unwrap();
    for account in [account, node(&disk)] {
        assert_eq!(ids(&account, "INBOX"), before[..2]);
        assert_eq!(ids(&account, "Gone"), [before[0], before[1], before[2], before[0]]);
        let gone = opened(&account, "Gone");
        let found = gone.search(&Key::EmailId(before[0])).unwrap();
        assert_eq!(found.iter().map(|uid| uid.number()).collect::<Vec<_>>(), [1, 4]);
        let others = Key::Not(Box::new(Key::Or(
            Box::new(Key::EmailId(before[0])),
            Box::new(Key::And(vec![Key::EmailId(before[2]), Key::All])),
        )));
        assert_eq!(gone.search(&others).unwrap().len(), 1);
        // Another message gets an identifier of its own.
        append(&account, "Gone", "Subject: new\n\n");
        assert!(!before.contains(ids(&account, "Gone").last().unwrap()));
        opened(&account, "Gone")
            .expunge(&[*opened(&account, "Gone").snapshot().rows.iter().map(|r| &r.uid).last().unwrap()])
            .unwrap();
    }
    // The list says it in Dovecot's words.
    let list = disk.read(Path::new("/home/ana/maildir/.Gone/dovecot-uidlist")).unwrap();
    let list = String::from_utf8(list).unwrap();
    assert!(list.lines().nth(1).unwrap().starts_with(&format!("1 G{} :", before[0])), "{list}");
}

#[test]
fn pop3_is_told_a_guid_once() {
    let account = node(&MemoryDisk::new());
    append(&account, "Trash", "Subject: a\n\n");
    let (inbox, trash) = (opened(&account, "INBOX"), opened(&account, "Trash"));
    for _ in 0..2 {
        trash.copy(&[Uid::FIRST], &inbox).unwrap();
    }
    let mut guids = std::collections::BTreeSet::new();
    inbox.each_listed(|listed| assert!(guids.insert(listed.guid.to_owned()))).unwrap();
    assert_eq!(guids.len(), 2);
}

#[test]
fn a_guid_that_another_server_wrote_is_the_identifier() {
    let disk = MemoryDisk::new();
    let account = node(&disk);
    append(&account, "INBOX", "Subject: a\n\n");
    append(&account, "INBOX", "Subject: b\n\n");
    let before = ids(&account, "INBOX");
    let path = Path::new("/home/ana/maildir/dovecot-uidlist");
    let list = String::from_utf8(disk.read(path).unwrap()).unwrap();
    let list = list.replace("\n1 :", "\n1 G29833b32b0e2006bc50c000083ecc375 :").replace("\n2 :", "\n2 Gnot-hex :");
    disk::replace(&disk, path, list.as_bytes()).unwrap();
    let account = node(&disk);
    let after = ids(&account, "INBOX");
    assert_eq!(after[0].to_string(), "29833b32b0e2006bc50c000083ecc375");
    assert!(after[1] != before[1]);
}

#[test]
fn a_mailbox_keeps_its_identifier_under_another_name_and_another_one_has_another() {
    let disk = MemoryDisk::new();
    let account = node(&disk);
    account.create(&name("foo"), None).unwrap();
    let id = opened(&account, "foo").id().unwrap();
    assert_eq!(account.status(&name("foo")).unwrap().mailbox_id, id);
    account.rename(&name("foo"), &name("bar")).unwrap();
    account.create(&name("foo"), None).unwrap();
    for account in [account, node(&disk)] {
        assert_eq!(opened(&account, "bar").id().unwrap(), id);
        assert!(opened(&account, "foo").id().unwrap() != id);
    }
}

#[test]
fn a_list_without_a_guid_gets_one_and_loses_nothing() {
    let disk = MemoryDisk::new();
    append(&node(&disk), "INBOX", "Subject: a\n\n");
    let path = Path::new("/home/ana/maildir/dovecot-uidlist");
    let list = String::from_utf8(disk.read(path).unwrap()).unwrap();
    let (first, rest) = list.split_once('\n').unwrap();
    let without: Vec<&str> = first.split(' ').filter(|word| !word.starts_with('G')).collect();
    disk::replace(&disk, path, format!("{}\n{rest}", without.join(" ")).as_bytes()).unwrap();
    let inbox = opened(&node(&disk), "INBOX");
    let (before, id) = (inbox.snapshot(), inbox.id().unwrap());
    assert_eq!(inbox.id().unwrap(), id);
    let again = opened(&node(&disk), "INBOX");
    assert_eq!((again.id().unwrap(), again.snapshot().uid_validity), (id, before.uid_validity));
    assert_eq!(again.snapshot().rows.len(), 1);
}

#[test]
fn a_thread_is_what_goes_back_to_one_message() {
    let account = node(&MemoryDisk::new());
    append(&account, "INBOX", "Message-ID: <a@x>\n\n");
    append(&account, "INBOX", "Message-ID: <b@x>\nIn-Reply-To: <a@x>\n\n");
    append(&account, "INBOX", "Message-ID: <c@x>\nReferences: <a@x> <b@x>\n\n");
    append(&account, "INBOX", "Message-ID: <d@x>\n\n");
    append(&account, "INBOX", "Subject: none\n\n");
    let inbox = opened(&account, "INBOX");
    let uids: Vec<Uid> = inbox.snapshot().rows.iter().map(|row| row.uid).collect();
    let digests = inbox.digests(&uids, &Want { thread_id: true, ..Want::SIZE }).unwrap().digests;
    let ids: Vec<_> = digests.iter().map(|digest| digest.thread_id).collect();
    assert!(ids[0].is_some() && ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3] && ids[3].is_some());
    assert_eq!(ids[4], None);
    assert_eq!(inbox.search(&Key::ThreadId(ids[0].unwrap())).unwrap(), uids[..3]);
}

#[test]
fn a_message_is_saved_when_it_came_into_its_mailbox() {
    let disk = MemoryDisk::new();
    let account = node(&disk);
    append(&account, "INBOX", "Subject: a\n\n");
    let saved = |mailbox: &str| {
        let mailbox = opened(&account, mailbox);
        let uids: Vec<Uid> = mailbox.snapshot().rows.iter().map(|row| row.uid).collect();
        let digests = mailbox.digests(&uids, &Want { saved: true, ..Want::FACTS }).unwrap().digests;
        let days = digests.iter().map(|digest| (digest.saved.unwrap().day(), digest.internal_date.day()));
        days.collect::<Vec<_>>()
    };
    let (first, _) = saved("INBOX")[0];
    disk.advance(std::time::Duration::from_secs(3 * 86_400));
    let inbox = opened(&account, "INBOX");
    inbox.copy(&[Uid::FIRST], &opened(&account, "Trash")).unwrap();
    // A change of flags is no saving.
    let change = store::FlagChange { how: store::How::Add, flags: Flags::SEEN, keywords: Vec::new() };
    inbox.store_flags(&[Uid::FIRST], &change).unwrap();
    let later = Day(first.0 + 3);
    assert_eq!(saved("INBOX"), [(first, first)]);
    assert_eq!(saved("Trash"), [(later, first)]);
    let trash = opened(&account, "Trash");
    for (key, fits) in [
        (Key::SavedBefore(later), false),
        (Key::SavedOn(later), true),
        (Key::SavedSince(later), true),
        (Key::SavedSince(Day(later.0 + 1)), false),
        (Key::Not(Box::new(Key::SavedOn(first))), true),
    ] {
        assert_eq!(trash.search(&key).unwrap().len(), usize::from(fits), "{key:?}");
    }
}
