//! The ledgers of all accounts that this process has changed lately, and what is done with them now and then.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use disk::Disk;

use super::notes::Who;
use super::{Crossing, Ledger};
use crate::draft::unique_number;
use crate::location::Places;
use crate::{Error, Result, Settings, Store};

/// A ledger that nobody used for so long is forgotten.
const IDLE: Duration = Duration::from_secs(60);
/// How many accounts are written down at the same time, and how few are worth a thread.
const THREADS_MAX: usize = 8;
const FOLDS_MIN: usize = 16;

#[derive(Debug)]
pub(crate) struct Ledgers {
    by_home: Mutex<HashMap<PathBuf, Arc<Ledger>>>,
    crossings: Arc<Mutex<Vec<Crossing>>>,
    who: Who,
    /// Whether this process leaves no mark.
    passing: bool,
}

impl Ledgers {
    pub(crate) fn new(disk: &dyn Disk, settings: &Settings) -> Ledgers {
        // Names stand between spaces in a line.
        let host = settings.hostname.replace([' ', '\n'], "_");
        let passing = settings.quota.life.is_empty();
        let who = if passing {
            let life = unique_number(disk, &host);
            Who { node: format!("{host}/{life}"), life }
        } else {
            Who { node: host, life: settings.quota.life.clone() }
        };
        Ledgers { by_home: Mutex::default(), crossings: Arc::default(), who, passing }
    }

    pub(crate) fn of(
        &self,
        disk: &Arc<dyn Disk>,
        settings: &Arc<Settings>,
        (home, user): (&Path, &str),
        places: &Places,
    ) -> Result<Arc<Ledger>> {
        if let Some(known) = self.by_home().get(home) {
            return Ok(Arc::clone(known));
        }
        let parts = (Arc::clone(disk), Arc::clone(settings));
        let made = Ledger::new(
            parts,
            self.who.clone(),
            (home.to_owned(), user.to_owned()),
            places,
            Arc::clone(&self.crossings),
        )?;
        Ok(Arc::clone(self.by_home().entry(home.to_owned()).or_insert_with(|| Arc::new(made))))
    }

    fn by_home(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Ledger>>> {
        self.by_home.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fitting(&self, fits: impl Fn(&Ledger) -> bool) -> Vec<Arc<Ledger>> {
        self.by_home().values().filter(|ledger| fits(ledger)).cloned().collect()
    }
}

impl Drop for Ledgers {
    fn drop(&mut self) {
        if self.passing {
            // Best effort: a mark that stays is good for one count too many.
            self.fitting(|_| true).iter().for_each(|ledger| drop(ledger.leave()));
        }
    }
}

impl Store {
    /// Writes down what has been in memory for a second, and forgets what nobody needs. To be called several times a
    /// second. Accounts that are locked or out of reach are tried again the next time; what went wrong is told with the
    /// account's home.
    pub fn tend_quota(&self) -> Vec<(PathBuf, Error)> {
        let now = self.disk().now();
        let due = self.ledgers().fitting(|ledger| ledger.is_due(now));
        let fold = |ledger: &Arc<Ledger>| match ledger.fold_if_free() {
            Ok(()) | Err(Error::Busy) => None,
            Err(error) => Some((ledger.home.clone(), error)),
        };
        if due.len() <= FOLDS_MIN {
            return due.iter().filter_map(fold).collect();
        }
        // Over NFS a fold is a few round trips, and there may be many accounts.
        let failed = std::thread::scope(|scope| {
            let parts = due.chunks(due.len().div_ceil(THREADS_MAX).max(FOLDS_MIN));
            let work = |part: &[Arc<Ledger>]| part.iter().filter_map(fold).collect::<Vec<_>>();
            let threads: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
            threads
                .into_iter()
                .flat_map(|thread| match thread.join() {
                    Ok(failed) => failed,
                    // A panic in a fold is a panic here.
                    Err(panic) => resume_unwind(panic),
                })
                .collect()
        });
        drop(due);
        let kept = |ledger: &Arc<Ledger>| Arc::strong_count(ledger) > 1 || !ledger.is_idle(now, IDLE);
        self.ledgers().by_home().retain(|_, ledger| kept(ledger));
        failed
    }

    /// Writes down everything. True when nothing is left in memory: then the next process may have the same
    /// `QuotaSettings::life`, and need not count what this one changed.
    pub fn end_quota(&self) -> bool {
        let unwritten = self.ledgers().fitting(Ledger::has_unwritten);
        unwritten.iter().filter(|ledger| ledger.fold().is_err()).count() == 0
    }

    /// Who crossed a threshold since the last call, told once among all nodes.
    pub fn quota_crossings(&self) -> Vec<Crossing> {
        std::mem::take(&mut self.ledgers().crossings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
