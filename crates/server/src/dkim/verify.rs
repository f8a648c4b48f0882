//! Verifies the signatures of a message, and says so in `Authentication-Results` (RFC 6376 §6, RFC 8601).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail::dkim::{BadSignature, KeyRecord, Signature};
use mail::header;
use tokio::time::{Instant, timeout_at};

use super::public::{self, Judgement};
use super::reading::{Hashed, Reading, Wanted};
use super::sign::signed_octets;
use crate::dns::{Dns, DnsError};

/// Signatures that are looked at; the others do not count (RFC 6376 §6.1 allows a limit).
pub const SIGNATURES_MAX: usize = 10;
/// How far a clock may be behind the one of whoever signed, in seconds.
const CLOCKS_DIFFER_MAX: u64 = 300;

/// A result of RFC 8601 §2.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Pass,
    Fail,
    Policy,
    Neutral,
    TempError,
    PermError,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::Policy => "policy",
            Status::Neutral => "neutral",
            Status::TempError => "temperror",
            Status::PermError => "permerror",
        }
    }
}

/// What is said of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub status: Status,
    /// For people; goes into a comment.
    pub why: String,
    /// `None`: the field cannot be read.
    pub signature: Option<Signature>,
}

/// A message that was read: its signatures, and the hashes that they want.
#[derive(Debug)]
pub struct Read {
    block: Vec<u8>,
    hashed: Vec<Hashed>,
}

/// Reads a message, which `copy` gives in pieces. `None`: its header is too long. Blocking.
///
/// # Errors
/// Those of `copy`.
pub fn read<E>(copy: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>) -> Result<Option<Read>, E> {
    let mut reading = Reading::new(|block: &[u8]| wanted(&signatures(block)));
    copy(&mut |octets| reading.feed(octets))?;
    Ok(reading.end().map(|(block, hashed)| Read { block, hashed }))
}

type Found<'a> = (&'a [u8], Result<Signature, BadSignature>);

fn signatures(block: &[u8]) -> Vec<Found<'_>> {
    let fields = header::fields(block).filter(|field| field.is("DKIM-Signature")).take(SIGNATURES_MAX);
    fields.map(|field| (field.whole, Signature::parse(field.value))).collect()
}

/// One hash for each signature that can be read, in their order.
fn wanted(signatures: &[Found<'_>]) -> Vec<Wanted> {
    let good = signatures.iter().filter_map(|(_, signature)| signature.as_ref().ok());
    good.map(|signature| Wanted { canon: signature.body_canon, length: signature.length }).collect()
}

/// What the DNS says of each key.
pub type Records = HashMap<String, Result<Vec<Vec<u8>>, DnsError>>;

impl Read {
    /// Asks for all keys that the signatures name; those that have not come within `patience` are unavailable.
    pub async fn records(&self, dns: &dyn Dns, patience: Duration) -> Records {
        let end = Instant::now() + patience;
        let mut records = Records::new();
        for (_, signature) in signatures(&self.block) {
            let Some(name) = signature.ok().map(|signature| signature.key_name()) else { continue };
            if let Entry::Vacant(place) = records.entry(name) {
                let late = |_| Err(DnsError::Temporary("no answer in time".to_owned()));
                let texts = timeout_at(end, dns.texts(place.key())).await.unwrap_or_else(late);
                place.insert(texts);
            }
        }
        records
    }

    /// Judges each signature. `now`: seconds since 1970. Blocking.
    pub fn judge(&self, records: &Records, now: u64, bits_min: usize) -> Vec<Finding> {
        let mut hashed = self.hashed.iter();
        signatures(&self.block)
            .into_iter()
            .map(|(whole, signature)| match signature {
                Err(why) => Finding { status: Status::PermError, why: why.to_string(), signature: None },
                Ok(signature) => {
                    let (status, why) = match hashed.next() {
                        Some(hashed) => self.judge_one(whole, &signature, hashed, records, now, bits_min),
                        None => (Status::Neutral, "not looked at".to_owned()),
                    };
                    Finding { status, why, signature: Some(signature) }
                }
            })
            .collect()
    }

    fn judge_one(
        &self,
        whole: &[u8],
        signature: &Signature,
        hashed: &Hashed,
        records: &Records,
        now: u64,
        bits_min: usize,
    ) -> (Status, String) {
        // RFC 6376 §3.5: verifiers may not count what expired.
        if signature.expires.is_some_and(|expires| expires < now) {
            return (Status::Fail, "signature expired".into());
        }
        if signature.made.is_some_and(|made| made > now.saturating_add(CLOCKS_DIFFER_MAX)) {
            return (Status::Neutral, "signature is of the future".into());
        }
        let texts = match records.get(&signature.key_name()) {
            Some(Ok(texts)) => texts,
            None | Some(Err(DnsError::NoRecord)) => return (Status::PermError, "no key for signature".into()),
            Some(Err(DnsError::Temporary(_))) => return (Status::TempError, "key unavailable".into()),
        };
        // §6.1.2: of several records any one may be used; the first that is for this signature is.
        let parse = |text: &Vec<u8>| KeyRecord::parse(&String::from_utf8_lossy(text), signature.algorithm);
        let record = match texts.iter().map(parse).reduce(|first, next| first.or(next)) {
            Some(Ok(record)) => record,
            Some(Err(why)) => return (Status::PermError, why.to_string()),
            None => return (Status::PermError, "no key for signature".into()),
        };
        if record.strict && !signature.is_of_the_very_domain() {
            return (Status::PermError, "key is for the very domain only".into());
        }
        if signature.length.is_some_and(|length| length > hashed.length) {
            return (Status::PermError, "body is shorter than l= says".into());
        }
        if hashed.hash != signature.body_hash {
            return (Status::Fail, "body hash did not verify".into());
        }
        let signed = signed_octets(&self.block, signature.header_canon, &signature.fields, whole);
        match public::verify(&record, &signed, &signature.signature, bits_min) {
            Judgement::Bad => (Status::Fail, "signature did not verify".into()),
            Judgement::NoKey => (Status::PermError, "no key in record".into()),
            Judgement::TooShort(bits) => (Status::Policy, format!("{bits}-bit key is too short")),
            // RFC 6376 §8.2: what anybody may add to is not vouched for.
            Judgement::Good(_) if signature.length.is_some_and(|length| length < hashed.length) => {
                (Status::Policy, "only a part of the body is signed".into())
            }
            Judgement::Good(bits) => (Status::Pass, format!("{bits}-bit key")),
        }
    }
}

/// The field that says what was found (RFC 8601 §2.2), with its line end. `server` is our name.
pub fn results(server: &str, findings: &[Finding]) -> String {
    if findings.is_empty() {
        return format!("Authentication-Results: {server}; dkim=none\r\n");
    }
    let told: String = findings.iter().map(|finding| format!(";\r\n\t{}", Told(finding))).collect();
    format!("Authentication-Results: {server}{told}\r\n")
}

struct Told<'a>(&'a Finding);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { status, why, signature } = self.0;
        write!(f, "dkim={} ({why})", status.word())?;
        let Some(signature) = signature else { return Ok(()) };
        // What stands in a signature is ours to repeat only where it is harmless.
        let plain = |text: &str| {
            let harmless = |c: &char| c.is_ascii_alphanumeric() || ".-_@+=".contains(*c);
            text.chars().filter(harmless).take(200).collect::<String>()
        };
        write!(f, "\r\n\t header.d={} header.s={}", plain(signature.domain.as_str()), plain(&signature.selector))?;
        // RFC 6008: the first octets of b= tell signatures of one domain apart.
        let begin: String = STANDARD.encode(&signature.signature).chars().take(8).collect();
        write!(f, "\r\n\t header.i={} header.b=\"{begin}\"", plain(&signature.identity))
    }
}

#[cfg(test)]
mod tests;
