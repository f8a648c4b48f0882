//! How mailbox names become folders.
//!
//! * Maildir++: every mailbox but INBOX is a folder `.A.B` in the Maildir, with a dot between levels.
//! * fs: a mailbox is the folder `A/B`, and its `new`, `cur` and `tmp` are inside, beside the mailboxes below it.
//!
//! Either in modified UTF-7 or in UTF-8. A name that cannot be a folder is refused, and a folder whose name nobody could
//! have made so is no mailbox. Pure.

use std::ffi::OsStr;
use std::path::PathBuf;

use mail::MailboxName;

use crate::folder::{CUR, NEW, TMP};
use crate::{Error, Result};

/// Where a deleted mailbox waits to be swept away; Dovecot's name, so that either sweeps for both.
pub(crate) const TRASHED: &str = "..DOVECOT-TRASHED";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    MaildirPlusPlus,
    Fs,
}

/// How names are written on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    ModifiedUtf7,
    Utf8,
}

impl Encoding {
    pub(crate) fn encode(self, name: &MailboxName) -> String {
        match self {
            Encoding::ModifiedUtf7 => name.to_mutf7(),
            Encoding::Utf8 => name.as_str().to_owned(),
        }
    }

    pub(crate) fn decode(self, encoded: &str) -> Option<MailboxName> {
        match self {
            Encoding::ModifiedUtf7 => MailboxName::from_mutf7(encoded).ok(),
            Encoding::Utf8 => MailboxName::parse(encoded).ok(),
        }
    }
}

impl Layout {
    /// From Dovecot's words.
    pub(crate) fn parse(word: &str) -> Option<Layout> {
        let layouts = [("maildir++", Layout::MaildirPlusPlus), ("fs", Layout::Fs)];
        layouts.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, layout)| *layout)
    }

    /// The folder of a mailbox below the place of all. INBOX has a folder only where it does not lie at the root.
    pub(crate) fn folder(self, name: &MailboxName, encoding: Encoding) -> Result<PathBuf> {
        let encoded = encoding.encode(name);
        // Dovecot refuses it as well: a shell would take it for a home directory.
        if encoded.starts_with('~') {
            return Err(Error::NotAllowed("Invalid mailbox name: Begins with '~'"));
        }
        match self {
            Layout::MaildirPlusPlus if encoded.contains('.') => {
                Err(Error::NotAllowed("Character not allowed in mailbox name: '.'"))
            }
            Layout::MaildirPlusPlus => Ok(PathBuf::from(format!(".{}", encoded.replace('/', ".")))),
            Layout::Fs if encoded.split('/').any(is_reserved) => {
                Err(Error::NotAllowed("Invalid mailbox name: Contains reserved name"))
            }
            Layout::Fs => Ok(PathBuf::from(encoded)),
        }
    }

    /// The mailbox of a Maildir++ folder, or of an fs folder whose parents are given with a slash between levels; `None`
    /// for a name that `folder` would never make.
    pub(crate) fn mailbox(self, folder: &OsStr, encoding: Encoding) -> Option<MailboxName> {
        let folder = folder.to_str()?;
        let name = match self {
            Layout::MaildirPlusPlus => encoding.decode(&folder.strip_prefix('.')?.replace('.', "/"))?,
            Layout::Fs => encoding.decode(folder)?,
        };
        let made = self.folder(&name, encoding).ok()?;
        (!name.is_inbox() && made.as_os_str() == folder).then_some(name)
    }
}

/// What a level of the fs layout cannot be called.
pub(crate) fn is_reserved(level: &str) -> bool {
    [".", "..", NEW, CUR, TMP, TRASHED].contains(&level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encoding::{ModifiedUtf7, Utf8};
    use Layout::{Fs, MaildirPlusPlus};

    #[test]
    fn a_mailbox_has_one_folder_and_a_folder_one_mailbox() {
        for (layout, encoding, name, folder) in [
            (MaildirPlusPlus, ModifiedUtf7, "A\u{f1}os", ".A&APE-os"),
            (MaildirPlusPlus, ModifiedUtf7, "Proyectos/2026", ".Proyectos.2026"),
            (MaildirPlusPlus, ModifiedUtf7, "INBOX/x", ".INBOX.x"),
            (MaildirPlusPlus, Utf8, "A\u{f1}os/a&b", ".A\u{f1}os.a&b"),
            (Fs, ModifiedUtf7, "A\u{f1}os/x.y", "A&APE-os/x.y"),
            (Fs, Utf8, "A\u{f1}os/.x", "A\u{f1}os/.x"),
        ] {
            let name = MailboxName::parse(name).unwrap();
            assert_eq!(layout.folder(&name, encoding).unwrap(), PathBuf::from(folder));
            assert_eq!(layout.mailbox(OsStr::new(folder), encoding), Some(name));
        }
    }

    #[test]
    fn folders_that_no_name_makes_are_no_mailboxes() {
        for foreign in ["cur", ".", "..", TRASHED, ".INBOX", ".inbox", ".inbox.x", ".a..b", ".A&APE", ".a/b", ".~x"] {
            assert_eq!(MaildirPlusPlus.mailbox(OsStr::new(foreign), ModifiedUtf7), None, "{foreign}");
        }
        for foreign in ["cur", "a/cur", "a/../b", "a/./b", TRASHED, "INBOX", "inbox/x", "~x", "/a", "a//b", "A&APE"] {
            assert_eq!(Fs.mailbox(OsStr::new(foreign), ModifiedUtf7), None, "{foreign}");
        }
    }

    #[test]
    fn names_that_are_no_folders_are_refused() {
        for (layout, name) in [
            (MaildirPlusPlus, "Con.Punto"),
            (MaildirPlusPlus, "~x"),
            (Fs, "a/cur"),
            (Fs, "a/.."),
            (Fs, "~x"),
            (Fs, "."),
        ] {
            let name = MailboxName::parse(name).unwrap();
            assert!(matches!(layout.folder(&name, ModifiedUtf7), Err(Error::NotAllowed(_))), "{name}");
        }
    }
}
