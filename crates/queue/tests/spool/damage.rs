//! Octets flip, files vanish, and somebody else's files lie about.

use disk::{Disk, MemoryDisk, Survival};
use queue::{Error, Recovered, Settles};

use super::*;

const LARGE: [u8; 200] = [b'L'; 200];

fn write_file(disk: &MemoryDisk, path: &Path, octets: &[u8]) {
    disk::replace(disk, path, octets).unwrap();
}

fn segments(disk: &MemoryDisk) -> Vec<std::path::PathBuf> {
    let folder = dir().join("log");
    let mut names: Vec<_> = disk.list(&folder).unwrap().into_iter().map(|entry| folder.join(entry.name)).collect();
    names.sort();
    names
}

/// One of each: waiting and small, waiting and large, partly delivered, removed, replaced by a report.
struct World {
    disk: MemoryDisk,
    small: QueueId,
    large: QueueId,
    partly: QueueId,
    removed: QueueId,
    original: QueueId,
    report: QueueId,
}

fn world() -> World {
    let disk = MemoryDisk::new();
    let (spool, _) = open(&disk).unwrap();
    let small = accept(&spool, 1, b"small").unwrap();
    let large = accept(&spool, 1, &LARGE).unwrap();
    let partly = accept(&spool, 2, b"partly").unwrap();
    let removed = accept(&spool, 1, b"removed").unwrap();
    let original = accept(&spool, 1, b"original").unwrap();
    spool.record(partly, &[(0, delivered())], true).unwrap();
    spool.record(original, &[(0, bounced())], true).unwrap();
    let settles = Settles::Entry(original);
    let report = receive(&spool, b"report").unwrap();
    let report = report.commit_report(envelope(1), HEADER, Timestamp(2), settles).unwrap();
    spool.remove(removed).unwrap();
    World { disk, small, large, partly, removed, original, report }
}

impl World {
    /// Opens it with one octet changed, and holds what is found against the promises.
    fn check(&self, segment: &Path, place: usize, octets: &[u8]) {
        let disk = self.disk.reboot(Survival::Everything);
        write_file(&disk, segment, octets);
        let (spool, recovered) = reopen(&disk);
        let Recovered { entries, damaged } = recovered;
        let entry = |id| entries.iter().find(|entry| entry.id == id);
        let place = format!("{} octet {place}: {damaged:?}", segment.display());
        let lost = [self.small, self.large, self.partly].into_iter().filter(|id| entry(*id).is_none());
        let replaced = usize::from(entry(self.report).is_none());
        assert!(lost.clone().count() + replaced <= 1, "{place}");
        for id in lost {
            assert!(damaged.iter().any(|told| told.contains(&id.to_string())), "{place}");
        }
        assert!(entry(self.removed).is_none(), "what was removed came back: {place}");
        // The report and its original are one step: without the one there is the other, still to be reported.
        if replaced == 1 && entry(self.original).is_some_and(|original| !original.held) {
            assert_eq!(entry(self.original).unwrap().states, [bounced()], "{place}");
        }
        assert!(replaced == 1 || entry(self.original).is_none(), "{place}");
        if let Some(partly) = entry(self.partly) {
            assert!(partly.held || partly.states[0] == delivered(), "would be delivered twice: {place}");
        }
        for entry in &entries {
            content_of(&spool, entry.id).unwrap();
        }
    }
}

#[test]
fn a_flipped_octet_costs_at_most_the_entry_it_hits() {
    let world = world();
    for segment in segments(&world.disk) {
        let sound = world.disk.read(&segment).unwrap();
        for place in 0..sound.len() {
            let mut octets = sound.clone();
            octets[place] ^= 0x40;
            world.check(&segment, place, &octets);
        }
    }
}

#[test]
fn damage_is_told_once_and_its_octets_are_kept() {
    let world = world();
    let segment = segments(&world.disk).remove(0);
    let mut octets = world.disk.read(&segment).unwrap();
    let place = octets.windows(5).position(|window| window == b"small").unwrap();
    octets[place] = b'S';
    write_file(&world.disk, &segment, &octets);
    let told = Spool::verify(&world.disk, dir()).unwrap();
    assert!(told.len() == 1 && told[0].contains(&world.small.to_string()), "{told:?}");
    let (_, recovered) = reopen(&world.disk);
    assert_eq!(recovered.damaged.len(), 1);
    let aside = world.disk.list(&dir().join("damaged")).unwrap();
    let copy = world.disk.read(&dir().join("damaged").join(&aside[0].name)).unwrap();
    assert!(copy.windows(5).any(|window| window == b"Small"));
}

#[test]
fn a_lost_or_cut_content_file_costs_its_entry_only() {
    for cut in [None, Some(199)] {
        let world = world();
        let path = dir().join("content").join(format!("{}.msg", world.large));
        match cut {
            None => world.disk.remove(&path).unwrap(),
            Some(len) => write_file(&world.disk, &path, &LARGE[..len]),
        }
        let (spool, recovered) = reopen(&world.disk);
        assert!(recovered.damaged.len() == 1 && recovered.damaged[0].contains(&world.large.to_string()));
        assert!(matches!(spool.entry(world.large), Err(Error::NotFound { .. })));
        assert_eq!(content_of(&spool, world.small).unwrap(), b"small");
    }
}

#[test]
fn a_changed_content_file_is_noticed_before_its_end_is_sent() {
    let world = world();
    let mut content = LARGE;
    content[10] = b'X';
    write_file(&world.disk, &dir().join("content").join(format!("{}.msg", world.large)), &content);
    let told = Spool::verify(&world.disk, dir()).unwrap();
    assert!(told.len() == 1 && told[0].contains("checksum"), "{told:?}");
    let (spool, _) = open(&world.disk).unwrap();
    assert!(matches!(content_of(&spool, world.large), Err(Error::Damaged { .. })));
    spool.set_aside(world.large).unwrap();
    drop(spool);
    assert!(reopen(&world.disk).1.entries.iter().all(|entry| entry.id != world.large));
    assert_eq!(world.disk.read(&dir().join("damaged").join(format!("{}.msg", world.large))).unwrap(), content);
}

#[test]
fn the_content_of_a_damaged_entry_is_kept() {
    let world = world();
    let segment = segments(&world.disk).remove(0);
    let mut octets = world.disk.read(&segment).unwrap();
    let header = octets.windows(HEADER.len()).enumerate().filter(|(_, window)| *window == HEADER).nth(1).unwrap().0;
    octets[header] = b'r';
    write_file(&world.disk, &segment, &octets);
    let (_, recovered) = reopen(&world.disk);
    assert!(recovered.damaged.iter().any(|told| told.contains(&format!("{}: the entry", world.large))));
    assert_eq!(world.disk.read(&dir().join("damaged").join(format!("{}.msg", world.large))).unwrap(), LARGE);
}

#[test]
fn a_newer_format_is_refused_and_a_strange_file_is_left_alone() {
    let world = world();
    let strange = dir().join("log").join("README");
    write_file(&world.disk, &strange, b"hello");
    let (spool, recovered) = open(&world.disk).unwrap();
    assert!(recovered.damaged.len() == 1 && recovered.damaged[0].contains("README"));
    assert_eq!(world.disk.read(&strange).unwrap(), b"hello");
    assert!(matches!(open(&world.disk), Err(Error::InUse { .. })));
    drop(spool);
    // The head of a segment of version 2, as its check sum would have it.
    let mut copy = b"TEPUIQ\0\x02".to_vec();
    copy.extend_from_slice(&[9, 0, 0, 0, 0, 0, 0, 0]);
    copy.extend_from_slice(&[0; 16]);
    copy.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(&copy).to_le_bytes());
    write_file(&world.disk, &dir().join("log").join("000000000009.log"), &copy);
    assert!(matches!(open(&world.disk), Err(Error::Format { version: 2, .. })));
}
