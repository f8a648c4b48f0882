//! What is said of signatures, good and bad.

use super::super::crypto::SigningKey;
use super::super::keygen::NewKey;
use super::*;
use crate::dns::{Answer, Written};
use mail::dkim::Canon;

const NOW: u64 = 1_795_220_175;
const MESSAGE: &str = "From: ana@a.test\r\nSubject: hello\r\n\r\nline one\r\nline two\r\n";

/// What is found in a message.
async fn found(message: &str, dns: &dyn Dns) -> Vec<Finding> {
    let read = read(|take| {
        message.as_bytes().chunks(5).for_each(take);
        Ok::<(), ()>(())
    });
    let read = read.unwrap().unwrap();
    let records = read.records(dns, Duration::from_secs(5)).await;
    read.judge(&records, NOW, 1024)
}

struct Signer {
    key: SigningKey,
    record: String,
}

impl Signer {
    fn new() -> Signer {
        let made = NewKey::Ed25519.make().unwrap();
        Signer { key: SigningKey::parse(made.private.as_bytes()).unwrap(), record: made.record }
    }

    /// The message with a signature by these tags beside the usual ones; of the body so much counts.
    fn signed(&self, tags: &str, length: Option<u64>) -> String {
        let mut reading = Reading::new(|_: &[u8]| vec![Wanted { canon: Canon::Relaxed, length }]);
        reading.feed(MESSAGE.as_bytes());
        let (block, hashed) = reading.end().unwrap();
        let hash = STANDARD.encode(&hashed[0].hash);
        let field = format!(
            "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=a.test; s=s; h=From; {tags} bh={hash}; b="
        );
        let signed = signed_octets(&block, Canon::Relaxed, &["From".to_owned()], field.as_bytes());
        format!("{field}{}\r\n{MESSAGE}", STANDARD.encode(self.key.sign(&signed).unwrap()))
    }

    async fn judged(&self, message: &str) -> String {
        self.judged_by(message, &self.record).await
    }

    async fn judged_by(&self, message: &str, record: &str) -> String {
        let dns = Written::parse(&format!("s._domainkey.a.test {record}\n"));
        let findings = found(message, &dns).await;
        findings
            .iter()
            .map(|finding| format!("{} ({})", finding.status.word(), finding.why))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

#[tokio::test]
async fn each_signature_has_its_result() {
    let signer = Signer::new();
    let plain = signer.signed("", None);
    assert_eq!(signer.judged(&plain).await, "pass (256-bit key)");
    assert_eq!(signer.judged(&plain.replace("line two", "line 2")).await, "fail (body hash did not verify)");
    assert_eq!(signer.judged(&plain.replace("ana@", "eve@")).await, "fail (signature did not verify)");
    assert_eq!(signer.judged(&plain.replace("Subject: hello", "Subject: other")).await, "pass (256-bit key)");
    assert_eq!(signer.judged(&plain.replace("v=1", "v=2")).await, "permerror (unknown version)");
    assert_eq!(signer.judged(MESSAGE).await, "");
    let timed = |tags: &str| signer.signed(tags, None);
    assert_eq!(signer.judged(&timed(&format!("t={}; x={};", NOW - 9, NOW - 1))).await, "fail (signature expired)");
    assert_eq!(signer.judged(&timed(&format!("t={}; x={NOW};", NOW - 9))).await, "pass (256-bit key)");
    assert_eq!(signer.judged(&timed(&format!("t={};", NOW + 1000))).await, "neutral (signature is of the future)");
}

#[tokio::test]
async fn a_body_that_is_signed_in_part_does_not_pass() {
    let signer = Signer::new();
    assert_eq!(signer.judged(&signer.signed("l=20;", Some(20))).await, "pass (256-bit key)");
    assert_eq!(signer.judged(&signer.signed("l=10;", Some(10))).await, "policy (only a part of the body is signed)");
    assert_eq!(signer.judged(&signer.signed("l=99;", Some(99))).await, "permerror (body is shorter than l= says)");
}

#[tokio::test]
async fn a_key_record_says_what_it_is_for() {
    let signer = Signer::new();
    let plain = signer.signed("", None);
    assert_eq!(signer.judged_by(&plain, "v=DKIM1; k=ed25519; p=").await, "permerror (the key was revoked)");
    assert_eq!(signer.judged_by(&plain, "v=DKIM1; k=ed25519; p=YWJj").await, "permerror (no key in record)");
    let other = Signer::new();
    assert_eq!(signer.judged_by(&plain, &other.record).await, "fail (signature did not verify)");
    let two = format!("v=spf1 -all\ns._domainkey.a.test {}", signer.record);
    assert_eq!(signer.judged_by(&plain, &two).await, "pass (256-bit key)");
    let below = signer.signed("i=@sub.a.test;", None);
    assert_eq!(signer.judged(&below).await, "pass (256-bit key)");
    let strict = signer.record.replace("k=ed25519", "t=s; k=ed25519");
    assert_eq!(signer.judged_by(&below, &strict).await, "permerror (key is for the very domain only)");
    assert_eq!(found(&plain, &Written::default()).await[0].status, Status::PermError);
}

/// A DNS that is down, or hangs.
#[derive(Debug)]
struct Down {
    hangs: bool,
}

impl Dns for Down {
    fn texts<'a>(&'a self, _name: &'a str) -> Answer<'a, Vec<Vec<u8>>> {
        Box::pin(async move {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Err(DnsError::Temporary("refused".to_owned()))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_dns_that_is_down_or_hangs_is_no_failure_of_the_message() {
    let plain = Signer::new().signed("", None);
    for hangs in [false, true] {
        assert_eq!(found(&plain, &Down { hangs }).await[0].status, Status::TempError);
    }
}

#[tokio::test]
async fn more_signatures_than_anybody_makes_are_not_looked_at() {
    let signer = Signer::new();
    let plain = signer.signed("", None);
    let signature = plain.strip_suffix(MESSAGE).unwrap();
    assert_eq!(
        signer.judged(&format!("{}{MESSAGE}", signature.repeat(50))).await.matches("pass").count(),
        SIGNATURES_MAX
    );
}

#[tokio::test]
async fn results_are_one_field_whatever_a_signature_says() {
    let signer = Signer::new();
    let dns = Written::parse(&format!("s._domainkey.a.test {}\n", signer.record));
    let findings = found(&signer.signed("i=\"x;\r\n y\"(evil)@a.test;", None), &dns).await;
    let field = results("mx.example.test", &findings);
    assert_eq!(header::fields(field.as_bytes()).count(), 1);
    assert!(field.starts_with("Authentication-Results: mx.example.test;\r\n\tdkim="), "{field}");
    let findings = found(&signer.signed("", None), &dns).await;
    let begin = "Authentication-Results: mx.example.test;\r\n\tdkim=pass (256-bit key)\r\n\t header.d=a.test header.s=s\r\n\t header.i=@a.test header.b=\"";
    assert!(results("mx.example.test", &findings).starts_with(begin));
    assert_eq!(results("mx.example.test", &[]), "Authentication-Results: mx.example.test; dkim=none\r\n");
}
