//! What must hold at the worst moment: one test for each hole that the simulation once found.

mod world;

use std::path::{Path, PathBuf};
use std::time::Duration;

use disk::{Disk, Fault, Manners, MemoryDisk, Op, Survival};
use mail::Flags;
use store::{Access, DeliveryKey, Error};
use world::stop::Stop;
use world::*;

fn maildir(path: &str) -> PathBuf {
    Path::new(HOME).join("maildir").join(path)
}

#[test]
fn draft_does_not_bring_back_a_mailbox_that_is_deleted_meanwhile() {
    let disk = MemoryDisk::new();
    let owner = account(&disk);
    owner.create(&name("V"), None).unwrap();
    let node = Stop::before(&disk.another_node(Duration::ZERO), Op::Create, "/.V/tmp/", move || {
        owner.delete(&name("V")).unwrap();
    });
    let node = account(&node);
    assert!(matches!(deliver(&node, &name("V"), "late"), Err(Error::NoSuchMailbox)));
    assert!(!account(&disk).exists(&name("V")).unwrap());
}

#[test]
fn half_made_mailbox_still_takes_a_draft() {
    let disk = MemoryDisk::new();
    let node = account(&disk);
    disk.create_dir(&maildir(".V")).unwrap();
    deliver(&node, &name("V"), "one").unwrap();
    // Its maker may have died before the folder above was synced.
    assert_eq!(subjects(&found(&account(&disk.reboot(Survival::Nothing)), &name("V"))), ["one"]);
}

#[test]
fn mailbox_whose_maker_died_on_the_way_loses_nothing_that_came_in() {
    // In the order in which they are made.
    let parts = ["new", "cur", "tmp"];
    for made in 0..=parts.len() {
        let disk = MemoryDisk::new();
        let node = account(&disk);
        disk.create_dir(&maildir(".V")).unwrap();
        for (index, part) in parts.iter().take(made).enumerate() {
            disk.create_dir(&maildir(".V").join(part)).unwrap();
            // All but the last call was synced.
            if index + 1 < made {
                disk.sync_dir(&maildir(".V")).unwrap();
                disk.sync_dir(&maildir("")).unwrap();
            }
        }
        deliver(&node, &name("V"), "one").unwrap();
        let rebooted = account(&disk.reboot(Survival::Nothing));
        assert_eq!(subjects(&found(&rebooted, &name("V"))), ["one"], "{made} parts made");
    }
}

#[test]
fn what_the_journal_could_not_be_told_is_no_step_back_for_a_session() {
    let disk = MemoryDisk::new();
    let (a, b) = (account(&disk), account(&disk.another_node(Duration::ZERO)));
    for subject in ["one", "two"] {
        append(&a, &inbox(), subject, Flags::NONE, &[]).unwrap();
    }
    let (on_a, on_b) = (a.open(&inbox()).unwrap(), b.open(&inbox()).unwrap());
    disk.fail_next(Op::Append, Fault::NoSpace);
    let told = on_a.store_flags(&[uid(1)], &add(Flags::SEEN, &[])).unwrap();
    assert_eq!(told.row(uid(1)).unwrap().flags, Flags::SEEN, "the operation itself succeeds");
    // Another program undoes it: the files are again what the journal tells.
    let cur = maildir("cur");
    let entries = disk.list(&cur).unwrap();
    let seen = entries.iter().find_map(|entry| entry.name.to_str().filter(|name| name.ends_with(":2,S"))).unwrap();
    disk.rename(&cur.join(seen), &cur.join(seen.trim_end_matches('S'))).unwrap();
    on_b.store_flags(&[uid(2)], &add(Flags::FLAGGED, &[])).unwrap();
    let now = on_a.sync(Access::Look).unwrap();
    assert!(now.highest_modseq > told.highest_modseq);
    let (before, after) = (told.row(uid(1)).unwrap(), now.row(uid(1)).unwrap());
    assert_eq!(after.flags, Flags::NONE);
    assert!(after.modseq > before.modseq, "the session must hear of it");
    // All is recorded now: nobody writes any more.
    let calls = disk.calls();
    on_a.sync(Access::Look).unwrap();
    assert_eq!(disk.calls(), calls);
}

#[test]
fn expunge_of_what_another_removed_from_new_is_durable() {
    let disk = MemoryDisk::new();
    let node = account(&disk);
    deliver(&node, &inbox(), "one").unwrap();
    let mailbox = node.open(&inbox()).unwrap();
    let entries = disk.list(&maildir("new")).unwrap();
    disk.remove(&maildir("new").join(&entries[0].name)).unwrap();
    mailbox.expunge(&[uid(1)]).unwrap();
    assert!(found(&account(&disk.reboot(Survival::Nothing)), &inbox()).is_empty());
}

#[test]
fn flag_that_another_has_set_is_durable_once_it_was_asked_for_again() {
    let disk = MemoryDisk::new();
    let node = account(&disk);
    append(&node, &inbox(), "one", Flags::NONE, &[]).unwrap();
    let cur = maildir("cur");
    let entries = disk.list(&cur).unwrap();
    let plain = cur.join(&entries[0].name);
    disk.rename(&plain, Path::new(&format!("{}S", plain.display()))).unwrap();
    node.open(&inbox()).unwrap().store_flags(&[uid(1)], &add(Flags::SEEN, &[])).unwrap();
    let rebooted = account(&disk.reboot(Survival::Nothing));
    assert_eq!(found(&rebooted, &inbox())[0].2, ["\\Seen"]);
}

#[test]
fn uids_in_lines_that_could_not_be_synced_are_not_built_on() {
    let disk = MemoryDisk::new();
    let (a, b) = (account(&disk), account(&disk.another_node(Duration::ZERO)));
    append(&a, &inbox(), "one", Flags::NONE, &[]).unwrap();
    deliver(&a, &inbox(), "two").unwrap();
    disk.fail_next(Op::Sync, Fault::Broken);
    let on_a = a.open(&inbox());
    assert!(on_a.is_err(), "the sync of the list failed");
    let told = found(&b, &inbox());
    assert_eq!(found(&account(&disk.reboot(Survival::Nothing)), &inbox()), told);
}

#[test]
fn delivery_that_is_recognized_is_durable() {
    let disk = MemoryDisk::new();
    let node = account(&disk);
    let key = DeliveryKey::new("trace ana@example.org");
    let mut draft = node.draft_for(&inbox(), &key).unwrap();
    draft.write(content("one").as_bytes()).unwrap();
    disk.fail_next(Op::SyncDir, Fault::Broken);
    draft.deliver().unwrap_err();
    assert!(node.was_delivered(&inbox(), &key).unwrap());
    assert_eq!(subjects(&found(&account(&disk.reboot(Survival::Nothing)), &inbox())), ["one"]);
}

#[test]
fn list_that_another_makes_while_we_wait_for_the_lock_is_joined_with_what_was_scanned() {
    let disk = MemoryDisk::new();
    let maker = account(&disk);
    deliver(&maker, &inbox(), "one").unwrap();
    let node = Stop::before(&disk.another_node(Duration::ZERO), Op::Create, "dovecot-uidlist.lock", move || {
        assert_eq!(found(&maker, &inbox())[0].0, 1);
    });
    let mailbox = account(&node).open(&inbox()).unwrap();
    let uids: Vec<u32> = mailbox.snapshot().rows.iter().map(|row| row.uid.number()).collect();
    assert_eq!(uids, [1]);
    let list = String::from_utf8(disk.read(&maildir("dovecot-uidlist")).unwrap()).unwrap();
    assert_eq!(list.lines().count(), 2, "listed twice:\n{list}");
}

#[test]
fn copy_of_a_file_that_was_seen_while_it_was_written_tells_its_true_size() {
    let server = MemoryDisk::new();
    let writer = account(&server);
    writer.create(&name("B"), None).unwrap();
    // The same random lies in the same way: some of these believe for the longest time.
    for seed in 0..8 {
        let manners = Manners { seed, cache_max: Duration::from_secs(7200), ..Manners::default() };
        let client = server.nfs_client(manners);
        let subject = format!("one {seed}");
        let mut draft = writer.draft(&inbox()).unwrap();
        for entry in server.list(&maildir("tmp")).unwrap() {
            client.open(&maildir("tmp").join(&entry.name)).unwrap();
        }
        draft.write(content(&subject).as_bytes()).unwrap();
        draft.deliver().unwrap();
        found(&writer, &inbox());
        let node = account(&client);
        let (from, to) = (node.open(&inbox()).unwrap(), node.open(&name("B")).unwrap());
        let last = from.snapshot().rows.iter().map(|row| row.uid).max().unwrap();
        from.copy(&[last], &to).unwrap();
        assert_sound(&account(&server));
    }
}
