//! Who wants to know when a mailbox changed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

type Wake = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub(super) struct Watchers(Mutex<Vec<Weak<Wake>>>);

/// While it lives, the function given to `Mailbox::watch` is called.
#[must_use]
pub struct Watch(#[allow(dead_code)] Arc<Wake>); // held, never read

impl Watchers {
    pub(super) fn add(&self, wake: Wake) -> Watch {
        let wake = Arc::new(wake);
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.push(Arc::downgrade(&wake));
        Watch(wake)
    }

    pub(super) fn wake(&self) {
        let watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        watchers.iter().filter_map(Weak::upgrade).for_each(|wake| wake());
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watchers")
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
