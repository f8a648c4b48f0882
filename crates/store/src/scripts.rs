//! The Sieve scripts of one account, where Dovecot's Pigeonhole keeps them.
//!
//! | file, below the home            | what                                                              | written                          |
//! |---------------------------------|-------------------------------------------------------------------|----------------------------------|
//! | `sieve/NAME.sieve`              | a script                                                          | replaced, under the lock         |
//! | `.dovecot.sieve`                | a link to the active one, `sieve/NAME.sieve`; or a file that somebody put there, which is then the active script and has no name | replaced by rename, under the lock |
//! | `sieve/tepui-scripts.lock`      | the lock, ours alone: quotas are exact, and the active script is never deleted, from however many nodes | |
//! | `sieve/tepui-scripts.tmp.*`     | a script or a link before it has its name                         | removed by whoever breaks the lock |
//!
//! Whoever reads, at any moment, finds the old script or the new one. A rename of the active script gives it its second name,
//! moves the link, and then takes the first name away: a crash leaves two names, and the link leads to one of them.
//!
//! What is decided under the lock is decided by the link as it is now, not as a client of NFS remembers it; and what it does not
//! lead to goes only after that is durable. A script cannot have the name of a file that is not whole yet.
//!
//! Knows nothing of the language: what is put here was checked before.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, Dotlock, Kind};
use mail::ScriptName;

use crate::folder::{self, if_there};
use crate::{Error, Result, Settings};

const FOLDER: &str = "sieve";
const ACTIVE: &str = ".dovecot.sieve";
const EXTENSION: &str = ".sieve";
/// What the lock is named after; there is no such file.
const LOCK: &str = "tepui-scripts";
/// Lies in the same folder, under a lock of its own.
const DUPLICATES: &str = "tepui-duplicates";
/// Where a script without a name goes when another becomes active, as Pigeonhole has it.
const RESCUED: &str = "dovecot.orig";
/// Octets of a script that are read at most, whoever wrote it.
const READ_MAX: u64 = 16 << 20;
/// Looks for the active script while others rename it.
const ACTIVE_TRIES_MAX: u32 = 4;
/// Names tried for a script that had none.
const RESCUES_MAX: u32 = 1000;

/// The scripts of one account.
#[derive(Debug, Clone)]
pub struct Scripts {
    disk: Arc<dyn Disk>,
    settings: Arc<Settings>,
    home: PathBuf,
}

/// How much may be kept; zero: as much as one likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptBounds {
    /// Octets of one script.
    pub size_max: u64,
    pub scripts_max: usize,
    /// Octets of all scripts.
    pub storage_max: u64,
}

impl Default for ScriptBounds {
    fn default() -> ScriptBounds {
        ScriptBounds { size_max: 1 << 20, scripts_max: 0, storage_max: 0 }
    }
}

/// A script as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptListing {
    pub name: ScriptName,
    pub is_active: bool,
}

/// What is run for the account's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveScript {
    /// None: it lies outside of the script folder.
    pub name: Option<ScriptName>,
    pub content: Vec<u8>,
}

/// Why a script is not kept, given or taken away. All but the last are for the user.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("there is no script of this name")]
    NotFound,
    #[error("there is a script of this name")]
    Exists,
    #[error("this name is used by the server itself")]
    Reserved,
    #[error("the script is active")]
    Active,
    #[error("a script may have {max} octets")]
    TooLarge { max: u64 },
    #[error("{max} scripts are kept at most")]
    TooMany { max: usize },
    #[error("all scripts together may have {max} octets")]
    NoStorage { max: u64 },
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<disk::Error> for ScriptError {
    fn from(error: disk::Error) -> ScriptError {
        ScriptError::Store(error.into())
    }
}

type Answer<T> = std::result::Result<T, ScriptError>;

/// A file in the script folder, and its octets.
struct Kept {
    name: ScriptName,
    size: u64,
}

/// Where the active script is.
enum Pointer {
    None,
    Named(ScriptName),
    /// A link that leads elsewhere.
    Elsewhere,
    /// A file, no link.
    File,
}

impl Scripts {
    pub(crate) fn new(disk: Arc<dyn Disk>, settings: Arc<Settings>, home: &Path) -> Scripts {
        Scripts { disk, settings, home: home.to_owned() }
    }

    /// All scripts, in the order of their names.
    pub fn list(&self) -> Answer<Vec<ScriptListing>> {
        let active = match self.pointer()? {
            Pointer::Named(name) => Some(name),
            Pointer::None | Pointer::Elsewhere | Pointer::File => None,
        };
        let listing = |name: ScriptName| ScriptListing { is_active: active.as_ref() == Some(&name), name };
        Ok(self.names()?.into_iter().map(listing).collect())
    }

    pub fn read(&self, name: &ScriptName) -> Answer<Vec<u8>> {
        let file = if_there(self.disk.open_plain(&self.path(name)))?.ok_or(ScriptError::NotFound)?;
        Ok(self.content(&*file, &self.path(name))?)
    }

    /// What is run for the account's mail, if anything is. A link that leads to nothing is nothing.
    pub fn active(&self) -> Result<Option<ActiveScript>> {
        let mut pointer = self.pointer()?;
        // Renamed or changed for another between the look at the link and the opening: then there is one under another name.
        for _ in 0..ACTIVE_TRIES_MAX {
            let is_named = matches!(pointer, Pointer::Named(_));
            let active = self.pointed_to(pointer)?;
            if active.is_some() || !is_named {
                return Ok(active);
            }
            pointer = self.pointer_now()?;
        }
        Ok(None)
    }

    fn pointed_to(&self, pointer: Pointer) -> Result<Option<ActiveScript>> {
        let path = self.home.join(ACTIVE);
        let (name, file) = match pointer {
            Pointer::None => return Ok(None),
            Pointer::Named(name) => (Some(name.clone()), if_there(self.disk.open_plain(&self.path(&name)))?),
            Pointer::Elsewhere => (None, if_there(self.disk.open(&path))?),
            Pointer::File => (None, if_there(self.disk.open_plain(&path))?),
        };
        let Some(file) = file else { return Ok(None) };
        Ok(Some(ActiveScript { name, content: self.content(&*file, &path)? }))
    }

    /// Whether a script of this size would be taken now (RFC 5804 §2.5).
    pub fn has_space(&self, name: &ScriptName, size: u64, bounds: &ScriptBounds) -> Answer<()> {
        may_be_named(name)?;
        let exceeds = |number: u64, max: u64| max > 0 && number > max;
        if exceeds(size, bounds.size_max) {
            return Err(ScriptError::TooLarge { max: bounds.size_max });
        }
        if bounds.scripts_max == 0 && bounds.storage_max == 0 {
            return Ok(());
        }
        let others: Vec<Kept> = self.kept()?.into_iter().filter(|kept| kept.name != *name).collect();
        if exceeds(others.len() as u64 + 1, bounds.scripts_max as u64) {
            return Err(ScriptError::TooMany { max: bounds.scripts_max });
        }
        let storage = others.iter().fold(size, |sum, kept| sum.saturating_add(kept.size));
        if exceeds(storage, bounds.storage_max) {
            return Err(ScriptError::NoStorage { max: bounds.storage_max });
        }
        Ok(())
    }

    /// Keeps a script, durably; one of the same name is replaced, active or not.
    pub fn put(&self, name: &ScriptName, content: &[u8], bounds: &ScriptBounds) -> Answer<()> {
        let lock = self.lock()?;
        self.has_space(name, content.len() as u64, bounds)?;
        Ok(lock.replace_beside(&self.path(name), content)?)
    }

    /// Lets this script be run for the account's mail; none: no script at all.
    pub fn activate(&self, name: Option<&ScriptName>) -> Answer<()> {
        let lock = self.lock()?;
        if let Some(name) = name
            && !self.is_there(name)?
        {
            return Err(ScriptError::NotFound);
        }
        let pointer = self.pointer_now()?;
        if let Pointer::File = pointer {
            self.rescue(&lock)?;
        }
        match (name, pointer) {
            (Some(name), _) => self.point_to(&lock, name),
            (None, Pointer::None) => Ok(()),
            (None, _) => self.remove(&lock, &self.home.join(ACTIVE)),
        }
    }

    pub fn delete(&self, name: &ScriptName) -> Answer<()> {
        let lock = self.lock()?;
        if !self.is_there(name)? {
            return Err(ScriptError::NotFound);
        }
        // RFC 5804 §2.10: the active script is not deleted.
        match self.pointer_now()? {
            Pointer::Named(active) if active == *name => Err(ScriptError::Active),
            _ => self.remove_unpointed(&lock, name),
        }
    }

    /// Gives a script another name. It stays active if it was (RFC 5804 §2.11.1).
    pub fn rename(&self, from: &ScriptName, to: &ScriptName) -> Answer<()> {
        may_be_named(to)?;
        let lock = self.lock()?;
        if !self.is_there(from)? {
            return Err(ScriptError::NotFound);
        }
        if self.is_there(to)? {
            return Err(ScriptError::Exists);
        }
        lock.verify()?;
        self.disk.link(&self.path(from), &self.path(to))?;
        self.disk.sync_dir(&self.folder())?;
        if let Pointer::Named(active) = self.pointer_now()?
            && active == *from
        {
            self.point_to(&lock, to)?;
        }
        self.remove_unpointed(&lock, from)
    }

    fn lock(&self) -> Result<Dotlock<'_>> {
        self.disk.create_dir_all(&self.folder())?;
        folder::lock(&*self.disk, &self.folder().join(LOCK), &self.settings)
    }

    fn folder(&self) -> PathBuf {
        self.home.join(FOLDER)
    }

    fn path(&self, name: &ScriptName) -> PathBuf {
        self.folder().join(format!("{name}{EXTENSION}"))
    }

    fn is_there(&self, name: &ScriptName) -> Result<bool> {
        Ok(if_there(self.disk.open_plain(&self.path(name)))?.is_some())
    }

    fn names(&self) -> Result<Vec<ScriptName>> {
        let entries = if_there(self.disk.list(&self.folder()))?.unwrap_or_default();
        let files = entries.iter().filter(|entry| entry.kind == Kind::File);
        let mut names: Vec<ScriptName> = files.filter_map(|entry| name_of(Path::new(&entry.name))).collect();
        names.sort();
        Ok(names)
    }

    fn kept(&self) -> Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for name in self.names()? {
            let opened = self.disk.open_plain(&self.path(&name)).and_then(|file| file.len());
            // Deleted by another node meanwhile.
            let Some(size) = if_there(opened)? else { continue };
            kept.push(Kept { name, size });
        }
        Ok(kept)
    }

    /// Where the active script is, where that decides: on NFS no older than this call.
    fn pointer_now(&self) -> Result<Pointer> {
        if_there(self.disk.look_anew(&self.home))?;
        self.pointer()
    }

    /// The same, but for some seconds a client of NFS may tell what was.
    fn pointer(&self) -> Result<Pointer> {
        let path = self.home.join(ACTIVE);
        match if_there(self.disk.kind(&path))? {
            None => return Ok(Pointer::None),
            Some(Kind::Other) => {}
            Some(Kind::File) => return Ok(Pointer::File),
            Some(Kind::Dir) => return Err(Error::Damaged { path, what: "a folder in the place of the active script" }),
        }
        let target = match self.disk.read_link(&path) {
            Ok(target) => self.home.join(target),
            Err(disk::Error::NotFound { .. }) => return Ok(Pointer::None),
            Err(error) => return Err(error.into()),
        };
        let inside = target.parent() == Some(&*self.folder());
        Ok(match name_of(&target).filter(|_| inside) {
            Some(name) => Pointer::Named(name),
            None => Pointer::Elsewhere,
        })
    }

    /// Gives the file that stands where the link should be a name among the scripts, so that nothing is lost.
    fn rescue(&self, lock: &Dotlock<'_>) -> Answer<()> {
        let active = self.home.join(ACTIVE);
        for count in 0..RESCUES_MAX {
            let number = if count == 0 { String::new() } else { format!("-{count}") };
            let path = self.folder().join(format!("{RESCUED}{number}{EXTENSION}"));
            lock.verify()?;
            match self.disk.link(&active, &path) {
                Ok(()) => return Ok(self.disk.sync_dir(&self.folder())?),
                Err(disk::Error::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ScriptError::Exists)
    }

    fn point_to(&self, lock: &Dotlock<'_>, name: &ScriptName) -> Answer<()> {
        let target = Path::new(FOLDER).join(format!("{name}{EXTENSION}"));
        Ok(lock.relink_beside(&self.home.join(ACTIVE), &target)?)
    }

    /// Takes away a script that the link does not lead to. That it does not must be durable first: whoever moved the link may
    /// have died, or failed, before it was.
    fn remove_unpointed(&self, lock: &Dotlock<'_>, name: &ScriptName) -> Answer<()> {
        self.disk.sync_dir(&self.home)?;
        self.remove(lock, &self.path(name))
    }

    fn remove(&self, lock: &Dotlock<'_>, path: &Path) -> Answer<()> {
        lock.verify()?;
        if_there(self.disk.remove(path))?;
        Ok(self.disk.sync_dir(path.parent().unwrap_or(&self.home))?)
    }

    fn content(&self, file: &dyn disk::ReadFile, path: &Path) -> Result<Vec<u8>> {
        let (content, end) = folder::read_from(file, 0, usize::try_from(READ_MAX).unwrap_or(usize::MAX))?;
        if !end {
            return Err(Error::Damaged { path: path.to_owned(), what: "larger than any Sieve script" });
        }
        Ok(content)
    }
}

/// Beside the scripts lie files that are not whole yet, which whoever breaks a lock removes: no script may look like one.
fn may_be_named(name: &ScriptName) -> Answer<()> {
    let is_taken = |lock: &str| name.to_string().starts_with(&format!("{lock}.tmp"));
    if [LOCK, DUPLICATES].into_iter().any(is_taken) { Err(ScriptError::Reserved) } else { Ok(()) }
}

/// The script that a file of the folder is.
fn name_of(path: &Path) -> Option<ScriptName> {
    ScriptName::parse(path.file_name()?.to_str()?.strip_suffix(EXTENSION)?).ok()
}
