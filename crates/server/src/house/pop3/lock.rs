//! Keeps the lock of a session that is to be the account's only one: it is touched while the session lasts, whatever that waits for.

use std::sync::{Arc, Mutex, PoisonError};

use store::POP3_LOCK_TOUCH;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::super::blocking;
use super::Pop3Lock;

/// The lock, and who touches it.
#[derive(Debug)]
pub struct Kept {
    lock: Arc<Mutex<Option<Pop3Lock>>>,
    keeper: JoinHandle<()>,
}

impl Kept {
    pub fn new(lock: Pop3Lock) -> Kept {
        let lock = Arc::new(Mutex::new(Some(lock)));
        let held = Arc::clone(&lock);
        let keeper = tokio::spawn(async move {
            loop {
                tokio::time::sleep(POP3_LOCK_TOUCH).await;
                let held = Arc::clone(&held);
                if let Err(error) = blocking(move || touch(&held)).await {
                    tracing::warn!(%error, "cannot touch the lock of a POP3 session");
                }
            }
        });
        Kept { lock, keeper }
    }

    /// Whether it is still ours, asked before anything is removed. Blocking.
    pub fn verify(&self) -> store::Result<()> {
        touch(&self.lock)
    }
}

fn touch(lock: &Mutex<Option<Pop3Lock>>) -> store::Result<()> {
    lock.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map_or(Ok(()), Pop3Lock::touch)
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.keeper.abort();
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        match Handle::try_current() {
            // It is given back by the disk, which may be slow.
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(lock))),
            Err(_) => drop(lock),
        }
    }
}
