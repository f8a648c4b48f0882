//! Secrets that all nodes have in common, each in a file of its own.
//!
//! That of `[hints]` proves that a hint comes from a node of ours. The other is the one of which SCRAM's answers for names that nobody has are made: one for all nodes, so that such a name looks the
//! same on each of them, after restarts and after edits of the password file, as a name that somebody has does.
//!
//! It lies in a file of its own, because nothing else is the same on all nodes, secret, and never changed: password files are
//! edited, certificates are renewed, and each node may have its own. When it is lost, who asked before and asks again can tell names apart.
//!
//! | state       | files                              | who moves it on         | what a crash leaves                |
//! |-------------|------------------------------------|-------------------------|------------------------------------|
//! | not there   | –                                  | the first node to start | nothing, or a `.tmp.` file         |
//! | there       | the file, whole, and not replaced  | –                       | –                                  |

use std::path::Path;

use aws_lc_rs::rand;
use directory::chain::NoRandomNumbers;
use directory::passwd_file::MadeUp;
use disk::{Disk, Error};

/// Octets of a new secret, which is written in hexadecimal digits.
const LENGTH: usize = 32;
/// Octets of a file that an operator wrote: fewer could be guessed.
const LENGTH_MIN: usize = 16;
/// Octets: beyond them it is another file.
const LENGTH_MAX: usize = 4096;

/// Why there is no secret; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{0}")]
    Disk(#[from] Error),
    #[error("{file}: expected a secret of {LENGTH_MIN} to {LENGTH_MAX} octets")]
    Length { file: String },
    #[error("{0}")]
    NoRandomNumbers(#[from] NoRandomNumbers),
}

/// What is made of the secret in this file, which is made when it is not there. Its folder must be: storage that is not mounted must not
/// get a secret of its own.
///
/// # Errors
/// The file cannot be read or made, or holds no secret.
pub fn made_up(disk: &dyn Disk, file: &Path) -> Result<MadeUp, SecretError> {
    Ok(MadeUp::of(&shared(disk, file)?))
}

/// The secret in this file, which is made when it is not there, like [`made_up`].
///
/// # Errors
/// As there.
pub fn shared(disk: &dyn Disk, file: &Path) -> Result<Vec<u8>, SecretError> {
    let secret = match disk.read(file) {
        Ok(secret) => secret,
        Err(Error::NotFound { .. }) => first(disk, file)?,
        Err(error) => return Err(error.into()),
    };
    let secret = secret.trim_ascii();
    if !(LENGTH_MIN..=LENGTH_MAX).contains(&secret.len()) {
        return Err(SecretError::Length { file: file.display().to_string() });
    }
    Ok(secret.to_owned())
}

/// A new secret, or that of another node which was faster.
fn first(disk: &dyn Disk, file: &Path) -> Result<Vec<u8>, SecretError> {
    let mut random = [0; LENGTH];
    rand::fill(&mut random).map_err(|_| NoRandomNumbers)?;
    let secret = random.iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}"));
    match disk::place(disk, file, format!("{secret}\n").as_bytes()) {
        Ok(()) => {
            tracing::info!(file = %file.display(), "made a secret: all nodes need the same");
            Ok(secret.into_bytes())
        }
        Err(Error::Exists { .. }) => Ok(disk.read(file)?),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::passwd_file::PasswdFile;
    use disk::{MemoryDisk, every_cut_from};

    const FILE: &str = "/shared/directory.secret";

    /// With the folder that must be there.
    fn storage() -> MemoryDisk {
        let disk = MemoryDisk::new();
        disk.create_dir_all(Path::new("/shared")).unwrap();
        disk
    }

    fn salt(disk: &dyn Disk) -> Vec<u8> {
        let users = PasswdFile::parse("users", "ana:{PLAIN}pencil\n").unwrap();
        users.scram_secret("nobody", &made_up(disk, Path::new(FILE)).unwrap()).salt
    }

    #[test]
    fn every_node_has_the_secret_that_the_first_one_made() {
        let disk = storage();
        assert_eq!(salt(&disk), salt(&disk));
        assert_ne!(salt(&disk), salt(&storage()));
        assert!(disk.read(Path::new(FILE)).unwrap().len() > 2 * LENGTH);
    }

    #[test]
    fn a_power_cut_leaves_a_whole_secret_or_none() {
        let check = |disk: MemoryDisk, cut: disk::Cut| {
            let there = disk.read(Path::new(FILE)).ok();
            assert!(there.is_some() || !cut.finished);
            assert!(there.is_none_or(|secret| secret.len() == 2 * LENGTH + 1));
        };
        every_cut_from(&storage(), |disk| made_up(disk, Path::new(FILE)), check);
    }

    #[test]
    fn storage_that_is_not_there_gets_no_secret() {
        let disk = MemoryDisk::new();
        assert!(matches!(made_up(&disk, Path::new(FILE)), Err(SecretError::Disk(Error::NotFound { .. }))));
    }

    #[test]
    fn a_file_without_a_secret_is_told_and_not_replaced() {
        for content in ["", "\n", "short\n", &"x".repeat(LENGTH_MAX + 1)] {
            let disk = storage();
            disk::replace(&disk, Path::new(FILE), content.as_bytes()).unwrap();
            assert!(matches!(made_up(&disk, Path::new(FILE)), Err(SecretError::Length { .. })), "{content}");
            assert_eq!(disk.read(Path::new(FILE)).unwrap(), content.as_bytes());
        }
    }
}
