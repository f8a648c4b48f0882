//! Many threads on one spool.

use std::collections::BTreeSet;
use std::sync::Barrier;

use disk::{MemoryDisk, Survival};
use queue::{Error, Mark, Settles};

use super::*;

#[test]
fn threads_accept_change_and_remove_while_old_segments_are_written_again() {
    const THREADS: usize = 6;
    let disk = MemoryDisk::new();
    let (spool, _) = open(&disk).unwrap();
    let shared = accept(&spool, THREADS, b"shared").unwrap();
    let start = Barrier::new(THREADS + 1);
    let kept = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let (spool, start) = (&spool, &start);
                scope.spawn(move || {
                    start.wait();
                    work(spool, shared, worker)
                })
            })
            .collect();
        start.wait();
        while !workers.iter().all(|worker| worker.is_finished()) {
            spool.compact().unwrap();
        }
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<BTreeSet<QueueId>>()
    });
    drop(spool);
    let (spool, recovered) = reopen(&disk.reboot(Survival::Nothing));
    let found: BTreeSet<QueueId> = recovered.entries.iter().map(|entry| entry.id).collect();
    assert_eq!(found, kept.into_iter().chain([shared]).collect());
    // Each thread wrote the state of its own recipient; none wrote over another's.
    assert!(spool.entry(shared).unwrap().states.iter().all(|state| *state == deferred(39)));
    assert!(found.iter().filter(|id| **id != shared).all(|id| spool.entry(*id).unwrap().states == [deferred(2)]));
}

fn work(spool: &Spool, shared: QueueId, worker: usize) -> Vec<QueueId> {
    let mut kept = Vec::new();
    for round in 0..40 {
        let content = [b'c'; 200];
        let id = accept(spool, 1, &content[..round * 5]).unwrap();
        spool.record(shared, &[(worker, deferred(round as u32))], round == 39).unwrap();
        spool.record(id, &[(0, deferred(2))], true).unwrap();
        if round % 4 == 0 {
            kept.push(id);
        } else {
            spool.remove(id).unwrap();
        }
    }
    kept
}

#[test]
fn only_one_of_two_reports_on_an_entry_is_accepted() {
    let disk = MemoryDisk::new();
    let (spool, _) = open(&disk).unwrap();
    let original = accept(&spool, 1, b"original").unwrap();
    let reports: Vec<_> = (0..2)
        .map(|_| {
            let report = receive(&spool, b"report").unwrap();
            report.commit_report(envelope(1), HEADER, Timestamp(2), Settles::Entry(original))
        })
        .collect();
    assert!(reports[0].is_ok());
    assert!(matches!(&reports[1], Err(Error::NotFound { id }) if *id == original));
    assert!(matches!(spool.mark(original, Mark::Held), Err(Error::NotFound { .. })));
    assert_eq!(spool.len(), 1);
}

#[test]
fn a_recipient_that_is_not_there_has_no_state() {
    let disk = MemoryDisk::new();
    let (spool, _) = open(&disk).unwrap();
    let id = accept(&spool, 2, b"x").unwrap();
    assert!(matches!(spool.record(id, &[(2, delivered())], true), Err(Error::NoSuchRecipient { index: 2, .. })));
}

#[test]
fn content_stays_readable_for_its_reader_when_the_entry_goes() {
    let disk = MemoryDisk::new();
    let (spool, _) = open(&disk).unwrap();
    let id = accept(&spool, 1, &[b'L'; 200]).unwrap();
    let content = spool.content(id).unwrap();
    spool.remove(id).unwrap();
    let mut piece = [0; 200];
    assert_eq!(content.read_at(HEADER.len() as u64, &mut piece).unwrap(), 200);
    assert_eq!(piece, [b'L'; 200]);
}

#[test]
fn a_real_disk_keeps_what_the_one_in_memory_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let real = || Arc::new(disk::RealDisk::new().unwrap());
    let (spool, _) = Spool::open(real(), folder.path(), settings()).unwrap();
    let ids: Vec<QueueId> = (0..20).map(|n| accept(&spool, 1, &vec![b'x'; n * 20]).unwrap()).collect();
    let (gone, kept) = ids.split_at(15);
    gone.iter().for_each(|id| spool.remove(*id).unwrap());
    assert!(matches!(Spool::open(real(), folder.path(), settings()), Err(Error::InUse { .. })));
    while spool.compact().unwrap() {}
    drop(spool);
    assert_eq!(Spool::verify(&*real(), folder.path()).unwrap(), Vec::<String>::new());
    let (spool, recovered) = Spool::open(real(), folder.path(), settings()).unwrap();
    assert_eq!(recovered.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), kept);
    assert_eq!(content_of(&spool, ids[19]).unwrap(), vec![b'x'; 380]);
}
