//! The file that holds an account's number: Dovecot's dict or `maildirsize`. Written only under its dot lock.
//!
//! Nothing is synced here: after a crash the number is counted anew (`notes` says when), so a sync would buy nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, Dotlock};
use mail::quota::Limits;

use super::dict_file::{self, DictFile};
use super::maildirsize::{self, MaildirSize};
use super::{Amount, QuotaFile};
use crate::draft::unique_name;
use crate::{Result, folder};

pub(crate) const DICT: &str = "dovecot-quota";
pub(crate) const MAILDIRSIZE: &str = "maildirsize";

#[derive(Debug)]
pub(super) struct Counter {
    disk: Arc<dyn Disk>,
    pub(super) path: PathBuf,
    is_dict: bool,
}

/// The file as it was read.
#[derive(Debug)]
pub(super) enum Content {
    Dict(DictFile),
    Maildirsize(Option<MaildirSize>),
}

impl Content {
    /// `None` when nobody has counted yet, or a crash took the number.
    pub(super) fn amount(&self) -> Option<Amount> {
        match self {
            Content::Dict(dict) => dict.amount(),
            Content::Maildirsize(size) => size.as_ref().map(|size| size.total),
        }
    }
}

impl Counter {
    pub(super) fn find(disk: Arc<dyn Disk>, home: &Path, control: &Path, file: QuotaFile) -> Result<Counter> {
        let (dict, maildirsize) = (home.join(DICT), control.join(MAILDIRSIZE));
        let is_dict = match file {
            QuotaFile::Maildirsize => false,
            QuotaFile::Off | QuotaFile::Dict => true,
            QuotaFile::Found => exists(&*disk, &dict)? || !exists(&*disk, &maildirsize)?,
        };
        Ok(Counter { disk, path: if is_dict { dict } else { maildirsize }, is_dict })
    }

    pub(super) fn read(&self) -> Result<Content> {
        let max = if self.is_dict { dict_file::LENGTH_MAX } else { maildirsize::LENGTH_MAX };
        let (content, whole) = folder::read_up_to(&*self.disk, &self.path, max)?.unwrap_or_default();
        Ok(if self.is_dict {
            Content::Dict(DictFile::parse(&content))
        } else {
            Content::Maildirsize(MaildirSize::parse(&content).filter(|_| whole))
        })
    }

    pub(super) fn write(&self, old: &Content, total: Amount, limits: Limits, lock: &Dotlock<'_>) -> Result<()> {
        match old {
            Content::Dict(dict) => {
                let mut dict = dict.clone();
                dict.set(total);
                self.replace(&dict.encode(), lock)
            }
            Content::Maildirsize(size) => match size.as_ref().and_then(|size| size.line_to(total, limits)) {
                Some(line) => {
                    lock.verify()?;
                    Ok(self.disk.append(&self.path)?.write_all(line.as_bytes())?)
                }
                None => self.replace(maildirsize::whole(total, limits).as_bytes(), lock),
            },
        }
    }

    /// Always a new file: a Dovecot that has the old one open looks whether it is still the one of that name.
    fn replace(&self, content: &[u8], lock: &Dotlock<'_>) -> Result<()> {
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(format!(".tmp.{}", unique_name(&*self.disk, "quota", "")));
        let temporary = PathBuf::from(temporary);
        // Closed before the rename, so that NFS has everything on the server when the name appears.
        let written = self.disk.create_new(&temporary)?.write_all(content);
        let renamed = written.and_then(|()| lock.verify()).and_then(|()| self.disk.rename(&temporary, &self.path));
        if renamed.is_err() {
            // Best effort: the temporary file means nothing to anybody.
            let _ = self.disk.remove(&temporary);
        }
        Ok(renamed?)
    }
}

fn exists(disk: &dyn Disk, path: &Path) -> Result<bool> {
    match disk.stat(path) {
        Ok(_) => Ok(true),
        Err(disk::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
