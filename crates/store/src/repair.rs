//! Mending what [`verify`] finds, as far as that takes nothing away: no message is removed, and none loses its UID to another.
//!
//! | finding | what is done |
//! |---|---|
//! | mailbox is half made | its missing folders and marker are made |
//! | list of UIDs has lines that make no sense, or an unfinished one | it is written anew; every message whose line is whole keeps its UID, the others get new ones |
//! | list of UIDs cannot be read, or is missing | a new list with a new UIDVALIDITY: clients fetch the mailbox anew |
//! | message has two names | the lesser name is removed when both are one file; else the second becomes a message of its own |
//! | file or content is not as long as its name says | the file gets a name with its true sizes and keeps its UID |
//! | keyword letter without a name | it is named `unknown-N`, N being its number, as Dovecot shows it |
//! | deleted mailbox is not swept | it is swept |
//! | unfinished message, lock, half-written file | removed when older than `Settings::tmp_keep`, as any session does |

use std::collections::HashMap;
use std::sync::Arc;

use mail::{Flags, Keyword};

use crate::file_name::Base;
use crate::folder::{CUR, Folder, KEYWORDS, NEW};
use crate::uidlist::{Parsed, Uidlist};
use crate::verify::{names, true_sizes};
use crate::{Access, Account, Finding, Result, file_name, verify};

/// After so many renames the lock is touched, so that nobody takes us for dead.
const TOUCH_EVERY: usize = 256;

/// What became of the findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    pub mended: Vec<Finding>,
    /// Found still, or found new.
    pub left: Vec<Finding>,
}

/// Verifies an account, mends what can be mended, and verifies again.
pub fn repair(account: &Arc<Account>) -> Result<Repaired> {
    let before = verify(account)?;
    for name in account.on_disk()? {
        let folder = account.folder(&name)?;
        folder.complete(!name.is_inbox())?;
        name_letters(&folder)?;
        if tell_true_sizes(&folder)? {
            account.ledger.count_again();
        }
    }
    reindex(account)?;
    account.sweep_trash()?;
    let left = verify(account)?;
    let mended = before.into_iter().filter(|finding| !left.contains(finding)).collect();
    Ok(Repaired { mended, left })
}

/// Reads every mailbox anew and writes lists of UIDs again that were damaged or not finished. Answers how many mailboxes.
pub fn reindex(account: &Arc<Account>) -> Result<usize> {
    let names = account.on_disk()?;
    for name in &names {
        let folder = account.folder(name)?;
        folder.complete(!name.is_inbox())?;
        finish_list(&folder)?;
        account.open(name)?.sync(Access::Serve)?;
    }
    Ok(names.len())
}

/// A list with a line that makes no sense is read well enough, but nobody writes it anew before there is a new message.
fn finish_list(folder: &Folder) -> Result<()> {
    let lock = folder.lock()?;
    let content = folder.read_uidlist()?;
    let parsed = content.as_deref().and_then(Uidlist::parse);
    match parsed.filter(|parsed| !parsed.appendable) {
        Some(parsed) => Ok(lock.replace_with(&parsed.list.encode())?),
        None => Ok(()),
    }
}

/// Gives every file whose name tells a wrong size a name with the right ones. Whether there was any. A crash between the two
/// steps costs the message its UID.
fn tell_true_sizes(folder: &Folder) -> Result<bool> {
    // Reading everything takes its time, so nobody has to wait for it.
    let mut wrong = Vec::new();
    for path in [names(folder, NEW)?, names(folder, CUR)?].concat() {
        let (base, suffix) = file_name::split(path.file_name().unwrap_or_default());
        let Some((on_disk, crlf)) = true_sizes(folder, &path)? else { continue };
        let right = file_name::with_true_sizes(base, on_disk, crlf);
        if *right != *base {
            wrong.push((Base::from(base), path.with_file_name(file_name::join(&right, suffix)), right, path));
        }
    }
    if wrong.is_empty() {
        return Ok(false);
    }
    let mut lock = folder.lock()?;
    let mut renamed = HashMap::new();
    for (index, (base, to, right, from)) in wrong.into_iter().enumerate() {
        if index % TOUCH_EVERY == 0 {
            lock.touch()?;
        }
        match folder.disk.rename_new(&from, &to) {
            Ok(()) => _ = renamed.insert(base, right),
            // Somebody changed its flags meanwhile, or removed it: the next repair is for it.
            Err(disk::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    lock.verify()?;
    if let Some(Parsed { mut list, .. }) = folder.read_uidlist()?.as_deref().and_then(Uidlist::parse) {
        list.entries.iter_mut().for_each(|entry| entry.base = renamed.get(entry.base).map_or(entry.base, |base| base));
        lock.replace_with(&list.encode())?;
    }
    for place in [NEW, CUR] {
        folder.disk.sync_dir(&folder.join(place))?;
    }
    Ok(true)
}

/// Gives every letter that stands in a file name a keyword.
fn name_letters(folder: &Folder) -> Result<()> {
    let lock = folder.lock()?;
    let mut table = folder.read_keywords()?;
    let mut used = Flags::NONE;
    for part in [NEW, CUR] {
        folder.scan(part, |name| used = used.with(file_name::flags(file_name::split(name).1)))?;
    }
    let unnamed: Vec<usize> = used.keyword_numbers().filter(|&number| table.names().name(number).is_none()).collect();
    for number in &unnamed {
        if let Some(keyword) = Keyword::parse(&format!("unknown-{number}")) {
            table.name(*number, keyword);
        }
    }
    if !unnamed.is_empty() {
        lock.verify()?;
        disk::replace(&*folder.disk, &folder.join(KEYWORDS), &table.encode())?;
    }
    Ok(())
}
