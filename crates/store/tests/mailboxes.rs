//! Mailboxes as one node sees them: names, flags, searches, damage, bounds.

mod world;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use disk::{Disk, Fault, MemoryDisk, Op};
use mail::digest::Want;
use mail::search::Key;
use mail::{Flags, NumberSet};
use store::{Access, DeliveryKey, Error, FlagChange, How, SpecialUse, verify};
use world::*;

const INBOX: &str = "/home/ana/maildir";

fn put(disk: &MemoryDisk, path: &str, content: &str) {
    disk.create_new(Path::new(path)).unwrap().write_all(content.as_bytes()).unwrap();
}

fn files(disk: &MemoryDisk, folder: &str) -> Vec<String> {
    let entries = disk.list(Path::new(folder)).unwrap();
    let mut names: Vec<String> = entries.iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn auto_mailboxes_are_listed_before_and_made_when_opened() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    let names: Vec<_> =
        account.list().unwrap().into_iter().map(|listed| (listed.name.to_string(), listed.exists)).collect();
    let expected = [("Drafts", false), ("INBOX", true), ("Junk", false), ("Sent", false), ("Trash", false)];
    assert_eq!(names, expected.map(|(name, exists)| (name.to_owned(), exists)));
    assert!(matches!(account.create(&name("Trash"), None), Err(Error::MailboxExists)));
    account.open(&name("Trash")).unwrap();
    let list = account.list().unwrap();
    let trash = list.iter().find(|listed| listed.name == name("Trash")).unwrap();
    assert!(trash.exists && trash.subscribed && trash.special_use == Some(SpecialUse::Trash));
    account.unsubscribe(&name("Sent")).unwrap();
    assert!(!account.subscriptions().unwrap().contains(&name("Sent")));
}

#[test]
fn names_that_cannot_be_are_refused() {
    let account = account(&MemoryDisk::new());
    assert!(matches!(account.create(&name("Con.Punto"), None), Err(Error::NotAllowed(_))));
    assert!(matches!(account.create(&inbox(), None), Err(Error::MailboxExists)));
    assert!(matches!(account.delete(&inbox()), Err(Error::NotAllowed(_))));
    assert!(matches!(account.delete(&name("Nowhere")), Err(Error::NoSuchMailbox)));
    assert!(matches!(account.open(&name("Nowhere")), Err(Error::NoSuchMailbox)));
    assert!(matches!(account.subscribe(&name("Nowhere")), Err(Error::NoSuchMailbox)));
    assert!(matches!(account.rename(&name("Nowhere"), &name("X")), Err(Error::NoSuchMailbox)));
    account.create(&name("A/B"), None).unwrap();
    assert!(matches!(account.rename(&name("A"), &name("A/B/C")), Err(Error::NotAllowed(_))));
    assert!(matches!(account.rename(&name("A"), &name("Trash")), Err(Error::MailboxExists)));
}

#[test]
fn renaming_inbox_moves_its_messages_and_leaves_it_empty() {
    let account = account(&MemoryDisk::new());
    append(&account, &inbox(), "one", Flags::SEEN, &[keyword("k")]).unwrap();
    account.rename(&inbox(), &name("Before")).unwrap();
    assert_eq!(found(&account, &name("Before")), [(1, "one".to_owned(), vec!["\\Seen".to_owned(), "k".to_owned()])]);
    assert!(found(&account, &inbox()).is_empty());
    assert_sound(&account);
}

#[test]
fn who_has_a_deleted_mailbox_open_hears_it() {
    let account = account(&MemoryDisk::new());
    account.create(&name("Work"), None).unwrap();
    account.create(&name("Work/Sub"), None).unwrap();
    let open = account.open(&name("Work")).unwrap();
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let watch = open.watch(Box::new(move || _ = count.fetch_add(1, Ordering::Relaxed)));
    account.delete(&name("Work")).unwrap();
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    assert!(matches!(open.sync(Access::Look), Err(Error::NoSuchMailbox)));
    drop(watch);
    let list = account.list().unwrap();
    let work = list.iter().find(|listed| listed.name == name("Work")).unwrap();
    assert!(!work.selectable && work.has_children);
    assert!(verify(&account).unwrap().is_empty());
}

#[test]
fn a_watcher_hears_of_deliveries_and_may_ask_at_once() {
    let account = account(&MemoryDisk::new());
    let mailbox = account.open(&inbox()).unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let (again, count) = (Arc::downgrade(&mailbox), Arc::clone(&seen));
    let _watch = mailbox.watch(Box::new(move || {
        // Would wait for ever if a lock were held.
        let rows = again.upgrade().unwrap().sync(Access::Look).unwrap().rows.len();
        count.store(rows, Ordering::Relaxed);
    }));
    deliver(&account, &inbox(), "one").unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[test]
fn flags_are_added_removed_and_replaced_and_foreign_letters_stay() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    put(&disk, &format!("{INBOX}/cur/1.M1P1.x:2,PSz"), "Subject: a\n\nBody of a.\n");
    let mailbox = account.open(&inbox()).unwrap();
    let change = |how, flags, keywords: &[&str]| {
        let keywords = keywords.iter().map(|name| keyword(name)).collect();
        mailbox.store_flags(&[uid(1)], &FlagChange { how, flags, keywords }).unwrap();
        (lines(&mailbox)[0].2.join(" "), files(&disk, &format!("{INBOX}/cur"))[0].clone())
    };
    let step = |flags: &str, file: &str| (flags.to_owned(), file.to_owned());
    assert_eq!(change(How::Add, Flags::FLAGGED, &["one"]), step("\\Flagged \\Seen one", "1.M1P1.x:2,FPSaz"));
    assert_eq!(change(How::Remove, Flags::SEEN, &["ONE"]), step("\\Flagged", "1.M1P1.x:2,FPz"));
    // The letter z has lost its name: no client can see it, and none can take it away.
    assert_eq!(change(How::Replace, Flags::DRAFT, &["two"]), step("\\Draft two", "1.M1P1.x:2,DPbz"));
}

#[test]
fn a_keyword_too_many_changes_nothing() {
    let account = account(&MemoryDisk::new());
    append(&account, &inbox(), "one", Flags::NONE, &[]).unwrap();
    let mailbox = account.open(&inbox()).unwrap();
    for number in 0..26 {
        mailbox.store_flags(&[uid(1)], &add(Flags::NONE, &[&format!("k{number}")])).unwrap();
    }
    let before = mailbox.snapshot();
    assert!(matches!(mailbox.store_flags(&[uid(1)], &add(Flags::SEEN, &["more"])), Err(Error::KeywordsFull)));
    assert_eq!(*mailbox.snapshot(), *before);
}

#[test]
fn mod_sequences_grow_with_every_change_and_only_then() {
    let account = account(&MemoryDisk::new());
    append(&account, &inbox(), "one", Flags::NONE, &[]).unwrap();
    append(&account, &inbox(), "two", Flags::NONE, &[]).unwrap();
    let mailbox = account.open(&inbox()).unwrap();
    let before = mailbox.snapshot();
    let after = mailbox.store_flags(&[uid(2)], &add(Flags::SEEN, &[])).unwrap();
    assert!(after.highest_modseq > before.highest_modseq);
    assert_eq!(after.row(uid(1)).unwrap().modseq, before.row(uid(1)).unwrap().modseq);
    assert_eq!(after.row(uid(2)).unwrap().modseq, after.highest_modseq);
    let same = mailbox.store_flags(&[uid(2)], &add(Flags::SEEN, &[])).unwrap();
    assert!(Arc::ptr_eq(&after, &same));
}

#[test]
fn an_unchanged_mailbox_is_not_scanned() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    append(&account, &inbox(), "one", Flags::NONE, &[]).unwrap();
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    disk.advance(Duration::from_secs(10));
    // Young when it was scanned first: once more, and then never again.
    mailbox.sync(Access::Serve).unwrap();
    disk.fail_next(Op::List, Fault::Broken);
    mailbox.sync(Access::Serve).unwrap();
    deliver(&account, &inbox(), "two").unwrap();
    assert!(mailbox.sync(Access::Serve).is_err());
    assert_eq!(mailbox.sync(Access::Serve).unwrap().rows.len(), 2);
}

#[test]
fn a_change_within_one_tick_of_the_clock_is_seen_after_a_moment() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    disk.freeze_clock();
    put(&disk, &format!("{INBOX}/cur/1.M1P1.x:2,"), "Subject: a\n\nBody of a.\n");
    assert_eq!(mailbox.sync(Access::Serve).unwrap().rows.len(), 1);
    put(&disk, &format!("{INBOX}/cur/2.M1P1.x:2,"), "Subject: b\n\nBody of b.\n");
    disk.advance(Duration::from_secs(2));
    assert_eq!(mailbox.sync(Access::Serve).unwrap().rows.len(), 2);
}

#[test]
fn a_flag_that_another_program_sets_unseen_is_kept() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    put(&disk, &format!("{INBOX}/cur/1.M1P1.x:2,"), "Subject: a\n\nBody of a.\n");
    let mailbox = account.open(&inbox()).unwrap();
    disk.freeze_clock();
    mailbox.store_flags(&[uid(1)], &add(Flags::SEEN, &[])).unwrap();
    // Within the same tick of the clock, and without the lock: no look can tell.
    let path = |flags: &str| Path::new(INBOX).join("cur").join(format!("1.M1P1.x:2,{flags}"));
    disk.rename(&path("S"), &path("RS")).unwrap();
    mailbox.store_flags(&[uid(1)], &add(Flags::FLAGGED, &[])).unwrap();
    assert_eq!(lines(&mailbox)[0].2, ["\\Answered", "\\Flagged", "\\Seen"]);
    disk.rename(&path("FRS"), &path("FS")).unwrap();
    mailbox.expunge(&[uid(1)]).unwrap();
    assert!(files(&disk, &format!("{INBOX}/cur")).is_empty());
}

#[test]
fn a_damaged_list_gives_no_uid_to_another_message() {
    let disk = MemoryDisk::new();
    let first = account(&disk);
    for subject in ["one", "two", "three"] {
        append(&first, &inbox(), subject, Flags::NONE, &[]).unwrap();
    }
    drop(first);
    let path = Path::new(INBOX).join("dovecot-uidlist");
    let list = String::from_utf8(disk.read(&path).unwrap()).unwrap();
    let damaged: String = list
        .lines()
        .map(|line| if line.starts_with("2 ") { "2 gar\0bage\n".to_owned() } else { format!("{line}\n") })
        .collect();
    disk::replace(&disk, &path, damaged.as_bytes()).unwrap();
    let lines = found(&account(&disk), &inbox());
    let expected = [(1, "one"), (3, "three"), (4, "two")];
    assert_eq!(lines, expected.map(|(uid, subject)| (uid, subject.to_owned(), Vec::new())));
    assert!(verify(&account(&disk)).unwrap().is_empty());
}

#[test]
fn a_lost_list_means_a_new_uidvalidity_and_no_lost_message() {
    let disk = MemoryDisk::new();
    let first = account(&disk);
    append(&first, &inbox(), "one", Flags::SEEN, &[]).unwrap();
    let open = first.open(&inbox()).unwrap();
    disk.remove(&Path::new(INBOX).join("dovecot-uidlist")).unwrap();
    assert!(matches!(open.sync(Access::Look), Err(Error::NoSuchMailbox)));
    let again = first.open(&inbox()).unwrap();
    assert!(again.snapshot().uid_validity > open.snapshot().uid_validity);
    assert_eq!(lines(&again), [(1, "one".to_owned(), vec!["\\Seen".to_owned()])]);
}

#[test]
fn two_names_of_one_file_are_one_message_and_two_files_of_one_name_are_two() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    let (new, cur) = (format!("{INBOX}/new/1.M1P1.x"), format!("{INBOX}/cur/1.M1P1.x:2,S"));
    put(&disk, &new, "Subject: a\n\nBody of a.\n");
    disk.link(Path::new(&new), Path::new(&cur)).unwrap();
    put(&disk, &format!("{INBOX}/new/2.M1P1.x"), "Subject: b\n\nBody of b.\n");
    put(&disk, &format!("{INBOX}/cur/2.M1P1.x:2,"), "Subject: c\n\nBody of c.\n");
    let lines = found(&account, &inbox());
    let mut subjects = subjects(&lines);
    subjects.sort_unstable();
    assert_eq!(subjects, ["a", "b", "c"]);
    assert_eq!(lines.iter().find(|(_, subject, _)| subject == "a").unwrap().2, ["\\Seen"]);
    assert!(verify(&account).unwrap().is_empty());
}

#[test]
fn old_leftovers_are_swept_and_young_ones_left_alone() {
    let disk = MemoryDisk::new();
    drop(account(&disk));
    put(&disk, &format!("{INBOX}/tmp/old"), "x");
    put(&disk, &format!("{INBOX}/dovecot-uidlist.tmp.1.h.0"), "x");
    disk.advance(Duration::from_secs(37 * 3600));
    put(&disk, &format!("{INBOX}/tmp/young"), "x");
    found(&account(&disk), &inbox());
    assert_eq!(files(&disk, &format!("{INBOX}/tmp")), ["young"]);
    assert!(!files(&disk, INBOX).contains(&"dovecot-uidlist.tmp.1.h.0".to_owned()));
}

#[test]
fn a_dropped_draft_leaves_nothing() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    let mut draft = account.draft(&inbox()).unwrap();
    draft.write(b"Subject: never\r\n").unwrap();
    drop(draft);
    assert!(files(&disk, &format!("{INBOX}/tmp")).is_empty());
}

#[test]
fn a_full_disk_is_said_and_costs_nothing() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    append(&account, &inbox(), "one", Flags::NONE, &[]).unwrap();
    for op in [Op::Write, Op::Sync, Op::Create] {
        disk.fail_next(op, Fault::NoSpace);
        assert!(matches!(deliver(&account, &inbox(), "two"), Err(Error::NoSpace)), "{op}");
        disk.fail_next(op, Fault::NoSpace);
        assert!(matches!(append(&account, &inbox(), "two", Flags::NONE, &[]), Err(Error::NoSpace)), "{op}");
    }
    assert_eq!(subjects(&found(&account, &inbox())), ["one"]);
    assert_sound(&account);
}

#[test]
fn a_copy_that_fails_in_the_middle_leaves_nothing_behind() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    for subject in ["one", "two"] {
        append(&account, &inbox(), subject, Flags::NONE, &[]).unwrap();
    }
    let (from, to) = (account.open(&inbox()).unwrap(), account.open(&name("Trash")).unwrap());
    // First nothing is renamed yet, as the uidlist cannot be written; then all is, and the sync of `cur/` fails.
    for op in [Op::Append, Op::SyncDir] {
        disk.fail_next(op, Fault::NoSpace);
        assert!(matches!(from.copy(&[uid(1), uid(2)], &to), Err(Error::NoSpace)), "{op}");
    }
    to.sync(Access::Serve).unwrap();
    assert!(lines(&to).is_empty());
    assert!(files(&disk, &format!("{INBOX}/.Trash/tmp")).is_empty());
    assert_eq!(lines(&from).len(), 2);
}

#[test]
fn an_expunged_mailbox_keeps_its_list_short_and_its_uids_rising() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    for number in 0..150 {
        append(&account, &inbox(), &number.to_string(), Flags::NONE, &[]).unwrap();
    }
    let uids: Vec<_> = (2..=150).map(uid).collect();
    account.open(&inbox()).unwrap().expunge(&uids).unwrap();
    let list = disk.read(&Path::new(INBOX).join("dovecot-uidlist")).unwrap();
    assert!(list.split(|&byte| byte == b'\n').count() < 10);
    assert_eq!(append(&account, &inbox(), "next", Flags::NONE, &[]).unwrap(), uid(151));
}

#[test]
fn files_of_other_programs_without_sizes_are_counted() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    put(&disk, &format!("{INBOX}/cur/1.M1P1.x:2,"), "Subject: a\n\nBody of a.\n");
    put(&disk, &format!("{INBOX}/cur/2.M1P1.x,S=5,W=5:2,"), "Subject: b\r\n\r\nBody of b.\r\n");
    let mailbox = account.open(&inbox()).unwrap();
    for number in 1..=2 {
        assert_eq!(mailbox.facts(uid(number)).unwrap().size, content("a").len() as u64);
    }
    assert_eq!(subjects(&lines(&mailbox)), ["a", "b"]);
}

#[test]
fn sizes_alone_are_those_of_the_names_until_a_message_is_opened() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    let text = "Subject: a\r\n\r\nBody of a.\r\n";
    let names = ["1.M1P1.x,S=26,W=26:2,", "2.M1P1.x,S=26,W=40:2,", "3.M1P1.x,S=26,W=25:2,", "4.M1P1.x:2,"];
    names.iter().for_each(|name| put(&disk, &format!("{INBOX}/cur/{name}"), text));
    let mailbox = account.open(&inbox()).unwrap();
    let uids = [1, 2, 3, 4].map(uid);
    let sizes = |uids: &[mail::Uid]| {
        let alone = Want { date: false, ..Want::FACTS };
        let found = mailbox.digests(uids, &alone).unwrap().digests;
        found.iter().map(|digest| digest.size).collect::<Vec<_>>()
    };
    disk.remove(&Path::new(INBOX).join("cur").join(names[0])).unwrap();
    assert_eq!(sizes(&uids[..2]), [26, 40], "no file was asked");
    assert_eq!(sizes(&uids[2..]), [26, 26], "what cannot be, or is not told, is counted");
    mailbox.message(uids[1]).unwrap();
    assert_eq!(sizes(&uids[1..]), [26, 26, 26]);
}

const LETTER: &str = "From: =?utf-8?q?Jos=C3=A9?= <jose@example.test>\r\n\
    Subject: =?iso-8859-1?q?A=F1o?= nuevo\r\n\
    Date: Mon, 1 Jan 2024 23:30:00 -0500\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    wqFGZWxpY2lkYWRlcyE=\r\n\
    --b\r\nContent-Type: application/octet-stream\r\n\r\nhidden\r\n--b--\r\n";

#[test]
fn search_reads_decoded_headers_and_text_parts() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    let mut draft = account.draft(&inbox()).unwrap();
    draft.write(LETTER.as_bytes()).unwrap();
    draft.append(Flags::SEEN, &[keyword("work")], Some(mail::date::DateTime::utc(86_400 * 10 + 5))).unwrap();
    append(&account, &inbox(), "plain", Flags::NONE, &[]).unwrap();
    let mailbox = account.open(&inbox()).unwrap();
    let header = |name: &str, text: &str| Key::Header { name: name.to_owned(), text: text.to_owned() };
    let day = |text: &str| mail::date::parse_imap_day(text).unwrap();
    let not = |key| Key::Not(Box::new(key));
    let now = disk.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // To the second: the other one was received at 1,000,000.
    let age = u32::try_from(now - 1_000_000).unwrap();
    for (key, expected) in [
        (Key::Older(age), &[1, 2][..]),
        (Key::Older(age + 1), &[1]),
        (Key::Younger(age), &[2]),
        (Key::Younger(age - 1), &[]),
        (Key::All, &[1, 2][..]),
        (header("subject", "A\u{d1}O NUEVO"), &[1]),
        (header("from", "jos\u{e9}"), &[1]),
        (header("date", ""), &[1]),
        (Key::Body("\u{a1}felicidades".to_owned()), &[1]),
        (Key::Body("hidden".to_owned()), &[]),
        (Key::Body("Body of".to_owned()), &[2]),
        (Key::Text("nuevo".to_owned()), &[1]),
        (Key::Flags(Flags::SEEN), &[1]),
        (Key::Keyword(keyword("WORK")), &[1]),
        (Key::Keyword(keyword("unknown")), &[]),
        (Key::UidSet(NumberSet::parse("7:*").unwrap()), &[2]),
        (Key::Uids(vec![uid(2), uid(9)]), &[2]),
        (Key::Larger(100), &[1]),
        (Key::Smaller(100), &[2]),
        (Key::On(day("11-Jan-1970")), &[1]),
        (Key::Before(day("12-Jan-1970")), &[1]),
        (Key::Since(day("12-Jan-1970")), &[2]),
        (Key::SentOn(day("1-Jan-2024")), &[1]),
        (not(Key::SentSince(day("1-Jan-2024"))), &[2]),
        (Key::And(vec![Key::Body("plain".to_owned()), not(Key::Flags(Flags::SEEN))]), &[2]),
        (Key::Or(Box::new(Key::Larger(100)), Box::new(Key::Uids(vec![uid(2)]))), &[1, 2]),
    ] {
        let found: Vec<u32> = mailbox.search(&key).unwrap().into_iter().map(|uid| uid.number()).collect();
        assert_eq!(found, expected, "{key:?}");
    }
}

#[test]
fn a_delivery_is_recognized_wherever_its_message_went() {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    let (mine, other) = (DeliveryKey::new("trace-1 bob@example.test"), DeliveryKey::new("trace-1 bob+x@example.test"));
    let was = |key: &DeliveryKey| account.was_delivered(&inbox(), key).unwrap();
    assert!(!was(&mine));
    let mut draft = account.draft_for(&inbox(), &mine).unwrap();
    draft.write(content("one").as_bytes()).unwrap();
    assert!(!was(&mine), "what is still in tmp/ was not delivered");
    draft.deliver().unwrap();
    assert!(was(&mine) && !was(&other));
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    mailbox.store_flags(&[uid(1)], &add(Flags::SEEN, &[])).unwrap();
    assert!(was(&mine), "moved to cur/ and flagged");
    mailbox.expunge(&[uid(1)]).unwrap();
    assert!(was(&mine) && !was(&other), "expunged");
}

/// A file that begins so is read as compressed (Dovecot's zlib plugin refuses these for the same reason).
#[test]
fn a_message_that_would_be_taken_for_compressed_is_refused() {
    let account = account(&MemoryDisk::new());
    for magic in [&b"\x1f\x8b\x08"[..], b"\x28\xb5\x2f\xfd", b"BZh91AY&SY", b"\xfd7zXZ\0"] {
        for size in [magic.len(), 200_000] {
            let mut draft = account.draft(&inbox()).unwrap();
            let content = [magic, &vec![b'x'; size]].concat();
            // Cut anywhere, so that the beginning comes in pieces.
            let stored = content.chunks(2).try_for_each(|piece| draft.write(piece));
            let stored = stored.and_then(|()| draft.append(Flags::NONE, &[], None));
            assert!(matches!(stored, Err(Error::NotAllowed(_))), "{stored:?}");
        }
    }
    assert!(found(&account, &inbox()).is_empty());
}
