//! Notices that a password file, or a table or key of DKIM, changed, and puts it in force without a reload.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, Stat};

use crate::config::Settings;
use crate::house::blocking;
use crate::node::Node;

/// How often the files are looked at: one `stat` each.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The files as they were at one moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen(Vec<(PathBuf, Option<Stat>)>);

/// Looks at the password files of these settings.
pub fn look(disk: &dyn Disk, settings: &Settings) -> Seen {
    let directory = &settings.directory;
    let files = [&directory.password_file, &directory.master_users].into_iter().flatten();
    Seen(files.map(|file| (file.clone(), disk.stat(file).ok())).collect())
}

/// Looks after them until the task is aborted. A file that cannot be used is told once, and the old one stays in force.
pub async fn run(node: Arc<Node>, mut seen: Seen) {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let (disk, live) = (node.disk(), node.live());
        let now = blocking(move || {
            live.signing.iter().for_each(|signing| signing.look_again(&*disk));
            look(&*disk, &live.settings)
        })
        .await;
        if now == seen {
            continue;
        }
        seen = now;
        match node.read_directory_again() {
            Ok(()) => tracing::info!("password files changed and are in force"),
            Err(error) => tracing::error!(%error, "a password file changed and is bad; the old one stays in force"),
        }
    }
}
