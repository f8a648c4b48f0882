//! The power is cut at every disk call of every operation, and everything unsynced is lost, kept, or lost in part. What was
//! acknowledged is there once, `verify` finds no damage, and no UID is used again or means another message.

mod client;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;

use client::Client;
use disk::{Cut, MemoryDisk, every_cut_from};
use mail::{Flags, ModSeq};
use store::{Access, Result};
use world::*;

/// What the scenario was told before the power went off.
struct Told<T>(Mutex<Vec<T>>);

impl<T: Clone> Told<T> {
    fn new() -> Told<T> {
        Told(Mutex::new(Vec::new()))
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    fn add(&self, told: T) {
        self.0.lock().unwrap().push(told);
    }

    fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

/// A disk with an account whose INBOX holds messages one, two and three, the second with flags, under UIDs 1 to 3.
fn three_messages() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let account = account(&disk);
    append(&account, &inbox(), "one", Flags::NONE, &[]).unwrap();
    append(&account, &inbox(), "two", Flags::SEEN, &[keyword("work")]).unwrap();
    append(&account, &inbox(), "three", Flags::NONE, &[]).unwrap();
    disk
}

fn empty_account() -> MemoryDisk {
    let disk = MemoryDisk::new();
    drop(account(&disk));
    disk
}

/// Opens the account after the cut, and twice, so that what the first opening repairs is checked as well.
fn after(disk: &MemoryDisk, check: impl Fn(&std::sync::Arc<store::Account>)) {
    let first = account(disk);
    assert_sound(&first);
    check(&first);
    drop(first);
    let second = account(disk);
    check(&second);
    assert_sound(&second);
}

#[test]
fn an_acknowledged_delivery_is_there_once() {
    let told = Told::new();
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.clear();
        let account = try_account(disk)?;
        for subject in ["one", "two", "three"] {
            deliver(&account, &inbox(), subject)?;
            told.add(subject);
        }
        Ok(())
    };
    every_cut_from(&MemoryDisk::new(), scenario, |disk, _| {
        after(&disk, |account| {
            let lines = found(account, &inbox());
            for subject in told.all() {
                assert_eq!(subjects(&lines).iter().filter(|known| **known == subject).count(), 1, "{subject}");
            }
            assert!(lines.len() <= 3);
        });
    });
}

#[test]
fn a_uid_once_told_means_the_same_message_for_ever() {
    let told = Told::new();
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.clear();
        let account = try_account(disk)?;
        for subject in ["one", "two", "three"] {
            deliver(&account, &inbox(), subject)?;
            let mailbox = account.open(&inbox())?;
            let snapshot = mailbox.sync(Access::Serve)?;
            let uid = snapshot.rows.last().unwrap().uid.number();
            told.add((snapshot.uid_validity, uid, subject));
        }
        Ok(())
    };
    every_cut_from(&empty_account(), scenario, |disk, _| {
        after(&disk, |account| {
            let lines: BTreeMap<u32, String> =
                found(account, &inbox()).into_iter().map(|(uid, subject, _)| (uid, subject)).collect();
            let snapshot = account.open(&inbox()).unwrap().snapshot();
            for (validity, uid, subject) in told.all() {
                assert_eq!(snapshot.uid_validity, validity);
                assert_eq!(lines.get(&uid).map(String::as_str), Some(subject));
                assert!(snapshot.uid_next.number() > uid);
            }
        });
    });
}

#[test]
fn an_acknowledged_append_keeps_its_uid_flags_and_date() {
    let told = Told::new();
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.clear();
        let account = try_account(disk)?;
        for subject in ["four", "five"] {
            let uid = append(&account, &inbox(), subject, Flags::FLAGGED, &[keyword(subject)])?;
            told.add((uid.number(), subject.to_owned(), vec!["\\Flagged".to_owned(), subject.to_owned()]));
        }
        Ok(())
    };
    every_cut_from(&three_messages(), scenario, |disk, _| {
        after(&disk, |account| {
            let lines = found(account, &inbox());
            assert_eq!(subjects(&lines)[..3], ["one", "two", "three"]);
            for line in told.all() {
                assert!(lines.contains(&line), "{line:?} in {lines:?}");
                let facts = account.open(&inbox()).unwrap().facts(uid(line.0)).unwrap();
                assert_eq!(facts.internal_date.seconds, 1_000_000);
            }
        });
    });
}

#[test]
fn acknowledged_flags_stay() {
    let told = Told::new();
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.clear();
        let mailbox = try_account(disk)?.open(&inbox())?;
        mailbox.store_flags(&[uid(1), uid(2)], &add(Flags::ANSWERED, &[]))?;
        told.add("\\Answered");
        mailbox.store_flags(&[uid(1), uid(2)], &add(Flags::NONE, &["urgent"]))?;
        told.add("urgent");
        Ok(())
    };
    every_cut_from(&three_messages(), scenario, |disk, _| {
        after(&disk, |account| {
            let lines = found(account, &inbox());
            assert_eq!(subjects(&lines), ["one", "two", "three"]);
            for flag in told.all() {
                assert!(lines[..2].iter().all(|(_, _, flags)| flags.iter().any(|known| known == flag)), "{flag}");
            }
            assert!(lines[1].2.contains(&"work".to_owned()) && lines[2].2.is_empty());
        });
    });
}

#[test]
fn an_expunge_takes_nothing_else_and_no_uid_comes_back() {
    let told = Told::new();
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.clear();
        let account = try_account(disk)?;
        let four = append(&account, &inbox(), "four", Flags::NONE, &[])?;
        told.add((four, false));
        account.open(&inbox())?.expunge(&[uid(2), uid(3), four])?;
        told.add((four, true));
        Ok(())
    };
    every_cut_from(&three_messages(), scenario, |disk, _| {
        let told = told.all();
        after(&disk, |account| {
            let lines = found(account, &inbox());
            assert_eq!(lines[0].1, "one");
            assert!(told.len() < 2 || lines.len() == 1);
            assert!(
                lines.iter().all(|(uid, subject, _)| ["one", "two", "three", "four"][*uid as usize - 1] == subject)
            );
        });
        let next = append(&account(&disk), &inbox(), "next", Flags::NONE, &[]).unwrap();
        assert!(told.iter().all(|(told, _)| next > *told), "UID {next} comes back");
    });
}

#[test]
fn a_copy_is_whole_when_acknowledged_and_costs_the_source_nothing() {
    let told = Told::new();
    let before = |account: &std::sync::Arc<store::Account>| found(account, &inbox());
    let start = three_messages();
    let source = before(&account(&start));
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.clear();
        let account = try_account(disk)?;
        account.create(&name("Copies"), None)?;
        let copied = account.open(&inbox())?.copy(&[uid(1), uid(2), uid(3)], &*account.open(&name("Copies"))?)?;
        told.add(copied);
        Ok(())
    };
    every_cut_from(&start, scenario, |disk, _| {
        after(&disk, |account| {
            assert_eq!(found(account, &inbox()), source);
            for copied in told.all() {
                let target = found(account, &name("Copies"));
                let told_uids: Vec<u32> = copied.target.iter().map(|uid| uid.number()).collect();
                let lines: Vec<Line> =
                    source.iter().zip(told_uids).map(|((_, s, f), uid)| (uid, s.clone(), f.clone())).collect();
                assert_eq!(target, lines);
                assert_eq!(copied.uid_validity, account.open(&name("Copies")).unwrap().snapshot().uid_validity);
            }
        });
    });
}

#[test]
fn a_move_never_loses_a_message_and_leaves_one_when_acknowledged() {
    let told = Told::new();
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.clear();
        let account = try_account(disk)?;
        account.open(&inbox())?.move_to(&[uid(1), uid(2)], &*account.open(&name("Trash"))?)?;
        told.add(());
        Ok(())
    };
    every_cut_from(&three_messages(), scenario, |disk, _| {
        after(&disk, |account| {
            let (left, moved) = (found(account, &inbox()), found(account, &name("Trash")));
            for subject in ["one", "two"] {
                let times = subjects(&left).iter().chain(&subjects(&moved)).filter(|known| **known == subject).count();
                assert!(times >= 1 && (times == 1 || told.all().is_empty()), "{subject} is there {times} times");
            }
            assert!(subjects(&left).contains(&"three"));
            assert!(told.all().is_empty() || subjects(&moved) == ["one", "two"]);
        });
    });
}

#[test]
fn acknowledged_names_stay_and_renames_lose_no_mailbox() {
    let told = Told::new();
    let start = {
        let disk = MemoryDisk::new();
        let account = account(&disk);
        account.create(&name("Old"), None).unwrap();
        account.create(&name("Old/Child"), None).unwrap();
        deliver(&account, &name("Old/Child"), "kept").unwrap();
        disk
    };
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.clear();
        let account = try_account(disk)?;
        account.create(&name("A\u{f1}os"), Some(store::SpecialUse::Archive))?;
        told.add("created");
        account.subscribe(&name("A\u{f1}os"))?;
        told.add("subscribed");
        account.rename(&name("Old"), &name("New"))?;
        told.add("renamed");
        account.delete(&name("New"))?;
        told.add("deleted");
        Ok(())
    };
    every_cut_from(&start, scenario, |disk, _: Cut| {
        after(&disk, |account| {
            let told = told.all();
            let list = account.list().unwrap();
            let listed = |mailbox: &str| list.iter().find(|listed| listed.name == name(mailbox));
            if told.contains(&"created") {
                assert_eq!(listed("A\u{f1}os").unwrap().special_use, Some(store::SpecialUse::Archive));
            }
            assert!(!told.contains(&"subscribed") || listed("A\u{f1}os").unwrap().subscribed);
            let child = if listed("New/Child").is_some() { "New/Child" } else { "Old/Child" };
            assert!(!told.contains(&"renamed") || child == "New/Child");
            assert_eq!(subjects(&found(account, &name(child))), ["kept"]);
            assert!(!told.contains(&"deleted") || !listed("New").unwrap().selectable);
        });
    });
}

#[test]
fn a_client_that_was_told_something_before_the_cut_learns_the_truth_after_it() {
    let told = Told::new();
    let scenario = |disk: &MemoryDisk| -> Result<()> {
        told.clear();
        let account = try_account(disk)?;
        let mailbox = account.open(&inbox())?;
        let mut client = Client::default();
        let mut tell = |mailbox: &store::Mailbox| -> Result<()> {
            mailbox.sync(Access::Serve)?;
            client.learn_of(mailbox);
            told.add(client.clone());
            Ok(())
        };
        tell(&mailbox)?;
        mailbox.store_flags(&[uid(1), uid(3)], &add(Flags::SEEN, &["play"]))?;
        tell(&mailbox)?;
        mailbox.expunge(&[uid(2)])?;
        tell(&mailbox)?;
        append(&account, &inbox(), "four", Flags::FLAGGED, &[])?;
        tell(&mailbox)?;
        deliver(&account, &inbox(), "five")?;
        mailbox.sync(Access::Serve)?;
        tell(&mailbox)?;
        Ok(())
    };
    every_cut_from(&three_messages(), scenario, |disk, _| {
        let told = told.all();
        let mailbox = account(&disk).open(&inbox()).unwrap();
        for client in &told {
            client.clone().learn(&mailbox);
        }
        let highest = told.iter().map(|client| client.highest).max().unwrap_or_default();
        mailbox.store_flags(&[uid(1)], &add(Flags::DELETED, &[])).unwrap();
        assert!(mailbox.snapshot().highest_modseq > highest, "a mod-sequence is told twice");
        assert!(mailbox.snapshot().row(uid(1)).unwrap().modseq > highest.max(ModSeq(1)));
        assert_sound(&account(&disk));
    });
}
