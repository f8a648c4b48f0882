//! The disk is full, or does not answer.

use disk::{Fault, MemoryDisk, Op, Survival};
use queue::Error;

use super::*;

const LARGE: [u8; 200] = [b'L'; 200];

#[test]
fn a_full_disk_refuses_one_message_and_spoils_nothing() {
    let disk = MemoryDisk::new();
    let (spool, _) = open(&disk).unwrap();
    let before = accept(&spool, 1, b"before").unwrap();
    for (op, content) in [(Op::Write, &b"refused"[..]), (Op::Write, &LARGE), (Op::Create, &LARGE)] {
        disk.fail_next(op, Fault::NoSpace);
        assert!(matches!(accept(&spool, 1, content), Err(Error::Full)), "{op:?}");
    }
    let mut holed = spool.begin().unwrap();
    disk.fail_next(Op::Create, Fault::NoSpace);
    assert!(matches!(holed.write(&LARGE), Err(Error::Full)));
    holed.write(b"end").unwrap();
    assert!(matches!(holed.commit(envelope(1), HEADER, Timestamp(1)), Err(Error::Incomplete { .. })));
    disk.fail_next(Op::Write, Fault::NoSpace);
    assert!(matches!(spool.remove(before), Err(Error::Full)));
    assert_eq!(content_of(&spool, before).unwrap(), b"before");
    let after = accept(&spool, 1, b"after").unwrap();
    spool.remove(before).unwrap();
    drop(spool);
    let (_, recovered) = reopen(&disk.reboot(Survival::Nothing));
    assert_eq!(recovered.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [after]);
    assert_eq!(recovered.damaged, Vec::<String>::new());
}

#[test]
fn a_full_disk_at_a_new_segment_refuses_until_there_is_room() {
    for op in [Op::Create, Op::Write, Op::Sync] {
        let disk = MemoryDisk::new();
        let every_message_begins_a_segment = SpoolSettings { segment_size: 1, inline_max: 64 };
        let (spool, _) = open_with(&disk, every_message_begins_a_segment).unwrap();
        let first = accept(&spool, 1, b"first").unwrap();
        disk.fail_next(op, Fault::NoSpace);
        let refused = accept(&spool, 1, b"refused");
        if op == Op::Sync {
            // Of the old segment: it may hold states that were not synced yet.
            assert!(matches!(refused, Err(Error::Poisoned)));
            continue;
        }
        assert!(matches!(refused, Err(Error::Full)), "{op:?}");
        let second = accept(&spool, 1, b"second").unwrap();
        drop(spool);
        let recovered = reopen(&disk.reboot(Survival::Nothing)).1;
        assert_eq!(recovered.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [first, second]);
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_the_spool_is_opened_anew() {
    for (op, content) in [(Op::Sync, &b"small"[..]), (Op::Sync, &LARGE), (Op::SyncDir, &LARGE)] {
        let disk = MemoryDisk::new();
        let (spool, _) = open(&disk).unwrap();
        let kept = accept(&spool, 1, b"kept").unwrap();
        disk.fail_next(op, Fault::Broken);
        assert!(matches!(accept(&spool, 1, content), Err(Error::Poisoned)), "{op:?}");
        assert!(matches!(accept(&spool, 1, b"more"), Err(Error::Poisoned)));
        assert!(matches!(spool.remove(kept), Err(Error::Poisoned)));
        assert!(matches!(spool.begin().map(|_| ()), Err(Error::Poisoned)));
        assert_eq!(content_of(&spool, kept).unwrap(), b"kept");
        drop(spool);
        let (spool, recovered) = reopen(&disk.reboot(Survival::Nothing));
        assert_eq!(recovered.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [kept]);
        accept(&spool, 1, content).unwrap();
    }
}
