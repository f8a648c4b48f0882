//! A Maildir folder in a tar archive, as `tar cf x.tar Maildir` makes it and reads it.
//!
//! Taken in is the mailbox highest in the archive: folders of a Maildir++ below it are mailboxes of their own. What is no plain
//! file in `cur/` or `new/` is passed over, so that no link and no name in an archive leads anywhere.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use ::tar::{Archive, Builder, EntryType, Header};
use mail::MailboxName;
use mail::date::DateTime;
use store::Account;

use super::{Content, Import, Imported, PIECE, each_crlf, keywords, marks_of, served_name};
use crate::digest::Hasher;
use crate::{Error, Result};

const KEYWORDS: &str = "dovecot-keywords";
/// A longer file of keywords is none.
const KEYWORDS_MAX: u64 = 64 << 10;
/// For owner alone, as mail is.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Writes a mailbox as a Maildir in an archive, with Dovecot's keywords file: files as they are on disk, but
/// not compressed, with their dates. Answers how many messages.
pub fn export_tar(
    account: &Arc<Account>,
    name: &MailboxName,
    output: &mut impl Write,
    mut step: impl FnMut(),
) -> Result<usize> {
    let mut archive = Builder::new(output);
    for folder in ["cur/", "new/", "tmp/"] {
        let mut header = header(EntryType::Directory, 0, 0);
        header.set_mode(FOLDER_MODE);
        archive.append_data(&mut header, folder, io::empty())?;
    }
    let inventory = account.inventory(name)?;
    for (file, content) in &inventory.files {
        archive.append_data(&mut header(EntryType::Regular, content.len() as u64, 0), file, content.as_slice())?;
    }
    let mut count = 0;
    for stored in &inventory.messages {
        step();
        let (source, stat) = match account.stored_content(name, stored) {
            Err(store::Error::Gone) => continue,
            other => other?,
        };
        let modified = stat.modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let len = source.len()?;
        let mut header = header(EntryType::Regular, len, modified);
        let content = Content::of(&*source);
        archive.append_data(&mut header, Path::new("cur").join(served_name(stored)), content.take(len))?;
        count += 1;
    }
    archive.finish()?;
    archive.into_inner()?.flush()?;
    Ok(count)
}

fn header(kind: EntryType, size: u64, modified: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mtime(modified);
    header.set_mode(FILE_MODE);
    header
}

/// A message in an archive.
struct Packed {
    path: PathBuf,
    /// Where its content begins.
    start: u64,
    size: u64,
    date: DateTime,
}

/// Takes in the Maildir of an archive with its flags, dates and (by Dovecot's file) keywords. The mailbox must be there.
pub fn import_tar(account: &Arc<Account>, name: &MailboxName, input: File, mut step: impl FnMut()) -> Result<Imported> {
    let mut input = BufReader::with_capacity(PIECE, input);
    let (messages, keyword_file) = list(&mut input)?;
    let keywords = keywords(&keyword_file);
    let mut import = Import::begin(account, name)?;
    for packed in &messages {
        step();
        let mut hasher = Hasher::new();
        each_crlf(packed.open(&mut input)?, |piece| {
            hasher.feed(piece);
            Ok(())
        })?;
        let marks = marks_of(packed.path.file_name().unwrap_or_default(), packed.date, &keywords);
        import.take(hasher, &marks, |draft| each_crlf(packed.open(&mut input)?, |piece| Ok(draft.write(piece)?)))?;
    }
    Ok(import.done)
}

impl Packed {
    fn open<'a>(&self, input: &'a mut (impl Read + Seek + Send)) -> Result<impl Read + 'a> {
        input.seek(SeekFrom::Start(self.start))?;
        Ok(store::unpacked(input.take(self.size))?)
    }

    /// The folder of the mailbox that it is in.
    fn mailbox(&self) -> &Path {
        self.path.parent().and_then(Path::parent).unwrap_or(Path::new(""))
    }
}

/// The messages of the highest mailbox, in the order of their names, which begin with the time of delivery; and its file of
/// keywords. Reads all of the archive, so that one that ends early is refused before anything came in.
fn list(input: &mut (impl Read + Seek)) -> Result<(Vec<Packed>, Vec<u8>)> {
    let (mut messages, mut keyword_files) = (Vec::new(), Vec::new());
    let mut archive = Archive::new(&mut *input);
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
            continue;
        }
        let path: PathBuf = entry.path()?.components().collect();
        if path.ends_with(KEYWORDS) && entry.size() <= KEYWORDS_MAX {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            keyword_files.push((path, content));
        } else if is_message(&path) {
            let seconds = i64::try_from(entry.header().mtime()?).unwrap_or_default();
            let date = DateTime::utc(seconds);
            messages.push(Packed { start: entry.raw_file_position(), size: entry.size(), date, path });
        }
    }
    let end = input.seek(SeekFrom::End(0))?;
    if messages.iter().any(|packed| packed.start.checked_add(packed.size).is_none_or(|after| after > end)) {
        return Err(Error::Format("the archive ends within a message"));
    }
    let highest = messages.iter().map(Packed::mailbox).min_by(|a, b| by_depth(a, b)).map(Path::to_owned);
    let highest = highest.ok_or(Error::Format("there is no Maildir in this archive: no file in cur/ or new/"))?;
    messages.retain(|packed| packed.mailbox() == highest);
    messages.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
    let keywords = keyword_files.into_iter().find(|(path, _)| path.parent() == Some(&highest));
    Ok((messages, keywords.map(|(_, content)| content).unwrap_or_default()))
}

fn by_depth(a: &Path, b: &Path) -> Ordering {
    let depth = |path: &Path| path.components().count();
    depth(a).cmp(&depth(b)).then_with(|| a.cmp(b))
}

fn is_message(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !is_hidden && folder.is_some_and(|folder| folder == "cur" || folder == "new")
}
