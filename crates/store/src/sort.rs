//! SORT and THREAD: what fits a search, in an order, or as trees. What is compared comes out of the node's index, in batches;
//! `mail::sort` and `mail::thread` know the rules.

use mail::Uid;
use mail::digest::Want;
use mail::search::Key;
use mail::sort::{self, Criterion, Facts, Value};
use mail::thread::{Algorithm, Threads};

use crate::mailbox::Seen;
use crate::{Mailbox, Result};

impl Mailbox {
    /// The messages that fit, sorted. Messages that vanish meanwhile are left out.
    pub fn sort(&self, key: &Key, criteria: &[Criterion]) -> Result<Vec<Uid>> {
        let mut found: Vec<(Uid, Vec<Value>)> = Vec::new();
        self.each_seen(&self.search(key)?, &sort::want(criteria), |uid, facts| {
            found.push((uid, sort::values(criteria, facts)))
        })?;
        // Stable: what is equal stays in the order of the mailbox.
        found.sort_by(|(_, one), (_, other)| sort::compare(criteria, one, other));
        Ok(found.into_iter().map(|(uid, _)| uid).collect())
    }

    /// The messages that fit, as threads.
    pub fn thread(&self, key: &Key, algorithm: Algorithm) -> Result<Threads> {
        let mut found = Vec::new();
        self.each_seen(&self.search(key)?, &algorithm.want(), |uid, facts| found.push(algorithm.message(uid, facts)))?;
        Ok(algorithm.threads(&found))
    }

    /// Looks at messages, batch by batch, without those that are gone.
    fn each_seen(&self, uids: &[Uid], want: &Want, mut look: impl FnMut(Uid, Facts<'_>)) -> Result<()> {
        let mut rest = uids;
        while !rest.is_empty() {
            let seen = self.see(rest, want)?;
            let (batch, others) = rest.split_at(seen.len().clamp(1, rest.len()));
            rest = others;
            for (uid, seen) in batch.iter().zip(&seen) {
                let Some(Seen { facts, header, .. }) = seen else { continue };
                look(*uid, Facts { size: facts.size, internal_date: facts.internal_date, header });
            }
        }
        Ok(())
    }
}
