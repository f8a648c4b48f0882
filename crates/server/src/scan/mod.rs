//! Asks scanners whether a message carries a virus, while it arrives (docs/internals/content.md).
//!
//! Knows nothing of SMTP: it takes content and gives a verdict. Who feeds it keeps the content, since another scanner may have to
//! see it from its start.

mod counts;
mod outcome;
mod talk;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::clamd;

use crate::config::ScanSettings;
pub use counts::{ScanCounts, ScanTally};
pub use outcome::{FIELDS, Outcome, outcome};
use talk::Talk;
pub use talk::version;

/// So long a scanner that failed is asked after all others.
const SHUNNED: Duration = Duration::from_secs(30);

const NOBODY: &str = "no scanner takes connections";

/// What became of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Clean,
    /// What was found.
    Infected(String),
    TooLarge,
    /// No scanner had an answer; why, for the log.
    Failed(String),
}

/// The scanners of a configuration, and which of them failed lately.
#[derive(Debug)]
pub struct Scanners {
    settings: ScanSettings,
    started: Instant,
    /// Of each scanner: until when it is shunned, in milliseconds since the start.
    shunned: Vec<AtomicU64>,
}

impl Scanners {
    pub fn new(settings: ScanSettings) -> Scanners {
        let shunned = settings.scanners.iter().map(|_| AtomicU64::new(0)).collect();
        Scanners { settings, started: Instant::now(), shunned }
    }

    pub fn settings(&self) -> &ScanSettings {
        &self.settings
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_shunned(&self, scanner: usize) -> bool {
        self.shunned[scanner].load(Ordering::Relaxed) > self.now()
    }

    fn shun(&self, scanner: usize) {
        let until = self.now().saturating_add(u64::try_from(SHUNNED.as_millis()).unwrap_or(u64::MAX));
        self.shunned[scanner].store(until, Ordering::Relaxed);
    }

    fn trust(&self, scanner: usize) {
        self.shunned[scanner].store(0, Ordering::Relaxed);
    }
}

/// The scan of one message.
#[derive(Debug)]
pub struct Scan {
    scanners: Arc<Scanners>,
    /// In the order in which they are asked; those before `next` were.
    order: Vec<usize>,
    next: usize,
    talk: Option<Talk>,
    /// Octets that the scanner under way was given.
    fed: u64,
    /// The last scanner's answer, or why it has none. Nothing is fed any more.
    answered: Option<Result<clamd::Answer, String>>,
}

impl Scan {
    pub fn new(scanners: Arc<Scanners>) -> Scan {
        let (good, bad): (Vec<usize>, Vec<usize>) =
            (0..scanners.settings.scanners.len()).partition(|scanner| !scanners.is_shunned(*scanner));
        let order = good.into_iter().chain(bad).collect();
        Scan { scanners, order, next: 0, talk: None, fed: 0, answered: None }
    }

    /// The settings by which it began.
    pub fn settings(&self) -> &ScanSettings {
        &self.scanners.settings
    }

    /// Gives the next octets to the scanner. Whatever goes wrong is told at the end.
    pub async fn feed(&mut self, octets: &[u8]) {
        if self.answered.is_some() || octets.is_empty() || !self.is_open().await {
            return;
        }
        self.fed = self.fed.saturating_add(octets.len() as u64);
        if self.fed > self.scanners.settings.size {
            self.talk = None;
            self.answered = Some(Ok(clamd::Answer::TooLarge));
            return;
        }
        let Some(talk) = &mut self.talk else { return };
        if let Err(error) = talk.send(octets).await {
            self.answered = Some(talk.interrupted(error).await);
        }
    }

    /// Everything was fed. `None`: this scanner failed, and there is another one, to which all of the message must be fed again.
    pub async fn end(&mut self) -> Option<Verdict> {
        if self.answered.is_none() && self.is_open().await {
            let Some(talk) = &mut self.talk else { return None };
            self.answered = Some(talk.answer().await);
        }
        self.fed = 0;
        // Those that took no connection were told of when it was tried.
        let talked = self.talk.take().and(self.next.checked_sub(1));
        let asked = talked.and_then(|place| self.order.get(place).copied());
        let failure = match self.answered.take() {
            Some(Ok(clamd::Answer::Failed(why)) | Err(why)) => why,
            Some(Ok(answer)) => {
                asked.into_iter().for_each(|scanner| self.scanners.trust(scanner));
                return Some(match answer {
                    clamd::Answer::Infected(name) => Verdict::Infected(name),
                    clamd::Answer::TooLarge => Verdict::TooLarge,
                    _ => Verdict::Clean,
                });
            }
            None => NOBODY.to_owned(),
        };
        if let Some(scanner) = asked {
            self.failed(scanner, &failure);
        }
        (self.next >= self.order.len()).then_some(Verdict::Failed(failure))
    }

    /// Opens a connection to the first of the scanners left that takes one. False: there is none.
    async fn is_open(&mut self) -> bool {
        while self.talk.is_none() {
            let Some(&scanner) = self.order.get(self.next) else {
                self.answered.get_or_insert(Err(NOBODY.to_owned()));
                return false;
            };
            self.next += 1;
            let settings = &self.scanners.settings;
            match Talk::open(&settings.scanners[scanner], settings.timeout).await {
                Ok(talk) => self.talk = Some(talk),
                Err(error) => self.failed(scanner, &error),
            }
        }
        true
    }

    fn failed(&self, scanner: usize, why: &str) {
        let address = self.scanners.settings.scanners[scanner].to_string();
        tracing::warn!(scanner = address, why, "a virus scanner failed");
        self.scanners.shun(scanner);
    }
}
