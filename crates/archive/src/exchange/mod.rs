//! Mailboxes taken out to files of other programs, and in from them: mbox files, Maildir folders, and those in a tar
//! archive.
//!
//! An import may be done again after it was interrupted: a message that came in is known by its content, and of several
//! equal messages in the source as many come in as there are.

mod tar;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mail::date::DateTime;
use mail::{Flags, Keyword, MailboxName};
use store::{Account, Deliveries, DeliveryKey, Draft, Stored};

pub use self::tar::{export_tar, import_tar};
use crate::digest::Hasher;
use crate::mbox::{self, Marks};
use crate::{Error, Result};

const PIECE: usize = 64 << 10;

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    pub new: usize,
    /// Had come in before.
    pub known: usize,
}

/// Writes a mailbox as one mbox file. Messages that are expunged meanwhile are left out. Answers how many were written.
pub fn export_mbox(
    account: &Arc<Account>,
    name: &MailboxName,
    output: &mut impl Write,
    mut step: impl FnMut(),
) -> Result<usize> {
    let mailbox = account.open(name)?;
    let snapshot = mailbox.snapshot();
    let mut count = 0;
    for row in &snapshot.rows {
        step();
        let mut message = match mailbox.message(row.uid) {
            Err(store::Error::Gone) => continue,
            other => other?,
        };
        let numbers = row.flags.keyword_numbers();
        let keywords = numbers.filter_map(|number| snapshot.keywords.name(number).cloned()).collect();
        let marks = Marks { flags: row.flags, keywords, date: Some(message.internal_date()) };
        let mut writer = mbox::Writer::begin(output, &marks)?;
        let (mut offset, mut buf) = (0, vec![0; PIECE]);
        loop {
            let got = message.read_at(offset, &mut buf)?;
            let Some(piece) = buf.get(..got).filter(|piece| !piece.is_empty()) else { break };
            writer.write(piece)?;
            offset += got as u64;
        }
        writer.finish()?;
        count += 1;
    }
    output.flush()?;
    Ok(count)
}

/// Writes a mailbox as a Maildir folder with Dovecot's keywords file: files as they are on disk, but not compressed, with
/// their dates. What is there already is not written again.
pub fn export_maildir(
    account: &Arc<Account>,
    name: &MailboxName,
    folder: &Path,
    mut step: impl FnMut(),
) -> Result<usize> {
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let inventory = account.inventory(name)?;
    for (file, content) in &inventory.files {
        fs::write(folder.join(file), content)?;
    }
    let mut count = 0;
    for stored in &inventory.messages {
        step();
        let (source, stat) = match account.stored_content(name, stored) {
            Err(store::Error::Gone) => continue,
            other => other?,
        };
        let target = folder.join("cur").join(served_name(stored));
        count += 1;
        if target.exists() {
            continue;
        }
        // Under its name only when it is whole.
        let tmp = folder.join("tmp").join(OsStr::from_bytes(&stored.base));
        let mut output = fs::File::create(&tmp)?;
        io::copy(&mut BufReader::with_capacity(PIECE, Content::of(&*source)), &mut output)?;
        output.set_modified(stat.modified)?;
        fs::rename(&tmp, &target)?;
    }
    Ok(count)
}

/// A stored file from its beginning.
struct Content<'a> {
    source: &'a dyn disk::ReadFile,
    offset: u64,
}

impl Content<'_> {
    fn of(source: &dyn disk::ReadFile) -> Content<'_> {
        Content { source, offset: 0 }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read_at(self.offset, buf).map_err(io::Error::other)?;
        self.offset += got as u64;
        Ok(got)
    }
}

/// What a message's file is called in `cur/`.
fn served_name(stored: &Stored) -> OsString {
    let suffix: &[u8] = if stored.suffix.is_empty() { b":2," } else { &stored.suffix };
    OsString::from_vec([stored.base.as_slice(), suffix].concat())
}

/// Takes in an mbox file. The mailbox must be there.
pub fn import_mbox(
    account: &Arc<Account>,
    name: &MailboxName,
    input: fs::File,
    mut step: impl FnMut(),
) -> Result<Imported> {
    let mut import = Import::begin(account, name)?;
    let mut input = BufReader::with_capacity(PIECE, input);
    loop {
        // Twice: the content tells whether it came in before.
        let start = input.stream_position()?;
        let mut hasher = Hasher::new();
        let each = &mut |piece: &[u8]| {
            hasher.feed(piece);
            Ok(())
        };
        let Some(marks) = mbox::read(&mut input, each)? else { return Ok(import.done) };
        step();
        let end = input.stream_position()?;
        import.take(hasher, &marks, |draft| {
            input.seek(io::SeekFrom::Start(start))?;
            let mut trouble = None;
            mbox::read(&mut input, &mut |piece| {
                draft.write(piece).map_err(|error| {
                    trouble = Some(error);
                    io::Error::other("the mailbox did not take it")
                })
            })
            .map_err(|error| trouble.map_or(Error::Read(error), Error::Store))?;
            Ok(())
        })?;
        input.seek(io::SeekFrom::Start(end))?;
    }
}

/// Takes in a Maildir folder with its flags, dates and (by Dovecot's file) keywords. The mailbox must be there.
pub fn import_maildir(
    account: &Arc<Account>,
    name: &MailboxName,
    folder: &Path,
    mut step: impl FnMut(),
) -> Result<Imported> {
    let keywords = keywords(&fs::read(folder.join("dovecot-keywords")).unwrap_or_default());
    let mut import = Import::begin(account, name)?;
    for path in files(folder)? {
        step();
        let mut hasher = Hasher::new();
        each_crlf(open(&path)?, |piece| {
            hasher.feed(piece);
            Ok(())
        })?;
        let modified = date(fs::metadata(&path)?.modified()?);
        let marks = marks_of(path.file_name().unwrap_or_default(), modified, &keywords);
        import.take(hasher, &marks, |draft| each_crlf(open(&path)?, |piece| Ok(draft.write(piece)?)))?;
    }
    Ok(import.done)
}

/// A message's content, which Dovecot may have compressed.
fn open(path: &Path) -> Result<impl Read> {
    Ok(store::unpacked(fs::File::open(path)?)?)
}

/// One import into one mailbox.
struct Import<'a> {
    account: &'a Arc<Account>,
    name: &'a MailboxName,
    before: Deliveries,
    /// How often each content was seen in the source.
    seen: HashMap<String, u32>,
    done: Imported,
}

impl<'a> Import<'a> {
    fn begin(account: &'a Arc<Account>, name: &'a MailboxName) -> Result<Import<'a>> {
        let before = account.deliveries(name)?;
        Ok(Import { account, name, before, seen: HashMap::new(), done: Imported::default() })
    }

    fn take(&mut self, content: Hasher, marks: &Marks, write: impl FnOnce(&mut Draft) -> Result<()>) -> Result<()> {
        let digest = content.finish();
        let count = self.seen.entry(digest.clone()).or_default();
        *count += 1;
        let key = DeliveryKey::new(&format!("import {digest} {count}"));
        if self.before.contains(&key) {
            self.done.known += 1;
            return Ok(());
        }
        let mut draft = self.account.draft_for(self.name, &key)?;
        write(&mut draft)?;
        draft.append(marks.flags, &marks.keywords, marks.date)?;
        self.done.new += 1;
        Ok(())
    }
}

/// The message files in the order of their names, which begin with the time of delivery.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for part in ["new", "cur"] {
        let entries = match fs::read_dir(folder.join(part)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && part == "new" => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            // A link could lead anywhere.
            if entry.file_type()?.is_file() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
                paths.push(entry.path());
            }
        }
    }
    paths.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(paths)
}

fn keywords(content: &[u8]) -> HashMap<usize, Keyword> {
    let line = |line: &str| {
        let (number, name) = line.split_once(' ')?;
        Some((number.parse().ok()?, Keyword::parse(name)?))
    };
    String::from_utf8_lossy(content).lines().filter_map(line).collect()
}

const LETTERS: [(char, Flags); 5] =
    [('D', Flags::DRAFT), ('F', Flags::FLAGGED), ('R', Flags::ANSWERED), ('S', Flags::SEEN), ('T', Flags::DELETED)];

fn marks_of(file_name: &OsStr, date: DateTime, names: &HashMap<usize, Keyword>) -> Marks {
    let file_name = file_name.to_string_lossy();
    let letters = file_name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
    let flags = LETTERS.iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, flag)| *flag);
    let number = |letter: char| letter.is_ascii_lowercase().then(|| letter as usize - 'a' as usize);
    let keywords = letters.chars().filter_map(|letter| names.get(&number(letter)?).cloned()).collect();
    Marks { flags: flags.fold(Flags::NONE, Flags::with), keywords, date: Some(date) }
}

fn date(time: SystemTime) -> DateTime {
    let whole = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    DateTime::utc(match time.duration_since(UNIX_EPOCH) {
        Ok(since) => whole(since),
        Err(before) => -whole(before.duration()),
    })
}

/// Content with CR LF line ends, whatever it has.
fn each_crlf(mut input: impl Read, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (mut buf, mut out) = (vec![0; PIECE], Vec::with_capacity(2 * PIECE));
    let mut last = 0;
    loop {
        let got = input.read(&mut buf)?;
        let Some(piece) = buf.get(..got).filter(|piece| !piece.is_empty()) else { return Ok(()) };
        out.clear();
        for &byte in piece {
            if byte == b'\n' && last != b'\r' {
                out.push(b'\r');
            }
            out.push(byte);
            last = byte;
        }
        each(&out)?;
    }
}
