//! `dovecot-uidvalidity`: hands out rising UIDVALIDITYs within an account, on all nodes.
//!
//! The number handed out last stands in the name of an empty file, `dovecot-uidvalidity.HEX`. Who wants the next one
//! renames that file to the next number; of several at once one wins, the others find the file gone and look again. The
//! file without a number holds the same eight hex digits, to spare a listing.
//!
//! | state                     | who moves it on | what a crash leaves                                                  |
//! |---------------------------|-----------------|----------------------------------------------------------------------|
//! | no marker                 | `next`          | –                                                                    |
//! | marker N, file M (M <= N) | `next`          | a number handed out and not used; a lower number in the file: harmless |

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use disk::Disk;
use mail::UidValidity;

use crate::{Error, Result, folder};

const FILE: &str = "dovecot-uidvalidity";
const PREFIX: &str = "dovecot-uidvalidity.";

/// How often another node may be faster before we give up.
const TRIES_MAX: u32 = 1000;

/// A UIDVALIDITY higher than all that were handed out in this Maildir. Durable when it returns.
pub(crate) fn next(disk: &dyn Disk, root: &Path) -> Result<UidValidity> {
    let mut guess = recorded(disk, root);
    for _ in 0..TRIES_MAX {
        let Some(last) = guess.take().or(highest_marker(disk, root)?) else {
            begin(disk, root)?;
            continue;
        };
        let next = last.checked_add(1).unwrap_or(1);
        match disk.rename(&marker(root, last), &marker(root, next)) {
            Ok(()) => {
                // Syncs the folder too, and so the marker's new name.
                disk::replace(disk, &root.join(FILE), format!("{next:08x}").as_bytes())?;
                return UidValidity::new(next).ok_or(Error::Busy);
            }
            Err(disk::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Busy)
}

/// So much of the file is read: eight hex digits, and a line end.
const NUMBER_LENGTH_MAX: usize = 16;

fn marker(root: &Path, number: u32) -> PathBuf {
    root.join(format!("{PREFIX}{number:08x}"))
}

fn recorded(disk: &dyn Disk, root: &Path) -> Option<u32> {
    let (content, _) = folder::read_up_to(disk, &root.join(FILE), NUMBER_LENGTH_MAX).ok()??;
    hex(std::str::from_utf8(&content).ok()?)
}

fn highest_marker(disk: &dyn Disk, root: &Path) -> Result<Option<u32>> {
    let entries = disk.list(root)?;
    let mut numbers: Vec<u32> =
        entries.iter().filter_map(|entry| hex(entry.name.to_str()?.strip_prefix(PREFIX)?)).collect();
    numbers.sort_unstable();
    let highest = numbers.pop();
    // Two nodes that began at once leave two markers; the lower one would hand out the higher one's numbers again.
    for lower in numbers {
        match disk.remove(&marker(root, lower)) {
            Ok(()) | Err(disk::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(highest)
}

fn hex(digits: &str) -> Option<u32> {
    (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// The first number of an account is the time, so that an account made anew gets higher ones than the old had.
fn begin(disk: &dyn Disk, root: &Path) -> Result<()> {
    let seconds = disk.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let first = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
    match disk.create_new(&marker(root, first)) {
        Ok(_) | Err(disk::Error::Exists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use disk::{MemoryDisk, every_cut};

    use super::*;

    #[test]
    fn a_power_cut_never_hands_a_number_out_twice() {
        let root = Path::new("/");
        let told = std::sync::Mutex::new(Vec::new());
        let scenario = |disk: &MemoryDisk| -> Result<()> {
            told.lock().unwrap().clear();
            for _ in 0..3 {
                let number = next(disk, root)?;
                told.lock().unwrap().push(number);
            }
            Ok(())
        };
        every_cut(scenario, |disk, _| {
            let number = next(&disk, root).unwrap();
            assert!(told.lock().unwrap().iter().all(|told| *told < number));
        });
    }

    #[test]
    fn a_lost_or_lying_record_is_corrected_from_the_marker() {
        let disk = MemoryDisk::new();
        let root = Path::new("/");
        let first = next(&disk, root).unwrap();
        for lie in [&b"00000001"[..], b"junk", b""] {
            disk::replace(&disk, &root.join(FILE), lie).unwrap();
            assert!(next(&disk, root).unwrap() > first);
        }
    }
}
