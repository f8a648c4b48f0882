//! The power goes off at every call.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use disk::{MemoryDisk, every_cut, every_cut_from};
use mail::QueueId;
use queue::{Entry, Mark, RecipientState, Result, Settles, Timestamp};

use super::*;

const LARGE: [u8; 200] = [b'L'; 200];

fn by_id(entries: Vec<Entry>) -> BTreeMap<QueueId, Entry> {
    entries.into_iter().map(|entry| (entry.id, entry)).collect()
}

#[test]
fn what_was_accepted_is_there_once_and_whole_and_no_id_is_given_twice() {
    let acknowledged = RefCell::new(BTreeMap::new());
    let given = RefCell::new(BTreeSet::new());
    let contents: [&[u8]; 5] = [b"one", &LARGE, b"", b"four", &LARGE];
    let calls = every_cut(
        |disk| -> Result<()> {
            acknowledged.borrow_mut().clear();
            given.borrow_mut().clear();
            let (spool, _) = open(disk)?;
            let abandoned = receive(&spool, &LARGE)?;
            for content in contents {
                let incoming = receive(&spool, content)?;
                given.borrow_mut().extend([abandoned.id(), incoming.id()]);
                let id = incoming.commit(envelope(2), HEADER, Timestamp(1000))?;
                assert!(acknowledged.borrow_mut().insert(id, content).is_none());
            }
            Ok(())
        },
        |disk, _| {
            let (spool, recovered) = reopen(&disk);
            let entries = by_id(recovered.entries);
            for (id, content) in &*acknowledged.borrow() {
                assert_eq!(entries[id].states, vec![RecipientState::Waiting; 2]);
                assert_eq!(content_of(&spool, *id).unwrap(), *content);
            }
            for id in entries.keys() {
                assert!(contents.contains(&&*content_of(&spool, *id).unwrap()));
            }
            assert!(!given.borrow().contains(&spool.begin().unwrap().id()));
        },
    );
    assert!(calls > 40, "{calls}");
}

/// A spool on a durable disk with these many messages, alternately small and large, of two recipients.
fn prepared(messages: usize) -> (MemoryDisk, Vec<QueueId>) {
    let disk = MemoryDisk::new();
    let (spool, _) = open(&disk).unwrap();
    let ids = (0..messages).map(|n| accept(&spool, 2, if n % 2 == 0 { b"small" } else { &LARGE }).unwrap()).collect();
    (disk, ids)
}

#[test]
fn what_was_recorded_stays_and_what_was_removed_does_not_come_back() {
    let (start, ids) = prepared(2);
    let done = RefCell::new(Vec::new());
    every_cut_from(
        &start,
        |disk| -> Result<()> {
            done.borrow_mut().clear();
            let (spool, _) = open(disk)?;
            for id in &ids {
                spool.record(*id, &[(1, deferred(1))], false)?;
                spool.record(*id, &[(0, delivered())], true)?;
                done.borrow_mut().push((*id, "delivered"));
                spool.mark(*id, Mark::Held)?;
                done.borrow_mut().push((*id, "held"));
                spool.remove(*id)?;
                done.borrow_mut().push((*id, "removed"));
            }
            Ok(())
        },
        |disk, _| {
            let (spool, recovered) = reopen(&disk);
            let entries = by_id(recovered.entries);
            let done = done.borrow();
            for id in &ids {
                let was = |what| done.contains(&(*id, what));
                let Some(entry) = entries.get(id) else {
                    assert!(was("held"), "{id} vanished before anybody asked for its removal");
                    continue;
                };
                assert!(!was("removed"), "{id} came back");
                assert!(!was("delivered") || entry.states == [delivered(), deferred(1)], "{:?}", entry.states);
                assert!(!was("held") || entry.held);
                content_of(&spool, *id).unwrap();
            }
        },
    );
}

#[test]
fn a_report_takes_the_place_of_its_original_in_one_step() {
    let (start, ids) = prepared(2);
    let settled = RefCell::new(BTreeMap::new());
    every_cut_from(
        &start,
        |disk| -> Result<()> {
            settled.borrow_mut().clear();
            let (spool, _) = open(disk)?;
            for id in &ids {
                spool.record(*id, &[(0, bounced()), (1, delivered())], true)?;
                let report = receive(&spool, &LARGE)?;
                let report = report.commit_report(envelope(1), HEADER, Timestamp(2000), Settles::Entry(*id))?;
                settled.borrow_mut().insert(*id, report);
            }
            Ok(())
        },
        |disk, _| {
            let entries = by_id(reopen(&disk).1.entries);
            // A report may be there though its commit was not answered, but then its original is not.
            assert_eq!(entries.len(), ids.len());
            for (original, report) in &*settled.borrow() {
                assert!(!entries.contains_key(original) && entries.contains_key(report));
            }
        },
    );
}

#[test]
fn a_report_on_some_recipients_and_their_new_states_are_one_step() {
    let (start, ids) = prepared(1);
    let id = ids[0];
    every_cut_from(
        &start,
        |disk| -> Result<()> {
            let (spool, _) = open(disk)?;
            spool.record(id, &[(0, bounced())], true)?;
            let settles = [(0, reported())];
            let report = receive(&spool, b"report")?;
            report.commit_report(envelope(1), HEADER, Timestamp(2000), Settles::Recipients(id, &settles))?;
            receive(&spool, b"delay")?.commit_report(envelope(1), HEADER, Timestamp(3000), Settles::Delay(id))?;
            Ok(())
        },
        |disk, cut| {
            let entries = by_id(reopen(&disk).1.entries);
            let said = usize::from(entries[&id].states[0] == reported()) + usize::from(entries[&id].warned);
            assert_eq!(entries.len(), 1 + said);
            assert!(!cut.finished || said == 2);
        },
    );
}

#[test]
fn compaction_loses_nothing_and_brings_nothing_back() {
    let (start, ids) = prepared(12);
    let (spool, _) = open(&start).unwrap();
    let (living, dead): (Vec<QueueId>, Vec<QueueId>) = ids.iter().partition(|id| id.0 % 5 == 0);
    dead.iter().for_each(|id| spool.remove(*id).unwrap());
    living.iter().for_each(|id| spool.record(*id, &[(0, delivered()), (1, deferred(3))], true).unwrap());
    let segments = |disk: &MemoryDisk| disk::Disk::list(disk, &dir().join("log")).unwrap().len();
    let before = segments(&start);
    drop(spool);
    assert!(before > 3 && !living.is_empty(), "{before} segments");
    every_cut_from(
        &start,
        |disk| -> Result<()> {
            // In segments of this size all that lives is little, and fits into one without a sync in between.
            let (spool, _) = open_with(disk, SpoolSettings { segment_size: 20_000, inline_max: 64 })?;
            while spool.compact()? {}
            Ok(())
        },
        |disk, cut| {
            assert!(!cut.finished || segments(&disk) == 1, "{} segments", segments(&disk));
            let (spool, recovered) = reopen(&disk);
            let found: Vec<QueueId> = recovered.entries.iter().map(|entry| entry.id).collect();
            assert_eq!(found, living);
            for entry in recovered.entries {
                assert_eq!(entry.states, [delivered(), deferred(3)]);
                content_of(&spool, entry.id).unwrap();
            }
        },
    );
}
