//! One POP3 session at a time for an account (RFC 1939 §4), on all nodes and beside Dovecot's `pop3_lock_session`:
//! `dovecot-pop3-session.lock` beside the account's other files, held and touched while the session lasts.
//!
//! IMAP sessions and deliveries do not ask for it: they are never in a POP3 session's way, since it keeps to what it saw.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, Dotlock, DotlockSettings, LockAtRest};

use crate::{Account, Error, Result};

/// What the lock file is named after. There is no such file.
pub(crate) const FILE: &str = "dovecot-pop3-session";
/// How long a login waits for the session before it to end: a client that comes back at once finds its own.
const WAIT: Duration = Duration::from_secs(10);
/// A session whose lock was not touched for so long is over. For Dovecot that is 300 seconds, and it touches its own just as often: a little
/// more, so that none of its sessions is taken for dead a moment before.
const STALE: Duration = Duration::from_secs(360);
/// How often a session says that it lives.
pub const POP3_LOCK_TOUCH: Duration = Duration::from_secs(100);
/// Between two looks at another's lock.
const POLL: Duration = Duration::from_millis(100);

/// The right to be the account's only POP3 session; given back when dropped, which touches the disk.
#[derive(Debug)]
pub struct Pop3Lock {
    disk: Arc<dyn Disk>,
    lock: Option<LockAtRest>,
}

impl Account {
    /// Takes it. [`Error::Busy`]: another session has it and does not end.
    pub fn pop3_lock(&self) -> Result<Pop3Lock> {
        let path: PathBuf = self.account_file(FILE);
        let times = DotlockSettings { wait: WAIT, stale: STALE, poll: POLL };
        let lock = Dotlock::acquire(&*self.disk, &path, &times)?.rest();
        Ok(Pop3Lock { disk: Arc::clone(&self.disk), lock: Some(lock) })
    }
}

impl Pop3Lock {
    /// Says that the session lives, and whether the lock is still its own. [`Error::Busy`]: it took so long that another session
    /// has begun, which may rely on being alone.
    pub fn touch(&mut self) -> Result<()> {
        let mut lock = self.lock.take().ok_or(Error::Busy)?.resume(&*self.disk);
        let touched = lock.touch();
        self.lock = Some(lock.rest());
        touched.map_err(|error| if let disk::Error::LockLost { .. } = error { Error::Busy } else { error.into() })
    }
}

impl Drop for Pop3Lock {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            drop(lock.resume(&*self.disk));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use disk::MemoryDisk;

    use super::*;
    use crate::{Settings, Store};

    fn account(disk: &Arc<MemoryDisk>) -> Arc<Account> {
        Store::new(Arc::<MemoryDisk>::clone(disk), Settings::default()).account(Path::new("/home/ana")).unwrap()
    }

    #[test]
    fn a_second_session_waits_and_is_refused_until_the_first_ends() {
        let disk = Arc::new(MemoryDisk::new());
        let (here, elsewhere) = (account(&disk), account(&disk));
        let mut first = here.pop3_lock().unwrap();
        assert!(matches!(elsewhere.pop3_lock(), Err(Error::Busy)));
        first.touch().unwrap();
        drop(first);
        elsewhere.pop3_lock().unwrap();
    }

    #[test]
    fn a_session_that_died_is_overridden_and_hears_of_it_if_it_only_slept() {
        let disk = Arc::new(MemoryDisk::new());
        let account = account(&disk);
        let mut slept = account.pop3_lock().unwrap();
        // The next one waits ten seconds at a time.
        let next = (0..=STALE.as_secs() / WAIT.as_secs() + 1).find_map(|_| account.pop3_lock().ok());
        assert!(next.is_some());
        assert!(matches!(slept.touch(), Err(Error::Busy)));
        drop(slept);
        assert!(matches!(account.pop3_lock(), Err(Error::Busy)), "what is another's is not given back");
    }
}
