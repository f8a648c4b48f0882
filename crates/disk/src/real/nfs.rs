//! The manners of NFS. A request whose answer got lost is sent again, and the second answer tells of the state that
//! the first one made: "no such file" for a rename that worked, "exists" for a link that worked. And a path may lead
//! through a handle that the server has forgotten.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use super::is_same;
use crate::{Error, Op, Result};

/// How often a call is made before a stale handle on its path is told to the caller.
const STALE_TRIES_MAX: u32 = 3;

/// Makes a call on a path, and makes it again while some handle on the way there is stale: each try looks the path up
/// anew.
pub(super) fn again<T>(op: Op, path: &Path, call: impl Fn() -> io::Result<T>) -> Result<T> {
    while_stale(call).map_err(|error| Error::new(op, path, error))
}

/// The same for a call whose answer must still be settled.
pub(super) fn while_stale<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..STALE_TRIES_MAX {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => {}
            other => return other,
        }
    }
    call()
}

/// What a rename's answer means. `ours` is what `from` was before.
pub(super) fn settle_rename(ours: &Metadata, from: &Path, to: &Path, answer: io::Result<()>) -> Result<()> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_named(ours, to) => Ok(()),
        other => other.map_err(|error| Error::new(Op::Rename, from, error)),
    }
}

/// What a link's answer means. That `from` has two names would not tell that `to` is one of them; the inode does.
pub(super) fn settle_link(from: &Path, to: &Path, answer: io::Result<()>) -> Result<()> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::symlink_metadata(from) {
            Ok(ours) if is_named(&ours, to) => Ok(()),
            _ => Err(Error::Exists { path: to.to_owned() }),
        },
        other => other.map_err(|error| Error::new(Op::Link, from, error)),
    }
}

fn is_named(ours: &Metadata, name: &Path) -> bool {
    fs::symlink_metadata(name).is_ok_and(|named| is_same(ours, &named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rename_whose_answer_got_lost_counts_as_done() {
        let room = tempfile::tempdir().unwrap();
        let (from, to, other) = (room.path().join("from"), room.path().join("to"), room.path().join("other"));
        fs::write(&from, "ours").unwrap();
        fs::write(&other, "theirs").unwrap();
        let ours = fs::metadata(&from).unwrap();
        // The server did it; the client sent it again and heard that the source is not there.
        fs::rename(&from, &to).unwrap();
        let again = || fs::rename(&from, &to);
        assert!(settle_rename(&ours, &from, &to, again()).is_ok());
        let elsewhere = settle_rename(&ours, &from, &other, again());
        assert!(matches!(elsewhere, Err(Error::NotFound { path }) if path == from));
    }

    #[test]
    fn stale_handle_on_the_way_is_looked_up_again_but_not_for_ever() {
        let calls = std::cell::Cell::new(0);
        let stale_until = |good: u32| {
            calls.set(0);
            again(Op::Stat, Path::new("x"), || {
                calls.set(calls.get() + 1);
                if calls.get() < good { Err(io::ErrorKind::StaleNetworkFileHandle.into()) } else { Ok(()) }
            })
        };
        assert!(stale_until(STALE_TRIES_MAX).is_ok());
        assert!(matches!(stale_until(STALE_TRIES_MAX + 1), Err(Error::Stale { .. })));
        assert_eq!(calls.get(), STALE_TRIES_MAX);
    }
}
