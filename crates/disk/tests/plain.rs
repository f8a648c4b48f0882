//! What somebody may put in the place of a file of ours: a link, a pipe, a device. None is followed or waited for.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use disk::{Disk, Error, RealDisk};

fn refused<T>(answer: disk::Result<T>, what: &str) {
    assert!(matches!(answer, Err(Error::Io { .. })), "{what}");
}

#[test]
fn nothing_but_a_file_is_read_or_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, path) = (RealDisk::new().unwrap(), |name: &str| folder.path().join(name));
    fs::write(path("outside"), "outside").unwrap();
    symlink(path("outside"), path("link")).unwrap();
    symlink(path("nowhere"), path("dangling")).unwrap();
    symlink("/dev/zero", path("endless")).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    for name in ["link", "dangling", "endless", "pipe"] {
        refused(disk.open_plain(&path(name)), name);
        refused(disk.read_plain(&path(name)), name);
        refused(disk.append(&path(name)), name);
    }
    refused(disk.open_plain(Path::new("/dev/zero")), "a device");
    refused(disk.append(Path::new("/dev/null")), "a device");
    assert!(!path("nowhere").exists());
    assert_eq!(fs::read(path("outside")).unwrap(), b"outside");

    assert_eq!(disk.read_plain(&path("outside")).unwrap(), b"outside");
    assert!(disk.open_plain(folder.path()).is_ok(), "a folder, for how it looks");
    assert!(matches!(disk.open_plain(&path("nobody")), Err(Error::NotFound { .. })));
    // Where the administrator chooses the path, his link counts.
    assert_eq!(disk.read(&path("link")).unwrap(), b"outside");
}
