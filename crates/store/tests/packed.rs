//! Messages that the real Dovecot wrote compressed (its zlib plugin) are read as if they were plain, wherever they are asked.

mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mail::Flags;
use mail::search::Key;
use store::{Access, Account, Error, Harm, Settings, verify};
use world::dovecot::Dovecot;
use world::{add, inbox, name, uid};

fn account(dovecot: &Dovecot) -> Arc<Account> {
    let index = dovecot.home().join("tepui-index");
    dovecot.account(Settings { index: Some(index), ..Settings::default() })
}

/// A short one, and one that is long enough that nobody counts it when it is opened.
fn contents() -> [String; 2] {
    let mut seed = 1_u32;
    let line = |_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("line {seed} of {}\n", seed.rotate_left(7))
    };
    let long: String = (0..20_000).map(line).collect();
    ["Subject: short\n\nFew words.\n".to_owned(), format!("Subject: long\n\n{long}")]
}

fn files(dovecot: &Dovecot) -> Vec<PathBuf> {
    let parts = ["new", "cur"].map(|part| dovecot.home().join("maildir").join(part));
    let entries = parts.iter().flat_map(|part| fs::read_dir(part).unwrap());
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn compressed_by(form: &str, magic: &[u8]) -> Dovecot {
    let more = format!("mail_plugins = zlib\nplugin {{\n zlib_save = {form}\n}}\n");
    let dovecot = Dovecot::with("maildir:~/maildir", &more);
    for content in contents() {
        dovecot.save_content("INBOX", &content);
    }
    for file in files(&dovecot) {
        assert!(fs::read(&file).unwrap().starts_with(magic), "{} is compressed by {form}", file.display());
    }
    dovecot
}

#[test]
fn what_dovecot_compressed_is_read_as_it_was() {
    for (form, magic) in [("gz", &[0x1f, 0x8b][..]), ("zstd", &[0x28, 0xb5, 0x2f, 0xfd])] {
        let dovecot = compressed_by(form, magic);
        let account = account(&dovecot);
        let mailbox = account.open(&inbox()).unwrap();
        mailbox.sync(Access::Serve).unwrap();
        for (number, content) in (1..).zip(contents()) {
            let expected = content.replace('\n', "\r\n");
            assert_eq!(mailbox.facts(uid(number)).unwrap().size, expected.len() as u64);
            let mut message = mailbox.message(uid(number)).unwrap();
            assert_eq!(message.size(), expected.len() as u64);
            assert_eq!(world::read(&mut message), expected, "{form}");
            let (mut piece, at) = ([0; 9], expected.len() / 2);
            assert_eq!(message.read_at(at as u64, &mut piece).unwrap(), 9);
            assert_eq!(piece, expected.as_bytes()[at..at + 9]);
            assert!(message.header().unwrap().starts_with(b"Subject: "));
        }
        assert_eq!(mailbox.search(&Key::Body("few words".to_owned())).unwrap(), [uid(1)]);
        // It stays as it is when its flags change, and in a copy, which Dovecot reads.
        mailbox.store_flags(&[uid(1)], &add(Flags::FLAGGED, &[])).unwrap();
        account.create(&name("Copies"), None).unwrap();
        let copies = account.open(&name("Copies")).unwrap();
        mailbox.copy(&[uid(1), uid(2)], &copies).unwrap();
        assert_eq!(world::read(&mut copies.message(uid(2)).unwrap()), contents()[1].replace('\n', "\r\n"));
        let findings = verify(&account).unwrap();
        assert!(findings.iter().all(|finding| finding.harm == Harm::Leftover), "{findings:?}");
        let read = dovecot.ask(&["fetch", "text", "mailbox", "Copies", "uid", "1"]);
        assert!(read.contains("Few words."), "{read}");
    }
}

#[test]
fn damage_is_told_of_the_one_message_that_has_it() {
    let dovecot = compressed_by("gz", &[0x1f, 0x8b]);
    let account = account(&dovecot);
    let long = files(&dovecot).into_iter().max_by_key(|path: &PathBuf| fs::metadata(path).unwrap().len()).unwrap();
    let whole = fs::read(&long).unwrap();
    let write = |content: &[u8]| fs::write(Path::new(&long), content).unwrap();
    for damaged in [&whole[..whole.len() / 2], &[&whole[..500], &[0; 500], &whole[1000..]].concat()] {
        write(damaged);
        let mailbox = account.open(&inbox()).unwrap();
        let read = mailbox.message(uid(2)).and_then(|mut message| {
            let mut buf = vec![0; 1 << 20];
            let size = message.size();
            let mut offset = 0;
            while offset < size {
                offset += message.read_at(offset, &mut buf)? as u64;
            }
            Ok(())
        });
        assert!(matches!(read, Err(Error::Disk(_) | Error::Damaged { .. })), "{read:?}");
        assert!(world::read(&mut mailbox.message(uid(1)).unwrap()).contains("Few words."));
    }
    write(&whole);
    let mailbox = account.open(&inbox()).unwrap();
    assert_eq!(world::read(&mut mailbox.message(uid(2)).unwrap()), contents()[1].replace('\n', "\r\n"));
}
