//! Where an account's home may lie. A directory says where a home is, and whoever may write there must not be able to
//! have this node read and write anywhere else.
//!
//! Promises: a home lies below one of the roots, by its text; links on the way are the operator's. Asks no disk.

use std::path::{Component, Path, PathBuf};

use crate::template::Template;

/// The folders below which homes lie. Empty: below the folder with which a row's template begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HomeRoots(Vec<PathBuf>);

/// Why a folder is no root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole path without `..`")]
pub struct BadHomeRoot;

impl HomeRoots {
    /// Adds a folder.
    ///
    /// # Errors
    /// It is no whole path.
    pub fn add(&mut self, root: &str) -> Result<(), BadHomeRoot> {
        let root = PathBuf::from(root);
        if !is_whole(&root) {
            return Err(BadHomeRoot);
        }
        self.0.push(root);
        Ok(())
    }

    /// What to write, where it is not known in which folder the homes of a row lie, or where none of them could lie in
    /// one.
    pub(super) fn mistake(&self, template: Option<&Template>) -> Option<String> {
        let folder = template.and_then(fixed_folder);
        let lies_apart =
            |folder: &Path| !self.0.iter().any(|root| folder.starts_with(root) || root.starts_with(folder));
        match folder {
            None if self.0.is_empty() => Some(
                "a home is a whole path from the directory: write `home_roots` in [mailboxes], \
                 the folders in which it must lie, as [\"/home\"]"
                    .to_owned(),
            ),
            Some(folder) if !self.0.is_empty() && lies_apart(&folder) => Some(format!(
                "homes in {} lie outside of every folder of `home_roots` in [mailboxes]",
                folder.display()
            )),
            _ => None,
        }
    }

    /// Takes a home, or says why not. `template` is what it was made by; `None` for a whole path from an attribute.
    pub(super) fn admit(&self, home: PathBuf, template: Option<&Template>) -> Result<PathBuf, String> {
        if !is_whole(&home) {
            return Err(format!("{home:?} is no whole path without `..`"));
        }
        let own = if self.0.is_empty() { template.and_then(fixed_folder) } else { None };
        // A root itself is nobody's home: all others would lie in it.
        let mut roots = self.0.iter().chain(&own);
        if roots.any(|root| home.starts_with(root) && home.components().count() > root.components().count()) {
            return Ok(home);
        }
        Err(format!("{home:?} does not lie in a folder of `home_roots` in [mailboxes]"))
    }
}

/// The folder that a template names before its first variable. The root of the file system is none: everything lies
/// there.
fn fixed_folder(template: &Template) -> Option<PathBuf> {
    let (folder, _) = template.fixed_beginning().rsplit_once('/')?;
    let folder = PathBuf::from(folder);
    (is_whole(&folder) && folder.parent().is_some()).then_some(folder)
}

fn is_whole(path: &Path) -> bool {
    let nul = path.as_os_str().as_encoded_bytes().contains(&0);
    path.is_absolute() && !nul && !path.components().any(|part| part == Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(roots: &[&str]) -> HomeRoots {
        let mut all = HomeRoots::default();
        roots.iter().for_each(|root| all.add(root).unwrap());
        all
    }

    fn admits(roots: &HomeRoots, home: &str) -> bool {
        roots.admit(PathBuf::from(home), None).is_ok()
    }

    #[test]
    fn a_whole_path_lies_below_a_root_or_is_refused() {
        let roots = roots(&["/home", "/srv/mail/"]);
        for home in ["/home/ana", "/home//ana/", "/srv/mail/a/ana", "/home/./ana"] {
            assert!(admits(&roots, home), "{home}");
        }
        for home in [
            "/",
            "/home",
            "/home/",
            "/home/.",
            "/homes/ana",
            "/srv/ana",
            "/etc",
            "home/ana",
            "",
            "/home/../etc",
            "/home/a\0",
        ] {
            assert!(!admits(&roots, home), "{home:?}");
        }
        assert!(!admits(&HomeRoots::default(), "/home/ana"));
        assert!(HomeRoots::default().add("home").is_err() && HomeRoots::default().add("/home/../etc").is_err());
    }

    #[test]
    fn a_template_brings_its_own_root_unless_roots_are_written() {
        let (template, open) = (Template::parse("/var/vmail/%1M$/%$").unwrap(), Template::parse("/%$").unwrap());
        let own = HomeRoots::default();
        assert!(own.admit("/var/vmail/a/ana".into(), Some(&template)).is_ok());
        assert!(own.admit("/etc".into(), Some(&open)).is_err());
        assert_eq!(own.mistake(Some(&template)), None);
        assert!(own.mistake(Some(&open)).is_some() && own.mistake(None).is_some());
        let (inside, apart) = (roots(&["/var"]), roots(&["/srv", "/var/vmails"]));
        assert_eq!((inside.mistake(Some(&template)), inside.mistake(None)), (None, None));
        assert!(apart.mistake(Some(&template)).is_some());
        assert!(apart.admit("/var/vmail/a/ana".into(), Some(&template)).is_err());
        assert_eq!(roots(&["/var/vmail/a"]).mistake(Some(&template)), None);
    }
}
