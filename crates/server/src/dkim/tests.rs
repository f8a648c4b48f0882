//! Signatures as the RFCs have them, and ours verified again.

use super::crypto::SigningKey;
use super::keygen::{self, NewKey};
use super::public::{Judgement, verify};
use super::reading::{Reading, Wanted};
use super::sign::signed_octets;
use super::*;
use crate::config::SigningSettings;
use mail::dkim::{Canon, KeyRecord, Signature};
use mail::header;

/// RFC 8463 §A.3, with its lines as the errata-free text has them.
const RFC8463: &str = include_str!("tests/rfc8463.eml");
const ED25519_RECORD: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const RSA_RECORD: &str = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// What a record says of each signature of a message, and whether its body hash is right.
fn judged(message: &[u8], record: impl Fn(&Signature) -> String) -> Vec<(Judgement, bool)> {
    let mut reading =
        Reading::new(|_: &[u8]| [Canon::Relaxed, Canon::Simple].map(|canon| Wanted { canon, length: None }).to_vec());
    message.chunks(7).for_each(|piece| reading.feed(piece));
    let (block, hashed) = reading.end().unwrap();
    let fields = header::fields(&block).filter(|field| field.is("DKIM-Signature"));
    let judge = |field: header::Field<'_>| {
        let signature = Signature::parse(field.value).unwrap();
        let record = KeyRecord::parse(&record(&signature), signature.algorithm).unwrap();
        let signed = signed_octets(&block, signature.header_canon, &signature.fields, field.whole);
        let hash = &hashed[usize::from(signature.body_canon == Canon::Simple)].hash;
        (verify(&record, &signed, &signature.signature, 1024), *hash == signature.body_hash)
    };
    fields.map(judge).collect()
}

#[test]
fn the_signatures_of_rfc_8463_are_good() {
    let record = |signature: &Signature| {
        if signature.selector == "test" { RSA_RECORD.to_owned() } else { ED25519_RECORD.to_owned() }
    };
    let message = crlf(RFC8463);
    assert_eq!(judged(&message, record), [(Judgement::Good(256), true), (Judgement::Good(1024), true)]);
    let other = String::from_utf8(message).unwrap().replace("Joe SixPack", "Joe SixPac");
    assert_eq!(judged(other.as_bytes(), record), [(Judgement::Bad, true), (Judgement::Bad, true)]);
    let other = other.replace("Joe SixPac", "Joe SixPack").replace("hungry", "thirsty");
    assert_eq!(judged(other.as_bytes(), record), [(Judgement::Good(256), false), (Judgement::Good(1024), false)]);
}

fn settings(folder: &std::path::Path) -> SigningSettings {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    SigningSettings {
        protocols: vec![Protocol::Submission],
        key_table: folder.join("KeyTable"),
        signing_table: TableFile { path: folder.join("SigningTable"), patterns: true },
        internal_hosts: None,
        external_ignore: None,
        header_canon: Canon::Relaxed,
        body_canon: Canon::Relaxed,
        fields: words(mail::dkim::DEFAULT_FIELDS),
        oversign: words(&["From"]),
        every_signature: true,
        minimum_key_bits: 1024,
        expire: std::time::Duration::ZERO,
        defer_unsigned: true,
    }
}

/// A folder with tables for `*@example.test` and a key of each kind, and the records of these.
fn with_keys() -> (tempfile::TempDir, [String; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let (rsa, ed25519) = (NewKey::Rsa2048.make().unwrap(), NewKey::Ed25519.make().unwrap());
    write("rsa.private", &rsa.private);
    write("ed.private", &ed25519.private);
    write("KeyTable", "rsa example.test:one:rsa.private\ned %:two:ed.private\n");
    write("SigningTable", "*@example.test rsa\n*@example.test ed\n");
    (folder, [rsa.record, ed25519.record])
}

const MESSAGE: &[u8] = b"Received: x\r\nFrom: Ana <ana@example.test>\r\nTo: bob@elsewhere.test,\r\n  eve@elsewhere.test\r\nSubject:   hello  \r\n\r\n\
    line \t one  \r\n\r\n.\r\n \r\n\r\n";

fn sign_message(signing: &Signing, message: &[u8]) -> Result<String, SignError> {
    signing.sign(|take| {
        message.chunks(3).for_each(take);
        Ok(())
    })
}

#[test]
fn what_is_signed_is_verified_in_every_form() {
    let (folder, records) = with_keys();
    for (header_canon, body_canon) in [
        (Canon::Relaxed, Canon::Relaxed),
        (Canon::Simple, Canon::Relaxed),
        (Canon::Relaxed, Canon::Simple),
        (Canon::Simple, Canon::Simple),
    ] {
        let settings = SigningSettings { header_canon, body_canon, ..settings(folder.path()) };
        let signing = Signing::load(settings, &disk::RealDisk::new().unwrap()).unwrap();
        let fields = sign_message(&signing, MESSAGE).unwrap();
        assert!(fields.contains("h=From:To:Subject:From;") && !fields.contains("l="), "{fields}");
        let record = |signature: &Signature| records[usize::from(signature.selector == "two")].clone();
        let good = [(Judgement::Good(2048), true), (Judgement::Good(256), true)];
        assert_eq!(judged(&[fields.as_bytes(), MESSAGE].concat(), record), good);
        let added = [fields.as_bytes(), b"From: eve@elsewhere.test\r\n", MESSAGE].concat();
        assert!(judged(&added, record).iter().all(|(judgement, _)| *judgement == Judgement::Bad), "a From was added");
    }
}

#[test]
fn who_is_signed_and_who_is_not() {
    let (folder, _) = with_keys();
    let signing = Signing::load(settings(folder.path()), &disk::RealDisk::new().unwrap()).unwrap();
    let due = |peer: &str, authenticated, header: &[u8]| {
        signing.is_due(Protocol::Submission, peer.parse().unwrap(), authenticated, header)
    };
    assert_eq!(due("192.0.2.1", true, MESSAGE), Due::Yes);
    assert_eq!(due("127.0.0.1", false, MESSAGE), Due::Yes);
    assert_eq!(due("192.0.2.1", false, MESSAGE), Due::Stranger);
    assert_eq!(due("192.0.2.1", true, b"From: a@sub.example.test\r\n"), Due::No);
    assert_eq!(signing.is_due(Protocol::Smtp, "127.0.0.1".parse().unwrap(), true, MESSAGE), Due::No);
    assert!(sign_message(&signing, b"Subject: x\r\n\r\n").is_err_and(|error| error.is_of_the_message()));
}

#[test]
fn tables_and_keys_are_read_again_and_bad_ones_are_not() {
    let (folder, _) = with_keys();
    let disk = disk::RealDisk::new().unwrap();
    let signing = Signing::load(settings(folder.path()), &disk).unwrap();
    let table = folder.path().join("SigningTable");
    std::fs::write(&table, "*@example.test nobody's\n").unwrap();
    signing.look_again(&disk);
    assert_eq!(sign_message(&signing, MESSAGE).unwrap().matches("\tb=").count(), 2, "the old table stays in force");
    std::fs::write(&table, "*@example.test ed\n").unwrap();
    signing.look_again(&disk);
    assert!(sign_message(&signing, MESSAGE).unwrap().contains("s=two;"));
    std::fs::remove_file(folder.path().join("ed.private")).unwrap();
    signing.look_again(&disk);
    assert!(sign_message(&signing, MESSAGE).is_err_and(|error| !error.is_of_the_message()));
}

#[test]
fn records_are_written_as_zone_files_have_them() {
    let (folder, [record, _]) = with_keys();
    let key = SigningKey::load(&folder.path().join("rsa.private"), 1024).unwrap();
    assert_eq!(keygen::record(&key).unwrap(), record);
    assert!(SigningKey::load(&folder.path().join("rsa.private"), 4096).is_err());
    let line = keygen::zone_line("default", "example.test", &record);
    assert!(line.starts_with("default._domainkey\tIN\tTXT\t( \"v=DKIM1; h=sha256; k=rsa; p=MIIB"), "{line}");
    let strings: String = line.split('"').skip(1).step_by(2).collect();
    assert_eq!(strings, record);
}
