//! What a power cut leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::random::Random;
use super::state::{Body, ROOT, State};

/// How lucky we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Only what was synced.
    Nothing,
    /// All of it, as when only our process died. (But never what a failed sync has given up.)
    Everything,
    /// In every folder the first few changes since its last sync, in every file the first few bytes, maybe with zeros
    /// behind them; how many is up to this seed.
    Some(u64),
}

impl fmt::Display for Survival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Survival::Nothing => f.write_str("nothing unsynced survives"),
            Survival::Everything => f.write_str("everything survives"),
            Survival::Some(seed) => write!(f, "some survives (seed {seed})"),
        }
    }
}

impl State {
    /// The storage as it is found after the power came back.
    pub(super) fn reboot(&self, survival: Survival) -> State {
        let mut found = self.clone();
        found.power = true;
        found.frozen = false;
        found.calls = 0;
        found.cut_at = None;
        found.faults.clear();
        found.locks.clear();
        found.processes.clear();
        found.clients.clear();
        found.lose(survival);
        found.keep_what_is_named();
        found
    }

    fn lose(&mut self, survival: Survival) {
        let mut random = match survival {
            Survival::Some(seed) => Random::new(seed),
            Survival::Nothing | Survival::Everything => Random::new(0),
        };
        let numbers: Vec<u64> = self.inodes.keys().copied().collect();
        for &number in &numbers {
            let Some(Body::Dir(names)) = self.inodes.get(&number).map(|inode| &inode.body) else { continue };
            let kept = match survival {
                Survival::Nothing => 0,
                Survival::Everything => names.pending_len(),
                Survival::Some(_) => random.up_to(names.pending_len()),
            };
            let below = names.first() + kept as u64;
            self.commit_below(number, below);
        }
        for inode in self.inodes.values_mut() {
            inode.pin = Arc::default();
            match &mut inode.body {
                Body::Dir(names) => names.lose_pending(),
                Body::Symlink(_) => {}
                Body::File(bytes) => match survival {
                    Survival::Nothing => bytes.lose_unsynced(),
                    Survival::Everything => {
                        bytes.sync();
                        bytes.lose_unsynced();
                    }
                    Survival::Some(_) => bytes.lose_some(&mut random),
                },
            }
        }
    }

    /// A file whose last name was lost is lost; so is a whole tree whose top was never synced into its parent.
    fn keep_what_is_named(&mut self) {
        let mut links = BTreeMap::from([(ROOT, 0)]);
        let mut unseen = vec![ROOT];
        let mut seen = BTreeSet::new();
        while let Some(number) = unseen.pop() {
            if !seen.insert(number) {
                continue;
            }
            let Some(Body::Dir(names)) = self.inodes.get(&number).map(|inode| &inode.body) else { continue };
            for &named in names.current.values() {
                *links.entry(named).or_insert(0) += 1;
                unseen.push(named);
            }
        }
        self.inodes.retain(|number, inode| {
            inode.links = links.get(number).copied().unwrap_or(0);
            links.contains_key(number)
        });
    }
}
