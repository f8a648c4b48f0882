//! The table of docs/internals/store.md as a check: reads everything, changes nothing.
//!
//! A finding is a `Leftover` when the table allows it after a crash (the next who serves the mailbox cleans it up or makes
//! it good), and `Damage` when nothing that Tepui or Dovecot does can leave it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use disk::Kind;
use mail::MailboxName;

use crate::file_name::{self, Base};
use crate::folder::{CUR, Folder, KEYWORDS, MARKER, NEW, TMP, UIDLIST};
use crate::keywords::KeywordTable;
use crate::uidlist::Uidlist;
use crate::{Account, Result, layout};

/// Whether a finding is what a crash may leave, or what must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    Leftover,
    Damage,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub harm: Harm,
    pub path: PathBuf,
    pub what: &'static str,
}

/// Checks every mailbox of an account.
pub fn verify(account: &Account) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for name in account.on_disk()? {
        Check { folder: account.folder(&name)?, findings: &mut findings }.mailbox(&name)?;
    }
    for entry in account.disk.list(&account.root)?.iter().filter(|entry| entry.kind == Kind::Dir) {
        if entry.name.to_str() == Some(layout::TRASHED) {
            let path = account.root.join(&entry.name);
            findings.push(Finding { harm: Harm::Leftover, path, what: "deleted mailbox is not swept" });
        }
    }
    Ok(findings)
}

/// The message files of a mailbox: base, and each path and suffix it has.
type Files = HashMap<Base, Vec<(PathBuf, Box<[u8]>)>>;

struct Check<'a> {
    folder: Folder,
    findings: &'a mut Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, harm: Harm, path: PathBuf, what: &'static str) {
        self.findings.push(Finding { harm, path, what });
    }

    fn mailbox(&mut self, name: &MailboxName) -> Result<()> {
        self.parts(name)?;
        self.leftovers()?;
        let files = self.files()?;
        let letters = KeywordTable::parse(&self.folder.read(KEYWORDS)?.unwrap_or_default());
        for (path, suffix) in files.values().flatten() {
            let flags = file_name::flags(suffix);
            if letters.known(flags) != flags {
                self.find(Harm::Damage, path.clone(), "keyword letter without a name");
            }
        }
        self.list(&files)
    }

    fn parts(&mut self, name: &MailboxName) -> Result<()> {
        let marker = if name.is_inbox() { None } else { Some(MARKER) };
        for part in [NEW, CUR, TMP].into_iter().chain(marker) {
            if self.folder.look(part)?.is_none() {
                self.find(Harm::Leftover, self.folder.join(part), "mailbox is half made");
            }
        }
        Ok(())
    }

    fn leftovers(&mut self) -> Result<()> {
        for path in names(&self.folder, TMP)? {
            self.find(Harm::Leftover, path, "unfinished message");
        }
        for entry in self.folder.disk.list(&self.folder.path)? {
            let name = entry.name.to_string_lossy();
            let ours = [UIDLIST, KEYWORDS, "subscriptions", "tepui-special-use", "dovecot-uidvalidity"];
            let kinds = [".lock", ".tmp.", ".clock.", ".stale."];
            if ours
                .iter()
                .filter_map(|ours| name.strip_prefix(ours))
                .any(|rest| kinds.iter().any(|kind| rest.starts_with(kind)))
            {
                self.find(Harm::Leftover, self.folder.path.join(&entry.name), "lock or half-written file");
            }
        }
        Ok(())
    }

    /// The message files by base, with what two files of one base mean.
    fn files(&mut self) -> Result<Files> {
        let mut files = Files::new();
        for path in names(&self.folder, NEW)?.into_iter().chain(names(&self.folder, CUR)?) {
            let (base, suffix) = file_name::split(path.file_name().unwrap_or_default());
            let (base, suffix) = (Base::from(base), suffix.into());
            self.content(&path, &base)?;
            let same = files.entry(base).or_default();
            if !same.is_empty() {
                self.find(Harm::Leftover, path.clone(), "message has two names");
            }
            same.push((path, suffix));
        }
        Ok(files)
    }

    fn content(&mut self, path: &Path, base: &[u8]) -> Result<()> {
        let len = self.folder.disk.stat(path)?.len;
        if file_name::sizes(base).on_disk.is_some_and(|told| told != len) {
            self.find(Harm::Damage, path.to_owned(), "file is not as long as its name says");
        }
        Ok(())
    }

    fn list(&mut self, files: &Files) -> Result<()> {
        let path = self.folder.join(UIDLIST);
        let content = self.folder.read(UIDLIST)?;
        let parsed = content.as_ref().map(|content| Uidlist::parse(content));
        let (harm, what) = match parsed {
            None if files.is_empty() => return Ok(()),
            None => (Harm::Leftover, "no message has a UID yet"),
            Some(None) => (Harm::Damage, "list of UIDs cannot be read"),
            Some(Some(parsed)) if parsed.damaged_lines > 0 => {
                (Harm::Damage, "list of UIDs has lines that make no sense")
            }
            Some(Some(parsed)) if !parsed.appendable => {
                (Harm::Leftover, "last line of the list of UIDs is not finished")
            }
            Some(Some(_)) => return Ok(()),
        };
        self.find(harm, path, what);
        Ok(())
    }
}

fn names(folder: &Folder, part: &str) -> Result<Vec<PathBuf>> {
    let path = folder.join(part);
    match folder.disk.list(&path) {
        Ok(entries) => {
            let files = entries.iter().filter(|entry| entry.kind == Kind::File);
            Ok(files.map(|entry| path.join(&entry.name)).collect())
        }
        Err(disk::Error::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
