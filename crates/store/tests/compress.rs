//! Messages that we store compressed: the same to everybody who reads them, the real Dovecot among them, and to the quota.

mod world;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, MemoryDisk};
use mail::Flags;
use mail::date::DateTime;
use mail::quota::Quota;
use store::{Access, Account, DeliveryKey, Error, QuotaFile, QuotaSettings, Settings, Store, ZstdLevel, verify};
use world::dovecot::Dovecot;
use world::{add, inbox, name, uid};

const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

fn settings() -> Settings {
    let quota = QuotaSettings { file: QuotaFile::Dict, ..QuotaSettings::default() };
    Settings { compress: ZstdLevel::new(3), quota, ..Settings::default() }
}

/// Words that come again, and numbers that do not.
fn text(lines: u32) -> String {
    let line = |number: u32| format!("line {number} of {}\r\n", number.wrapping_mul(2_654_435_761).rotate_left(7));
    format!("Subject: {lines} lines\r\n\r\n{}", (0..lines).map(line).collect::<String>())
}

/// Short, longer than one piece, and what no longer has a place in the memory of the decoder when it ends.
fn contents() -> [String; 3] {
    [text(2), text(5_000), text(60_000)]
}

fn append(account: &Arc<Account>, content: &[u8]) -> store::Result<()> {
    let mut draft = account.draft(&inbox())?;
    content.chunks(7_001).try_for_each(|piece| draft.write(piece))?;
    draft.append(Flags::SEEN, &[], Some(DateTime::utc(1_000_000)))?;
    Ok(())
}

fn deliver(account: &Arc<Account>, content: &str) {
    let mut draft = account.draft(&inbox()).unwrap();
    draft.write(content.as_bytes()).unwrap();
    draft.deliver().unwrap();
}

fn files(maildir: &Path) -> Vec<PathBuf> {
    let entries = ["new", "cur"].map(|part| fs::read_dir(maildir.join(part)).unwrap());
    let mut files: Vec<PathBuf> = entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn assert_story(account: &Arc<Account>, expected: &[String]) {
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    let rows = mailbox.snapshot().rows.clone();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(mailbox.facts(row.uid).unwrap().size, expected.len() as u64);
        assert!(world::read(&mut mailbox.message(row.uid).unwrap()) == *expected);
    }
    assert_eq!(verify(account).unwrap(), []);
}

#[test]
fn dovecot_reads_what_we_compressed_and_counts_the_same() {
    let quota = "mail_plugins = zlib quota\nplugin {\n quota = dict:User::file:%h/dovecot-quota\n quota_rule = *:storage=1G\n}\n";
    let dovecot = Dovecot::with("maildir:~/maildir", quota);
    let account = dovecot.account(settings());
    account.obey(Arc::new(Quota::default()));
    for content in &contents()[..2] {
        append(&account, content.as_bytes()).unwrap();
    }
    deliver(&account, &contents()[2]);
    for file in files(&dovecot.home().join("maildir")) {
        let (name, stored) = (file.to_string_lossy().into_owned(), fs::read(&file).unwrap());
        assert!(stored.starts_with(ZSTD), "{name}");
        let plain = contents().into_iter().find(|content| name.contains(&format!(",W={}", content.len()))).unwrap();
        assert!(name.contains(&format!(",S={},", plain.replace("\r\n", "\n").len())), "{name}");
        assert!(plain.len() < 1000 || stored.len() * 2 < plain.len(), "{name}: {}", stored.len());
    }
    assert_story(&account, &contents());
    for (number, content) in (1..).zip(contents()) {
        let asked =
            ["-f", "flow", "fetch", "size.physical size.virtual", "mailbox", "INBOX", "uid", &number.to_string()]
                .map(str::to_owned);
        let told = dovecot.ask(&asked.each_ref().map(String::as_str));
        let plain = content.replace("\r\n", "\n");
        assert_eq!(told.trim(), format!("size.physical={} size.virtual={}", plain.len(), content.len()));
        let read = dovecot.ask(&["fetch", "text", "mailbox", "INBOX", "uid", &number.to_string()]);
        assert!(read.replace("\r\n", "\n").contains(&plain), "{number}");
    }
    // In copies, after a change of flags, and moved by Dovecot.
    account.create(&name("Copies"), None).unwrap();
    let (mailbox, copies) = (account.open(&inbox()).unwrap(), account.open(&name("Copies")).unwrap());
    mailbox.store_flags(&[uid(1)], &add(Flags::FLAGGED, &[])).unwrap();
    mailbox.copy(&[uid(1), uid(3)], &copies).unwrap();
    assert!(world::read(&mut copies.message(uid(2)).unwrap()) == contents()[2]);
    dovecot.ask(&["move", "Copies", "mailbox", "INBOX", "uid", "2"]);
    copies.sync(Access::Look).unwrap();
    assert!(world::read(&mut copies.message(uid(3)).unwrap()) == contents()[1]);
    world::assert_sound(&dovecot.account(settings()));
    // Each of them counts all: the same.
    let ours = account.recount_quota().unwrap().1;
    dovecot.ask(&["quota", "recalc"]);
    let dict = fs::read_to_string(dovecot.home().join("dovecot-quota")).unwrap();
    assert!(dict.contains(&format!("priv/quota/storage\n{}\n", ours.storage)), "{ours:?}: {dict}");
    assert!(dict.contains(&format!("priv/quota/messages\n{}\n", ours.messages)), "{ours:?}: {dict}");
}

#[test]
fn a_delivery_to_several_is_one_compressed_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(Arc::new(disk::RealDisk::new().unwrap()), settings());
    let [ana, bob] = ["ana", "bob"].map(|user| store.account(&dir.path().join(user)).unwrap());
    let key = |user: &str| DeliveryKey::new(user);
    let mut draft = ana.draft_for(&inbox(), &key("nobody")).unwrap();
    draft.write(contents()[1].as_bytes()).unwrap();
    let original = draft.seal().unwrap();
    original.deliver(&ana, &inbox(), &key("ana")).unwrap();
    original.deliver(&bob, &inbox(), &key("bob")).unwrap();
    drop(original);
    let [file, other] = ["ana", "bob"].map(|user| files(&dir.path().join(user).join("maildir")).remove(0));
    assert!(fs::read(&file).unwrap().starts_with(ZSTD));
    assert_eq!(fs::metadata(&file).unwrap().ino(), fs::metadata(&other).unwrap().ino());
    for account in [&ana, &bob] {
        assert_story(account, &contents()[1..2]);
        assert_eq!(
            account.quota().unwrap().unwrap().used.storage,
            i64::try_from(contents()[1].replace("\r\n", "\n").len()).unwrap()
        );
    }
}

/// Content that is compressed itself comes back as it went in; without compression it could not, and is refused.
#[test]
fn what_looks_compressed_comes_back_as_it_was() {
    let disk = MemoryDisk::new();
    for compress in [None, ZstdLevel::new(1)] {
        let store = Store::new(Arc::new(disk.clone()), Settings { compress, ..Settings::default() });
        let account = store.account(Path::new(world::HOME)).unwrap();
        for magic in [ZSTD, &[0x1f, 0x8b, 0x08], b"Dovecot-LZ4\x0d\x2a\x9b\xc5"] {
            let content = [magic, b" and no more than that\r\n"].concat();
            let appended = append(&account, &content);
            if compress.is_none() {
                assert!(matches!(appended, Err(Error::NotAllowed(_))), "{appended:?}");
                continue;
            }
            appended.unwrap();
            let mailbox = account.open(&inbox()).unwrap();
            let last = mailbox.sync(Access::Look).unwrap().rows.last().unwrap().uid;
            let mut read = vec![0; content.len()];
            assert_eq!(mailbox.message(last).unwrap().read_at(0, &mut read).unwrap(), content.len());
            assert_eq!(read, content);
        }
        world::assert_sound(&account);
    }
}

/// Nothing waits in memory for the end of a message, and each power of two and its neighbours comes back.
#[test]
fn content_of_any_length_comes_back_and_long_content_goes_to_disk_as_it_comes() {
    let disk = MemoryDisk::new();
    let store = Store::new(Arc::new(disk.clone()), settings());
    let account = store.account(Path::new(world::HOME)).unwrap();
    let long = text(100_000);
    let mut draft = account.draft(&inbox()).unwrap();
    draft.write(long.as_bytes()).unwrap();
    let tmp = Path::new(world::HOME).join("maildir/tmp");
    let lying = disk.stat(&tmp.join(&disk.list(&tmp).unwrap()[0].name)).unwrap().len;
    draft.deliver().unwrap();
    let new = Path::new(world::HOME).join("maildir/new");
    let whole = disk.stat(&new.join(&disk.list(&new).unwrap()[0].name)).unwrap().len;
    assert!(whole - lying < 300_000, "{lying} of {whole} were on disk before the end");
    let lengths = (0..=18).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1]);
    let story: Vec<String> =
        lengths.map(|length: usize| long[..length].replace('\r', "").replace('\n', "\r\n")).collect();
    for content in &story {
        deliver(&account, content);
    }
    let account = Store::new(Arc::new(disk), Settings::default()).account(Path::new(world::HOME)).unwrap();
    assert_story(&account, &[&[long][..], &story].concat());
}
