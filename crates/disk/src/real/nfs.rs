//! The manners of NFS as the kernel shows them: a path may lead through a handle that the server has forgotten, and what a
//! name means is believed for a while. (What a second answer means is in `settle`; docs/internals/disk-nfs.md has them all.)

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::door::parent_of;
use crate::settle::Identity;
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

/// What a name is now. Opening its folder makes the client ask the server about it (close-to-open), so that an old "no such
/// file" is not believed.
pub(super) fn identity(name: &Path) -> Option<Identity> {
    File::open(parent_of(name)).ok()?;
    fs::symlink_metadata(name).ok().map(|named| identity_of(&named))
}

pub(super) fn identity_of(file: &Metadata) -> Identity {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

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
