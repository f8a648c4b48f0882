//! Who shares something with whom: the file of Dovecot's `acl_shared_dict = file:…`, one for all accounts.
//!
//! ```text
//! shared/shared-boxes/user/TO/FROM
//! 1
//! shared/shared-boxes/group/TO/FROM
//! 1
//! shared/shared-boxes/anyone/FROM
//! 1
//! ```
//!
//! A key on a line and its value on the next, in no order, tab-escaped; keys of others stay. It says at whom to look; what one may
//! see there is in the mailboxes' own files. Replaced under its own dot lock, as Dovecot does it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use disk::Disk;

use super::judge::Viewer;
use crate::subscriptions::{escape, unescape};
use crate::{Result, Settings, folder};

const ROOT: &str = "shared/shared-boxes/";

/// Whom something is shared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SharedTo {
    Anyone,
    Group(String),
    User(String),
}

/// The file.
#[derive(Debug, Clone)]
pub struct SharedDict {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) path: PathBuf,
}

impl SharedDict {
    /// The accounts that share something with this viewer, himself not; sorted.
    pub fn owners(&self, viewer: &Viewer) -> Result<BTreeSet<String>> {
        let pairs = self.read()?;
        let shared = pairs.iter().filter_map(|(key, _)| parse_key(key));
        let fits = |to: &SharedTo| match to {
            SharedTo::Anyone => true,
            SharedTo::Group(group) => viewer.groups.contains(group),
            SharedTo::User(user) => *user == viewer.user,
        };
        Ok(shared.filter(|(to, from)| fits(to) && *from != viewer.user).map(|(_, from)| from).collect())
    }

    /// From now on this account shares with these and nobody else.
    pub fn publish(&self, owner: &str, with: &BTreeSet<SharedTo>) -> Result<()> {
        let stays =
            |(key, _): &(String, String)| parse_key(key).is_none_or(|(to, from)| from != owner || with.contains(&to));
        let changed = |mut pairs: Vec<(String, String)>| {
            let before = pairs.len();
            pairs.retain(stays);
            let missing: Vec<String> = with.iter().filter_map(|to| key(to, owner)).collect();
            let missing: Vec<String> =
                missing.into_iter().filter(|key| pairs.iter().all(|(known, _)| known != key)).collect();
            let same = missing.is_empty() && pairs.len() == before;
            pairs.extend(missing.into_iter().map(|key| (key, "1".to_owned())));
            (!same).then_some(pairs)
        };
        if changed(self.read()?).is_none() {
            return Ok(());
        }
        let lock = folder::lock(&*self.disk, &self.path, &self.settings)?;
        match changed(self.read()?) {
            Some(pairs) => Ok(lock.replace_with(&encode(&pairs))?),
            None => Ok(()),
        }
    }

    fn read(&self) -> Result<Vec<(String, String)>> {
        Ok(parse(&folder::read(&*self.disk, &self.path)?.unwrap_or_default()))
    }
}

// A line without its end was torn by a crash and counts as missing, as for Dovecot.
fn parse(content: &[u8]) -> Vec<(String, String)> {
    let content = String::from_utf8_lossy(content);
    let mut lines = content.split_inclusive('\n').map_while(|line| line.strip_suffix('\n'));
    let mut pairs = Vec::new();
    while let (Some(key), Some(value)) = (lines.next(), lines.next()) {
        pairs.extend(unescape(key).zip(unescape(value)));
    }
    pairs
}

fn encode(pairs: &[(String, String)]) -> Vec<u8> {
    pairs.iter().map(|(key, value)| format!("{}\n{}\n", escape(key), escape(value))).collect::<String>().into_bytes()
}

fn parse_key(key: &str) -> Option<(SharedTo, String)> {
    let (kind, rest) = key.strip_prefix(ROOT)?.split_once('/')?;
    let (to, from) = match kind {
        "anyone" => (SharedTo::Anyone, rest),
        "user" => rest.split_once('/').map(|(to, from)| (SharedTo::User(to.to_owned()), from))?,
        "group" => rest.split_once('/').map(|(to, from)| (SharedTo::Group(to.to_owned()), from))?,
        _ => return None,
    };
    (!from.is_empty() && !from.contains('/')).then(|| (to, from.to_owned()))
}

/// `None` where a name has a slash, which would make another key of it.
fn key(to: &SharedTo, owner: &str) -> Option<String> {
    let key = match to {
        SharedTo::Anyone => format!("{ROOT}anyone/{owner}"),
        SharedTo::Group(group) => format!("{ROOT}group/{group}/{owner}"),
        SharedTo::User(user) => format!("{ROOT}user/{user}/{owner}"),
    };
    parse_key(&key).is_some_and(|(parsed, from)| parsed == *to && from == owner).then_some(key)
}
