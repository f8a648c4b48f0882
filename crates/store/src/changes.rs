//! Where changes are told that this process made durable, for whoever tells other nodes of them. Whoever hears of one must
//! not wait: it is told while a client waits for its answer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mail::MailboxName;

type Tell = Box<dyn Fn(&Path, &MailboxName) + Send + Sync>;

/// All changes of a store.
#[derive(Default)]
pub(crate) struct Changes(OnceLock<Tell>);

/// The changes of one account.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    home: PathBuf,
    changes: Arc<Changes>,
}

impl Changes {
    /// The first who listens is the only one.
    pub(crate) fn listen(&self, tell: Tell) {
        let _ = self.0.set(tell);
    }
}

impl Outlet {
    pub(crate) fn new(home: &Path, changes: &Arc<Changes>) -> Outlet {
        Outlet { home: home.to_owned(), changes: Arc::clone(changes) }
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Something in a mailbox changed, or it came, or it went.
    pub(crate) fn tell(&self, name: &MailboxName) {
        if let Some(tell) = self.changes.0.get() {
            tell(&self.home, name);
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Changes")
    }
}
