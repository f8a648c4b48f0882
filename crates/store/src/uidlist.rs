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

use std::collections::{BTreeMap, HashSet};

use mail::{ObjectId, Uid, UidValidity};
use xxhash_rust::xxh3::xxh3_64;

/// The version that is written, and may be appended to.
const VERSION: u32 = 3;

/// The field of a line that says what POP3 clients know the message by.
pub(crate) const UNIQUE_ID: u8 = b'P';
/// The place of a message among those that POP3 shows, where a migration saved it.
pub(crate) const ORDER: u8 = b'O';
/// The field that says by what other servers and its copies know the message.
pub(crate) const GUID: u8 = b'G';

/// A first line is no longer than this.
pub(crate) const FIRST_LINE_MAX: usize = 4 << 10;

/// Whether the first line of this beginning of a file tells at least the UIDVALIDITY.
pub(crate) fn begins_well(beginning: &[u8]) -> bool {
    Uidlist::parse(beginning).is_some()
}

/// A mailbox's list of UIDs, as its content has it. `entries` ascend by UID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uidlist<'a> {
    pub(crate) head: Head,
    pub(crate) entries: Vec<Entry<'a>>,
}

/// What the first line says, and what the others mean for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) validity: UidValidity,
    /// The first UID that was never given. Zero once all were given.
    next: u32,
    /// 32 hex digits.
    guid: Option<String>,
    /// Fields of the first line that we do not know, each with a space before it.
    other: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) uid: Uid,
    /// Kept as they are, each with a space behind it.
    fields: &'a [u8],
    pub(crate) base: &'a [u8],
}

/// A file that is to get a UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newcomer<'a> {
    pub(crate) base: &'a [u8],
    /// As in [`Entry`].
    fields: &'a [u8],
}

impl<'a> Newcomer<'a> {
    pub(crate) fn new(base: &'a [u8]) -> Newcomer<'a> {
        Newcomer { base, fields: &[] }
    }

    /// `fields` as [`guid_field`] makes them.
    pub(crate) fn with(base: &'a [u8], fields: &'a [u8]) -> Newcomer<'a> {
        Newcomer { base, fields }
    }

    pub(crate) fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }
}

/// The field of a line that has this GUID.
pub(crate) fn guid_field(id: ObjectId) -> Vec<u8> {
    format!("{}{id} ", char::from(GUID)).into_bytes()
}

impl<'a> Entry<'a> {
    /// Whether the line says how POP3 shows the message.
    pub(crate) fn is_of_pop3(&self) -> bool {
        self.field(UNIQUE_ID).or_else(|| self.field(ORDER)).is_some()
    }

    /// Its fields and one more.
    pub(crate) fn fields_with(&self, key: u8, value: &[u8]) -> Vec<u8> {
        [self.fields, &[key], value, b" "].concat()
    }

    /// The value of a field: `W` size with CR LF, `P` saved unique-id of POP3, `G` GUID, `O` order of POP3.
    pub(crate) fn field(&self, key: u8) -> Option<&'a [u8]> {
        self.fields.split(|&byte| byte == b' ').find_map(|field| field.strip_prefix(&[key]))
    }
}

/// What a file says.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    pub(crate) list: Uidlist<'a>,
    /// Lines may be appended: it is version 3, nothing had to be repaired, and the last line is finished.
    pub(crate) appendable: bool,
    /// Lines that made no sense, stood in the wrong place, or said again what another line had said.
    pub(crate) damaged_lines: usize,
}

impl Head {
    pub(crate) fn new(validity: UidValidity, guid: String) -> Head {
        Head { validity, next: 1, guid: Some(guid), other: String::new() }
    }

    /// The UID that the next message will get; the highest there is when all are used up.
    pub(crate) fn uid_next(&self) -> Uid {
        Uid::new(self.next).or_else(|| Uid::new(u32::MAX)).unwrap_or(Uid::FIRST)
    }

    pub(crate) fn guid(&self) -> Option<&[u8]> {
        self.guid.as_deref().map(str::as_bytes)
    }

    pub(crate) fn name(&mut self, guid: String) {
        self.guid.get_or_insert(guid);
    }

    /// This UID was given, whatever the list says.
    pub(crate) fn raise_above(&mut self, given: Uid) {
        let after = given.next().map_or(0, Uid::number);
        self.next = if self.next == 0 || after == 0 { 0 } else { after.max(self.next) };
    }

    /// The next UID, given now; `None` when all are used up.
    fn give(&mut self) -> Option<Uid> {
        let uid = Uid::new(self.next)?;
        self.next = uid.next().map_or(0, Uid::number);
        Some(uid)
    }

    fn encode(&self) -> Vec<u8> {
        let guid = self.guid.as_ref().map(|guid| format!(" G{guid}")).unwrap_or_default();
        // A list whose UIDs are used up says so by its last line, which stays even when its message is gone.
        format!("3 V{} N{}{guid}{}\n", self.validity, self.uid_next(), self.other).into_bytes()
    }
}

impl<'a> Uidlist<'a> {
    pub(crate) fn new(head: Head) -> Uidlist<'a> {
        Uidlist { head, entries: Vec::new() }
    }

    /// Of UIDs that were given already, ascending.
    pub(crate) fn of(head: Head, given: impl IntoIterator<Item = (Uid, &'a [u8])>) -> Uidlist<'a> {
        let entries = given.into_iter().map(|(uid, base)| Entry { uid, fields: &[], base }).collect();
        Uidlist { head, entries }
    }

    /// `None` when the first line does not even tell the UIDVALIDITY.
    pub(crate) fn parse(content: &'a [u8]) -> Option<Parsed<'a>> {
        let mut lines = content.split_inclusive(|&byte| byte == b'\n');
        let first = lines.next()?.strip_suffix(b"\n")?;
        let (mut list, version) = header(std::str::from_utf8(first).ok()?)?;
        let mut damaged_lines = 0;
        let mut finished = true;
        for line in lines {
            match line.strip_suffix(b"\n") {
                None => finished = false,
                Some(line) => match entry_of(line, version) {
                    Some(entry) => list.entries.push(entry),
                    None => damaged_lines += 1,
                },
            }
        }
        // Dovecot gives a list up whose UIDs do not ascend.
        let ascends = list.entries.is_sorted_by(|before, after| before.uid < after.uid);
        damaged_lines += list.settle();
        damaged_lines = damaged_lines.max(usize::from(!ascends));
        Some(Parsed { list, appendable: finished && version == VERSION && damaged_lines == 0, damaged_lines })
    }

    /// Sorts, drops what was said twice, and raises the next UID above all that were given.
    fn settle(&mut self) -> usize {
        let lines = self.entries.len();
        // Stable: of two lines with one UID the first in the file keeps it; the other's message gets a new one.
        if !self.entries.is_sorted_by(|one, next| one.uid < next.uid) {
            self.entries.sort_by_key(|entry| entry.uid);
            self.entries.dedup_by_key(|entry| entry.uid);
        }
        if let Some(last) = self.entries.last() {
            self.head.raise_above(last.uid);
        }
        // A message listed twice keeps its lower UID, which was told first.
        if may_repeat(&self.entries) {
            let mut seen = HashSet::with_capacity(self.entries.len());
            self.entries.retain(|entry| seen.insert(entry.base));
        }
        lines - self.entries.len()
    }

    /// Gives messages other fields; each ends in a space.
    pub(crate) fn dress(&mut self, fields: &'a BTreeMap<Uid, Vec<u8>>) {
        for entry in &mut self.entries {
            if let Some(fields) = fields.get(&entry.uid) {
                entry.fields = fields;
            }
        }
    }

    /// Adds the lines of an older copy of this same list, whose UIDs are free here.
    pub(crate) fn take_in(&mut self, copy: Uidlist<'a>) {
        let next = &mut self.head.next;
        *next = if *next == 0 || copy.head.next == 0 { 0 } else { copy.head.next.max(*next) };
        // Behind the others, so that of two lines with one UID ours is kept.
        self.entries.extend(copy.entries);
        self.settle();
    }

    /// Gives UIDs to new files and answers with their position in `entries`; `None` when there are not enough left.
    pub(crate) fn give(&mut self, newcomers: &[Newcomer<'a>]) -> Option<usize> {
        let start = self.entries.len();
        for &Newcomer { base, fields } in newcomers {
            let Some(uid) = self.head.give() else {
                self.entries.truncate(start);
                return None;
            };
            self.entries.push(Entry { uid, fields, base });
        }
        Some(start)
    }

    /// The whole file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut content = self.head.encode();
        self.encode_entries(0, &mut content);
        content
    }

    /// The lines of the entries from a position on.
    pub(crate) fn encode_entries(&self, start: usize, content: &mut Vec<u8>) {
        for entry in self.entries.iter().skip(start) {
            content.extend_from_slice(entry.uid.to_string().as_bytes());
            content.push(b' ');
            content.extend_from_slice(entry.fields);
            content.push(b':');
            content.extend_from_slice(entry.base);
            content.push(b'\n');
        }
    }
}

/// Whether two may have the same base. Sorting their hashes costs a third of a set of the bases.
fn may_repeat(entries: &[Entry<'_>]) -> bool {
    repeats(&mut entries.iter().map(|entry| xxh3_64(entry.base)).collect::<Vec<u64>>())
}

/// Whether two of these hashes are equal. They are sorted for it.
pub(crate) fn repeats(hashes: &mut [u64]) -> bool {
    hashes.sort_unstable();
    hashes.array_windows().any(|[one, next]| one == next)
}

/// What the first line of a list says that is written today.
pub(crate) fn head(first: &[u8]) -> Option<Head> {
    let (list, version) = header(std::str::from_utf8(first).ok()?)?;
    (version == VERSION).then_some(list.head)
}

/// What another line of such a list says.
pub(crate) fn entry(line: &[u8]) -> Option<Entry<'_>> {
    entry_of(line, VERSION)
}

fn header<'a>(line: &str) -> Option<(Uidlist<'a>, u32)> {
    let mut words = line.split(' ');
    let version = words.next()?.parse().ok()?;
    let mut head = Head { validity: UidValidity::new(1)?, next: 1, guid: None, other: String::new() };
    let mut validity = None;
    match version {
        1 | 2 => {
            validity = words.next()?.parse().ok();
            head.next = words.next()?.parse().ok()?;
        }
        3 => words.filter(|word| !word.is_empty()).for_each(|word| match word.split_at_checked(1) {
            Some(("V", value)) => validity = value.parse().ok(),
            Some(("N", value)) => head.next = value.parse().unwrap_or(1),
            Some(("G", value)) if is_guid(value) => head.guid = Some(value.to_owned()),
            _ => {
                head.other.push(' ');
                head.other.push_str(word);
            }
        }),
        _ => return None,
    }
    head.validity = UidValidity::new(validity?)?;
    head.next = head.next.max(1);
    Some((Uidlist::new(head), version))
}

fn is_guid(value: &str) -> bool {
    value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

// Lists have a line for each message, so no step here may cost more than a look at its octets.
fn entry_of(line: &[u8], version: u32) -> Option<Entry<'_>> {
    let (digits, rest) = line.split_at_checked(memchr::memchr(b' ', line)?)?;
    let uid = uid(digits)?;
    let (fields, name) = match version {
        3 => rest.split_at_checked(before_name(rest)?)?,
        _ => rest.split_at_checked(1).map(|(_, name)| (&rest[..0], name))?,
    };
    let name = if version == 3 { name.get(1..)? } else { name };
    let base = name.get(..memchr::memchr(b':', name).unwrap_or(name.len()))?;
    // A slash would lead out of the mailbox; a zero octet is what a crash leaves in a torn line.
    let fits = !base.is_empty() && memchr::memchr2(b'/', 0, base).is_none() && base != b"." && base != b"..";
    fits.then(|| Entry { uid, fields: fields.get(1..).unwrap_or_default(), base })
}

fn uid(digits: &[u8]) -> Option<Uid> {
    let mut number = 0_u32;
    for digit in digits {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Uid::new(number)
}

/// Where the colon of the first ` :` is.
fn before_name(rest: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b':', rest).find(|at| at.checked_sub(1).and_then(|before| rest.get(before)) == Some(&b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(list: &Uidlist<'_>) -> Vec<(u32, String)> {
        let name = |entry: &Entry<'_>| String::from_utf8_lossy(entry.base).into_owned();
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
    fn fields_are_found_by_their_letter() {
        let content = b"3 V7 N9\n1 W165 PUID17-P2 O3 :one,S=1\n2 P :two\n3 :three Pno\n";
        let list = Uidlist::parse(content).unwrap().list;
        let fields = |key| list.entries.iter().map(|entry| entry.field(key)).collect::<Vec<_>>();
        assert_eq!(fields(b'P'), [Some(&b"UID17-P2"[..]), Some(b""), None]);
        assert_eq!(fields(b'O'), [Some(&b"3"[..]), None, None]);
    }

    #[test]
    fn next_uid_is_above_both_the_header_and_the_last_line() {
        let parsed = Uidlist::parse(b"3 V7 N5\n1 :a\n5 :b\n").unwrap();
        assert_eq!(parsed.list.head.uid_next().number(), 6);
        assert_eq!(Uidlist::parse(b"3 V7 N50\n1 :a\n").unwrap().list.head.uid_next().number(), 50);
    }

    #[test]
    fn damage_costs_no_other_message_its_uid() {
        let content = b"3 V7 N2\n9 :nine\n3 :three\njunk\n0 :zero\n3 :again\n4 :three\n7 :\0\0\0\n99999999999 :x\n6 :../x\n10 :to";
        let parsed = Uidlist::parse(content).unwrap();
        assert_eq!(uids(&parsed.list), [(3, "three".to_owned()), (9, "nine".to_owned())]);
        assert_eq!(parsed.list.head.uid_next().number(), 10);
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
        assert_eq!(parsed.list.head.uid_next().number(), 4);
        assert!(!parsed.appendable);
    }

    #[test]
    fn the_last_uid_is_given_once() {
        let mut list = Uidlist::parse(b"3 V7 N4294967295\n").unwrap().list;
        assert_eq!(list.give(&[Newcomer::new(b"a")]), Some(0));
        assert_eq!(list.give(&[Newcomer::new(b"b")]), None);
        let content = list.encode();
        let mut reread = Uidlist::parse(&content).unwrap().list;
        assert_eq!(reread.give(&[Newcomer::new(b"b")]), None);
    }
}
