//! The two files of a mailbox's index: rows of one length, and entries of any. Both only grow, until they are written anew.
//!
//! An entry is written before its row. Nothing is synced: what a power cut left half written has a wrong check and counts
//! as not there. The files are opened for each batch and held by nobody, so they may be removed at any moment; each batch
//! looks whether it is still the generation that the table in memory speaks of.

use std::path::{Path, PathBuf};

use disk::{Disk, Error, ReadFile, Result, WriteFile};

use super::Depth;
use super::entry::Gist;
use super::row::{
    ENTRIES_MAGIC, ENTRY_LENGTH_MAX, Facts, HEAD_LENGTH, Head, Key, OFFSET_MAX, Place, ROW_LENGTH, ROWS_MAGIC, Row,
};
use super::table::Table;

const ROWS: &str = "rows";
const ENTRIES: &str = "entries";
/// Rows are read at least so many octets at once when all are read.
const ROWS_PIECE: usize = 64 * 1024 / ROW_LENGTH * ROW_LENGTH;
/// What lies between two things that are read is read along when it is shorter than this.
const GAP_MAX: u64 = 4096;
/// One read is no longer than this, or than one entry.
const READ_MAX: u64 = 256 * 1024;

/// A batch to be remembered: facts and, of some, what their content tells.
pub(crate) type Learned<'a> = &'a [(Key, Facts, Option<Gist>)];

/// One file open for reading, of a known generation.
struct Half {
    file: Box<dyn ReadFile>,
    head: Head,
}

/// Both files open for writing at their ends.
struct Growing {
    head: Head,
    rows: Box<dyn WriteFile>,
    entries: Box<dyn WriteFile>,
}

#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    owner: u64,
}

impl Files {
    pub(super) fn new(folder: PathBuf, owner: u64) -> Files {
        Files { folder, owner }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All rows that are sound, by their number, and their generation. `None` when there is nothing to be trusted.
    pub(super) fn load(&self, disk: &dyn Disk, mut each: impl FnMut(u32, Row)) -> Result<Option<u64>> {
        let Some(rows) = self.half(disk, ROWS, ROWS_MAGIC)? else { return Ok(None) };
        let Some(entries) = self.half(disk, ENTRIES, ENTRIES_MAGIC)? else { return Ok(None) };
        if entries.head != rows.head {
            return Ok(None);
        }
        let mut number = 0;
        let mut buffer = vec![0; ROWS_PIECE];
        loop {
            let offset = HEAD_LENGTH as u64 + u64::from(number) * ROW_LENGTH as u64;
            let got = read_full(&*rows.file, offset, &mut buffer)?;
            let whole = buffer.get(..got).unwrap_or_default().chunks_exact(ROW_LENGTH);
            if whole.len() == 0 {
                return Ok(Some(rows.head.generation));
            }
            for octets in whole {
                if let Some(row) = Row::decode(octets, rows.head.generation) {
                    each(number, row);
                }
                number += 1;
            }
        }
    }

    /// The rows of these keys, where there are any. `None` when the files are of another generation.
    pub(super) fn rows(
        &self,
        disk: &dyn Disk,
        generation: u64,
        table: &Table,
        keys: &[Key],
    ) -> Result<Option<Vec<Option<Row>>>> {
        let Some(half) = self.half(disk, ROWS, ROWS_MAGIC)? else { return Ok(None) };
        if half.head.generation != generation {
            return Ok(None);
        }
        let mut wanted: Vec<(u32, usize)> = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            wanted.extend(table.rows(*key).map(|row| (row, index)));
        }
        wanted.sort_unstable();
        let mut found = vec![None; keys.len()];
        let place = |(row, _): &(u32, usize)| {
            let offset = HEAD_LENGTH as u64 + u64::from(*row) * ROW_LENGTH as u64;
            Place { offset, length: ROW_LENGTH }
        };
        read_all(&*half.file, &wanted, place, |(_, index), octets| {
            let row = Row::decode(octets, generation).filter(|row| Some(&row.key) == keys.get(*index));
            // Ascending: of two rows the later one holds.
            if let (Some(row), Some(slot)) = (row, found.get_mut(*index)) {
                *slot = Some(row);
            }
        })?;
        Ok(Some(found))
    }

    /// The entries of rows that have one, each with the index it was asked under. What is damaged is left out.
    pub(super) fn entries(
        &self,
        disk: &dyn Disk,
        generation: u64,
        rows: &[(usize, Row)],
        depth: Depth,
        mut each: impl FnMut(usize, Gist),
    ) -> Result<()> {
        let half = self.half(disk, ENTRIES, ENTRIES_MAGIC)?.filter(|half| half.head.generation == generation);
        let Some(half) = half else { return Ok(()) };
        let mut wanted: Vec<(Place, usize, Key)> = rows
            .iter()
            .filter_map(|(index, row)| Some((row.place.filter(|place| place.length > 0)?, *index, row.key)))
            .collect();
        wanted.sort_unstable_by_key(|(place, ..)| place.offset);
        read_all(
            &*half.file,
            &wanted,
            |(place, ..)| *place,
            |(_, index, key), octets| {
                if let Some(gist) = Gist::decode(octets, *key, generation, depth) {
                    each(*index, gist);
                }
            },
        )
    }

    /// Writes a batch at the end of both files, and makes them when they are not there or not to be trusted. Tells the
    /// generation and the number of the first row.
    pub(super) fn append(&self, disk: &dyn Disk, learned: Learned<'_>) -> Result<(u64, u32)> {
        let Growing { head, mut rows, mut entries } = self.open(disk)?;
        let rest = rows.len().saturating_sub(HEAD_LENGTH as u64) % ROW_LENGTH as u64;
        if rest > 0 {
            rows.truncate(rows.len() - rest)?;
        }
        let first = (rows.len() - HEAD_LENGTH as u64) / ROW_LENGTH as u64;
        let (row_octets, entry_octets) = encode(learned, head.generation, entries.len());
        if !entry_octets.is_empty() {
            entries.write_all(&entry_octets)?;
        }
        rows.write_all(&row_octets)?;
        Ok((head.generation, u32::try_from(first).unwrap_or(u32::MAX)))
    }

    /// Puts these rows, with their entries, in the place of all there is.
    pub(super) fn rewrite(&self, disk: &dyn Disk, rows: &[Row]) -> Result<()> {
        let Some(old) = self.half(disk, ENTRIES, ENTRIES_MAGIC)? else { return Ok(()) };
        let head = self.new_head(disk);
        let (rows_path, entries_path) = (self.folder.join("rows.new"), self.folder.join("entries.new"));
        let mut new_rows = start(disk, &rows_path, head, ROWS_MAGIC)?;
        let mut new_entries = start(disk, &entries_path, head, ENTRIES_MAGIC)?;
        for batch in rows.chunks(256) {
            let mut learned: Vec<_> = batch.iter().map(|row| (row.key, row.facts, None)).collect();
            let indexed: Vec<_> = batch.iter().copied().enumerate().collect();
            self.entries(disk, old.head.generation, &indexed, Depth::All, |index, gist| {
                if let Some((.., slot)) = learned.get_mut(index) {
                    *slot = Some(gist);
                }
            })?;
            let (row_octets, entry_octets) = encode(&learned, head.generation, new_entries.len());
            new_entries.write_all(&entry_octets)?;
            new_rows.write_all(&row_octets)?;
        }
        // Between the two renames the files do not belong together, and a reader finds nothing.
        disk.rename(&entries_path, &self.folder.join(ENTRIES))?;
        disk.rename(&rows_path, &self.folder.join(ROWS))
    }

    pub(super) fn remove(&self, disk: &dyn Disk) -> Result<()> {
        for name in [ROWS, ENTRIES] {
            match disk.remove(&self.folder.join(name)) {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn half(&self, disk: &dyn Disk, name: &str, magic: &[u8; 8]) -> Result<Option<Half>> {
        let file = match disk.open(&self.folder.join(name)) {
            Err(Error::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let mut octets = [0; HEAD_LENGTH];
        let got = read_full(&*file, 0, &mut octets)?;
        let head = Head::decode(octets.get(..got).unwrap_or_default(), magic);
        Ok(head.filter(|head| head.owner == self.owner).map(|head| Half { file, head }))
    }

    /// Both files; made anew unless they belong together.
    fn open(&self, disk: &dyn Disk) -> Result<Growing> {
        let heads = (self.half(disk, ROWS, ROWS_MAGIC)?, self.half(disk, ENTRIES, ENTRIES_MAGIC)?);
        if let (Some(rows), Some(entries)) = heads
            && rows.head == entries.head
        {
            let growing = Growing {
                head: rows.head,
                rows: disk.append(&self.folder.join(ROWS))?,
                entries: disk.append(&self.folder.join(ENTRIES))?,
            };
            // Removed and made anew in between, they would lack their heads.
            let head_length = HEAD_LENGTH as u64;
            if growing.rows.len() >= head_length && (head_length..OFFSET_MAX).contains(&growing.entries.len()) {
                return Ok(growing);
            }
        }
        self.remove(disk)?;
        make_folders(disk, &self.folder)?;
        let head = self.new_head(disk);
        let entries = start(disk, &self.folder.join(ENTRIES), head, ENTRIES_MAGIC)?;
        Ok(Growing { head, rows: start(disk, &self.folder.join(ROWS), head, ROWS_MAGIC)?, entries })
    }

    fn new_head(&self, disk: &dyn Disk) -> Head {
        Head { generation: super::unique(disk), owner: self.owner }
    }
}

fn start(disk: &dyn Disk, path: &Path, head: Head, magic: &[u8; 8]) -> Result<Box<dyn WriteFile>> {
    match disk.remove(path) {
        Ok(()) | Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut file = disk.create_new(path)?;
    file.write_all(&head.encode(magic))?;
    Ok(file)
}

/// Makes a folder and what is missing above it. Nothing is synced: what a power cut takes away is made again.
pub(super) fn make_folders(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.create_dir(path) {
        Ok(()) | Err(Error::Exists { .. }) => Ok(()),
        Err(Error::NotFound { .. }) => {
            make_folders(disk, path.parent().unwrap_or(path))?;
            match disk.create_dir(path) {
                Err(Error::Exists { .. }) => Ok(()),
                other => other,
            }
        }
        Err(error) => Err(error),
    }
}

/// The octets of a batch for both files, the entries beginning at `offset`.
fn encode(learned: Learned<'_>, generation: u64, offset: u64) -> (Vec<u8>, Vec<u8>) {
    let (mut rows, mut entries) = (Vec::with_capacity(learned.len() * ROW_LENGTH), Vec::new());
    for (key, facts, gist) in learned {
        let entry = gist.as_ref().map(|gist| gist.encode(*key, generation)).unwrap_or_default();
        let fits = (1..=ENTRY_LENGTH_MAX).contains(&entry.len());
        let length = if fits { entry.len() } else { 0 };
        let place = gist.as_ref().map(|_| Place { offset: offset + entries.len() as u64, length });
        if fits {
            entries.extend_from_slice(&entry);
        }
        Row { key: *key, facts: *facts, place }.encode(generation, &mut rows);
    }
    (rows, entries)
}

/// Reads things that ascend by their place, many at once where they lie close together. What the file does not hold is
/// left out.
fn read_all<T>(
    file: &dyn ReadFile,
    wanted: &[T],
    place: impl Fn(&T) -> Place,
    mut each: impl FnMut(&T, &[u8]),
) -> Result<()> {
    let end = |thing: &T| place(thing).offset + place(thing).length as u64;
    let mut buffer = Vec::new();
    let mut rest = wanted;
    while let Some(first) = rest.first() {
        let start = place(first).offset;
        let mut until = end(first);
        let near = |thing: &&T| {
            let fits = place(thing).offset <= until + GAP_MAX && end(thing) <= start + READ_MAX;
            until = if fits { until.max(end(thing)) } else { until };
            fits
        };
        let count = 1 + rest.iter().skip(1).take_while(near).count();
        let (now, later) = rest.split_at(count);
        rest = later;
        buffer.resize(usize::try_from(until - start).unwrap_or(usize::MAX), 0);
        let got = read_full(file, start, &mut buffer)?;
        for thing in now {
            let at = usize::try_from(place(thing).offset - start).unwrap_or(usize::MAX);
            if let Some(octets) = buffer.get(..got).and_then(|read| read.get(at..at.checked_add(place(thing).length)?))
            {
                each(thing, octets);
            }
        }
    }
    Ok(())
}

/// Fills the buffer unless the file ends before.
fn read_full(file: &dyn ReadFile, offset: u64, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(space) = buffer.get_mut(filled..).filter(|space| !space.is_empty()) {
        match file.read_at(offset + filled as u64, space)? {
            0 => break,
            got => filled += got,
        }
    }
    Ok(filled)
}
