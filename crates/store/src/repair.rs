//! Mending what [`verify`] finds, as far as that takes nothing away: no message is removed, and none loses its UID to another.
//!
//! | finding | what is done |
//! |---|---|
//! | mailbox is half made | its missing folders and marker are made |
//! | list of UIDs has lines that make no sense, or an unfinished one | it is written anew; every message whose line is whole keeps its UID, the others get new ones |
//! | list of UIDs cannot be read, or is missing | a new list with a new UIDVALIDITY: clients fetch the mailbox anew |
//! | message has two names | the lesser name is removed when both are one file; else the second becomes a message of its own |
//! | keyword letter without a name | it is named `unknown-N`, N being its number, as Dovecot shows it |
//! | deleted mailbox is not swept | it is swept |
//! | unfinished message, lock, half-written file | removed when older than `Settings::tmp_keep`, as any session does |

use std::sync::Arc;

use mail::{Flags, Keyword};

use crate::folder::{CUR, Folder, KEYWORDS, NEW, UIDLIST};
use crate::keywords::KeywordTable;
use crate::uidlist::Uidlist;
use crate::{Access, Account, Finding, Result, file_name, verify};

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
    let content = folder.read(UIDLIST)?;
    let parsed = content.as_deref().and_then(Uidlist::parse);
    match parsed.filter(|parsed| !parsed.appendable) {
        Some(parsed) => Ok(lock.replace_with(&parsed.list.encode())?),
        None => Ok(()),
    }
}

/// Gives every letter that stands in a file name a keyword.
fn name_letters(folder: &Folder) -> Result<()> {
    let lock = folder.lock()?;
    let mut table = KeywordTable::parse(&folder.read(KEYWORDS)?.unwrap_or_default());
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
