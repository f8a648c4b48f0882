//! The name of a process's life, kept in a file of its node.
//!
//! | file holds    | state                                   | who moves it on     | what a crash leaves                          |
//! |---------------|-----------------------------------------|---------------------|----------------------------------------------|
//! | nothing       | no process has run here                 | `begin_quota_life`  | the same                                     |
//! | `LIFE`        | a process lives, or died by a crash     | `end_quota_life`    | the same: the next one gets another name     |
//! | `LIFE ended`  | its process wrote everything down       | `begin_quota_life`  | the same                                     |

use std::path::Path;

use disk::Disk;

use crate::draft::unique_number;
use crate::{Result, folder};

const ENDED: &str = " ended";

/// The name for this process. The one of the process before, if that one ended well: then what it changed needs no count.
pub fn begin_quota_life(disk: &dyn Disk, file: &Path, hostname: &str) -> Result<String> {
    let before = folder::read(disk, file)?.unwrap_or_default();
    let before = String::from_utf8_lossy(&before);
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ended = before.trim_end().strip_suffix(ENDED).filter(is_name);
    let life = ended.map_or_else(|| unique_number(disk, hostname), str::to_owned);
    disk::replace(disk, file, format!("{life}\n").as_bytes())?;
    Ok(life)
}

/// This process has written everything down and changes nothing any more.
pub fn end_quota_life(disk: &dyn Disk, file: &Path, life: &str) -> Result<()> {
    Ok(disk::replace(disk, file, format!("{life}{ENDED}\n").as_bytes())?)
}

#[cfg(test)]
mod tests {
    use disk::MemoryDisk;

    use super::*;

    #[test]
    fn only_a_life_that_ended_goes_on() {
        let (disk, file) = (MemoryDisk::new(), Path::new("/life"));
        let begin = || begin_quota_life(&disk, file, "a").unwrap();
        let first = begin();
        let second = begin();
        assert_ne!(first, second);
        end_quota_life(&disk, file, &second).unwrap();
        assert_eq!(begin(), second);
        assert_ne!(begin(), second);
        disk::replace(&disk, file, b"no name ended\n").unwrap();
        assert_eq!(begin().len(), 32);
    }
}
