//! Which fields are signed, and their canonical forms (RFC 6376 §3.4.1, §3.4.2, §5.4).

use std::collections::BTreeMap;

use super::Canon;
use crate::header::{self, Field};

/// What is signed of a message when nothing else is asked for: RFC 6376 §5.4.1, in OpenDKIM's choice.
pub const DEFAULT_FIELDS: &[&str] = &[
    "From",
    "Reply-To",
    "Subject",
    "Date",
    "To",
    "Cc",
    "Resent-Date",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "In-Reply-To",
    "References",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
];

/// Appends the canonical form of a field, its line end included.
pub fn canonical_field(canon: Canon, whole: &[u8], out: &mut Vec<u8>) {
    match canon {
        Canon::Simple => {
            out.extend_from_slice(whole);
            if !whole.ends_with(b"\r\n") {
                out.extend_from_slice(b"\r\n");
            }
        }
        Canon::Relaxed => relaxed(whole, out),
    }
}

// §3.4.2: the name in lower case, lines unfolded, white space as one space, none around the colon and at the end.
fn relaxed(whole: &[u8], out: &mut Vec<u8>) {
    let colon = memchr::memchr(b':', whole).unwrap_or(whole.len());
    let (name, value) = whole.split_at(colon);
    out.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let start = out.len();
    let mut space = false;
    let mut octets = value.strip_prefix(b":").unwrap_or(value).iter().peekable();
    while let Some(&octet) = octets.next() {
        match octet {
            b'\r' if octets.peek() == Some(&&b'\n') => _ = octets.next(),
            b' ' | b'\t' => space = true,
            _ => {
                if std::mem::take(&mut space) && out.len() > start {
                    out.push(b' ');
                }
                out.push(octet);
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The fields of a header, taken from below one after the other for each name (RFC 6376 §5.4.2).
#[derive(Debug)]
pub struct Selection<'a> {
    left: BTreeMap<Vec<u8>, Vec<&'a [u8]>>,
}

impl<'a> Selection<'a> {
    pub fn of(block: &'a [u8]) -> Selection<'a> {
        let mut left: BTreeMap<Vec<u8>, Vec<&[u8]>> = BTreeMap::new();
        for field in header::fields(block).filter(|field| !field.name.is_empty()) {
            left.entry(field.name.to_ascii_lowercase()).or_default().push(field.whole);
        }
        Selection { left }
    }

    /// The next field of this name. `None`: there is none left, which is signed as nothing.
    pub fn next(&mut self, name: &str) -> Option<&'a [u8]> {
        self.left.get_mut(name.to_ascii_lowercase().as_bytes())?.pop()
    }
}

/// The names for `h=`: those of the wanted fields that the header has, in its order, each as often as it is there; then once more
/// each of `oversigned`, so that nobody can add one (§8.15).
pub fn signed_names(block: &[u8], wanted: &[String], oversigned: &[String]) -> Vec<String> {
    let is_wanted = |field: &Field<'_>| wanted.iter().chain(oversigned).any(|name| field.is(name));
    let present = header::fields(block).filter(is_wanted);
    let mut names: Vec<String> = present.map(|field| String::from_utf8_lossy(field.name).into_owned()).collect();
    names.extend(oversigned.iter().cloned());
    names
}

/// A signature field as it is signed: without the value of `b=` and without its line end (§3.7).
pub fn unsigned_field(canon: Canon, whole: &[u8]) -> Vec<u8> {
    let colon = memchr::memchr(b':', whole).map_or(whole.len(), |at| at + 1);
    let (name, list) = whole.split_at(colon);
    let mut emptied = name.to_vec();
    for (number, spec) in list.split(|&octet| octet == b';').enumerate() {
        if number > 0 {
            emptied.push(b';');
        }
        let equals = memchr::memchr(b'=', spec).map_or(spec.len(), |at| at + 1);
        let is_signature = spec[..equals].trim_ascii().strip_suffix(b"=").is_some_and(|tag| tag.trim_ascii() == b"b");
        emptied.extend_from_slice(if is_signature { &spec[..equals] } else { spec });
    }
    let mut out = Vec::with_capacity(emptied.len() + 2);
    canonical_field(canon, &emptied, &mut out);
    out.truncate(out.len() - 2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(canon: Canon, whole: &[u8]) -> String {
        let mut out = Vec::new();
        canonical_field(canon, whole, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6376 §3.4.5.
        assert_eq!(canonical(Canon::Relaxed, b"A: X\r\n"), "a:X\r\n");
        assert_eq!(canonical(Canon::Relaxed, b"B : Y\t\r\n\tZ  \r\n"), "b:Y Z\r\n");
        assert_eq!(canonical(Canon::Simple, b"B : Y\t\r\n\tZ  \r\n"), "B : Y\t\r\n\tZ  \r\n");
        assert_eq!(canonical(Canon::Relaxed, b"Empty: \r\n"), "empty:\r\n");
    }

    #[test]
    fn fields_are_taken_from_below_and_missing_ones_are_nothing() {
        let block = b"From: a\r\nTo: x\r\nto: y\r\n\r\n";
        let mut selection = Selection::of(block);
        assert_eq!(selection.next("TO"), Some(&b"to: y\r\n"[..]));
        assert_eq!(selection.next("To"), Some(&b"To: x\r\n"[..]));
        assert_eq!(selection.next("To"), None);
        assert_eq!(selection.next("Cc"), None);
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|&word| word.to_owned()).collect() };
        assert_eq!(signed_names(block, &words(&["To", "Cc"]), &words(&["From"])), words(&["From", "To", "to", "From"]));
    }

    #[test]
    fn the_signature_itself_is_signed_as_nothing() {
        let field = b"DKIM-Signature: a=x; b=abc\r\n  def ; bh=xyz; c=b=;\r\n\tb1=2\r\n";
        assert_eq!(unsigned_field(Canon::Relaxed, field), b"dkim-signature:a=x; b=; bh=xyz; c=b=; b1=2");
        assert_eq!(unsigned_field(Canon::Simple, b"DKIM-Signature: b=abc\r\n"), b"DKIM-Signature: b=");
    }
}
