//! A user's Sieve scripts in backups: `sieve/*.sieve`, and `.dovecot.sieve`, which is a script or a link to the active one.
//!
//! A link that leads elsewhere is kept as it is and not followed: who may write in a home must not read through us.

use std::path::{Component, Path};

use disk::{Disk, Kind};

use crate::blobs::Blobs;
use crate::manifest::FileRecord;
use crate::{Error, Result};

const ACTIVE: &str = ".dovecot.sieve";
const FOLDER: &str = "sieve";

/// Keeps the scripts; adds to `missing` what cannot be read.
pub(super) fn keep(
    disk: &dyn Disk,
    blobs: &Blobs<'_>,
    home: &Path,
    missing: &mut Vec<String>,
) -> Result<Vec<FileRecord>> {
    let mut records = Vec::new();
    let mut keep = |name: String, found: disk::Result<Option<(Vec<u8>, Option<String>)>>| match found {
        Ok(Some((content, link))) => {
            records.push(FileRecord { name, content: blobs.keep_bytes(&content)?, link });
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error @ disk::Error::Io { .. }) => {
            missing.push(error.to_string());
            Ok(())
        }
        Err(error) => Err(Error::Disk(error)),
    };
    keep(ACTIVE.to_owned(), active(disk, home))?;
    let names = match names(disk, &home.join(FOLDER)) {
        Ok(names) => names,
        Err(error @ disk::Error::Io { .. }) => {
            missing.push(error.to_string());
            return Ok(records);
        }
        Err(error) => return Err(Error::Disk(error)),
    };
    for name in names {
        let path = home.join(FOLDER).join(&name);
        keep(format!("{FOLDER}/{name}"), present(disk.read_plain(&path)).map(|found| found.map(|it| (it, None))))?;
    }
    Ok(records)
}

/// Its content, and where it leads; `None` when there is none.
fn active(disk: &dyn Disk, home: &Path) -> disk::Result<Option<(Vec<u8>, Option<String>)>> {
    let path = home.join(ACTIVE);
    match present(disk.kind(&path))? {
        None => Ok(None),
        Some(Kind::Other) => {
            let target = disk.read_link(&path)?;
            let content = match own_script(home, &target) {
                Some(script) => present(disk.read_plain(&home.join(FOLDER).join(script)))?,
                None => None,
            };
            Ok(Some((content.unwrap_or_default(), Some(target.to_string_lossy().into_owned()))))
        }
        Some(_) => Ok(present(disk.read_plain(&path))?.map(|content| (content, None))),
    }
}

/// The name of the user's own script that a link leads to.
fn own_script<'a>(home: &Path, target: &'a Path) -> Option<&'a Path> {
    let target = target.strip_prefix(home).unwrap_or(target);
    let name = target.strip_prefix(FOLDER).ok()?;
    let mut parts = name.components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)).then_some(name)
}

fn names(disk: &dyn Disk, folder: &Path) -> disk::Result<Vec<String>> {
    let entries = present(disk.list(folder))?.unwrap_or_default();
    let files = entries.iter().filter(|entry| entry.kind == Kind::File);
    let mut names: Vec<String> = files.filter_map(|entry| Some(entry.name.to_str()?.to_owned())).collect();
    names.retain(|name| name.ends_with(".sieve"));
    names.sort();
    Ok(names)
}

fn present<T>(found: disk::Result<T>) -> disk::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(disk::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts back what is missing; adds to `missing` what the backup does not hold any more.
pub(super) fn put_back(
    disk: &dyn Disk,
    blobs: &Blobs<'_>,
    records: &[FileRecord],
    home: &Path,
    missing: &mut Vec<String>,
) -> Result<()> {
    for record in records {
        // Names come from a file that somebody may have changed.
        let plain = record.name.strip_prefix("sieve/").unwrap_or(&record.name);
        if plain.contains('/') || plain == ".." || plain == "." {
            return Err(Error::Format("name of a script makes no sense"));
        }
        let path = home.join(&record.name);
        if disk.kind(&path).is_ok() {
            continue;
        }
        let folder = path.parent().unwrap_or(home);
        disk.create_dir_all(folder)?;
        if let Some(target) = &record.link {
            disk.symlink(Path::new(target), &path)?;
            disk.sync_dir(folder)?;
            continue;
        }
        match blobs.read(&record.content) {
            Ok(content) => disk::replace(disk, &path, &content)?,
            Err(error) => missing.push(error.told()?),
        }
    }
    Ok(())
}
