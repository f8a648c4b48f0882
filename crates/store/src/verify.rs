//! The table of docs/internals/store.md as a check: reads everything, changes nothing.
//!
//! A finding is a `Leftover` when the table allows it after a crash (the next who serves the mailbox cleans it up or makes
//! it good), and `Damage` when nothing that Tepui or Dovecot does can leave it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use disk::Kind;
use mail::MailboxName;

use crate::file_name::{self, Base};
use crate::folder::{self, CUR, Folder, KEYWORDS, MARKER, NEW, TMP, UIDLIST};
use crate::keywords::KeywordTable;
use crate::layout::Layout;
use crate::uidlist::Uidlist;
use crate::{Account, Result, crlf, journal, layout, packed};

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
    findings.extend(account.verify_quota()?);
    for entry in account.disk.list(&account.places.mail)?.iter().filter(|entry| entry.kind == Kind::Dir) {
        if entry.name.to_str() == Some(layout::TRASHED) {
            let path = account.places.mail.join(&entry.name);
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
        let letters = self.folder.read_keywords()?;
        for (path, suffix) in files.values().flatten() {
            let flags = file_name::flags(suffix);
            if letters.known(flags) != flags {
                self.find(Harm::Damage, path.clone(), "keyword letter without a name");
            }
        }
        let content = self.folder.read_uidlist()?;
        if let Some(list) = self.list(&files, content.as_deref()) {
            self.journal(&files, &letters, &list)?;
        }
        Ok(())
    }

    fn parts(&mut self, name: &MailboxName) -> Result<()> {
        let marked = !name.is_inbox() && self.folder.layout == Layout::MaildirPlusPlus;
        let marker = marked.then_some(MARKER);
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
        for entry in self.folder.disk.list(&self.folder.control)? {
            let name = entry.name.to_string_lossy();
            let ours = [UIDLIST, KEYWORDS, journal::FILE, "subscriptions", "tepui-special-use", "dovecot-uidvalidity"];
            let kinds = [".lock", ".tmp.", ".clock.", ".stale."];
            if ours
                .iter()
                .filter_map(|ours| name.strip_prefix(ours))
                .any(|rest| kinds.iter().any(|kind| rest.starts_with(kind)))
            {
                self.find(Harm::Leftover, self.folder.control.join(&entry.name), "lock or half-written file");
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
        if let Some(true_sizes) = true_sizes(&self.folder, path)? {
            let told = file_name::sizes(base);
            if told.on_disk.is_some_and(|told| told != true_sizes.0) {
                self.find(Harm::Damage, path.to_owned(), "file is not as long as its name says");
            } else if told.crlf.is_some_and(|told| told != true_sizes.1) {
                self.find(Harm::Damage, path.to_owned(), "content is not as long with CR LF as its name says");
            }
        }
        Ok(())
    }

    /// The list of UIDs, if it can be read.
    fn list<'a>(&mut self, files: &Files, content: Option<&'a [u8]>) -> Option<Uidlist<'a>> {
        let path = self.folder.join(UIDLIST);
        let parsed = content.map(Uidlist::parse);
        let finding = match &parsed {
            None if files.is_empty() => None,
            None => Some((Harm::Leftover, "no message has a UID yet")),
            Some(None) => Some((Harm::Damage, "list of UIDs cannot be read")),
            Some(Some(parsed)) if parsed.damaged_lines > 0 => {
                Some((Harm::Damage, "list of UIDs has lines that make no sense"))
            }
            Some(Some(parsed)) if !parsed.appendable => {
                Some((Harm::Leftover, "last line of the list of UIDs is not finished"))
            }
            Some(Some(_)) => None,
        };
        if let Some((harm, what)) = finding {
            self.find(harm, path, what);
        }
        parsed.flatten().map(|parsed| parsed.list)
    }

    /// Mod-sequences only grow (a record that says otherwise is not read at all), and the journal agrees with the files.
    fn journal(&mut self, files: &Files, letters: &KeywordTable, list: &Uidlist<'_>) -> Result<()> {
        let path = self.folder.join(journal::FILE);
        let mut find = |harm, what| self.findings.push(Finding { harm, path: path.clone(), what });
        let Some(content) = self.folder.read(journal::FILE)? else { return Ok(()) };
        let Some((history, position)) = journal::read_whole(&content) else {
            find(Harm::Leftover, "journal of changes cannot be read and will be begun anew");
            return Ok(());
        };
        if history.validity != list.head.validity {
            find(Harm::Leftover, "journal of changes is of another mailbox");
            return Ok(());
        }
        if position.offset < content.len() as u64 {
            find(Harm::Leftover, "last record of the journal of changes is torn");
        }
        if history.rows.iter().any(|row| history.vanished.contains(row.uid)) {
            find(Harm::Damage, "a UID is both there and vanished");
        }
        let ranges = history.vanished.ranges.iter();
        let highest = history.rows.iter().map(|row| row.modseq).chain(ranges.map(|range| range.modseq)).max();
        if highest > Some(history.highest) {
            find(Harm::Damage, "a mod-sequence is higher than the highest");
        }
        if history.rows.last().is_some_and(|row| row.uid >= list.head.uid_next()) {
            find(Harm::Damage, "a UID in the journal of changes was never given");
        }
        let flags = |base: &[u8]| Some(letters.known(file_name::flags(&files.get(base)?.first()?.1)));
        let told = history.rows.iter().map(|row| (row.uid, row.flags));
        if !list.entries.iter().filter_map(|entry| Some((entry.uid, flags(entry.base)?))).eq(told) {
            find(Harm::Leftover, "a change is not in the journal of changes yet");
        }
        Ok(())
    }
}

/// Octets of a message's content as it lies (or would, if it were not compressed), and with CR LF line ends; `None` when it is gone.
pub(crate) fn true_sizes(folder: &Folder, path: &Path) -> Result<Option<(u64, u64)>> {
    let opened = folder.disk.open_plain(path).and_then(|file| {
        let (content, _) = packed::open(file, path)?;
        Ok((content.len()?, crlf::size_of(content)?))
    });
    match opened {
        Ok(sizes) => Ok(Some(sizes)),
        Err(disk::Error::NotFound { .. } | disk::Error::Stale { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn names(folder: &Folder, part: &str) -> Result<Vec<PathBuf>> {
    let path = folder.join(part);
    match folder.disk.list(&path) {
        Ok(entries) => {
            let files = entries.iter().filter(|entry| folder::is_message(&entry.name, entry.kind));
            Ok(files.map(|entry| path.join(&entry.name)).collect())
        }
        Err(disk::Error::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
