//! The format of `dovecot-uidlist`: which file has which UID.
//!
//! ```text
//! 3 V1795220146 N5 G29833b32b0e2006bc50c000083ecc375
//! 1 W165 :1795220144.M854781P3269.vm,S=158
//! ```
//!
//! The first line: version, UIDVALIDITY, next UID, GUID of the mailbox, and fields that we keep as they are. Then one
//! message a line: UID, fields (kept), `:` and the base of the file's name. Lines may be appended, so the true next UID is
//! the larger of N and the last UID + 1. A last line without its line end was not finished and does not count. Versions 1
//! and 2 (`1 UIDVALIDITY NEXT`, then `UID NAME`) are read too.
//!
//! Promises: no UID is lost to damage beside it, and none is given twice. Pure; the file is `folder`'s.

use std::collections::HashSet;

use mail::{Uid, UidValidity};

use crate::file_name::Base;

/// A mailbox's list of UIDs. `entries` ascend by UID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uidlist {
    pub(crate) validity: UidValidity,
    /// The first UID that was never given. Zero once all were given.
    next: u32,
    /// 32 hex digits.
    pub(crate) guid: Option<String>,
    /// Fields of the first line that we do not know, each with a space before it.
    other: String,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) uid: Uid,
    /// Kept as they are, each with a space behind it.
    fields: Option<Box<[u8]>>,
    pub(crate) base: Base,
}

/// What a file says.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) list: Uidlist,
    /// Lines may be appended: it is version 3, nothing had to be repaired, and the last line is finished.
    pub(crate) appendable: bool,
    /// Lines that made no sense, or said again what another line had said.
    pub(crate) damaged_lines: usize,
}

impl Uidlist {
    pub(crate) fn new(validity: UidValidity, guid: String) -> Uidlist {
        Uidlist { validity, next: 1, guid: Some(guid), other: String::new(), entries: Vec::new() }
    }

    /// `None` when the first line does not even tell the UIDVALIDITY.
    pub(crate) fn parse(content: &[u8]) -> Option<Parsed> {
        let mut lines = content.split_inclusive(|&byte| byte == b'\n');
        let first = lines.next()?.strip_suffix(b"\n")?;
        let (mut list, version) = header(std::str::from_utf8(first).ok()?)?;
        let mut damaged_lines = 0;
        let mut finished = true;
        for line in lines {
            match line.strip_suffix(b"\n") {
                None => finished = false,
                Some(line) => match entry(line, version) {
                    Some(entry) => list.entries.push(entry),
                    None => damaged_lines += 1,
                },
            }
        }
        damaged_lines += list.settle();
        Some(Parsed { list, appendable: finished && version == 3 && damaged_lines == 0, damaged_lines })
    }

    /// Sorts, drops what was said twice, and raises the next UID above all that were given.
    fn settle(&mut self) -> usize {
        let lines = self.entries.len();
        // Stable: of two lines with one UID the first in the file keeps it; the other's message gets a new one.
        self.entries.sort_by_key(|entry| entry.uid);
        self.entries.dedup_by_key(|entry| entry.uid);
        if let Some(last) = self.entries.last() {
            let after = last.uid.next().map_or(0, Uid::number);
            self.next = if self.next == 0 || after == 0 { 0 } else { self.next.max(after) };
        }
        // A message listed twice keeps its lower UID, which was told first.
        let mut seen = HashSet::with_capacity(self.entries.len());
        self.entries.retain(|entry| seen.insert(Base::clone(&entry.base)));
        lines - self.entries.len()
    }

    /// The UID that the next message will get; the highest there is when all are used up.
    pub(crate) fn uid_next(&self) -> Uid {
        Uid::new(self.next).or_else(|| Uid::new(u32::MAX)).unwrap_or(Uid::FIRST)
    }

    /// Gives UIDs to new files and answers with their position in `entries`; `None` when there are not enough left.
    pub(crate) fn give(&mut self, bases: impl IntoIterator<Item = Base>) -> Option<usize> {
        let start = self.entries.len();
        for base in bases {
            let Some(uid) = Uid::new(self.next) else {
                self.entries.truncate(start);
                return None;
            };
            self.next = uid.next().map_or(0, Uid::number);
            self.entries.push(Entry { uid, fields: None, base });
        }
        Some(start)
    }

    /// The whole file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let guid = self.guid.as_ref().map(|guid| format!(" G{guid}")).unwrap_or_default();
        // A list whose UIDs are used up says so by its last line, which stays even when its message is gone.
        let next = self.uid_next();
        let mut content = format!("3 V{} N{next}{guid}{}\n", self.validity, self.other).into_bytes();
        self.encode_entries(0, &mut content);
        content
    }

    /// The lines of the entries from a position on.
    pub(crate) fn encode_entries(&self, start: usize, content: &mut Vec<u8>) {
        for entry in self.entries.iter().skip(start) {
            content.extend_from_slice(entry.uid.to_string().as_bytes());
            content.push(b' ');
            content.extend_from_slice(entry.fields.as_deref().unwrap_or_default());
            content.push(b':');
            content.extend_from_slice(&entry.base);
            content.push(b'\n');
        }
    }
}

fn header(line: &str) -> Option<(Uidlist, u32)> {
    let mut words = line.split(' ');
    let version = words.next()?.parse().ok()?;
    let mut list =
        Uidlist { validity: UidValidity::new(1)?, next: 1, guid: None, other: String::new(), entries: vec![] };
    let mut validity = None;
    match version {
        1 | 2 => {
            validity = words.next()?.parse().ok();
            list.next = words.next()?.parse().ok()?;
        }
        3 => words.filter(|word| !word.is_empty()).for_each(|word| match word.split_at_checked(1) {
            Some(("V", value)) => validity = value.parse().ok(),
            Some(("N", value)) => list.next = value.parse().unwrap_or(1),
            Some(("G", value)) if is_guid(value) => list.guid = Some(value.to_owned()),
            _ => {
                list.other.push(' ');
                list.other.push_str(word);
            }
        }),
        _ => return None,
    }
    list.validity = UidValidity::new(validity?)?;
    list.next = list.next.max(1);
    Some((list, version))
}

fn is_guid(value: &str) -> bool {
    value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn entry(line: &[u8], version: u32) -> Option<Entry> {
    let (uid, rest) = line.split_at_checked(memchr::memchr(b' ', line)?)?;
    let digits = uid.iter().all(u8::is_ascii_digit);
    let uid = digits.then(|| Uid::new(std::str::from_utf8(uid).ok()?.parse().ok()?))??;
    let (fields, name) = match version {
        3 => rest.split_at_checked(memchr::memmem::find(rest, b" :")? + 1)?,
        _ => rest.split_at_checked(1).map(|(_, name)| (&rest[..0], name))?,
    };
    let name = if version == 3 { name.get(1..)? } else { name };
    let base = name.split(|&byte| byte == b':').next()?;
    // A slash would lead out of the mailbox; a zero octet is what a crash leaves in a torn line.
    let fits = !base.is_empty() && !base.iter().any(|byte| matches!(byte, b'/' | 0)) && base != b"." && base != b"..";
    let fields = fields.get(1..).filter(|fields| !fields.is_empty());
    fits.then(|| Entry { uid, fields: fields.map(Into::into), base: base.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(list: &Uidlist) -> Vec<(u32, String)> {
        let name = |entry: &Entry| String::from_utf8_lossy(&entry.base).into_owned();
        list.entries.iter().map(|entry| (entry.uid.number(), name(entry))).collect()
    }

    #[test]
    fn fields_that_we_do_not_know_are_written_back() {
        let content = b"3 V7 N9 Gc0ffee00c0ffee00c0ffee00c0ffee00 Xnew\n1 W165 Pabc :one,S=1\n8 :two\n";
        let parsed = Uidlist::parse(content).unwrap();
        assert!(parsed.appendable);
        assert_eq!(parsed.list.encode(), content);
    }

    #[test]
    fn next_uid_is_above_both_the_header_and_the_last_line() {
        let parsed = Uidlist::parse(b"3 V7 N5\n1 :a\n5 :b\n").unwrap();
        assert_eq!(parsed.list.uid_next().number(), 6);
        assert_eq!(Uidlist::parse(b"3 V7 N50\n1 :a\n").unwrap().list.uid_next().number(), 50);
    }

    #[test]
    fn damage_costs_no_other_message_its_uid() {
        let content = b"3 V7 N2\n9 :nine\n3 :three\njunk\n0 :zero\n3 :again\n4 :three\n7 :\0\0\0\n99999999999 :x\n6 :../x\n10 :to";
        let parsed = Uidlist::parse(content).unwrap();
        assert_eq!(uids(&parsed.list), [(3, "three".to_owned()), (9, "nine".to_owned())]);
        assert_eq!(parsed.list.uid_next().number(), 10);
        assert!(!parsed.appendable);
        assert_eq!(parsed.damaged_lines, 7);
    }

    #[test]
    fn an_unfinished_last_line_is_not_appended_to() {
        assert!(!Uidlist::parse(b"3 V7 N2\n1 :a").unwrap().appendable);
    }

    #[test]
    fn a_lost_first_line_is_a_lost_list() {
        for bad in [&b""[..], b"\n", b"3 N5\n", b"4 V7 N5\n", b"3 V0 N1\n", b"\0\0\0\n", b"3 V7 N5"] {
            assert!(Uidlist::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn older_versions_are_read() {
        let parsed = Uidlist::parse(b"1 7 4\n2 name:2,S\n").unwrap();
        assert_eq!(uids(&parsed.list), [(2, "name".to_owned())]);
        assert_eq!(parsed.list.uid_next().number(), 4);
        assert!(!parsed.appendable);
    }

    #[test]
    fn the_last_uid_is_given_once() {
        let mut list = Uidlist::parse(b"3 V7 N4294967295\n").unwrap().list;
        assert_eq!(list.give([Base::from(&b"a"[..])]), Some(0));
        assert_eq!(list.give([Base::from(&b"b"[..])]), None);
        let mut reread = Uidlist::parse(&list.encode()).unwrap().list;
        assert_eq!(reread.give([Base::from(&b"b"[..])]), None);
    }
}
