//! Where mailboxes lie: Maildir++. INBOX is the Maildir itself, every other mailbox a folder `.NAME` in it, with a dot
//! between levels, in modified UTF-7.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use mail::MailboxName;

use crate::{Error, Result};

/// Where a deleted mailbox waits to be swept away; Dovecot's name, so that either sweeps for both.
pub(crate) const TRASHED: &str = "..DOVECOT-TRASHED";

/// The folder of a mailbox.
pub(crate) fn folder(root: &Path, name: &MailboxName) -> Result<PathBuf> {
    if name.is_inbox() {
        return Ok(root.to_owned());
    }
    let encoded = name.to_mutf7();
    if encoded.contains('.') {
        return Err(Error::NotAllowed("Character not allowed in mailbox name: '.'"));
    }
    // Dovecot refuses it as well: a shell would take it for a home directory.
    if encoded.starts_with('~') {
        return Err(Error::NotAllowed("Invalid mailbox name: Begins with '~'"));
    }
    Ok(root.join(format!(".{}", encoded.replace('/', "."))))
}

/// The mailbox of a folder; `None` for a name that `folder` would never make.
pub(crate) fn mailbox(folder_name: &OsStr) -> Option<MailboxName> {
    let folder_name = folder_name.to_str()?;
    let name = MailboxName::from_mutf7(&folder_name.strip_prefix('.')?.replace('.', "/")).ok()?;
    let made = folder(Path::new(""), &name).ok()?;
    (!name.is_inbox() && made == Path::new(folder_name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_has_one_folder_and_a_folder_one_mailbox() {
        for (name, folder_name) in
            [("A\u{f1}os", ".A&APE-os"), ("Proyectos/2026", ".Proyectos.2026"), ("INBOX/x", ".INBOX.x")]
        {
            let name = MailboxName::parse(name).unwrap();
            assert_eq!(folder(Path::new("/m"), &name).unwrap(), Path::new("/m").join(folder_name));
            assert_eq!(mailbox(OsStr::new(folder_name)), Some(name));
        }
        for foreign in ["cur", ".", "..", TRASHED, ".INBOX", ".inbox", ".inbox.x", ".a..b", ".A&APE", ".a/b", ".~x"] {
            assert_eq!(mailbox(OsStr::new(foreign)), None, "{foreign}");
        }
    }

    #[test]
    fn a_dot_in_a_level_is_refused() {
        let name = MailboxName::parse("Con.Punto").unwrap();
        assert!(matches!(folder(Path::new("/m"), &name), Err(Error::NotAllowed(_))));
    }
}
