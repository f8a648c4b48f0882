//! What an answer means that may be the second one. An NFS request whose answer got lost is sent again, and the second
//! answer tells of the state that the first one made: "no such file" for a rename that worked, "exists" for a link that
//! worked. Servers remember what they answered (RFC 1813 §4.5), but not for ever and not across a restart; only NFSv4.1
//! sessions rule it out (RFC 8881 §2.10.6).
//!
//! Both twins settle by these rules. What cannot be settled is told as it was heard: a removal that says "no such file"
//! (somebody else may have been faster), a folder or a file made exclusively that "exists" (it may be another's).

use std::path::Path;

use crate::{Error, Result};

/// What makes a file itself, whatever its name: device and inode.
pub(crate) type Identity = (u64, u64);

/// What a rename's answer means. `ours` is what `from` was before; `identity` tells what a name means now, by a look that
/// does not believe an old "no such file".
pub(crate) fn rename(
    ours: Option<Identity>,
    to: &Path,
    answer: Result<()>,
    identity: impl Fn(&Path) -> Option<Identity>,
) -> Result<()> {
    match answer {
        Err(Error::NotFound { .. }) if ours.is_some() && identity(to) == ours => Ok(()),
        other => other,
    }
}

/// What a link's answer means. That `from` has two names would not tell that `to` is one of them; the identity does.
pub(crate) fn link(
    from: &Path,
    to: &Path,
    answer: Result<()>,
    identity: impl Fn(&Path) -> Option<Identity>,
) -> Result<()> {
    match answer {
        Err(Error::Exists { .. }) => {
            let ours = identity(from);
            if ours.is_some() && identity(to) == ours { Ok(()) } else { Err(Error::Exists { path: to.to_owned() }) }
        }
        other => other,
    }
}

/// What a rename that never replaces is where the file system has none: the link never replaces, and until the removal both
/// names live.
pub(crate) fn link_and_remove(disk: &(impl crate::Disk + ?Sized), from: &Path, to: &Path) -> Result<()> {
    disk.link(from, to)?;
    match disk.remove(from) {
        // The link worked, so the name was there: the answer to our removal got lost and it was sent twice.
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_found() -> Result<()> {
        Err(Error::NotFound { path: "/from".into() })
    }

    #[test]
    fn rename_counts_as_done_when_the_new_name_is_what_the_old_one_was() {
        let to = Path::new("/to");
        assert!(rename(Some((1, 7)), to, not_found(), |_| Some((1, 7))).is_ok());
        for (ours, there) in [(Some((1, 7)), Some((1, 8))), (Some((1, 7)), None), (None, None)] {
            assert!(matches!(rename(ours, to, not_found(), |_| there), Err(Error::NotFound { .. })));
        }
    }

    #[test]
    fn link_counts_as_done_when_both_names_are_one_file() {
        let exists = || Err(Error::Exists { path: "/to".into() });
        assert!(link(Path::new("/from"), Path::new("/to"), exists(), |_| Some((1, 7))).is_ok());
        let theirs = |path: &Path| Some((1, path.as_os_str().len() as u64));
        assert!(link(Path::new("/from"), Path::new("/to"), exists(), theirs).is_err());
        assert!(link(Path::new("/from"), Path::new("/to"), exists(), |_| None).is_err());
    }
}
