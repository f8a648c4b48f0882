//! The node's index: whatever it remembers, forgets or finds damaged, lists and searches say what the files say.

mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, Kind, MemoryDisk, every_cut_from};
use mail::digest::{Digest, Fields, Want};
use mail::header::{envelope, fields};
use mail::mime::{Children, Part};
use mail::search::{Day, Key};
use mail::{MailboxName, Uid};
use store::{Access, Account, Mailbox, Settings, Store};
use world::*;

const INDEX: &str = "/node/index";

fn store_with(disk: &MemoryDisk, index: Option<&str>) -> Store {
    let (lock_wait, lock_stale) = (Duration::from_secs(3), Duration::from_secs(2));
    let index = index.map(PathBuf::from);
    let settings = Settings { hostname: "test".to_owned(), lock_wait, lock_stale, index, ..Settings::default() };
    Store::new(Arc::new(disk.clone()), settings)
}

fn account_with(disk: &MemoryDisk, index: Option<&str>) -> Arc<Account> {
    store_with(disk, index).account(Path::new(HOME)).unwrap()
}

fn opened(account: &Arc<Account>) -> Arc<Mailbox> {
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    mailbox
}

fn deliver_content(account: &Arc<Account>, content: &[u8]) {
    let mut draft = account.draft(&inbox()).unwrap();
    // In odd pieces, as they come from the network.
    content.chunks(777).for_each(|piece| draft.write(piece).unwrap());
    draft.deliver().unwrap();
}

fn named(names: &[&str]) -> Fields {
    Fields::Named(names.iter().map(|name| name.as_bytes().to_vec()).collect())
}

fn wants() -> Vec<Want> {
    let want = |fields, structure| Want { fields, structure, ..Want::FACTS };
    vec![
        want(Fields::None, false),
        want(Fields::envelope(), false),
        want(named(&["Subject", "REFERENCES"]), false),
        want(named(&["subject", "received"]), false),
        want(Fields::All, false),
        want(Fields::envelope(), true),
        want(named(&["x-unknown"]), true),
    ]
}

fn searches() -> Vec<Key> {
    let header = |name: &str, text: &str| Key::Header { name: name.to_owned(), text: text.to_owned() };
    let not = |key| Key::Not(Box::new(key));
    let day = Day(20_000);
    vec![
        header("Subject", "ñ"),
        header("subject", ""),
        header("To", "ana"),
        header("", "junk"),
        header("Received", "by"),
        header("X-Unknown", ""),
        not(header("From", "bob")),
        Key::SentBefore(day),
        Key::SentSince(day),
        not(Key::SentOn(day)),
        Key::Larger(400),
        Key::Smaller(400),
        Key::Since(day),
        Key::And(vec![Key::Larger(200), header("cc", "ana"), not(header("bcc", ""))]),
        Key::Or(Box::new(header("subject", "a")), Box::new(Key::Body("word".to_owned()))),
        Key::Text("ñ".to_owned()),
    ]
}

/// What sessions make of a digest, in a form to compare.
fn shown(digest: &Digest, want: &Want) -> String {
    let wanted: Vec<_> =
        fields(&digest.header).filter(|field| want.fields.is_wanted(field.name)).map(|f| f.whole).collect();
    let wanted = String::from_utf8_lossy(&wanted.concat()).into_owned();
    let structure = digest.structure.as_ref().map(|packed| laid_out(&packed.part().unwrap(), false, want));
    let (uid, size, date) = (digest.uid, digest.size, digest.internal_date);
    format!("{uid} {size} {date:?} {wanted:?} {structure:?}")
}

fn laid_out(part: &Part, is_message: bool, want: &Want) -> String {
    let Part { header, body, lines, media, children, .. } = part;
    let wanted = || fields(&part.fields).filter(|field| want.fields.is_wanted(field.name)).map(|f| f.whole);
    let known = if is_message {
        format!("{:?} {:?}", envelope(&part.fields), wanted().collect::<Vec<_>>())
    } else {
        String::new()
    };
    let inner: Vec<String> = match children {
        Children::Leaf => Vec::new(),
        Children::Multipart(parts) => parts.iter().map(|part| laid_out(part, false, want)).collect(),
        Children::Message(inner) => vec![laid_out(inner, true, want)],
    };
    format!("{header:?} {body:?} {lines} {media:?} {known} {inner:?}")
}

fn digests(mailbox: &Mailbox, uids: &[Uid], want: &Want) -> Vec<Digest> {
    let (mut all, mut rest) = (Vec::new(), uids);
    while !rest.is_empty() {
        let found = mailbox.digests(rest, want).unwrap();
        assert!(found.looked_at > 0);
        rest = &rest[found.looked_at..];
        all.extend(found.digests);
    }
    all
}

/// Everything that lists and searches say.
fn told(mailbox: &Mailbox) -> Vec<String> {
    let uids: Vec<Uid> = mailbox.snapshot().rows.iter().map(|row| row.uid).collect();
    let listed = wants()
        .into_iter()
        .flat_map(|want| digests(mailbox, &uids, &want).iter().map(|digest| shown(digest, &want)).collect::<Vec<_>>());
    let found = searches().into_iter().map(|key| format!("{key:?}: {:?}", mailbox.search(&key).unwrap()));
    listed.chain(found).collect()
}

fn assert_same(left: &[String], right: &[String], when: &str) {
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left, right, "{when}");
    }
    assert_eq!(left.len(), right.len(), "{when}");
}

/// What the files say.
fn truth(disk: &MemoryDisk) -> Vec<String> {
    told(&opened(&account_with(disk, None)))
}

/// Messages as they come in the wild: 8-bit octets, encoded words, fields twice, lines that are no fields, no empty line,
/// parts, messages within messages, headers of any length.
struct Wild(u64);

impl Wild {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one<'a>(&mut self, of: &[&'a [u8]]) -> &'a [u8] {
        of[self.below(of.len())]
    }

    fn field(&mut self) -> Vec<u8> {
        let name = self.one(&[
            b"Subject",
            b"SUBJECT ",
            b"To",
            b"Cc",
            b"Bcc",
            b"From",
            b"Sender",
            b"Date",
            b"Received",
            b"Message-ID",
            b"References",
            b"X-Unknown",
            b"Reply-To",
            b"",
            b" folded",
            b"no colon here",
            b"List-Id",
        ]);
        let value = self.one(&[
            b" a word",
            b" =?utf-8?q?=C3=B1and=C3=BA?=",
            b"\xf1and\xfa",
            "ñ".as_bytes(),
            b" Ana <ana@example.test>, bob@x.test",
            b" Sat, 21 Nov 2026 00:15:56 +0000",
            b" 1 Oct 2024 25:00",
            b"",
            b" by junk;\r\n\tfolded\r\n =?iso-8859-1?q?=F1?=",
            b" =?utf-8?b?w7E=?= =?utf-8?b?w7E=?=",
            b" \"quo\\\"ted\" <a@b>",
            b" group: a@b, c@d;",
            b" \x00\x01\xff",
        ]);
        [name, b":", value, if self.below(12) == 0 { b"\n" } else { b"\r\n" }].concat()
    }

    fn header(&mut self) -> Vec<u8> {
        (0..self.below(14)).flat_map(|_| self.field()).collect()
    }

    fn message(&mut self, depth: usize) -> Vec<u8> {
        let mut message = self.header();
        match self.below(if depth > 2 { 2 } else { 5 }) {
            0 => {}
            1 => message.extend(b"\r\n".iter().chain(b"word ma\xf1ana\r\n".repeat(self.below(600)).iter())),
            2 => {
                message.extend(b"Content-Type: message/rfc822; x=\"y\"\r\nContent-Language: es, en\r\n\r\n");
                message.extend(self.message(depth + 1));
            }
            _ => {
                message.extend(b"Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n");
                for _ in 0..self.below(4) {
                    message.extend(b"--=_b\r\nContent-Disposition: attachment; filename=x\r\n");
                    message.extend(self.message(depth + 1));
                    message.extend(b"\r\n");
                }
                message.extend(self.one(&[b"--=_b--\r\n", b""]));
            }
        }
        message
    }
}

fn wild_messages(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut wild = Wild(seed);
    (0..count).map(|_| wild.message(0)).collect()
}

/// Every file of the index.
fn index_files(disk: &MemoryDisk, folder: &Path) -> Vec<PathBuf> {
    let entries = disk.list(folder).unwrap_or_default();
    entries.into_iter().fold(Vec::new(), |mut files, entry| {
        let path = folder.join(entry.name);
        match entry.kind {
            Kind::Dir => files.extend(index_files(disk, &path)),
            _ if path.ends_with("lock") || path.ends_with("scan") => {}
            _ => files.push(path),
        }
        files
    })
}

fn put(disk: &MemoryDisk, path: &Path, content: &[u8]) {
    if disk.stat(path).is_ok() {
        disk.remove(path).unwrap();
    }
    disk.create_new(path).unwrap().write_all(content).unwrap();
}

#[test]
fn the_same_is_said_cold_and_warm_and_without_an_index() {
    for seed in 0..6 {
        let disk = MemoryDisk::new();
        // Some are learned as they are delivered, some by the first who asks.
        let with = account_with(&disk, Some(INDEX));
        let without = account_with(&disk, None);
        // One header is longer than what is looked at for lists, one is longer than an entry.
        let long =
            |count| [b"References:", b" <a@b>\r\n".repeat(count).as_slice(), b"Subject: last\r\n\r\nword"].concat();
        let longest = if seed == 0 { vec![long(10_000), long(32_760), long(33_000)] } else { Vec::new() };
        for (number, message) in wild_messages(seed, 30).iter().chain(&longest).enumerate() {
            deliver_content(if number % 2 == 0 { &with } else { &without }, message);
        }
        let truth = told(&opened(&without));
        let mailbox = opened(&with);
        assert_same(&told(&mailbox), &truth, &format!("seed {seed}, cold"));
        assert_same(&told(&mailbox), &truth, &format!("seed {seed}, warm"));
        drop((mailbox, with));
        let again = account_with(&disk, Some(INDEX));
        assert_same(&told(&opened(&again)), &truth, &format!("seed {seed}, after a restart"));
    }
}

#[test]
fn a_delivered_message_is_listed_without_opening_its_file() {
    let disk = MemoryDisk::new();
    let account = account_with(&disk, Some(INDEX));
    deliver(&account, &inbox(), "one").unwrap();
    let mailbox = opened(&account);
    make_unreadable(&disk);
    let want = Want { fields: Fields::envelope(), structure: true, ..Want::FACTS };
    let digest = &digests(&mailbox, &[uid(1)], &want)[0];
    assert_eq!(digest.size, content("one").len() as u64);
    assert_eq!(envelope(&digest.header).subject.as_deref(), Some(&b"one"[..]));
    assert_eq!(digest.structure.as_ref().and_then(|packed| packed.parts().next()).map(|part| part.lines), Some(1));
    assert_eq!(mailbox.search(&Key::Header { name: "subject".into(), text: "ONE".into() }).unwrap(), [uid(1)]);
}

/// Takes the content out of all message files, under their names.
fn make_unreadable(disk: &MemoryDisk) {
    let cur = Path::new(HOME).join("maildir/cur");
    for entry in disk.list(&cur).unwrap() {
        put(disk, &cur.join(entry.name), b"");
    }
}

#[test]
fn a_copy_is_known_where_the_message_was() {
    let disk = MemoryDisk::new();
    let account = account_with(&disk, Some(INDEX));
    deliver(&account, &inbox(), "one").unwrap();
    let target = MailboxName::parse("Sent").unwrap();
    opened(&account).copy(&[uid(1)], &account.open(&target).unwrap()).unwrap();
    make_unreadable(&disk);
    let want = Want { fields: Fields::envelope(), ..Want::FACTS };
    let copies = digests(&account.open(&target).unwrap(), &[uid(1)], &want);
    assert_eq!(envelope(&copies[0].header).subject.as_deref(), Some(&b"one"[..]));
}

#[test]
fn a_message_replaced_under_its_name_is_learned_anew_once_it_is_opened() {
    let disk = MemoryDisk::new();
    let account = account_with(&disk, Some(INDEX));
    deliver(&account, &inbox(), "one").unwrap();
    let mailbox = opened(&account);
    let _ = told(&mailbox);
    let cur = Path::new(HOME).join("maildir/cur");
    let name = disk.list(&cur).unwrap().remove(0).name;
    put(&disk, &cur.join(name), b"Subject: another\n\nand longer than it was\n");
    mailbox.message(uid(1)).unwrap();
    assert_same(&told(&mailbox), &truth(&disk), "replaced");
    drop((mailbox, account));
    let again = account_with(&disk, Some(INDEX));
    assert_same(&told(&opened(&again)), &truth(&disk), "after a restart");
}

#[test]
fn a_uid_list_made_anew_or_another_mailbox_of_the_name_gets_its_own_answers() {
    let disk = MemoryDisk::new();
    let account = account_with(&disk, Some(INDEX));
    wild_messages(1, 6).iter().for_each(|message| deliver_content(&account, message));
    let _ = told(&opened(&account));
    drop(account);
    disk.remove(&Path::new(HOME).join("maildir/dovecot-uidlist")).unwrap();
    let account = account_with(&disk, Some(INDEX));
    let mailbox = opened(&account);
    mailbox.expunge(&[uid(2)]).unwrap();
    wild_messages(2, 3).iter().for_each(|message| deliver_content(&account, message));
    mailbox.sync(Access::Serve).unwrap();
    assert_same(&told(&mailbox), &truth(&disk), "uidlist made anew");
}

#[test]
fn the_files_of_another_mailbox_answer_for_none() {
    let disk = MemoryDisk::new();
    let account = account_with(&disk, Some(INDEX));
    let sent = MailboxName::parse("Sent").unwrap();
    for subject in ["one", "two"] {
        deliver(&account, &inbox(), subject).unwrap();
        deliver(&account, &sent, &format!("sent {subject}")).unwrap();
    }
    drop(account);
    let files = index_files(&disk, Path::new(INDEX));
    assert_eq!(files.len(), 4);
    let contents: Vec<Vec<u8>> = files.iter().map(|file| disk.read(file).unwrap()).collect();
    // Whole pairs are exchanged, then only one half of each.
    for exchanged in [[2, 3, 0, 1], [0, 3, 2, 1], [2, 1, 0, 3]] {
        for (file, from) in files.iter().zip(exchanged) {
            put(&disk, file, &contents[from]);
        }
        let account = account_with(&disk, Some(INDEX));
        assert_same(&told(&opened(&account)), &truth(&disk), "exchanged");
    }
}

#[test]
fn every_damaged_octet_and_every_torn_end_is_noticed() {
    let disk = MemoryDisk::new();
    let account = account_with(&disk, Some(INDEX));
    deliver(&account, &inbox(), "one").unwrap();
    deliver(&account, &inbox(), "two").unwrap();
    let (mailbox, truth) = (opened(&account), truth(&disk));
    let want = Want { fields: Fields::envelope(), structure: true, ..Want::FACTS };
    let said = |mailbox: &Mailbox| -> Vec<String> {
        digests(mailbox, &[uid(1), uid(2)], &want).iter().map(|digest| shown(digest, &want)).collect()
    };
    let expected = said(&mailbox);
    assert!(truth.contains(&expected[0]));
    drop((mailbox, account));
    let files = index_files(&disk, Path::new(INDEX));
    let sound: Vec<Vec<u8>> = files.iter().map(|file| disk.read(file).unwrap()).collect();
    for (file, octets) in files.iter().zip(&sound) {
        for at in 0..octets.len() {
            let mut flipped = octets.clone();
            flipped[at] ^= 1 << (at % 8);
            for damaged in [&flipped[..], &octets[..at]] {
                // Both, because what was damaged before is made anew.
                files.iter().zip(&sound).for_each(|(file, sound)| put(&disk, file, sound));
                put(&disk, file, damaged);
                let account = account_with(&disk, Some(INDEX));
                assert_eq!(said(&opened(&account)), expected, "{} at {at}", file.display());
                // And what was learned again is kept well.
                assert_eq!(said(&opened(&account)), expected, "{} at {at}, again", file.display());
            }
        }
    }
}

#[test]
fn the_index_may_be_deleted_while_a_mailbox_is_open() {
    let disk = MemoryDisk::new();
    let account = account_with(&disk, Some(INDEX));
    wild_messages(3, 10).iter().for_each(|message| deliver_content(&account, message));
    let (mailbox, truth) = (opened(&account), truth(&disk));
    for gone in [&["rows", "entries"][..], &["rows"], &["entries"]] {
        assert_same(&told(&mailbox), &truth, "before");
        let files = index_files(&disk, Path::new(INDEX));
        assert_eq!(files.len(), 2);
        files
            .iter()
            .filter(|file| gone.iter().any(|name| file.ends_with(name)))
            .for_each(|file| disk.remove(file).unwrap());
        assert_same(&told(&mailbox), &truth, &format!("{gone:?} deleted"));
        wild_messages(4, 1).iter().for_each(|message| deliver_content(&account_with(&disk, None), message));
        assert_same(&told(&mailbox), &truth, "learned again");
        let _ = index_files(&disk, Path::new(INDEX)).first().map(|file| disk.remove(file));
        deliver_content(&account, b"Subject: x\r\n\r\n");
    }
}

#[test]
fn two_nodes_with_an_index_each_say_the_same_of_one_tree() {
    let disk = MemoryDisk::new();
    let (a, b) = (account_with(&disk, Some("/a")), account_with(&disk.another_node(Duration::ZERO), Some("/b")));
    for (number, message) in wild_messages(5, 12).iter().enumerate() {
        deliver_content(if number % 2 == 0 { &a } else { &b }, message);
        let (on_a, on_b) = (opened(&a), opened(&b));
        if number == 8 {
            on_a.expunge(&[uid(3)]).unwrap();
        }
        on_b.sync(Access::Serve).unwrap();
        assert_same(&told(&on_a), &told(&on_b), "both");
    }
    assert_same(&told(&opened(&a)), &truth(&disk), "a");
}

#[test]
fn a_second_process_does_without_until_the_first_is_gone() {
    let disk = MemoryDisk::new();
    let first = account_with(&disk, Some(INDEX));
    deliver(&first, &inbox(), "one").unwrap();
    let second = account_with(&disk.another_node(Duration::ZERO), Some(INDEX));
    deliver(&second, &inbox(), "two").unwrap();
    assert_same(&told(&opened(&second)), &truth(&disk), "beside the first");
    assert_same(&told(&opened(&first)), &truth(&disk), "beside the second");
}

#[test]
fn a_power_cut_costs_no_more_than_what_was_remembered() {
    let base = MemoryDisk::new();
    drop(account(&base));
    let scenario = |disk: &MemoryDisk| -> store::Result<()> {
        let account = store_with(disk, Some(INDEX)).account(Path::new(HOME))?;
        for subject in ["one", "two"] {
            deliver(&account, &inbox(), subject)?;
        }
        let mailbox = account.open(&inbox())?;
        mailbox.sync(Access::Serve)?;
        let uids: Vec<Uid> = mailbox.snapshot().rows.iter().map(|row| row.uid).collect();
        for want in wants() {
            mailbox.digests(&uids, &want)?;
        }
        Ok(())
    };
    every_cut_from(&base, scenario, |disk, _| {
        let truth = truth(&disk);
        for _ in 0..2 {
            let account = account_with(&disk, Some(INDEX));
            assert_same(&told(&opened(&account)), &truth, "after a cut");
        }
    });
}

#[test]
fn the_files_are_written_anew_when_most_of_it_is_gone() {
    let disk = MemoryDisk::new();
    let account = account_with(&disk, Some(INDEX));
    for number in 0..1100 {
        deliver(&account, &inbox(), &format!("number {number}")).unwrap();
    }
    let mailbox = opened(&account);
    let size = || index_files(&disk, Path::new(INDEX)).iter().map(|file| disk.stat(file).unwrap().len).sum::<u64>();
    let before = size();
    let uids: Vec<Uid> = (5..=1100).map(uid).collect();
    let _ = told(&mailbox);
    mailbox.expunge(&uids).unwrap();
    deliver(&account_with(&disk, None), &inbox(), "unknown to the index").unwrap();
    mailbox.sync(Access::Serve).unwrap();
    assert_same(&told(&mailbox), &truth(&disk), "few are left");
    assert!(size() < before / 20, "{before} octets became {}", size());
    make_unreadable(&disk);
    let want = Want { fields: Fields::envelope(), structure: true, ..Want::FACTS };
    assert_eq!(digests(&mailbox, &[uid(1), uid(4)], &want).len(), 2, "what is there is still remembered");
}

#[test]
fn the_accounts_that_were_not_used_for_the_longest_time_are_forgotten_first() {
    let disk = MemoryDisk::new();
    let one = 300;
    let settings = Settings { index: Some(PathBuf::from(INDEX)), index_size: 4 * one, ..Settings::default() };
    let store = Store::new(Arc::new(disk.clone()), settings);
    for number in 0..8 {
        let account = store.account(&PathBuf::from(format!("/home/user{number}"))).unwrap();
        deliver(&account, &inbox(), "one").unwrap();
        // Two hours pass.
        disk.sleep(Duration::from_secs(7200));
    }
    // The first is used again, by reading.
    let first = store.account(Path::new("/home/user0")).unwrap();
    let _ = told(&opened(&first));
    let size = || index_files(&disk, Path::new(INDEX)).iter().map(|file| disk.stat(file).unwrap().len).sum::<u64>();
    assert!(size() > 4 * one);
    store.sweep_index().unwrap();
    assert!((one..=4 * one).contains(&size()), "{}", size());
    let files = index_files(&disk, Path::new(INDEX)).len();
    let _ = told(&opened(&first));
    assert_eq!(index_files(&disk, Path::new(INDEX)).len(), files, "the first is still remembered");
    // What was forgotten is learned again.
    let second = store.account(Path::new("/home/user1")).unwrap();
    let _ = told(&opened(&second));
    assert_eq!(index_files(&disk, Path::new(INDEX)).len(), files + 2);
}
