//! The names of message files: `SECONDS.MmicrosPpidQcount.HOST,S=size,W=virtual size`, and in `cur/` a suffix with flags.
//!
//! A name has two parts. The *base* names the message for ever and stands in the uidlist; the *suffix* (`:2,FRSab`) holds
//! the flags and changes. Letters: D draft, F flagged, R answered, S seen, T deleted, `a` to `z` the mailbox's keywords
//! 0 to 25. Letters we do not know are kept. Names are octets: a foreign program may have used any.
//! Pure; knows nothing of folders.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use mail::Flags;

/// The part of a name that never changes.
pub(crate) type Base = Arc<[u8]>;

/// The year 9999; what is beyond is no time.
const SINCE_MAX: i64 = 253_402_300_799;

/// In ASCII order, as they must stand in a name.
const LETTERS: [(u8, Flags); 5] = [
    (b'D', Flags::DRAFT),
    (b'F', Flags::FLAGGED),
    (b'R', Flags::ANSWERED),
    (b'S', Flags::SEEN),
    (b'T', Flags::DELETED),
];

/// A name cut into base and suffix; the suffix is empty or begins with the colon.
pub(crate) fn split(name: &OsStr) -> (&[u8], &[u8]) {
    let name = name.as_bytes();
    name.split_at(memchr::memchr(b':', name).unwrap_or(name.len()))
}

pub(crate) fn join(base: &[u8], suffix: &[u8]) -> OsString {
    OsString::from_vec([base, suffix].concat())
}

/// The flags that a suffix tells.
pub(crate) fn flags(suffix: &[u8]) -> Flags {
    letters(suffix).filter_map(flag).fold(Flags::NONE, Flags::with)
}

/// The suffix with these flags, and with what the old one had that we do not know.
pub(crate) fn with_flags(old: &[u8], flags: Flags) -> Box<[u8]> {
    let mut new: Vec<u8> = letters(old).filter(|&letter| flag(letter).is_none()).collect();
    new.extend(LETTERS.iter().filter(|(_, flag)| flags.contains(*flag)).map(|(letter, _)| letter));
    new.extend(flags.keyword_numbers().filter_map(keyword_letter));
    new.sort_unstable();
    new.dedup();
    [b":2,", new.as_slice()].concat().into()
}

/// The letter of a keyword's number.
fn keyword_letter(number: usize) -> Option<u8> {
    u8::try_from(number).ok().and_then(|number| b'a'.checked_add(number)).filter(u8::is_ascii_lowercase)
}

// Only the "2" semantics of a Maildir name are known; what stands behind another comma belongs to another program.
fn letters(suffix: &[u8]) -> impl Iterator<Item = u8> {
    let info = suffix.strip_prefix(b":2,").unwrap_or_default();
    info.iter().copied().take_while(|&letter| letter != b',' && letter != b':')
}

fn flag(letter: u8) -> Option<Flags> {
    match letter {
        b'a'..=b'z' => Flags::keyword(usize::from(letter - b'a')),
        _ => LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, flag)| *flag),
    }
}

/// The sizes that a base tells: octets on disk, and octets with CR LF line ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) on_disk: Option<u64>,
    pub(crate) crlf: Option<u64>,
}

impl Sizes {
    /// Both, where they can be true together: each octet may be an LF that gets a CR.
    pub(crate) fn plausible(self) -> Option<(u64, u64)> {
        let (on_disk, crlf) = (self.on_disk?, self.crlf?);
        (on_disk..=on_disk.saturating_mul(2)).contains(&crlf).then_some((on_disk, crlf))
    }
}

pub(crate) fn sizes(base: &[u8]) -> Sizes {
    let mut sizes = Sizes::default();
    for part in base.split(|&byte| byte == b',').skip(1) {
        match part {
            [b'S', b'=', digits @ ..] => sizes.on_disk = number(digits),
            [b'W', b'=', digits @ ..] => sizes.crlf = number(digits),
            _ => {}
        }
    }
    sizes
}

/// The base with these sizes in the place of what it tells; a size that it does not tell is not added.
pub(crate) fn with_true_sizes(base: &[u8], on_disk: u64, crlf: u64) -> Base {
    let part = |part: &[u8]| match part {
        [b'S', b'=', ..] => format!("S={on_disk}").into_bytes(),
        [b'W', b'=', ..] => format!("W={crlf}").into_bytes(),
        other => other.to_vec(),
    };
    let mut parts = base.split(|&byte| byte == b',');
    // The first part is no field, whatever it looks like.
    let first = parts.next().unwrap_or_default().to_vec();
    std::iter::once(first).chain(parts.map(part)).collect::<Vec<_>>().join(&b',').into()
}

/// Since when a file has its name, in seconds since 1970: when it was delivered, appended, or copied to where it is.
/// `None` for a name that begins otherwise.
pub(crate) fn since(base: &[u8]) -> Option<i64> {
    let digits = base.split(|byte| *byte == b'.').next().filter(|digits| digits.len() < base.len())?;
    number(digits).and_then(|seconds| i64::try_from(seconds).ok()).filter(|seconds| *seconds <= SINCE_MAX)
}

/// Sorts messages in the order of their delivery: by the time that stands in the base, then by the base.
pub(crate) fn delivery_order(base: &[u8]) -> (u64, u64) {
    let digits = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
        bytes.get(..end).and_then(number).unwrap_or(0)
    };
    let micros = memchr::memmem::find(base, b".M").and_then(|at| base.get(at + 2..)).map_or(0, digits);
    (digits(base), micros)
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

/// The first part of a new base, with a delivery's mark if it has one: unique as long as no two processes share host name and process id at one microsecond.
pub(crate) fn unique(seconds: u64, micros: u32, process: &str, count: u64, mark: &str, hostname: &str) -> String {
    // These three would end the name, the base or the host name too early.
    let host = hostname.replace('/', "\\057").replace(':', "\\072").replace(',', "\\054");
    format!("{seconds}.M{micros}P{process}Q{count}{mark}.{host}")
}

pub(crate) fn with_sizes(unique: &str, on_disk: u64, crlf: u64) -> Base {
    format!("{unique},S={on_disk},W={crlf}").into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_into_a_name_in_ascii_order_and_come_back() {
        let flags = Flags::SEEN.with(Flags::DRAFT).with(Flags::keyword(25).unwrap()).with(Flags::keyword(0).unwrap());
        assert_eq!(&*with_flags(b"", flags), b":2,DSaz");
        assert_eq!(super::flags(b":2,DSaz"), flags);
    }

    #[test]
    fn letters_of_other_programs_stay() {
        assert_eq!(&*with_flags(b":2,PS", Flags::FLAGGED), b":2,FP");
        assert_eq!(super::flags(b":1,S"), Flags::NONE);
        assert_eq!(super::flags(b""), Flags::NONE);
    }

    #[test]
    fn sizes_and_times_are_read_from_any_name() {
        let base = b"1795220144.M854781P3269.vm,S=158,W=165";
        assert_eq!(sizes(base), Sizes { on_disk: Some(158), crlf: Some(165) });
        assert_eq!(delivery_order(base), (1_795_220_144, 854_781));
        assert_eq!(sizes(b"x,S=,W=99999999999999999999"), Sizes::default());
        assert_eq!(&*with_true_sizes(base, 7, 9), b"1795220144.M854781P3269.vm,S=7,W=9");
        assert_eq!(&*with_true_sizes(b"S=1,Z,W=1,S=x", 7, 9), b"S=1,Z,W=9,S=7");
        assert_eq!(delivery_order(b"junk"), (0, 0));
        assert_eq!(since(base), Some(1_795_220_144));
        for none in [&b"junk"[..], b"17", b"x.17", b".17", b"99999999999999.x", b"-1.x"] {
            assert_eq!(since(none), None);
        }
    }

    #[test]
    fn a_host_name_cannot_break_out_of_the_name() {
        assert_eq!(unique(1, 2, "3", 4, "D5", "a/b:c,d"), "1.M2P3Q4D5.a\\057b\\072c\\054d");
    }
}
