//! The names on a memory disk: finding, giving, moving and removing them, and which of them become durable together.
//! Another half of [`State`]; paths are walked from the root, and a relative path starts there too.
//!
//! Who asks from an NFS client walks by what that client believes (`believed`), and only the last step of a change goes to
//! the server.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::names::{Half, Names};
use super::state::{Body, Inode, ROOT, State};
use crate::{Entry, Error, Kind, Op, Result};

/// Links that lead to links.
const SYMLINKS_MAX: u32 = 8;

impl State {
    pub(super) fn rename(&mut self, from: &Path, to: &Path, replace: bool) -> Result<()> {
        let op = Op::Rename;
        self.believed_to_be(op, from)?;
        let source = self.place(op, from, from)?;
        let target = self.place(op, to, from)?;
        self.told_by_server(source.0);
        self.told_by_server(target.0);
        let inode = self.dir(source.0).and_then(|names| names.inode(&source.1));
        let inode = inode.ok_or_else(|| Error::NotFound { path: from.to_owned() })?;
        match self.dir(target.0).and_then(|names| names.inode(&target.1)) {
            Some(_) if !replace => return Err(Error::Exists { path: to.to_owned() }),
            // POSIX: two names of the same file both stay.
            Some(there) if there == inode => return Ok(()),
            Some(there) => self.may_replace(inode, there).map_err(|kind| Error::new(op, from, kind.into()))?,
            None => {}
        }
        if self.way(op, to, from)?.contains(&inode) {
            return Err(Error::new(op, from, io::ErrorKind::InvalidInput.into()));
        }
        self.move_name(inode, source, target);
        Ok(())
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> Result<()> {
        let inode = self.open(Op::Link, from)?;
        if self.kind(inode) == Kind::Dir {
            return Err(Error::new(Op::Link, from, io::ErrorKind::PermissionDenied.into()));
        }
        let (dir, name) = self.place(Op::Link, to, from)?;
        self.told_by_server(dir);
        match self.dir(dir).and_then(|names| names.inode(&name)) {
            Some(there) if there == inode => return Ok(()),
            Some(_) => return Err(Error::Exists { path: to.to_owned() }),
            None => {}
        }
        self.set_name(dir, &name, Some(inode), None);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> Result<()> {
        self.believed_to_be(Op::Remove, path)?;
        let (dir, name) = self.place(Op::Remove, path, path)?;
        self.told_by_server(dir);
        let inode = self.dir(dir).and_then(|names| names.inode(&name));
        let inode = inode.ok_or_else(|| Error::NotFound { path: path.to_owned() })?;
        if self.kind(inode) == Kind::Dir {
            return Err(Error::new(Op::Remove, path, io::ErrorKind::IsADirectory.into()));
        }
        self.keep_if_open(dir, inode);
        self.set_name(dir, &name, None, None);
        Ok(())
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> Result<()> {
        self.create(Op::CreateDir, path, Body::Dir(Names::default())).map(|_| ())
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> Result<()> {
        let op = Op::RemoveDir;
        let inode = self.find(op, path)?;
        if self.inodes.get(&inode).is_none_or(|inode| inode.links == 0) {
            return Err(Error::NotFound { path: path.to_owned() });
        }
        if !self.names(op, inode, path)?.current.is_empty() {
            return Err(Error::new(op, path, io::ErrorKind::DirectoryNotEmpty.into()));
        }
        let (dir, name) = self.place(op, path, path)?;
        self.told_by_server(dir);
        self.set_name(dir, &name, None, None);
        Ok(())
    }

    pub(super) fn symlink(&mut self, target: &Path, path: &Path) -> Result<()> {
        self.create(Op::Symlink, path, Body::Symlink(target.to_owned())).map(|_| ())
    }

    pub(super) fn read_link(&mut self, path: &Path) -> Result<PathBuf> {
        // A name that is believed is not asked for again, unlike with an opening.
        let mut inode = self.find(Op::ReadLink, path)?;
        if self.is_gone(inode) {
            self.forget_way(path);
            inode = self.find(Op::ReadLink, path)?;
        }
        let target = self.symlink_target(inode).map(Path::to_owned);
        target.ok_or_else(|| Error::new(Op::ReadLink, path, io::ErrorKind::InvalidInput.into()))
    }

    /// What a path means when the links that its last name may be are followed. Links to folders are not: nobody makes them.
    pub(super) fn followed(&mut self, op: Op, path: &Path) -> Result<PathBuf> {
        let mut path = path.to_owned();
        for _ in 0..SYMLINKS_MAX {
            let inode = self.find(op, &path)?;
            let Some(target) = self.symlink_target(inode) else { return Ok(path) };
            path = crate::door::parent_of(&path).join(target);
        }
        Err(Error::new(op, &path, io::Error::other("too many links")))
    }

    pub(super) fn is_symlink(&self, inode: u64) -> bool {
        self.symlink_target(inode).is_some()
    }

    fn symlink_target(&self, inode: u64) -> Option<&Path> {
        match &self.inodes.get(&inode)?.body {
            Body::Symlink(target) => Some(target),
            Body::File(_) | Body::Dir(_) => None,
        }
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> Result<()> {
        let dir = self.open(Op::SyncDir, path)?;
        let all = self.names(Op::SyncDir, dir, path)?.next();
        self.commit_below(dir, all);
        Ok(())
    }

    /// The entries of a folder that `fits` chooses.
    pub(super) fn list(&mut self, path: &Path, fits: impl Fn(&OsStr) -> bool) -> Result<Vec<Entry>> {
        let dir = self.open(Op::List, path)?;
        let names = self.names(Op::List, dir, path)?;
        let entry = |(name, inode): (&OsString, &u64)| Entry { name: name.clone(), kind: self.kind(*inode) };
        let told: Vec<Entry> = names.current.iter().map(entry).collect();
        let entries = self.believed_listing(dir, told);
        Ok(entries.into_iter().filter(|entry| fits(&entry.name)).collect())
    }

    /// What a path leads to by its names alone, none of which is asked for again while it is believed.
    pub(super) fn find(&mut self, op: Op, path: &Path) -> Result<u64> {
        let way = self.way(op, path, path)?;
        let Some((dir, name)) = last_step(&way, path) else { return Ok(way.last().copied().unwrap_or(ROOT)) };
        self.believed(dir, name).ok_or_else(|| Error::NotFound { path: path.to_owned() })
    }

    /// What a path leads to and how it looks now. Close-to-open: the server is asked about the file itself, but not
    /// whether the name still means it.
    pub(super) fn open(&mut self, op: Op, path: &Path) -> Result<u64> {
        let mut inode = self.find(op, path)?;
        if self.is_gone(inode) {
            self.forget_way(path);
            inode = self.find(op, path)?;
        }
        self.ask(inode);
        Ok(inode)
    }

    /// The same where the file may be made: that there is none is then not believed unasked.
    pub(super) fn find_or_ask(&mut self, op: Op, path: &Path) -> Result<Option<u64>> {
        let (dir, name) = self.place(op, path, path)?;
        if self.believed(dir, &name).is_none() {
            self.told_by_server(dir);
        }
        match self.open(op, path) {
            Ok(inode) => Ok(Some(inode)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A call on a name that is believed not to exist never reaches the server.
    fn believed_to_be(&mut self, op: Op, path: &Path) -> Result<()> {
        self.find(op, path).map(|_| ())
    }

    /// Makes the changes of a folder below a number durable. A journal commits a rename as one, so its other half and
    /// what came before that in the other folder become durable with it.
    pub(super) fn commit_below(&mut self, dir: u64, number: u64) {
        let mut due = vec![Half { dir, number }];
        while let Some(half) = due.pop() {
            if let Some(names) = self.dir_mut(half.dir) {
                let twins = names.commit_below(half.number);
                due.extend(twins.into_iter().map(|twin| Half { number: twin.number + 1, ..twin }));
            }
        }
    }

    /// The folders that a path leads through, the root first, without its last name.
    fn way(&mut self, op: Op, path: &Path, blamed: &Path) -> Result<Vec<u64>> {
        let names = plain_names(path);
        let mut way = vec![ROOT];
        for name in names.iter().take(names.len().saturating_sub(1)) {
            let dir = way.last().copied().unwrap_or(ROOT);
            let mut next = self.believed(dir, name);
            if next.is_some_and(|next| self.is_gone(next)) {
                // ESTALE: the kernel looks the path up once more.
                self.forget_name(dir, name);
                next = self.believed(dir, name);
            }
            let next = next.ok_or_else(|| Error::NotFound { path: blamed.to_owned() })?;
            self.names(op, next, blamed)?;
            way.push(next);
        }
        Ok(way)
    }

    /// The folder and the name that a path means; the root has neither.
    fn place(&mut self, op: Op, path: &Path, blamed: &Path) -> Result<(u64, OsString)> {
        let way = self.way(op, path, blamed)?;
        let step = last_step(&way, path).map(|(dir, name)| (dir, name.to_owned()));
        step.ok_or_else(|| Error::new(op, blamed, io::ErrorKind::ResourceBusy.into()))
    }

    pub(super) fn create(&mut self, op: Op, path: &Path, body: Body) -> Result<u64> {
        let exists = || Error::Exists { path: path.to_owned() };
        if plain_names(path).is_empty() {
            return Err(exists());
        }
        let (dir, name) = self.place(op, path, path)?;
        self.told_by_server(dir);
        if self.dir(dir).is_some_and(|names| names.inode(&name).is_some()) {
            return Err(exists());
        }
        self.sweep_if_due();
        let inode = self.new_inode(body);
        self.set_name(dir, &name, Some(inode), None);
        Ok(inode)
    }

    fn may_replace(&self, inode: u64, there: u64) -> std::result::Result<(), io::ErrorKind> {
        match (self.kind(inode), self.dir(there)) {
            (Kind::Dir, None) => Err(io::ErrorKind::NotADirectory),
            (Kind::Dir, Some(names)) if !names.current.is_empty() => Err(io::ErrorKind::DirectoryNotEmpty),
            (Kind::File | Kind::Other, Some(_)) => Err(io::ErrorKind::IsADirectory),
            _ => Ok(()),
        }
    }

    fn move_name(&mut self, inode: u64, source: (u64, OsString), target: (u64, OsString)) {
        if let Some(replaced) = self.dir(target.0).and_then(|names| names.inode(&target.1)) {
            self.keep_if_open(target.0, replaced);
        }
        let next = |dir| self.dir(dir).map_or(0, Names::next);
        let given = Half { dir: target.0, number: next(target.0) };
        let same_dir = u64::from(source.0 == target.0);
        let removed = Half { dir: source.0, number: next(source.0) + same_dir };
        self.set_name(target.0, &target.1, Some(inode), Some(removed));
        self.set_name(source.0, &source.1, None, Some(given));
    }

    pub(super) fn set_name(&mut self, dir: u64, name: &OsStr, inode: Option<u64>, twin: Option<Half>) {
        let before = self.dir_mut(dir).and_then(|names| names.set(name, inode, twin));
        let time = self.file_time();
        for (number, more) in [(before, false), (inode, true)] {
            if let Some(inode) = number.and_then(|number| self.inodes.get_mut(&number)) {
                inode.links = if more { inode.links + 1 } else { inode.links.saturating_sub(1) };
                inode.changed = time;
            }
        }
        if let Some(folder) = self.inodes.get_mut(&dir) {
            folder.modified = time;
            folder.changed = time;
        }
        for changed in [before, inode].into_iter().flatten() {
            self.changed_by_asking(changed);
        }
    }

    pub(super) fn dir(&self, inode: u64) -> Option<&Names> {
        match &self.inodes.get(&inode)?.body {
            Body::Dir(names) => Some(names),
            Body::File(_) | Body::Symlink(_) => None,
        }
    }

    fn dir_mut(&mut self, inode: u64) -> Option<&mut Names> {
        match &mut self.inodes.get_mut(&inode)?.body {
            Body::Dir(names) => Some(names),
            Body::File(_) | Body::Symlink(_) => None,
        }
    }

    fn names(&self, op: Op, inode: u64, path: &Path) -> Result<&Names> {
        self.dir(inode).ok_or_else(|| Error::new(op, path, io::ErrorKind::NotADirectory.into()))
    }

    fn kind(&self, inode: u64) -> Kind {
        self.inodes.get(&inode).map_or(Kind::Other, Inode::kind)
    }
}

/// The names in a path without `/`, `.` and, since no folder is a symbolic link here, without `..`.
fn plain_names(path: &Path) -> Vec<&OsStr> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => drop(names.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    names
}

fn last_step<'p>(way: &[u64], path: &'p Path) -> Option<(u64, &'p OsStr)> {
    let name = plain_names(path).pop()?;
    Some((way.last().copied().unwrap_or(ROOT), name))
}
