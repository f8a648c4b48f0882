//! `DKIM-Signature` fields (RFC 6376 §3.5): read, and made.

use super::tags::{Tags, trimmed, words};
use super::{Algorithm, Canon};
use crate::Domain;
use crate::mime::decode_base64;

/// A signature that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub algorithm: Algorithm,
    pub signature: Vec<u8>,
    pub body_hash: Vec<u8>,
    pub header_canon: Canon,
    pub body_canon: Canon,
    pub domain: Domain,
    pub selector: String,
    /// `i=`, or what stands for it.
    pub identity: String,
    /// Names of the signed fields, as written.
    pub fields: Vec<String>,
    /// `l=`: only so many octets of the canonical body are signed.
    pub length: Option<u64>,
    /// Seconds since 1970.
    pub made: Option<u64>,
    pub expires: Option<u64>,
}

/// What is wrong with a field; none of it is judged further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    #[error("syntax error in the signature")]
    Syntax,
    #[error("unknown version")]
    Version,
    #[error("unknown or forbidden algorithm")]
    Algorithm,
    #[error("unknown canonical form")]
    Canon,
    #[error("required tag missing")]
    Missing,
    #[error("From is not signed")]
    FromNotSigned,
    #[error("the identity is of another domain")]
    Identity,
    #[error("unknown query method")]
    Query,
    #[error("it expires before it was made")]
    Times,
}

impl Signature {
    /// Reads the value of a field.
    ///
    /// # Errors
    /// Why it is no signature that could be verified.
    pub fn parse(value: &[u8]) -> Result<Signature, BadSignature> {
        let text = std::str::from_utf8(value).map_err(|_| BadSignature::Syntax)?;
        let tags = Tags::parse(text).ok_or(BadSignature::Syntax)?;
        let must = |name: &str| tags.value(name).filter(|value| !value.is_empty()).ok_or(BadSignature::Missing);
        if must("v")? != "1" {
            return Err(BadSignature::Version);
        }
        let algorithm = match must("a")?.to_ascii_lowercase().as_str() {
            "rsa-sha256" => Algorithm::RsaSha256,
            "ed25519-sha256" => Algorithm::Ed25519Sha256,
            _ => return Err(BadSignature::Algorithm),
        };
        let (header_canon, body_canon) = canons(tags.value("c").unwrap_or("simple/simple"))?;
        let domain = Domain::parse(must("d")?).map_err(|_| BadSignature::Syntax)?;
        let identity = tags.value("i").map_or_else(|| format!("@{domain}"), str::to_owned);
        check_identity(&identity, &domain)?;
        if !tags.value("q").is_none_or(|methods| words(methods).any(|method| method == "dns/txt")) {
            return Err(BadSignature::Query);
        }
        let fields: Vec<String> = words(must("h")?).map(str::to_owned).collect();
        if !fields.iter().any(|name| name.eq_ignore_ascii_case("From")) {
            return Err(BadSignature::FromNotSigned);
        }
        let (made, expires) = (number(tags.value("t"))?, number(tags.value("x"))?);
        if made.zip(expires).is_some_and(|(made, expires)| expires <= made) {
            return Err(BadSignature::Times);
        }
        Ok(Signature {
            algorithm,
            signature: decode_base64(must("b")?.as_bytes()),
            body_hash: decode_base64(must("bh")?.as_bytes()),
            header_canon,
            body_canon,
            selector: selector(must("s")?)?,
            domain,
            identity,
            fields,
            length: number(tags.value("l"))?,
            made,
            expires,
        })
    }

    /// Where its key is.
    pub fn key_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// Whether `i=` is of the very domain, as a strict key wants it.
    pub fn is_of_the_very_domain(&self) -> bool {
        let domain = self.identity.rsplit_once('@').map_or("", |(_, domain)| domain);
        Domain::parse(domain).is_ok_and(|domain| domain == self.domain)
    }
}

fn canons(text: &str) -> Result<(Canon, Canon), BadSignature> {
    // §3.5: a missing second one is simple.
    let (header, body) = text.split_once('/').unwrap_or((text, "simple"));
    Canon::parse(trimmed(header)).zip(Canon::parse(trimmed(body))).ok_or(BadSignature::Canon)
}

fn check_identity(identity: &str, domain: &Domain) -> Result<(), BadSignature> {
    let (_, of) = identity.rsplit_once('@').ok_or(BadSignature::Syntax)?;
    let (of, domain) = (of.to_ascii_lowercase(), domain.as_str().to_ascii_lowercase());
    let is_below = of.strip_suffix(&domain).is_some_and(|above| above.is_empty() || above.ends_with('.'));
    if is_below { Ok(()) } else { Err(BadSignature::Identity) }
}

fn selector(text: &str) -> Result<String, BadSignature> {
    Domain::parse(text).map(|domain| domain.as_str().to_owned()).map_err(|_| BadSignature::Syntax)
}

// §3.5: 1 to 76 digits, of which more than ours can hold means never.
fn number(value: Option<&str>) -> Result<Option<u64>, BadSignature> {
    let Some(text) = value else { return Ok(None) };
    let is_number = (1..=76).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    if is_number { Ok(Some(text.parse().unwrap_or(u64::MAX))) } else { Err(BadSignature::Syntax) }
}

/// A signature to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned<'a> {
    pub algorithm: Algorithm,
    pub header_canon: Canon,
    pub body_canon: Canon,
    pub domain: &'a str,
    pub selector: &'a str,
    pub fields: Vec<String>,
    /// Seconds since 1970.
    pub made: u64,
    pub expires: Option<u64>,
    /// In base64.
    pub body_hash: String,
}

/// Where lines are folded.
const LINE_LENGTH: usize = 76;

impl Unsigned<'_> {
    /// The field up to `b=`, without a line end: what is signed, in its simple form.
    pub fn field(&self) -> String {
        let (header, body) = (self.header_canon.word(), self.body_canon.word());
        let expires = self.expires.map_or(String::new(), |time| format!("; x={time}"));
        let mut text = format!(
            "DKIM-Signature: v=1; a={}; c={header}/{body}; d={};\r\n\ts={}; t={}{expires};\r\n\tbh={};\r\n\t",
            self.algorithm.word(),
            self.domain,
            self.selector,
            self.made,
            self.body_hash
        );
        let mut column = 8;
        for (number, name) in self.fields.iter().enumerate() {
            let word = if number == 0 { format!("h={name}") } else { format!(":{name}") };
            if column + word.len() > LINE_LENGTH && number > 0 {
                text.push_str("\r\n\t ");
                column = 9;
            }
            column += word.len();
            text.push_str(&word);
        }
        text.push_str(";\r\n\tb=");
        text
    }

    /// The whole field with its line end; `signature` is in base64.
    pub fn signed(&self, signature: &str) -> String {
        let mut text = self.field();
        let mut room = LINE_LENGTH - 10;
        let mut rest = signature;
        while rest.len() > room {
            let (line, after) = rest.split_at(room);
            text.push_str(line);
            text.push_str("\r\n\t ");
            (rest, room) = (after, LINE_LENGTH - 9);
        }
        text.push_str(rest);
        text.push_str("\r\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = " v=1; a=rsa-sha256; d=example.test; s=a.b; c=relaxed; q=dns/txt; i=joe@news.example.test;\r\n t=10; x=20;\r\n \
        h=From : To; bh=YWJj; b=YW\r\n Jj;";

    #[test]
    fn a_field_is_read() {
        let signature = Signature::parse(GOOD.as_bytes()).unwrap();
        assert_eq!((signature.header_canon, signature.body_canon), (Canon::Relaxed, Canon::Simple));
        assert_eq!((signature.signature.as_slice(), signature.body_hash.as_slice()), (&b"abc"[..], &b"abc"[..]));
        assert_eq!(
            (signature.fields.as_slice(), signature.key_name().as_str()),
            (&["From".to_owned(), "To".to_owned()][..], "a.b._domainkey.example.test")
        );
        assert_eq!((signature.made, signature.expires, signature.length), (Some(10), Some(20), None));
        assert!(!signature.is_of_the_very_domain());
    }

    #[test]
    fn what_cannot_be_verified_says_why() {
        use BadSignature::*;
        let cases = [
            ("v=1", "v=2", Version),
            ("v=1;", "", Missing),
            ("rsa-sha256", "rsa-sha1", Algorithm),
            ("c=relaxed", "c=nofws", Canon),
            ("From : To", "To", FromNotSigned),
            ("h=From : To;", "", Missing),
            ("joe@news.example.test", "joe@badexample.test", Identity),
            ("joe@news.example.test", "joe", Syntax),
            ("dns/txt", "http", Query),
            ("x=20", "x=10", Times),
            ("t=10", "t=-1", Syntax),
            ("b=YW", "b=; b=YW", Syntax),
            ("s=a.b", "s=a b", Syntax),
        ];
        for (good, bad, expected) in cases {
            assert!(GOOD.contains(good));
            assert_eq!(Signature::parse(GOOD.replacen(good, bad, 1).as_bytes()), Err(expected), "{bad}");
        }
    }

    #[test]
    fn what_is_made_can_be_read_and_has_short_lines() {
        let fields: Vec<String> =
            (0..20).map(|number| format!("X-Field-{number}")).chain(["From".to_owned()]).collect();
        let unsigned = Unsigned {
            algorithm: Algorithm::Ed25519Sha256,
            header_canon: Canon::Relaxed,
            body_canon: Canon::Simple,
            domain: "example.test",
            selector: "default",
            fields: fields.clone(),
            made: 1_795_220_175,
            expires: Some(1_795_220_176),
            body_hash: "YWJj".into(),
        };
        let field = unsigned.signed(&"YWJj".repeat(100));
        assert!(field.split("\r\n").all(|line| line.len() <= 78), "{field}");
        let value = field.strip_prefix("DKIM-Signature:").unwrap();
        let read = Signature::parse(value.as_bytes()).unwrap();
        assert_eq!((read.fields, read.signature), (fields, b"abc".repeat(100)));
        let emptied = super::super::unsigned_field(Canon::Simple, field.as_bytes());
        assert_eq!(String::from_utf8(emptied).unwrap(), unsigned.field());
    }

    proptest! {
        #[test]
        fn any_octets_are_judged(value in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Signature::parse(&value);
            let _ = super::super::unsigned_field(Canon::Relaxed, &value);
        }
    }
}
