//! A list of UIDs that nothing is wrong with, read in pieces: a million lines are a hundred megabytes, which nobody needs at once.
//! Whatever is unusual in it is left to `uidlist`, which reads it whole.

use disk::{ReadFile, WHOLE_FILE_MAX};
use xxhash_rust::xxh3::xxh3_64;

use crate::Result;
use crate::names::Names;
use crate::uidlist::{self, FIRST_LINE_MAX, Head};
use mail::large;

const PIECE: usize = 64 << 10;

/// What such a list says. It is one that may be appended to.
#[derive(Debug)]
pub(crate) struct PlainList {
    pub(crate) head: Head,
    pub(crate) names: Names,
    pub(crate) tells_pop3: bool,
    pub(crate) has_guids: bool,
    /// Of all bases, to tell whether one of them may be there twice.
    hashes: Vec<u64>,
}

/// `None` unless each line makes sense, is finished, and says something new under a higher UID.
pub(crate) fn read(file: &dyn ReadFile) -> Result<Option<PlainList>> {
    let mut list: Option<PlainList> = None;
    let (mut piece, mut rest, mut offset) = (vec![0; PIECE], 0, 0);
    loop {
        // In front stands the beginning of a line whose end is still to come.
        let got = file.read_at(offset as u64, piece.get_mut(rest..).unwrap_or_default())?;
        if got == 0 {
            // Either all is read, or a line is not finished, or longer than any is.
            return Ok(if rest == 0 { list.and_then(PlainList::finished) } else { None });
        }
        offset += got;
        let filled = piece.get(..rest + got).unwrap_or_default();
        let whole = memchr::memrchr(b'\n', filled).map_or(0, |end| end + 1);
        let (lines, _) = filled.split_at(whole);
        let is_plain = lines.split_inclusive(|&octet| octet == b'\n').all(|line| take(&mut list, line).is_some());
        if !is_plain || offset > WHOLE_FILE_MAX {
            return Ok(None);
        }
        piece.copy_within(whole..rest + got, 0);
        rest = rest + got - whole;
    }
}

fn take(list: &mut Option<PlainList>, line: &[u8]) -> Option<()> {
    let line = line.strip_suffix(b"\n")?;
    let Some(list) = list else {
        let head = uidlist::head(line).filter(|_| line.len() < FIRST_LINE_MAX)?;
        let (names, hashes) = (Names::default(), Vec::new());
        *list = Some(PlainList { head, names, tells_pop3: false, has_guids: false, hashes });
        return Some(());
    };
    let entry = uidlist::entry(line)?;
    list.names.last().is_none_or(|last| last < entry.uid).then_some(())?;
    list.names.push(entry.uid, entry.base);
    list.tells_pop3 |= entry.is_of_pop3();
    list.has_guids |= entry.field(uidlist::GUID).is_some();
    large::push(&mut list.hashes, xxh3_64(entry.base));
    Some(())
}

impl PlainList {
    fn finished(mut self) -> Option<PlainList> {
        if uidlist::repeats(&mut self.hashes) {
            return None;
        }
        self.hashes = Vec::new();
        self.names.last().into_iter().for_each(|uid| self.head.raise_above(uid));
        self.names.shrink();
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use disk::{Disk, MemoryDisk};

    use super::*;
    use crate::uidlist::Uidlist;

    fn read_of(content: &[u8]) -> Option<PlainList> {
        let (disk, path) = (MemoryDisk::new(), Path::new("/list"));
        disk.create_new(path).unwrap().write_all(content).unwrap();
        read(&*disk.open(path).unwrap()).unwrap()
    }

    #[test]
    fn it_says_what_the_whole_list_says() {
        let mut content = b"3 V7 N4 Gc0ffee00c0ffee00c0ffee00c0ffee00\n".to_vec();
        for uid in 1..5000 {
            let field = if uid == 4000 { "Pold " } else { "" };
            content.extend(format!("{} {field}:17.M{uid}P1.host,S=5,W=6\n", uid * 2).into_bytes());
        }
        let (plain, whole) = (read_of(&content).unwrap(), Uidlist::parse(&content).unwrap());
        assert!(whole.appendable && plain.tells_pop3);
        assert_eq!((plain.head, plain.names.len()), (whole.list.head, whole.list.entries.len()));
        let mut entries = whole.list.entries.iter();
        plain.names.each(|uid, base| {
            let entry = entries.next().unwrap();
            assert_eq!((uid, base), (entry.uid, entry.base));
        });
    }

    #[test]
    fn what_is_unusual_is_left_to_others() {
        assert!(read_of(b"3 V7 N4\n1 :a\n2 :b\n").is_some_and(|list| !list.tells_pop3));
        let long = [&b"3 V7 N4\n1 :"[..], &vec![b'x'; PIECE], b"\n"].concat();
        let unusual = [
            &b""[..],
            b"3 N4\n",
            b"1 7 4\n2 name\n",
            b"3 V7 N4\n1 :a",
            b"3 V7 N4\n2 :a\n1 :b\n",
            b"3 V7 N4\n1 :a\n1 :b\n",
            b"3 V7 N4\n1 :a\n2 :a\n",
            b"3 V7 N4\n1 :a\njunk\n",
            &long,
        ];
        for content in unusual {
            assert!(read_of(content).is_none(), "{:?}", String::from_utf8_lossy(content));
        }
    }
}
