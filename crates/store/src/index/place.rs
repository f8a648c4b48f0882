//! Where in the node's own folder what it remembers of a mailbox lies.
//!
//! ```text
//! INDEX/ab/abcd…/          an account: the hash of its Maildir's path, in a folder of its first two digits
//! INDEX/ab/abcd…/0123…/    a mailbox: the hash of its folder's path
//! ```
//!
//! Hashes, because a path is longer than a name may be, and because nothing here must lead to where an account's owner
//! wants. An account is what is forgotten as a whole when there is no more room (`sweep`).

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

/// The folder of an account whose Maildir lies at `root`.
pub(crate) fn of_account(index: &Path, root: &Path) -> PathBuf {
    let name = hashed(root);
    index.join(&name[..2]).join(name)
}

/// The folder of a mailbox that lies at `folder` in that account.
pub(crate) fn of_mailbox(index: &Path, root: &Path, folder: &Path) -> PathBuf {
    of_account(index, root).join(hashed(folder))
}

fn hashed(path: &Path) -> String {
    format!("{:032x}", xxh3_128(path.as_os_str().as_encoded_bytes()))
}
