//! Changing a password file on disk: one editor at a time, the old or the new file after any crash, with its mode and
//! owner.
//!
//! | file beside `users` | while | what a crash leaves of it |
//! |---|---|---|
//! | `users.lock` | somebody edits | a stale lock; the next editor overrides it |
//! | `users.tmp.…` | the new file is written | nothing anybody reads |

use std::path::Path;
use std::time::Duration;

use directory::passwd_file::{EditError, PasswdFile, PasswdFileError};
use disk::{Disk, Dotlock, DotlockSettings};

/// An edit takes milliseconds: a lock that is so old is left over from a crash. One whose process is gone is so at once.
const STALE: Duration = Duration::from_secs(10);
/// How long another editor is waited for: until what is left over is stale.
const EDITOR_PATIENCE: Duration = Duration::from_secs(12);

/// Why a password file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UsersFileError {
    #[error("{0}")]
    Disk(#[from] disk::Error),
    #[error("{0}: this is not UTF-8")]
    NotText(String),
    /// It would not be read as it is, or as it would become.
    #[error("{0}")]
    Bad(#[from] PasswdFileError),
    #[error("{0}")]
    Edit(#[from] EditError),
}

/// Changes a file by `edit`, which gets its text (nothing where there is no file) and gives the new one.
///
/// # Errors
/// Nothing was changed, unless only the last sync of the folder failed.
pub fn change(
    disk: &dyn Disk,
    path: &Path,
    edit: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<(), UsersFileError> {
    let settings = DotlockSettings { wait: EDITOR_PATIENCE, stale: STALE, ..DotlockSettings::default() };
    let lock = Dotlock::acquire(disk, path, &settings)?;
    let old = match disk.read(path) {
        Ok(octets) => octets,
        Err(disk::Error::NotFound { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let name = path.display().to_string();
    let old = String::from_utf8(old).map_err(|_| UsersFileError::NotText(name.clone()))?;
    let new = edit(&old)?;
    // What the server would refuse to read must not become the file.
    PasswdFile::parse(&name, &new)?;
    lock.replace_alike(new.as_bytes())?;
    lock.release()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use disk::{MemoryDisk, every_cut_from};

    use super::*;
    use directory::passwd_file::{add, remove};

    const USERS: &str = "/users";
    const ANA: &str = "# people\nana:{PLAIN}a\n";

    fn with_ana() -> MemoryDisk {
        let disk = MemoryDisk::new();
        disk::replace(&disk, Path::new(USERS), ANA.as_bytes()).unwrap();
        disk
    }

    fn text(disk: &MemoryDisk) -> String {
        String::from_utf8(disk.read(Path::new(USERS)).unwrap()).unwrap()
    }

    #[test]
    fn a_cut_at_every_call_leaves_the_old_or_the_new_file_and_the_next_editor_goes_on() {
        let both = format!("{ANA}bob:{{PLAIN}}b\n");
        every_cut_from(
            &with_ana(),
            |disk| change(disk, Path::new(USERS), |text| add(text, "bob", "{PLAIN}b")),
            |disk, cut| {
                let found = text(&disk);
                assert!(found == both || (found == ANA && !cut.finished), "{cut}: {found}");
                change(&disk, Path::new(USERS), |text| remove(text, "ana")).unwrap();
            },
        );
    }

    #[test]
    fn a_file_with_bad_lines_is_left_alone_and_the_lock_is_given_back() {
        let disk = with_ana();
        let bad = change(&disk, Path::new(USERS), |text| Ok(format!("{text}nonsense\n")));
        assert!(matches!(bad, Err(UsersFileError::Bad(_))));
        let unknown = change(&disk, Path::new(USERS), |text| remove(text, "eve"));
        assert!(matches!(unknown, Err(UsersFileError::Edit(EditError::Unknown))));
        assert_eq!(text(&disk), ANA);
        change(&disk, Path::new(USERS), |text| add(text, "bob", "{PLAIN}b")).unwrap();
    }

    #[test]
    fn the_first_account_makes_the_file() {
        let disk = MemoryDisk::new();
        change(&disk, Path::new(USERS), |text| add(text, "ana", "{PLAIN}a")).unwrap();
        assert_eq!(text(&disk), "ana:{PLAIN}a\n");
    }
}
