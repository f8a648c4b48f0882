//! Brute force: failed logins of an account, an address and a network are counted, make later answers slower, and then
//! lock for a while.
//!
//! Pure: told the time, asks nobody, never waits. Promises: memory is bounded, and the bound washes nobody clean, for
//! what goes first is what failed least (`table`); who logs in successfully is forgiven their own failures and nobody
//! else's, so one valid account does not pay for guesses at others; an account that strangers have locked stays open
//! to the places from which its owner logged in lately; of a password only a keyed hash is kept.
//!
//! | what is counted | holds back | unless |
//! |---|---|---|
//! | an account at an address | that account there | |
//! | an account | that account from everywhere | it logged in from there lately |
//! | an address, a network | everybody there | trusted, or the account logged in from there lately |

mod rules;
mod table;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::sasl::{Evidence, Secret};

use crate::keyed::Keyed;
use crate::passwd_file::Network;
pub use rules::Rules;
use table::{Count, Table, Weighed};

/// Accounts, addresses, networks, and accounts at addresses that are counted, each.
pub const COUNTED_MAX: usize = 50_000;
/// Accounts of which it is known from where they log in.
pub const KNOWN_ACCOUNTS_MAX: usize = 200_000;
/// Places that are known of one account; the oldest makes room.
pub const KNOWN_PLACES_MAX: usize = 8;
/// Wrong passwords of one account at one address that are told apart.
pub const GUESSES_MAX: usize = 8;

/// A wrong password, as far as it must be told from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess(u64);

/// Makes guesses out of passwords, with a key of this process.
#[derive(Debug)]
pub struct Guesses(Keyed, AtomicU64);

impl Guesses {
    /// `None` when the system gives no random numbers.
    pub fn new() -> Option<Guesses> {
        Keyed::new().map(|keyed| Guesses(keyed, AtomicU64::new(1)))
    }

    /// What was tried. SCRAM does not show which password was: each attempt counts as another one, else guessing by SCRAM would
    /// cost nothing. Certificates and tickets are not guessed.
    pub fn of(&self, account: &str, evidence: &Evidence) -> Guess {
        match evidence {
            Evidence::Password(secret) | Evidence::Token(secret) => self.guess(account, secret),
            Evidence::Certificate | Evidence::Ticket(_) => Guess(0),
            Evidence::Scram(_) => Guess(self.1.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn guess(&self, account: &str, password: &Secret) -> Guess {
        let tag = self.0.tag(account, password);
        Guess(tag.as_ref().iter().take(8).fold(0, |guess, octet| guess << 8 | u64::from(*octet)))
    }
}

/// What failures are counted of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    Account(String),
    /// An IPv4 address, or a /64 of IPv6, which is the least that one customer has.
    Address(Network),
    Network(Network),
    AccountAt(String, Network),
}

impl Subject {
    /// What kind it is, in one word for tables and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Subject::Account(_) => "account",
            Subject::Address(_) => "address",
            Subject::Network(_) => "network",
            Subject::AccountAt(..) => "account-at",
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Account(name) => f.write_str(name),
            Subject::Address(network) | Subject::Network(network) => write!(f, "{network}"),
            Subject::AccountAt(name, network) => write!(f, "{name} at {network}"),
        }
    }
}

/// What becomes of a login before it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    No,
    /// It waits so long.
    Slow(Duration),
    Locked(Locked),
}

/// Who is locked, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    pub subject: Subject,
    pub until: Instant,
    pub failures: u32,
}

/// A row for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    pub subject: Subject,
    pub failures: u32,
    /// How long an answer takes longer now.
    pub slow: Duration,
    pub locked_until: Option<Instant>,
}

/// Which counts are taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lift {
    All,
    Account(String),
    /// Everything counted of addresses and networks within it.
    Within(Network),
}

/// All counts.
#[derive(Debug)]
pub struct Lockout {
    counts: [Table<Subject, Count>; 4],
    known: Table<String, Places>,
}

/// From where an account logged in, the latest last.
#[derive(Debug, Default)]
struct Places(VecDeque<(Network, Instant)>);

impl Weighed for Places {
    type Weight = Option<Instant>;

    fn weight(&self) -> Option<Instant> {
        self.0.back().map(|(_, last)| *last)
    }
}

impl Default for Lockout {
    fn default() -> Lockout {
        Lockout::bounded(COUNTED_MAX, KNOWN_ACCOUNTS_MAX)
    }
}

impl Lockout {
    fn bounded(counted_max: usize, known_max: usize) -> Lockout {
        Lockout { counts: std::array::from_fn(|_| Table::new(counted_max)), known: Table::new(known_max) }
    }

    /// Whether a login of this account from this address is held back.
    pub fn look(&self, rules: &Rules, account: &str, address: IpAddr, now: Instant) -> Hold {
        let is_known = self.is_known(rules, account, address, now);
        let subjects = rules.subjects(account, address);
        let holding = subjects.iter().filter(|subject| !is_known || matches!(subject, Subject::AccountAt(..)));
        let rows: Vec<Failures> = holding.filter_map(|subject| self.row(rules, subject, now)).collect();
        let locked = rows.iter().filter_map(|row| Some((row.locked_until?, row))).max_by_key(|(until, _)| *until);
        if let Some((until, row)) = locked {
            return Hold::Locked(Locked { subject: row.subject.clone(), until, failures: row.failures });
        }
        match rows.iter().map(|row| row.slow).max().unwrap_or_default() {
            Duration::ZERO => Hold::No,
            slow => Hold::Slow(slow),
        }
    }

    /// Counts a failure, and tells what it locked. The same wrong password of the same account at the same address
    /// counts once: it is a mail program with an old password and no guess.
    pub fn failed(&mut self, rules: &Rules, account: &str, address: IpAddr, guess: Guess, now: Instant) -> Vec<Locked> {
        let subjects = rules.subjects(account, address);
        let mut locked = Vec::new();
        for subject in subjects {
            let table = self.table_mut(&subject);
            let is_over = |count: &Count| !count.is_alive(rules.window, now);
            let count = table.entry(subject.clone(), is_over, || Count::new(now));
            count.begin_anew_when_over(rules.window, now);
            if matches!(subject, Subject::AccountAt(..)) && !count.is_new(guess) {
                // It is the first one of the subjects: nothing has been counted yet.
                return locked;
            }
            let failures = count.add(now);
            if let Some(until) = count.lock_if(rules.failures_max(&subject), rules, now) {
                locked.push(Locked { subject, until, failures });
            }
        }
        locked
    }

    /// After a success: the account's own failures at this address are forgiven, wherever they were counted, and the
    /// place is known as one of the account's.
    pub fn succeeded(&mut self, rules: &Rules, account: &str, address: IpAddr, now: Instant) {
        let subjects = rules.subjects(account, address);
        let own = subjects.first().and_then(|pair| self.table_mut(pair).remove(pair));
        if let Some(own) = own.filter(|own| own.is_alive(rules.window, now)) {
            for subject in subjects.iter().skip(1) {
                self.table_mut(subject).change(subject, |count| count.forgive(&own));
            }
        }
        let place = rules.address(address);
        let is_over = |places: &Places| places.weight().is_none_or(|last| is_past(last, rules.known, now));
        let places = self.known.entry(account.to_owned(), is_over, Places::default);
        places.0.retain(|(known, _)| *known != place);
        if places.0.len() >= KNOWN_PLACES_MAX {
            places.0.pop_front();
        }
        places.0.push_back((place, now));
    }

    /// Everything that is counted now, what is locked and what failed most first; at most `rows_max`.
    pub fn failures(&self, rules: &Rules, now: Instant, rows_max: usize) -> Vec<Failures> {
        let subjects = self.counts.iter().flat_map(Table::keys);
        let mut rows: Vec<Failures> = subjects.filter_map(|subject| self.row(rules, subject, now)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.locked_until, row.failures)));
        rows.truncate(rows_max);
        rows
    }

    /// Takes counts back, and says how many.
    pub fn lift(&mut self, lift: &Lift) -> usize {
        let is_meant = |subject: &Subject| match (lift, subject) {
            (Lift::All, _) => true,
            (Lift::Account(wanted), Subject::Account(name) | Subject::AccountAt(name, _)) => wanted == name,
            (Lift::Within(wanted), Subject::Address(own) | Subject::Network(own) | Subject::AccountAt(_, own)) => {
                wanted.contains_network(own)
            }
            _ => false,
        };
        self.counts.iter_mut().map(|table| table.remove_where(is_meant)).sum()
    }

    fn is_known(&self, rules: &Rules, account: &str, address: IpAddr, now: Instant) -> bool {
        let place = rules.address(address);
        let known = self.known.get(account).map(|places| places.0.iter());
        known.is_some_and(|mut known| known.any(|(own, last)| *own == place && !is_past(*last, rules.known, now)))
    }

    fn row(&self, rules: &Rules, subject: &Subject, now: Instant) -> Option<Failures> {
        let count = self.counts.get(table_of(subject))?.get(subject)?;
        let failures = count.failures(rules.window, now).filter(|failures| *failures > 0)?;
        let locked_until = count.locked_until(now);
        let slow = if locked_until.is_some() { Duration::ZERO } else { rules.slow(subject, failures) };
        Some(Failures { subject: subject.clone(), failures, slow, locked_until })
    }

    fn table_mut(&mut self, subject: &Subject) -> &mut Table<Subject, Count> {
        &mut self.counts[table_of(subject)]
    }
}

/// A table for each kind, so that names without end push out names only, and addresses addresses.
fn table_of(subject: &Subject) -> usize {
    match subject {
        Subject::AccountAt(..) => 0,
        Subject::Account(_) => 1,
        Subject::Address(_) => 2,
        Subject::Network(_) => 3,
    }
}

fn is_past(since: Instant, lifetime: Duration, now: Instant) -> bool {
    now.saturating_duration_since(since) >= lifetime
}

#[cfg(test)]
mod tests;
