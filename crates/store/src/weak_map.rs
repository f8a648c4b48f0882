//! Things that are shared as long as somebody uses them, by key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

/// Forgotten entries are swept out when the map has doubled since the last sweep, so that keeping it costs nothing.
const SWEEP_MIN: usize = 64;

#[derive(Debug)]
pub struct WeakMap<K, V> {
    entries: HashMap<K, Weak<V>>,
    sweep_at: usize,
}

impl<K, V> Default for WeakMap<K, V> {
    fn default() -> Self {
        WeakMap { entries: HashMap::new(), sweep_at: SWEEP_MIN }
    }
}

impl<K: Eq + Hash, V> WeakMap<K, V> {
    pub fn find<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key)?.upgrade()
    }

    pub fn insert(&mut self, key: K, value: &Arc<V>) {
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|_, value| value.strong_count() > 0);
            self.sweep_at = (2 * self.entries.len()).max(SWEEP_MIN);
        }
        self.entries.insert(key, Arc::downgrade(value));
    }

    /// Forgets the entries whose key fits and answers with those in use.
    pub(crate) fn take(&mut self, fits: impl Fn(&K) -> bool) -> Vec<Arc<V>> {
        let mut taken = Vec::new();
        self.entries.retain(|key, value| {
            let take = fits(key);
            taken.extend(value.upgrade().filter(|_| take));
            !take
        });
        taken
    }
}
